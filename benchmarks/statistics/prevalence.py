"""How often intervals of prevalence hold the truth, how wide and how far off they are.

python -m benchmarks.statistics.prevalence SOURCE [--part scores|answers] [--seeds 3] [--draws 1000]
    [--texts 5000] [--quapy] [--json]

SOURCE is a run, whose validation and test texts are scored once; or a file .npz with the arrays
validation_logits, validation_targets, test_logits and test_targets; or `simulated`: eight labels of
0.2% to 10% whose scores are normal, two standard deviations apart with the label; or `missed`: four
standard deviations apart, and half of the stream's positives score like texts without the label.

Scores: validation and a stream are drawn with replacement from all texts, the stream with each
label 0.25 to 4 times as frequent. So the assumption of prior shift holds, and all that an interval
has to cover is chance. Beside it: the flagged share at the threshold that is best for F1 on
validation (classify and count), the probabilistic adjusted count, and with --quapy EMQ, PACC and
KDEyML of QuaPy (requirements-quapy.txt), one label against the rest, on the same calibrated
probabilities. Errors are medians over labels and draws of |estimate - share| / share.

Answers: the test texts are the stream, and their targets answer samples of 300 and 500. The width
is compared with that of Clopper and Pearson's interval of as many random texts. Beside it: how
often the interval that `monitor --answers` gives of the recall holds it, at the threshold that is
best for F1 on validation, and its mean width.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.shared.texttable import table
from imbtool.evaluation.calibration import fit_each_label, sigmoid
from imbtool.evaluation.intervals import exact_interval
from imbtool.files.json_text import to_json
from imbtool.monitoring.answered import Strata, estimate_share
from imbtool.monitoring.expectation import answered_metrics
from imbtool.monitoring.monitor import LEAST_ANSWERED
from imbtool.monitoring.shift import (
    ScoredLabel,
    adjusted_count,
    assumption_p_value,
    prior_shift_estimate,
    upper_bound,
)
from imbtool.monitoring.strata import plan_sample
from imbtool.types import Floats, Targets

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
MOST_SHARE = 0.8
LEAST_POSITIVES = 10
"""On validation: with fewer the command gives no figure."""
GROUPS = ((10, 19), (20, 49), (50, 10**9))
SAMPLES = (300, 500)
ENOUGH = 20
"""Positives in the stream from which coverage is asked for."""
OFTEN = 0.1
"""The share of samples that must show a label's recall for its coverage to be counted."""
ALARM = 0.01
say = partial(print, file=sys.stderr, flush=True)
Row = dict[str, Any]
Estimator = Callable[[ScoredLabel], float]


@dataclass(frozen=True)
class Scored:
    """Texts with logits [n, L] and targets [n, L], of which the first `held` are validation."""

    logits: Floats
    targets: Targets
    held: int

    @classmethod
    def read(cls, source: str) -> Scored:
        """A run, a file of arrays, or the name of a simulation."""
        if source in SIMULATIONS:
            return SIMULATIONS[source]()
        arrays = np.load(source) if source.endswith(".npz") else scored_run(Path(source))
        names = ("validation", "test")
        return cls(
            np.concatenate([arrays[f"{name}_logits"] for name in names]).astype(np.float64),
            np.concatenate([arrays[f"{name}_targets"] for name in names]).astype(np.float32),
            len(arrays["validation_logits"]),
        )


def scored_run(run: Path) -> dict[str, Any]:
    """The logits and targets of a run's validation and test texts, kept for the next time."""
    from imbtool.inference.evaluate import own_split
    from imbtool.trained.checkpoint import read_checkpoint

    kept = Path("runs/benchmarks/prevalence") / f"{run.resolve().name}.npz"
    if not kept.is_file():
        checkpoint, arrays = read_checkpoint(run), dict[str, Any]()
        for name in ("validation", "test"):
            split = own_split(checkpoint, name)
            say(f"the model reads {len(split)} {name} texts")
            arrays[f"{name}_logits"] = checkpoint.logits(split.texts)
            arrays[f"{name}_targets"] = split.targets
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **arrays)
    return dict(np.load(kept))


def simulated(apart: float = 2.0, missed: float = 0.0) -> Scored:
    """Labels whose scores are normal, `apart` standard deviations apart.

    The share `missed` of the positives after validation has the scores of negatives.
    """
    rng = np.random.default_rng(0)
    shares = np.geomspace(0.002, 0.1, 8)
    targets = (rng.random((20_000, len(shares))) < shares).astype(np.float32)
    seen = targets.copy()
    seen[5_000:] *= rng.random((15_000, len(shares))) >= missed
    scores = rng.normal(apart * seen)
    logits = apart * scores - apart**2 / 2 + np.log(shares / (1 - shares))
    return Scored(logits, targets, 5_000)


