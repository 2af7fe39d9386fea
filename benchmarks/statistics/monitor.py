"""Whether `imbtool monitor` can be believed: intervals, false alarms, planted drift, thresholds.

python -m benchmarks.statistics.monitor [--run runs/edos] [--data data/goemotions] [--seeds 3]

Without options the scores are simulated. `--run` takes the scores of a trained model, `--data`
those of logistic heads on the bundled encoder as it is. The texts that the model was not trained on
are put together and cut anew for each seed: one part is validation, of the other streams are made.
A stream has a label more or less frequent by leaving out some of its texts, or some of all others.
What has been scored is kept in runs/benchmarks/monitor.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.texttable import table
from imbtool.config.hierarchy import label_set
from imbtool.evaluation.calibration import Calibration, fit_each_label, sigmoid
from imbtool.evaluation.requirements import sort_by_score, threshold_after
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.monitoring.adaptation import adapted_threshold, has_changed
from imbtool.monitoring.drift import (
    MOST_COMPARED,
    SingleTest,
    classifier_two_sample,
    judge,
    mean_test,
)
from imbtool.monitoring.expectation import expect_metrics
from imbtool.monitoring.shift import ScoredLabel, ShiftedLabel
from imbtool.types import Floats, Rows, Targets

CACHE = Path("runs/benchmarks/monitor")
SHIFTS = (0.25, 0.5, 1.0, 2.0, 4.0)
MOST_SHARE = 0.8
LEAST_POSITIVES = 10
STREAM = 2_000
"""Texts of an undrifted or a drifted stream."""
FREQUENT = 0.03
"""Share of the label whose texts are replaced, at least: of fewer a stream holds too few to see."""
BANDS = (0.0, 0.03, 0.05, 0.1, 0.5)
"""Of the share of texts that are replaced."""
TEXTS, LABELS, WIDTH = 12_000, 12, 16
"""Of the simulation."""


@dataclass(frozen=True)
class Scored:
    """Texts that a model was not trained on: logits and targets [n, L], features [n, d]."""

    logits: Floats
    targets: Targets
    features: NDArray[np.float32]

    def of(self, rows: Rows) -> Scored:
        """Some of the texts."""
        return Scored(self.logits[rows], self.targets[rows], self.features[rows])

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True)
class Model:
    """What validation gives: its texts, thresholds [L] on the logit scale, a calibration."""

    validation: Scored
    cuts: Floats
    calibration: Calibration

    @classmethod
    def of(cls, validation: Scored) -> Model:
        """Thresholds and calibration as a training chooses them."""
        labels = label_set(map(str, range(validation.logits.shape[1])), [])
        known = np.asarray(validation.targets.mean(axis=0), dtype=np.float64)
        choice = choose_thresholds(labels, validation.logits, validation.targets, known)
        return cls(validation, choice.logits, fit_each_label(validation.logits, validation.targets))

    def label(self, place: int, logits: Floats) -> ShiftedLabel | None:
        """A label in a stream [n]; None where its scores say nothing of it."""
        slope, bias = self.calibration.slope[place], self.calibration.bias[place]
        own, target = slope * self.validation.logits[:, place] + bias, self.validation.targets
        parts = [own[target[:, place] == kind] for kind in (1, 0)]
        scored = ScoredLabel(parts[0], parts[1], float(sigmoid(own).mean()), slope * logits + bias)
        label = ShiftedLabel.of(scored, LEAST_POSITIVES, seed=0)
        return label if label.share else None


def simulate(seed: int) -> Scored:
    """Labels from frequent to rare, whose texts differ in a direction of their own."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(0.2, 0.005, LABELS)
    targets = (rng.random((TEXTS, LABELS)) < shares).astype(np.float32)
    directions = rng.normal(size=(LABELS, WIDTH))
    directions *= 2 / np.linalg.norm(directions, axis=1, keepdims=True)
    features = (rng.normal(size=(TEXTS, WIDTH)) + targets @ directions).astype(np.float32)
    logits = features @ directions.T - 2 + np.log(shares / (1 - shares))
    return Scored(np.asarray(logits, dtype=np.float64), targets, features)


def shifted(stream: Scored, place: int, times: float, rng: np.random.Generator) -> Rows:
    """Rows of a stream in which a label is so many times as frequent."""
    positive, others = (np.flatnonzero(stream.targets[:, place] == kind) for kind in (1, 0))
    share = min(times * len(positive) / len(stream), MOST_SHARE)
    kept = min(len(positive), len(others) * share / (1 - share))
    left = min(len(others), kept * (1 - share) / share)
    parts = ((positive, max(1, round(kept))), (others, int(left)))
    return np.concatenate([rng.choice(rows, count, replace=False) for rows, count in parts])


