"""How good a model of EDOS is on the terms of SemEval-2023 task 10, which other systems publish.

python -m benchmarks.quality.published_terms runs/edos [--profile profiles/edos.yaml] [--json]

The run is one that `imbtool train --profile profiles/edos.yaml --run edos` made. All three tasks
are scored by macro-F1 on the test split, as the organisers' program does it:

- Task A asks of every text whether it is sexist. The model's own decision on that label answers.
- Task B asks of each sexist text which of the 4 categories it belongs to. The category with the
  highest probability answers, whatever its threshold.
- Task C asks the same for the 11 vectors below the categories.

Each figure has the 95% interval of `imbtool evaluate`, from 2,000 resamples of the texts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.tasks import PROFILES
from benchmarks.shared.texttable import table
from imbtool.config.hierarchy import Labels, label_set
from imbtool.config.reader import read_profile
from imbtool.data.corpus import read_corpus
from imbtool.evaluation.estimates import ResampledMetric, SplitMetrics
from imbtool.evaluation.predictions import Predictions
from imbtool.files.json_text import to_json
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.types import Decisions

Floats = NDArray[np.floating]
Classes = NDArray[np.int64]


def task_figures(
    labels: Labels, decisions: Decisions, probabilities: Floats, targets: Floats
) -> dict[str, ResampledMetric]:
    """Macro-F1 of the three tasks, each with its interval.

    Args:
        labels: one root, its categories, and the vectors below them.
        decisions: of the model [n, L].
        probabilities: of the model [n, L].
        targets: the truth [n, L].

    Raises:
        SystemExit: if the labels or the texts are not those of such a task.
    """
    root, *levels = levels_of(labels)
    positive = targets[:, root[0]] == 1
    figures = {"A": macro_f1(decisions[:, root[0]].astype(int), positive.astype(int), 2)}
    for task, columns in zip("BC", levels, strict=True):
        truth = targets[positive][:, columns] == 1
        if not (truth.sum(axis=1) == 1).all():
            raise SystemExit(f"task {task}: some text has not exactly one of {len(columns)} labels")
        answers = probabilities[positive][:, columns].argmax(axis=1)
        figures[task] = macro_f1(answers, truth.argmax(axis=1), len(columns))
    return figures


def levels_of(labels: Labels) -> list[list[int]]:
    """Columns of the labels on each of the three levels of the hierarchy."""
    depths = [len(labels.with_ancestors(label)) for label in range(len(labels))]
    levels = [
        [label for label, depth in enumerate(depths) if depth == level] for level in (1, 2, 3)
    ]
    if max(depths) != 3 or len(levels[0]) != 1:
        raise SystemExit("the hierarchy needs one label at the top and two levels below it")
    return levels


def macro_f1(answers: Classes, truth: Classes, classes: int) -> ResampledMetric:
    """The mean F1 of the classes, given one class for each text [n], and its interval."""
    missing = set(range(classes)) - set(truth.tolist())
    if missing:
        raise SystemExit(f"{len(missing)} of {classes} classes have no text in the test split")
    decided, targets = (np.eye(classes)[chosen] for chosen in (answers, truth))
    predictions = Predictions(label_set(map(str, range(classes)), []), decided == 1, None)
    metrics = SplitMetrics(predictions, targets.astype(np.float32))
    return metrics.macro(range(classes))["f1"]


def rows_of(figures: dict[str, ResampledMetric]) -> list[Sequence[str]]:
    """The rows of the table that is printed."""
    head = ("task", "macro-F1", "95% interval")
    return [
        head,
        *((task, f"{of.value:.3f}", f"{of.low:.3f}-{of.high:.3f}") for task, of in figures.items()),
    ]


def main() -> None:
    """Print the figures of a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="a run folder or a checkpoint")
    parser.add_argument("--profile", type=Path, default=PROFILES / "edos.yaml")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args()
    checkpoint, corpus = read_checkpoint(options.run), read_corpus(read_profile(options.profile))
    if checkpoint.labels != corpus.labels:
        raise SystemExit(f"{options.run} has other labels than {options.profile}")
    probabilities = checkpoint.probabilities(corpus.test.texts)
    decisions = checkpoint.decide(probabilities)
    figures = task_figures(corpus.labels, decisions, probabilities, corpus.test.targets)
    print(table(rows_of(figures)))
    if options.json:
        document = {
            task: {"value": of.value, "low": of.low, "high": of.high}
            for task, of in figures.items()
        }
        print(to_json(document, indent=None))


if __name__ == "__main__":
    main()