SIMULATIONS = {"simulated": simulated, "missed": partial(simulated, 4.0, 0.5)}


def by_scores(scored: Scored, seed: int, texts: int, peers: dict[str, Any]) -> Iterator[Row]:
    """A row for each label and prior shift of one draw of validation and streams."""
    rng = np.random.default_rng(seed)
    held = rng.choice(len(scored.logits), scored.held)
    calibration = fit_each_label(scored.logits[held], scored.targets[held])
    logits = calibration.logits(scored.logits)
    for place, target in enumerate(scored.targets.T):
        is_positive = target[held] == 1
        if is_positive.sum() < LEAST_POSITIVES:
            continue
        own = logits[held, place]
        prior = float(sigmoid(own).mean())
        fitted = {name: fit(own, is_positive) for name, fit in peers.items()}
        cut = best_cut(own, is_positive)
        kinds = [np.flatnonzero(target == kind) for kind in (1, 0)]
        for factor in FACTORS:
            share = min(factor * len(kinds[0]) / len(target), MOST_SHARE)
            number = rng.binomial(texts, share)
            rows = np.concatenate(
                [rng.choice(kinds[0], number), rng.choice(kinds[1], texts - number)]
            )
            label = ScoredLabel(own[is_positive], own[~is_positive], prior, logits[rows, place])
            yield {
                "positives": int(is_positive.sum()),
                "factor": factor,
                "share": share,
                **_ours(label, seed),
                "classify and count": float((label.stream >= cut).mean()),
                "adjusted count": _plain(label),
                **{name: estimate(label) for name, estimate in fitted.items()},
            }


def _ours(label: ScoredLabel, seed: int) -> Row:
    found = prior_shift_estimate(label)
    share = 0.0 if np.isnan(found.value) else found.value
    return {
        "imbtool": share,
        "low": found.low,
        "high": found.high,
        "p": assumption_p_value(label, share, seed),
        "bound": upper_bound(label.positive, label.stream),
    }


def _plain(label: ScoredLabel) -> float:
    kinds = (label.positive, label.negative, label.stream)
    return adjusted_count(*(sigmoid(logits) for logits in kinds)).value


def best_cut(logits: Floats, is_positive: Any) -> float:
    """The threshold with the best F1 on validation."""
    order = np.argsort(-logits)
    found = np.cumsum(is_positive[order])
    f1 = 2 * found / (np.arange(1, len(order) + 1) + is_positive.sum())
    return float(logits[order[np.argmax(f1)]])


def quapy_methods() -> dict[str, Any]:
    """QuaPy's methods on given posteriors: fitted on validation, each estimates a share."""
    from quapy.method.aggregative import EMQ, PACC, KDEyML

    def fit(make: Callable[..., Any], logits: Floats, is_positive: Any) -> Estimator:
        known = is_positive.astype(int)
        # it is asked for its classes alone
        method = make(classifier=LogisticRegression().fit(logits[:, None], known))
        posteriors = sigmoid(logits)
        method.aggregation_fit(np.column_stack([1 - posteriors, posteriors]), known)
        method.train_prevalence = np.array([1 - known.mean(), known.mean()])

        def estimate(label: ScoredLabel) -> float:
            scores = sigmoid(label.stream)
            return float(method.aggregate(np.column_stack([1 - scores, scores]))[1])

        return estimate

    methods = {"EMQ": EMQ, "PACC": PACC, "KDEyML": KDEyML}
    return {
        f"QuaPy {name}": partial(fit, partial(kind, fit_classifier=False, val_split=None))
        for name, kind in methods.items()
    }


@dataclass(frozen=True)
class ByAnswers:
    """What intervals of many samples are worth, of each label [L].

    Attributes:
        positives: in the stream.
        covered: how often the interval of the prevalence holds it.
        ratio: its mean width, as a share of that of as many random texts.
        recall_covered, recall_width: the same of the recall, of labels with such an interval in at
            least `OFTEN` of the samples.
    """

    positives: Floats
    covered: Floats
    ratio: Floats
    recall_covered: Floats
    recall_width: Floats