def coverage(model: Model, stream: Scored, rng: np.random.Generator) -> Iterator[list[float]]:
    """For each label and shift: the shift, and whether each interval holds the truth."""
    decided = model.validation.logits >= model.cuts
    for place in range(len(model.cuts)):
        for times in SHIFTS:
            part = stream.of(shifted(stream, place, times, rng))
            label = model.label(place, part.logits[:, place])
            if label is None or label.reason:
                continue
            one = slice(place, place + 1)
            flags, truth = part.logits[:, place] >= model.cuts[place], part.targets[:, place] == 1
            expected = expect_metrics(
                decided[:, one],
                model.validation.targets[:, one],
                np.array([flags.sum()]),
                len(part),
                0,
            )
            found = float((flags & truth).sum())
            true = {
                "recall": found / truth.sum(),
                "precision": found / max(flags.sum(), 1),
                "f1": 2 * found / (flags.sum() + truth.sum()),
            }
            row = [times]
            for name, value in true.items():
                low, high = getattr(expected, name)[1:, 0]
                held = float(low - 1e-9 <= value <= high + 1e-9)
                row += [held if np.isfinite(low) else np.nan, float(high - low)]
            yield row


def thresholds(
    model: Model, stream: Scored, times: float, rng: np.random.Generator
) -> Iterator[list[float]]:
    """F1 of each label in a shifted stream: as it is, adapted, and as two oracles would have it.

    One oracle chooses the threshold with the labels of one half of the stream for the other; the
    second with those of the whole stream that is judged, which no method can reach.
    """
    for place in range(len(model.cuts)):
        part = stream.of(shifted(stream, place, times, rng))
        logits, truth = part.logits[:, place], part.targets[:, place] == 1
        label, cut = model.label(place, logits), float(model.cuts[place])
        positives = int((model.validation.targets[:, place] == 1).sum())
        new = cut
        if _is_adapted(label, positives, len(model.validation)):
            slope, bias = (float(each[place]) for each in vars(model.calibration).values())
            probability = adapted_threshold(slope, bias, label).threshold
            new = float(np.log(probability) - np.log1p(-probability))
        oracle = np.zeros(len(part), dtype=np.bool_)
        halves = [
            np.concatenate([rows[start::2] for rows in _by_kind(truth, rng)]) for start in (0, 1)
        ]
        for fitted, tested in (halves, halves[::-1]):
            oracle[tested] = logits[tested] >= _best(logits[fitted], truth[fitted])
        flags = (logits >= cut, logits >= new, oracle, logits >= _best(logits, truth))
        yield [_f1(each, truth) for each in flags]


def _is_adapted(label: ShiftedLabel | None, positives: int, texts: int) -> TypeGuard[ShiftedLabel]:
    """Whether monitor would give a label another threshold."""
    if label is None or label.share is None or label.reason:
        return False
    return has_changed(label.share, positives, texts)


def _by_kind(truth: NDArray[np.bool_], rng: np.random.Generator) -> list[Rows]:
    return [rng.permutation(np.flatnonzero(truth == kind)) for kind in (True, False)]


def _best(logits: Floats, truth: NDArray[np.bool_]) -> float:
    ordered, found = sort_by_score(logits, truth.astype(np.float32))
    taken = np.arange(1, len(ordered) + 1)
    return threshold_after(ordered, int(np.argmax(2 * found / (taken + max(found[-1], 1)))))


def _f1(flags: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (flags & truth).sum() / max(flags.sum() + truth.sum(), 1))


def alarms(model: Model, stream: Scored, seed: int) -> bool:
    """Whether monitor gives an alarm or withholds the figures of a label."""
    rng, before = np.random.default_rng(seed), model.validation
    chosen = [rng.permutation(len(each))[:MOST_COMPARED] for each in (before, stream)]
    apart = classifier_two_sample(before.features[chosen[0]], stream.features[chosen[1]], seed)
    tests = [SingleTest("texts", apart.p)]
    likely = [model.calibration.probabilities(each.logits) for each in (before, stream)]
    for place in range(len(model.cuts)):
        p = mean_test(*(each[:, place] for each in likely))
        tests.append(SingleTest("frequency", p, str(place)))
        label = model.label(place, stream.logits[:, place])
        tests.append(SingleTest("scores", 1.0 if label is None else label.p, str(place)))
    return any(test.alarm for test in judge(tests))


def replaced(stream: Scored, rest: Scored, rng: np.random.Generator) -> tuple[Scored, float]:
    """A stream in which the texts of a label are texts of another, called by the first's name.

    Returns:
        The stream, and the share of its texts that were replaced.
    """
    shares = stream.targets.mean(axis=0)
    places = np.flatnonzero((shares >= FREQUENT) & (shares <= 0.5))
    while True:
        one, other = rng.choice(places, 2, replace=False)
        lost = np.flatnonzero((stream.targets[:, one] == 1) & (stream.targets[:, other] == 0))
        source = np.flatnonzero((rest.targets[:, other] == 1) & (rest.targets[:, one] == 0))
        if min(len(lost), len(source)) >= LEAST_POSITIVES:  # not a label and the one above it
            break
    taken = rng.choice(source, len(lost))
    logits, features = stream.logits.copy(), stream.features.copy()
    logits[lost], features[lost] = rest.logits[taken], rest.features[taken]
    return Scored(logits, stream.targets, features), len(lost) / len(stream)


