"""What people should read of a stream when they can read so many texts, and what they then miss.

A text is read once for all of its labels. Each text that has a label is worth 1 / P of it, for the
P texts of the stream that are expected to have it: so finding all texts of a rare label is worth as
much as finding all those of a frequent one, and what is found adds up to the mean recall over
labels. A text is read if what it is expected to be worth for any label is high enough: that is a
threshold for each label, in proportion to P.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtool.annotation.batch import Batch, BatchText, PoolReport, answer_columns
from imbtool.annotation.batch_files import require_writable, write_batch
from imbtool.annotation.tasks import AnnotationTool
from imbtool.data.imbalance import RARE, Tier
from imbtool.errors import user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate
from imbtool.files.documents import Part
from imbtool.files.json_text import write_json
from imbtool.files.writing import new_folder, require_utf8
from imbtool.monitoring.expectation import expect_recall
from imbtool.monitoring.prevalence import Reference
from imbtool.monitoring.shift import ShiftedLabel
from imbtool.monitoring.stream import Stream, Tell, read_stream
from imbtool.trained.checkpoint import Checkpoint
from imbtool.types import Counts, Decisions, Floats, Rows
from imbtool.version import __version__
from imbtool.wording import did_you_mean, some

QUEUE = "queue.json"
SEED = 0
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""How many times as many texts: what fewer or more readers would find."""
MOST_ASKED = 3
"""Labels that a text of the queue names as the reason to read it."""


class QueuedLabel(Part):
    """A label in a queue."""

    tier: Tier
    validation_positives: int
    prevalence: Estimate
    """In the stream."""
    threshold: float | None
    """A text is read from this probability on, as the model gives it; None: never for this label
    alone."""
    asked: int
    """Texts of the queue that are read for this label."""
    recall: Estimate
    """The share of its texts that the queue holds."""
    recall_of_flags: Estimate
    """The share of its texts that today's flags hold, of any label."""
    missed: Estimate
    """Its texts that nobody would read."""
    reason: str
    """Why there are no figures; empty otherwise."""


class QueuePoint(Part):
    """What another number of texts would find: the mean recall over labels, and over rare ones."""

    texts: int
    recall: float | None
    rare: float | None


class Queue(Part):
    """What to read of a stream, without the texts."""

    imbtool: str
    """The version."""
    command: list[str]
    checkpoint: str
    source: str
    fingerprint: str
    texts: int
    read: int
    flagged: int
    """Texts that have any flag by today's thresholds."""
    labels: dict[str, QueuedLabel]
    course: list[QueuePoint]

    def rarest_first(self) -> list[tuple[str, QueuedLabel]]:
        """The labels, those with the fewest positives on validation first."""
        return sorted(self.labels.items(), key=lambda item: item[1].validation_positives)


@dataclass(frozen=True)
class QueueOptions:
    """What is wanted of a queue.

    Attributes:
        read: how many texts can be read.
        labels: that texts are read for; none: all.
        tool: an annotation tool whose tasks are written too.
    """

    read: int
    labels: Sequence[str] = ()
    tool: AnnotationTool | None = None


@dataclass(frozen=True)
class _Worth:
    """What reading texts is worth for each label that they are read for, `places` [K].

    Attributes:
        stream: of each text of the stream [n, K].
        validation: of each validation text [m, K].
        positives: texts of the stream that each label is expected to have [K].
    """

    stream: Floats
    validation: Floats
    positives: Floats

    @classmethod
    def of(
        cls, reference: Reference, labels: Sequence[ShiftedLabel], places: Sequence[int]
    ) -> _Worth:
        shifts = np.array([labels[place].shift for place in places])
        scores = np.stack([labels[place].scored.stream for place in places], axis=1)
        likely = sigmoid(scores + shifts)
        positives = np.maximum(likely.sum(axis=0), 1.0)
        own = sigmoid(reference.scores.logits[:, places] + shifts)
        return cls(likely / positives, own / positives, positives)

    def bar(self, read: int) -> float:
        """What a text must be worth for a label, if so many of them are read."""
        most = self.stream.max(axis=1)
        return float(np.partition(most, len(most) - read)[len(most) - read])

    def first(self, read: int) -> Rows:
        """So many texts of the stream, what is worth most first."""
        return np.argsort(-self.stream.max(axis=1), kind="stable")[:read]

    def chosen(self, read: int) -> Decisions:
        """Which validation texts would be read at the bar of so many texts [m]."""
        if read >= len(self.stream):
            return np.ones(len(self.validation), np.bool_)
        return np.asarray(self.validation.max(axis=1) >= self.bar(read))