def by_answers(scored: Scored, seed: int, answers: int, draws: int) -> ByAnswers:
    """The same texts are answered in many samples."""
    held, stream = slice(None, scored.held), slice(scored.held, None)
    calibration = fit_each_label(scored.logits[held], scored.targets[held])
    probabilities = calibration.probabilities(scored.logits[stream])
    known = (calibration.probabilities(scored.logits[held]), scored.targets[held] == 1)
    cuts = [best_cut(*label) for label in zip(*(each.T for each in known), strict=True)]
    flagged = probabilities >= np.array(cuts)
    targets = scored.targets[stream].astype(np.float64)
    design = plan_sample(probabilities, answers)
    strata = [
        Strata(design.sizes, *(np.bincount(design.stratum, p**k) / design.sizes for k in (1, 2)))
        for p in probabilities.T
    ]
    truth = targets.mean(axis=0)
    recall = (flagged * targets).sum(axis=0) / targets.sum(axis=0)
    covered, width, random_width, recalled, recall_width = np.full((5, draws, len(truth)), np.nan)
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        rows = design.draw(seed * draws + draw)
        hits = targets[rng.choice(len(targets), answers, replace=False)].sum(axis=0)
        found = [
            estimate_share(
                label, design.stratum[rows], targets[rows, place], probabilities[rows, place]
            )
            for place, label in enumerate(strata)
        ]
        ends = np.array([(each.value, each.low, each.high) for each in found]).T
        covered[draw] = (ends[1] <= truth) & (truth <= ends[2])
        width[draw] = ends[2] - ends[1]
        random_ends = np.array([exact_interval(float(hit), answers) for hit in hits])
        random_width[draw] = random_ends[:, 1] - random_ends[:, 0]
        inclusion = design.inclusion[design.stratum[rows]]
        shown = answered_metrics(flagged[rows], targets[rows], inclusion, ends, draw).recall
        support = (flagged[rows] | (targets[rows] == 1)).sum(axis=0)
        said = (support >= LEAST_ANSWERED) & ~np.isnan(shown[0])
        recalled[draw, said] = ((shown[1] <= recall) & (recall <= shown[2]))[said]
        recall_width[draw, said] = (shown[2] - shown[1])[said]
    often = (~np.isnan(recalled)).mean(axis=0) >= OFTEN
    recalls = (np.nanmean(each[:, often], axis=0) for each in (recalled, recall_width))
    ratio = width.mean(axis=0) / random_width.mean(axis=0)
    return ByAnswers(targets.sum(axis=0), covered.mean(axis=0), ratio, *recalls)


def scores_tables(rows: Sequence[Row], methods: Sequence[str]) -> Iterator[str]:
    """Coverage and errors, by positives on validation and by shift."""
    body = []
    for least, most in GROUPS:
        for factor in FACTORS:
            some = [
                row for row in rows if least <= row["positives"] <= most and row["factor"] == factor
            ]
            if not some:
                continue
            share = np.array([row["share"] for row in some])
            low, high, p, bound = (
                np.array([row[name] for row in some]) for name in ("low", "high", "p", "bound")
            )
            errors = [
                np.median(np.abs(np.array([row[name] for row in some]) - share) / share)
                for name in methods
            ]
            body.append(
                [
                    f"{least}-{most}" if most < 10**9 else f"{least} or more",
                    f"{factor:g}",
                    f"{len(some)}",
                    f"{((low <= share) & (share <= high)).mean():.3f}",
                    f"{np.median((high - low) / share):.2f}",
                    f"{(p < ALARM).mean():.3f}",
                    f"{(bound >= share).mean():.3f}",
                    *(f"{error:.3f}" for error in errors),
                ]
            )
    head = ["positives", "shift", "draws", "covered", "width", "rejected", "bound holds", *methods]
    yield table([head, *body])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source")
    parser.add_argument("--part", choices=["scores", "answers"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20, help="of validation, for each seed")
    parser.add_argument("--texts", type=int, default=5_000, help="of a stream, without answers")
    parser.add_argument("--quapy", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    scored, document = Scored.read(given.source), dict[str, Any]()
    if given.part != "answers":
        peers = quapy_methods() if given.quapy else {}
        rows = [
            row
            for seed in range(given.seeds * given.rounds)
            for row in by_scores(scored, seed, given.texts, peers)
        ]
        document["scores"] = rows
        methods = ["imbtool", "classify and count", "adjusted count", *peers]
        if not given.json:
            print(*scores_tables(rows, methods), sep="\n")
    if given.part != "scores":
        body = []
        for answers in SAMPLES:
            for seed in range(given.seeds):
                found = by_answers(scored, seed, answers, given.draws)
                enough = found.positives >= ENOUGH
                figures = (
                    found.covered[enough].mean(),
                    found.covered[enough].min(),
                    found.covered.min(),
                    np.median(found.ratio),
                    found.ratio.min(),
                    found.ratio.max(),
                    found.recall_covered.mean(),
                    found.recall_covered.min(),
                    np.median(found.recall_width),
                )
                body.append([f"{answers}", f"{seed}", *(f"{figure:.3f}" for figure in figures)])
        head = ["answers", "seed", "covered", f"least, {ENOUGH} positives", "least of all"]
        head += ["width, median label", "least", "most"]
        head += ["recall covered", "recall, least", "recall, width"]
        document["answers"] = [dict(zip(head, row, strict=True)) for row in body]
        if not given.json:
            print(table([head, *body]))
    if given.json:
        print(to_json(document))


if __name__ == "__main__":
    main()
