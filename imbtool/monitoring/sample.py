"""A sample of a stream on its way to people and back: which texts, and what their answers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtool.analysis.agreement import TIE, majority, vote_shares
from imbtool.analysis.answers_table import Ratings
from imbtool.annotation.answers import BatchOf, read_answered
from imbtool.annotation.batch import (
    AnswerColumns,
    Batch,
    BatchText,
    PoolReport,
    answer_columns,
    text_of,
)
from imbtool.annotation.batch_files import require_writable, write_batch
from imbtool.annotation.ratings import rate, unknown_labels
from imbtool.annotation.tasks import AnnotationTool
from imbtool.config.hierarchy import Labels
from imbtool.errors import Problem, UserError, user_error
from imbtool.evaluation.document import Estimate
from imbtool.files.json_text import write_json
from imbtool.files.writing import new_folder
from imbtool.inference.predict_folder import fingerprint
from imbtool.monitoring.answered import DesignEstimate, Strata, estimate_share
from imbtool.monitoring.coherence import coherent
from imbtool.monitoring.prevalence import Reference, flagged_shares
from imbtool.monitoring.prevalence_document import (
    SAMPLE,
    LabelPrevalence,
    Prevalence,
    Sample,
    SampledLabel,
    SampledText,
    read_sample,
)
from imbtool.monitoring.strata import Design, plan_sample
from imbtool.monitoring.stream import Stream, Tell, read_stream, stream_fingerprint
from imbtool.trained.checkpoint import checkpoint_folder, read_checkpoint
from imbtool.trained.metadata import read_meta
from imbtool.types import Floats, Rows, Targets
from imbtool.version import __version__
from imbtool.wording import counted

WHY = "It was drawn by chance among texts with like scores."
NO_GAIN = 1.1
"""Answers worth less than so many random ones gain nothing to speak of."""


def draw_sample(
    source: Path,
    path: Path,
    number: int,
    folder: Path,
    seed: int = 0,
    tool: AnnotationTool | None = None,
    command: Sequence[str] = (),
    tell: Tell = lambda _: None,
    trust_remote_code: bool = False,
) -> Sample:
    """Draw the texts of a stream that people are to answer, and write them into a folder.

    Args:
        source: the run folder or its checkpoint.
        path: the stream: a table, folder or glob.
        number: of texts; all of them where the stream has fewer.
        folder: for the batch, which must be new.
        seed: of the draw.
        tool: an annotation tool whose tasks are written too.
        command: that asked for it, for the documents.
        tell: called with a line of progress now and then.
        trust_remote_code: whether to run code that comes with the checkpoint.

    Returns:
        The content of sample.json.

    Raises:
        UserError: the checkpoint or the stream cannot be read; the folder is there already; the
            answers could not be written into the batch.
    """
    if folder.exists():
        raise user_error(f"-o {folder}", "a folder", "a new folder", "choose another -o")
    meta = read_meta(checkpoint_folder(source))
    answer = answer_columns(meta.data_section(path).labels, list(meta.labels))
    require_writable(answer, list(meta.labels), tool)
    checkpoint = read_checkpoint(source, trust_remote_code)
    reference = Reference.of(checkpoint, tell)
    stream = read_stream(checkpoint, path, tell=tell)
    probabilities = reference.probabilities(stream.logits)
    design = plan_sample(probabilities, min(number, len(stream)))
    rows = design.draw(seed)
    sample = Sample(
        imbtool=__version__,
        command=list(command),
        checkpoint=str(checkpoint.folder),
        checkpoint_sha256=fingerprint(checkpoint.folder),
        stream=str(path),
        fingerprint=stream.fingerprint,
        texts=len(stream),
        seed=seed,
        sizes=design.sizes.tolist(),
        draws=design.draws.tolist(),
        labels=_labels(reference, stream, design, probabilities),
        sampled=_texts(stream, design, rows, probabilities),
    )
    with new_folder(folder) as draft:
        write_batch(_batch(sample, stream, rows, answer), draft, tool)
        write_json(draft / SAMPLE, sample)
    return sample


def _texts(stream: Stream, design: Design, rows: Rows, probabilities: Floats) -> list[SampledText]:
    """The drawn texts; the names of texts of different streams differ."""
    return [
        SampledText(
            id=f"{stream.fingerprint[:8]}-{row + 1}",
            row=row,
            stratum=int(design.stratum[row]),
            probabilities=np.clip(probabilities[row], 0, 1).astype(float).tolist(),
        )
        for row in rows.tolist()
    ]


def _labels(
    reference: Reference, stream: Stream, design: Design, probabilities: Floats
) -> dict[str, SampledLabel]:
    flagged = flagged_shares(reference.checkpoint, stream.logits)
    found = {}
    for place, name in enumerate(reference.checkpoint.labels.names):
        values = probabilities[:, place].astype(np.float64)
        mean = np.bincount(design.stratum, values) / design.sizes
        square = np.bincount(design.stratum, values**2) / design.sizes
        strata = Strata(design.sizes, mean, square)
        found[name] = SampledLabel(
            flagged=float(flagged[place]),
            validation_positives=reference.positives[place],
            mean=mean.tolist(),
            square=square.tolist(),
            expected=float(design.draws @ mean),
            worth=_expected_worth(strata, design),
        )
    return found


def _expected_worth(strata: Strata, design: Design) -> float:
    """How many random texts each answer is expected to be worth, if probabilities are right."""
    factor = strata.share**2 * (1 / design.draws - 1 / design.sizes)
    variance = float(factor @ strata.guessed_variance(1.0))
    mean, total = float(strata.share @ strata.mean), int(design.draws.sum())
    left = 1 / total - 1 / int(design.sizes.sum())
    return mean * (1 - mean) * left / variance if variance > 0 else 1.0


def _batch(sample: Sample, stream: Stream, rows: Rows, answer: AnswerColumns) -> Batch:
    """The batch in random order, so that who answers does not see what is expected."""
    cells = stream.cells_of(rows)
    texts = [
        BatchText(
            id=text.id,
            cells=cells[text.row],
            ask=[],
            why=WHY,
            score=None,
            chosen_by="score",
            inclusion_probability=sample.draws[text.stratum] / sample.sizes[text.stratum],
            prefill=None,
        )
        for text in sample.sampled
    ]
    order = np.random.default_rng((sample.seed, 1)).permutation(len(texts))
    return Batch(
        imbtool=__version__,
        command=sample.command,
        source=sample.checkpoint,
        seed=sample.seed,
        labels=list(sample.labels),
        answer=answer,
        pool=PoolReport(
            source=sample.stream,
            fingerprint=sample.fingerprint,
            texts=sample.texts,
            population=sample.texts,
            labelled=0,
            chosen_before=0,
            repeated=0,
            reserved=0.0,
        ),
        needs=[],
        progress=[],
        remaining=[],
        texts=[texts[place] for place in order],
    )


def estimate_from_answers(
    source: Path, path: Path, answered: Path, command: Sequence[str] = ()
) -> Prevalence:
    """How frequent each label is in a stream, by the answers to a sample of it.

    Neither the model nor its scores are needed again: the sample holds what the answers are to be
    weighted with.

    Args:
        source: the run folder or its checkpoint.
        path: the stream that the sample was drawn from.
        answered: a filled batch.csv in the folder of the sample, or an export of an annotation tool
            that was put there.
        command: that asked for it, for the document.

    Returns:
        The content of prevalence.json.

    Raises:
        UserError: there is no sample beside the answers, it is of another stream or checkpoint, or
            the answers cannot be read.
    """
    sample = _sample_beside(answered)
    checkpoint = checkpoint_folder(source)
    meta = read_meta(checkpoint)
    _require_same(sample, checkpoint, path, stream_fingerprint(path, meta.data_section(path)))
    ratings = _answers(answered, BatchOf.read(answered.parent), list(sample.labels))
    targets = vote_shares(ratings.values)
    found = _estimates(sample, ratings.ids, targets, meta.label_set)
    ties = (targets == TIE).sum(axis=0)
    shares = _coherent(meta.label_set, found)
    answers = int((~np.isnan(targets)).any(axis=1).sum())
    return Prevalence(
        imbtool=__version__,
        command=list(command),
        checkpoint=str(checkpoint),
        stream=str(path),
        fingerprint=sample.fingerprint,
        texts=sample.texts,
        answers=answers,
        unanswered=len(sample.sampled) - answers,
        labels={
            name: _label(label, found[place], shares[place], int(ties[place]))
            for place, (name, label) in enumerate(sample.labels.items())
        },
        by=None,
        groups=[],
    )


def _sample_beside(answered: Path) -> Sample:
    """The sample in the folder of its answers."""
    folder = answered.parent
    if not (folder / SAMPLE).is_file():
        fix = "put the file into the folder that `imbtool prevalence --sample` has written"
        raise user_error(answered, f"no {SAMPLE} in {folder}", f"{SAMPLE} beside the answers", fix)
    return read_sample(folder)


def _require_stream(sample: Sample, path: Path, found: str) -> None:
    if found != sample.fingerprint:
        expected = f"the texts that the sample was drawn from ({sample.stream})"
        fix = "name that stream, as it was, or draw a new sample"
        raise user_error(path, "other texts than those of the sample", expected, fix)


def _require_same(sample: Sample, checkpoint: Path, path: Path, found: str) -> None:
    _require_stream(sample, path, found)
    if fingerprint(checkpoint) != sample.checkpoint_sha256:
        expected = f"the checkpoint that the sample was drawn with ({sample.checkpoint})"
        raise user_error(checkpoint, "another checkpoint", expected, "name that checkpoint")


def _answers(path: Path, batch: BatchOf, labels: list[str]) -> Ratings:
    """What each annotator says of the answered texts."""
    answers, problems = read_answered(path, [batch])
    problems += unknown_labels(answers, labels)[1]
    if problems:
        raise UserError(*problems)
    ratings, problems = rate(answers, labels)
    if not problems and not ratings.ids:
        fix = f"answer some texts; write {batch.batch.answer.none!r} where a text has no label"
        problems = [Problem(str(path), "no answer at all", "answers to texts of the sample", fix)]
    if problems:
        raise UserError(*problems)
    return ratings


@dataclass(frozen=True)
class AnsweredTexts:
    """Texts of a stream that people have answered.

    Attributes:
        texts: a of them.
        targets: the answers [a, L], NaN unknown.
        inclusion: the probability with which each was drawn from the stream [a].
        prevalence: of each label in the stream: value (NaN without answers), low and high [3, L].
    """

    texts: list[str]
    targets: Targets
    inclusion: Floats
    prevalence: Floats


def answered_texts(
    path: Path, labels: Labels, source: Path, stream_fingerprint: str
) -> AnsweredTexts:
    """The answered texts of a sample, those without a known probability left out.

    Args:
        path: a filled batch.csv in the folder of the sample, or an export that was put there.
        labels: of the model.
        source: the stream that the sample was drawn from.
        stream_fingerprint: of its texts.

    Raises:
        UserError: there is no sample beside it, it is of another stream, or the answers cannot be
            read.
    """
    sample = _sample_beside(path)
    _require_stream(sample, source, stream_fingerprint)
    batch = BatchOf.read(path.parent)
    ratings = _answers(path, batch, list(labels.names))
    ids, targets = ratings.ids, majority(ratings.values)
    found = _estimates(sample, ids, vote_shares(ratings.values), labels)
    shares = [(each.value, each.low, each.high) for each in _coherent(labels, found)]
    drawn = [batch.texts[id] for id in ids]
    known = [row for row, text in enumerate(drawn) if text.inclusion_probability]
    return AnsweredTexts(
        [text_of(drawn[row]) for row in known],
        targets[known],
        np.array([drawn[row].inclusion_probability for row in known], dtype=np.float64),
        np.array(shares, dtype=np.float64).T,
    )


def _estimates(
    sample: Sample, ids: Sequence[str], targets: Targets, labels: Labels
) -> list[DesignEstimate | None]:
    """Of each label [L]; None where no answer says anything of it."""
    texts = {text.id: text for text in sample.sampled}
    stratum = np.array([texts[id].stratum for id in ids], dtype=np.int64)
    scores = np.array([texts[id].probabilities for id in ids], dtype=np.float64)
    sizes = np.array(sample.sizes, dtype=np.int64)
    columns = {name: column for column, name in enumerate(sample.labels)}
    found = dict[str, DesignEstimate]()
    for name, answers in zip(labels.names, targets.T.astype(np.float64), strict=True):
        known = ~np.isnan(answers)
        if name in columns and known.any():
            label, own = sample.labels[name], scores[known, columns[name]]
            strata = Strata(sizes, np.array(label.mean), np.array(label.square))
            found[name] = estimate_share(strata, stratum[known], answers[known], own)
    return [found.get(name) for name in labels.names]


def _coherent(labels: Labels, found: Sequence[DesignEstimate | None]) -> list[Estimate]:
    """The shares as they are shown: they fit the hierarchy."""
    ends = [(each.value, each.low, each.high) if each else (None, 0.0, 1.0) for each in found]
    return coherent(
        labels, [Estimate(value=value, low=low, high=high) for value, low, high in ends]
    )


def _label(
    label: SampledLabel, estimate: DesignEstimate | None, share: Estimate, ties: int
) -> LabelPrevalence:
    reason, positives, worth = "No answer says anything of it.", None, None
    if estimate is not None:
        positives, reason = estimate.positives, ""
        if np.isnan(estimate.effective):
            reason = f"None of {counted(estimate.answers, 'answered text')} has it; " + (
                "the bound is exact."
                if estimate.exact
                else "texts whose like nobody has answered are taken to be as those with scores "
                "next to theirs."
            )
        elif np.isfinite(estimate.effective):
            worth = float(estimate.effective / estimate.answers)
            if worth < NO_GAIN:
                reason = "The sample gained nothing: as many random texts would say as much."
        if ties:
            told = f"Annotators tie on {counted(ties, 'text')}, counted as half."
            reason = f"{reason} {told}".strip()
    return LabelPrevalence(
        prevalence=share,
        flagged=label.flagged,
        method="withheld" if estimate is None else "answers",
        reason=reason,
        validation_positives=label.validation_positives,
        p_value=None,
        positives=positives,
        worth=worth,
    )