def make_queue(
    checkpoint: Checkpoint,
    source: Path,
    folder: Path,
    options: QueueOptions,
    command: Sequence[str] = (),
    tell: Tell = lambda _: None,
    also: Callable[[Queue, Path], None] = lambda *_: None,
) -> Queue:
    """Choose the texts of a stream that people read, and write them as a batch for annotation.

    Args:
        checkpoint: in its run folder, whose validation texts are read.
        source: of the stream: a table, or a folder or glob of them.
        folder: for the batch, which must be new.
        options: what is wanted.
        command: that asked for it, for the document.
        tell: called with a line of progress now and then.
        also: writes more about the queue into its folder, which then appears with all of it.

    Raises:
        UserError: the stream or the data of the run cannot be read, a label is unknown, or the
            folder is there already.
    """
    names = checkpoint.labels.names
    _require_sense(options, folder, names)
    answer = answer_columns(checkpoint.meta.data_section(source).labels, names)
    require_writable(answer, names, options.tool)
    reference = Reference.of(checkpoint, tell)
    stream = read_stream(checkpoint, source, tell=tell)
    labels = [
        reference.shifted(place, stream.logits[:, place], SEED) for place in range(len(names))
    ]
    places = [place for place, name in enumerate(names) if name in (options.labels or names)]
    worth = _Worth.of(reference, labels, places)
    read = min(options.read, len(stream))
    queue = Queue(
        imbtool=__version__,
        command=list(command),
        checkpoint=str(checkpoint.folder),
        source=str(source),
        fingerprint=stream.fingerprint,
        texts=len(stream),
        read=read,
        flagged=_flagged(checkpoint, stream),
        labels=_labels(reference, labels, places, worth, read),
        course=_course(reference, places, worth, read),
    )
    with new_folder(folder) as draft:
        rows = worth.first(read)
        texts = _texts(stream, rows, worth, [names[place] for place in places], read)
        batch = Batch(
            imbtool=__version__,
            command=list(command),
            source=str(checkpoint.folder),
            seed=SEED,
            labels=list(names),
            answer=answer,
            pool=PoolReport(
                source=str(source),
                fingerprint=stream.fingerprint,
                texts=len(stream),
                population=len(stream),
                labelled=0,
                chosen_before=0,
                repeated=0,
                reserved=0.0,
            ),
            needs=[],
            progress=[],
            remaining=[],
            texts=texts,
        )
        write_batch(batch, draft, options.tool)
        write_json(draft / QUEUE, queue)
        also(queue, draft)
    return queue


def _require_sense(options: QueueOptions, folder: Path, names: Sequence[str]) -> None:
    require_utf8(folder)
    if folder.exists():
        raise user_error(f"-o {folder}", "a folder", "a new folder", "choose another -o")
    if strange := [name for name in options.labels if name not in names]:
        fix = did_you_mean(strange[0], names)
        raise user_error("--label", repr(strange[0]), "a label of the model", fix)


def _flagged(checkpoint: Checkpoint, stream: Stream) -> int:
    """Texts that have any flag."""
    step = 1 << 16
    blocks = (stream.logits[at : at + step] for at in range(0, len(stream), step))
    return sum(
        int(checkpoint.decide(sigmoid(np.asarray(b, float))).any(axis=1).sum()) for b in blocks
    )