def measure(scored: Scored, share: float, seeds: int, trials: int) -> None:
    """Print all figures.

    Args:
        scored: texts that the model was not trained on.
        share: of them that is validation.
        seeds: how often they are cut anew.
        trials: undrifted and drifted streams, over all seeds.
    """
    rows: list[list[float]] = []
    scores: dict[float, list[list[float]]] = {0.25: [], 4.0: []}
    false, planted = 0, list[tuple[float, bool]]()
    cuts = max(1, round(share * len(scored)))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(scored))
        model, stream = Model.of(scored.of(order[:cuts])), scored.of(order[cuts:])
        rows += coverage(model, stream, rng)
        for times, found in scores.items():
            found += thresholds(model, stream, times, rng)
        for trial in range(seed, trials, seeds):
            drawn = rng.permutation(len(stream))
            part, rest = stream.of(drawn[:STREAM]), stream.of(drawn[STREAM:])
            false += alarms(model, part, trial)
            drifted, changed = replaced(part, rest, rng)
            planted.append((changed, alarms(model, drifted, trial)))
    _print_coverage(np.array(rows))
    for times, found in scores.items():
        now, new, halves, itself = np.mean(found, axis=0)
        told = f"as it is {now:.4f}, adapted {new:.4f}, oracle of halves {halves:.4f}"
        share = (new - now) / (itself - now)
        print(
            f"macro-F1 at {times:g}x: {told}, of itself {itself:.4f}; regained {share:.0%} of that"
        )
    print(f"alarms: {false} of {trials} undrifted streams")
    for low, high in pairwise(BANDS):
        given = [alarm for changed, alarm in planted if low <= changed < high]
        if given:
            print(f"{sum(given)} of {len(given)} with {low:.0%} to {high:.0%} of texts replaced")


def _print_coverage(rows: NDArray[np.float64]) -> None:
    names = ("recall", "precision", "F1")
    titles = ["shift", "intervals", *(f"{name} {of}" for name in names for of in ("held", "width"))]
    groups = [("all", rows)] + [(f"{times:g}x", rows[rows[:, 0] == times]) for times in SHIFTS]
    lines = [
        [name, str(len(part)), *(f"{value:.3f}" for value in np.nanmean(part[:, 1:], axis=0))]
        for name, part in groups
    ]
    print(table([titles, *lines]))


def of_run(run: Path) -> Scored:
    """The validation and test texts of a run, as its model scores them."""
    from imbtool.inference.evaluate import own_split
    from imbtool.trained.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(run)
    splits = [own_split(checkpoint, name) for name in ("validation", "test")]
    model, texts = checkpoint.text_model, [text for split in splits for text in split.texts]
    return Scored(
        checkpoint.logits(texts),
        np.concatenate([split.targets for split in splits]),
        model.embeddings(model.encode(texts)),
    )


def of_heads(data: Path) -> Scored:
    """Validation and test texts of a data set, as heads on the bundled encoder score them."""
    from imbtool.data.corpus import read_corpus
    from imbtool.data.proposal import propose_profile
    from imbtool.model.encoder import load_encoder
    from imbtool.search.scores import fit_linear

    corpus = read_corpus(propose_profile(data / "train.csv", []).profile)
    model = load_encoder(propose_profile(data / "train.csv", []).profile.model, ["label"])
    features = {
        name: model.embeddings(model.encode(split.texts)) for name, split in corpus.splits.items()
    }
    mean, spread = features["train"].mean(axis=0), features["train"].std(axis=0) + 1e-6
    scaled = {name: (each - mean) / spread for name, each in features.items()}
    weight, bias = fit_linear(scaled["train"], corpus.train.targets)
    held = np.concatenate([scaled["validation"], scaled["test"]])
    targets = np.concatenate([corpus.validation.targets, corpus.test.targets])
    return Scored(held @ weight + bias, targets, held.astype(np.float32))


def kept(path: Path, score: Path | None = None, data: Path | None = None) -> Scored:
    """What was scored before, or is scored now and kept."""
    if not path.is_file():
        made = of_run(score) if score else of_heads(data or Path())
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, logits=made.logits, targets=made.targets, features=made.features)
    with np.load(path) as file:
        return Scored(*(file[name] for name in ("logits", "targets", "features")))


def main() -> None:
    """Measure on simulated scores, a run or a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a trained run")
    parser.add_argument("--data", type=Path, help="a folder with train, validation and test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    if options.run:
        scored = kept(CACHE / f"{options.run.name}.npz", score=options.run)
    elif options.data:
        scored = kept(CACHE / f"{options.data.name}.npz", data=options.data)
    else:
        scored = simulate(0)
    measure(scored, 1 / 3 if options.run else 1 / 2, options.seeds, options.trials)


if __name__ == "__main__":
    main()
