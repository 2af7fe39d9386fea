"""Which epoch should be kept? Chosen on half of validation, measured on the other half.

python benchmarks/epochs.py --data data/edos data/goemotions [--texts 3000] [--epochs 4]
    [--seeds 0 1] [--halves 10] [--json]

Each seed trains a model on the same stratified part of a data set. Of each epoch the logits of the
validation texts are kept. Validation is halved at random; on one half thresholds are chosen for
each epoch and an epoch by each rule; its macro-F1 and mean average precision are taken on the other
half, hierarchies left out. Prints their means over halves, and the mean differences to the epoch of
highest macro-F1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from finetunes import Part, add_part_options, part_of
from numpy.typing import NDArray
from tasks import with_training
from texttable import table
from turns import in_its_own_process, say

from imbtool.config.hierarchy import label_set
from imbtool.config.schema import Profile
from imbtool.data.imbalance import count_labels
from imbtool.data.splitting import stratified_split
from imbtool.evaluation.metrics import average_precision, confusion, mean_defined
from imbtool.evaluation.summary import validation_metrics
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.files.json_text import to_json
from imbtool.files.writing import replacing
from imbtool.training import run
from imbtool.training.setup import Materials

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
F1, RANKING = "f1_macro", "average_precision_macro"
FIGURES = (F1, RANKING)
Epochs = Sequence[Mapping[str, float]]


# ---- the rules: which of the epochs, whose figures on the choosing half are given


def highest_f1(epochs: Epochs) -> int:
    """The highest macro-F1."""
    return int(np.argmax([epoch[F1] for epoch in epochs]))


def highest_ranking(epochs: Epochs) -> int:
    """The highest mean average precision."""
    return int(np.argmax([epoch[RANKING] for epoch in epochs]))


def ranking_within(tie: float) -> Callable[[Epochs], int]:
    """Of the epochs whose macro-F1 is nearly the highest the one that ranks best."""

    def choose(epochs: Epochs) -> int:
        least = max(epoch[F1] for epoch in epochs) - tie
        near = [place for place, epoch in enumerate(epochs) if epoch[F1] >= least]
        return max(near, key=lambda place: epochs[place][RANKING])

    return choose


def latest_within(tie: float) -> Callable[[Epochs], int]:
    """Of the epochs whose macro-F1 is nearly the highest the latest one."""

    def choose(epochs: Epochs) -> int:
        least = max(epoch[F1] for epoch in epochs) - tie
        return max(place for place, epoch in enumerate(epochs) if epoch[F1] >= least)

    return choose


def last(epochs: Epochs) -> int:
    """The last."""
    return len(epochs) - 1


HIGHEST = "highest macro-F1"
RULES: dict[str, Callable[[Epochs], int]] = {
    HIGHEST: highest_f1,
    "within 0.005 of it, best mean AP": ranking_within(0.005),
    "within 0.01 of it, best mean AP": ranking_within(0.01),
    "within 0.02 of it, best mean AP": ranking_within(0.02),
    "the latest within 0.005 of it": latest_within(0.005),
    "the latest within 0.01 of it": latest_within(0.01),
    "the latest within 0.02 of it": latest_within(0.02),
    "highest mean AP": highest_ranking,
    "last": last,
}


# ---- what they give


def main() -> None:
    """Train what is not kept, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--halves", type=int, default=10)
    add_part_options(parser, "epochs")
    parser.set_defaults(epochs=4)
    options = parser.parse_args()
    rows = [["data", "seed", "rule", "macro-F1", "mean AP", "difference", "difference"]]
    document: dict[str, Any] = {}
    for data in options.data:
        part = part_of(data, options.texts, options.epochs, 0, options.cache, options.results)
        for seed in options.seeds:
            measured = scores_of(part, seed, options.halves)
            document[f"{part.cache.name}, seed {seed}"] = measured
            for name, scores in measured.items():
                gains = [scores[key] - measured[HIGHEST][key] for key in FIGURES]
                values = [f"{scores[key]:.3f}" for key in FIGURES]
                rows.append([data.name, str(seed), name, *values, *(f"{x:+.4f}" for x in gains)])
    print(table(rows))
    if options.json:
        print(to_json(document))


def scores_of(part: Part, seed: int, halves: int) -> dict[str, dict[str, float]]:
    """Mean figures on the other half of the epoch that each rule keeps."""
    split = part.corpus.validation
    counts = count_labels(part.corpus.train.targets)
    prevalence = np.array([count.prevalence for count in counts])
    flat = label_set(part.corpus.labels.names, ())
    found: dict[str, list[list[float]]] = {name: [] for name in RULES}
    of_epochs = logits_of(part, seed)
    for number in range(halves):
        for own, other in halved(split.targets, number):
            seen, unseen = [], []
            for logits in of_epochs:
                targets = split.targets[own]
                choice = choose_thresholds(flat, logits[own], targets, prevalence)
                seen.append(validation_metrics(flat, choice, logits[own], targets))
                f1 = confusion(logits[other] >= choice.logits, split.targets[other]).f1
                ranking = average_precision(logits[other], split.targets[other])
                unseen.append([mean_defined(f1), mean_defined(ranking)])
            for name, rule in RULES.items():
                found[name].append(unseen[rule(seen)])
    means = {name: np.mean(each, axis=0) for name, each in found.items()}
    return {name: dict(zip(FIGURES, mean.tolist(), strict=True)) for name, mean in means.items()}


def halved(targets: NDArray[np.float32], number: int) -> list[tuple[Rows, Rows]]:
    """Halves of the texts, each once as the one that is seen."""
    first, second = stratified_split(targets, (0.5, 0.5), 100 + number)
    return [(first, second), (second, first)]


def logits_of(part: Part, seed: int) -> list[Floats]:
    """Logits [n, L] of the validation texts after each epoch; trained unless they are kept."""
    path = part.cache / f"logits-{seed}.npz"
    if not path.is_file():
        say(f"{part.cache.name}, seed {seed}")
        of_epochs = in_its_own_process(train_watched, part.profile, seed)
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, *of_epochs)
    with np.load(path) as kept:
        return [kept[name] for name in kept.files]


def train_watched(profile: Profile, seed: int) -> list[Floats]:
    """Logits [n, L] of the validation texts after each epoch of a whole run."""
    seen: list[Floats] = []
    read = run.validation_logits

    def watched(materials: Materials) -> Floats:
        seen.append(read(materials))
        return seen[-1]

    run.validation_logits = watched
    with TemporaryDirectory() as folder:
        run.train(with_training(profile, seed=seed), Path(folder) / "run")
    return seen


if __name__ == "__main__":
    main()