def _labels(
    reference: Reference,
    labels: Sequence[ShiftedLabel],
    places: Sequence[int],
    worth: _Worth,
    read: int,
) -> dict[str, QueuedLabel]:
    """What the queue means for each label of the model, those among them that nobody asked for."""
    checkpoint, targets = reference.checkpoint, reference.scores.targets
    texts, bar = len(worth.stream), worth.bar(read)
    asked = (worth.stream >= bar).sum(axis=0)
    present = np.array([_present(label, texts) for label in labels])
    today = checkpoint.decide(sigmoid(reference.calibration.raw(reference.scores.logits)))
    recall, of_flags = (
        expect_recall(np.repeat(chosen[:, None], len(labels), axis=1), targets, present, SEED)
        for chosen in (worth.chosen(read), np.asarray(today.any(axis=1)))
    )
    if read == texts:  # nothing is left to be missed
        recall = np.where(np.isnan(recall), np.nan, 1.0)
    result = {}
    for place, (name, meta) in enumerate(checkpoint.meta.labels.items()):
        label, at = labels[place], places.index(place) if place in places else None
        known = not label.reason and label.share is not None
        share = label.share
        result[name] = QueuedLabel(
            tier=meta.tier,
            validation_positives=reference.positives[place],
            prevalence=estimate(share.value, share.low, share.high)
            if known and share
            else _NOTHING,
            threshold=None
            if at is None
            else _threshold(reference, place, label, bar * worth.positives[at]),
            asked=0 if at is None else int(asked[at]),
            recall=estimate(*recall[:, place]) if known else _NOTHING,
            recall_of_flags=estimate(*of_flags[:, place]) if known else _NOTHING,
            missed=_missed(label, recall[:, place], texts) if known else _NOTHING,
            reason=label.reason,
        )
    return result


_NOTHING = Estimate(value=None, low=None, high=None)


def _present(label: ShiftedLabel, texts: int) -> int:
    return 1 if label.share is None else round(label.share.value * texts)


def _missed(label: ShiftedLabel, recall: Floats, texts: int) -> Estimate:
    """Texts with the label that nobody reads; its ends are those of both figures together."""
    share = label.share
    assert share is not None  # figures are known
    value, low, high = recall
    return estimate(
        texts * share.value * (1 - value),
        texts * share.low * (1 - high),
        texts * share.high * (1 - low),
    )


def _threshold(
    reference: Reference, place: int, label: ShiftedLabel, probability: float
) -> float | None:
    """The probability, as the model gives it, that is this one once it is adjusted."""
    if probability >= 1:
        return None
    odds = np.log(probability / (1 - probability)) - label.shift
    raw = (odds - reference.calibration.bias[place]) / reference.calibration.slope[place]
    return float(sigmoid(np.array([raw]))[0])


def _course(
    reference: Reference, places: Sequence[int], worth: _Worth, read: int
) -> list[QueuePoint]:
    """The mean recall on validation that other numbers of texts would have."""
    targets = reference.scores.targets[:, places]
    rare = np.array([reference.checkpoint.meta.tiers[place] in RARE for place in places])
    numbers = sorted({min(max(1, round(read * times)), len(worth.stream)) for times in TIMES})
    points = []
    for number in numbers:
        positive = targets == 1
        support = positive.sum(axis=0)
        found = (positive & worth.chosen(number)[:, None]).sum(axis=0)
        recall = found / np.maximum(support, 1)
        points.append(
            QueuePoint(
                texts=number,
                recall=_mean(recall[support > 0]),
                rare=_mean(recall[(support > 0) & rare]),
            )
        )
    return points


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _texts(
    stream: Stream, rows: Rows, worth: _Worth, names: Sequence[str], read: int
) -> list[BatchText]:
    """The texts of the queue, what is worth most first, with the labels that they are read for."""
    cells, bar = stream.cells_of(rows), worth.bar(read)
    likely: Floats = worth.stream[rows] * worth.positives
    texts = []
    for row, values, shares in zip(rows.tolist(), worth.stream[rows], likely, strict=True):
        order: Counts = np.argsort(-values, kind="stable")
        asked = [int(place) for place in order if values[place] >= bar][:MOST_ASKED]
        asked = asked or [int(order[0])]
        texts.append(
            BatchText(
                id=f"{stream.fingerprint[:8]}-{row + 1}",
                cells=cells[row],
                ask=[names[place] for place in asked],
                why=some(f"{names[place]} {shares[place]:.0%}" for place in asked),
                score=float(values.max()),
                chosen_by="score",
                inclusion_probability=None,
                prefill=None,
            )
        )
    return texts
