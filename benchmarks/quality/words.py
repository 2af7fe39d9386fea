"""What weights of words add to a model trained on few texts, beside a linear SVM.

python -m benchmarks.quality.words --data data/edos [--texts 504] [--seeds 0 1 2]

Each seed draws the texts anew from training and validation together: so many for training, a ninth
of them for validation, and up to 4,000 of the others to measure on. The test split has no part.
Labels with fewer than two training positives are left out, and hierarchies too. One training gives
both models: with weights of words, and without them by the thresholds for the model alone. The SVM
reads words as TF-IDF, and learns from the validation texts as well; its one threshold is the best
for macro-F1 or for micro-F1 in five-fold cross-validation.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import KFold
from sklearn.svm import LinearSVC

from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say
from imbtool.config.reader import Override, read_profile
from imbtool.data.corpus import Corpus, Split, read_corpus
from imbtool.evaluation.metrics import average_precision, confusion, mean_defined
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.training.run import train
from imbtool.types import Decisions, Floats, Targets

FOLDER = Path("runs/benchmarks/words")
MEASURED = 4000
CUTS = np.linspace(-1.5, 0.5, 81)
Figures = tuple[float, float, float, float]
"""Macro-F1, micro-F1, mean average precision, labels at zero recall."""


def draw(data: Path, texts: int, seed: int, folder: Path) -> None:
    """Write the drawn tables into a folder."""
    parts = [
        pd.read_csv(data / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("train", "validation")
    ]
    rows = pd.concat(parts).sample(frac=1, random_state=seed)
    ends = np.cumsum([texts, texts // 9, MEASURED])
    of_train = rows[:texts]["labels"].str.split("|").explode()
    kept = {name for name, count in Counter(of_train).items() if name and count > 1}
    rows["labels"] = rows["labels"].map(lambda cell: "|".join(kept & set(cell.split("|"))))
    folder.mkdir(parents=True, exist_ok=True)
    for name, start, end in zip(("train", "validation", "test"), (0, *ends), ends, strict=False):
        rows[start:end].to_csv(folder / f"{name}.csv", index=False)


def trained(folder: Path, seed: int, encoder: str) -> tuple[Checkpoint, Corpus]:
    """The model of the drawn tables, from an earlier run if there is one, and its data."""
    (folder / "profile.yaml").write_text(
        "data: {train: train.csv, validation: validation.csv, test: test.csv, id: id}\n"
    )
    settings = {"training.seed": str(seed), "model.encoder": json.dumps(encoder)}
    overrides = [Override(key, text, key) for key, text in settings.items()]
    profile, run = read_profile(folder / "profile.yaml", overrides), folder / "run"
    if not run.exists():
        train(profile, run)
    return read_checkpoint(run), read_corpus(profile)


def without_words(checkpoint: Checkpoint) -> Checkpoint:
    """The model alone, as a plain transformers pipeline has it."""
    meta = checkpoint.meta
    if meta.words is None:
        return checkpoint
    labels = {
        name: label.model_copy(update={"threshold": meta.words.thresholds[name]})
        for name, label in meta.labels.items()
    }
    changes = {"labels": labels, "words": None, "coherence": meta.words.coherence}
    return replace(
        checkpoint,
        meta=meta.model_copy(update=changes),
        text_model=replace(checkpoint.text_model, words=None),
    )


def measured(checkpoint: Checkpoint, split: Split) -> Figures:
    """The figures of a model."""
    probabilities = checkpoint.probabilities(list(split.texts))
    return figures(checkpoint.decide(probabilities), probabilities, split.targets)


def figures(decisions: Decisions, scores: Floats, targets: Targets) -> Figures:
    """The figures of decisions, over labels that have positives."""
    counts, has = confusion(decisions, targets), targets.sum(axis=0) > 0
    micro = float(np.ravel(counts.micro().f1)[0])
    missed = int((has & (counts.recall == 0)).sum())
    ranking = mean_defined(average_precision(scores, targets))
    return float(np.nan_to_num(counts.f1)[has].mean()), micro, ranking, missed


class Svm:
    """One linear SVM for each label, on TF-IDF of words."""

    def __init__(self, texts: list[str], targets: Targets) -> None:
        self.vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
        rows = self.vectorizer.fit_transform(texts)
        self.models = [
            LinearSVC(class_weight="balanced").fit(rows, column) if column.any() else None
            for column in targets.T
        ]

    def scores(self, texts: list[str]) -> Floats:
        """Distances from the plane [n, L]; -1 for a label without positives."""
        rows = self.vectorizer.transform(texts)
        nothing = np.full(len(texts), -1.0)
        return np.stack([m.decision_function(rows) if m else nothing for m in self.models], axis=1)


def of_svm(corpus: Corpus) -> Iterator[tuple[str, Figures]]:
    """The figures of the SVM with each of its two thresholds."""
    texts = [*corpus.train.texts, *corpus.validation.texts]
    targets = np.concatenate([corpus.train.targets, corpus.validation.targets])
    scores, held_out = Svm(texts, targets).scores(list(corpus.test.texts)), np.empty(targets.shape)
    for fitted, left in KFold(5, shuffle=True, random_state=0).split(targets):
        svm = Svm([texts[row] for row in fitted], targets[fitted])
        held_out[left] = svm.scores([texts[row] for row in left])
    counts = [confusion(held_out >= cut, targets) for cut in CUTS]
    macro = [np.nan_to_num(each.f1).mean() for each in counts]
    micro = [float(np.ravel(each.micro().f1)[0]) for each in counts]
    for name, values in (("macro-F1", macro), ("micro-F1", micro)):
        decisions = scores >= CUTS[int(np.argmax(values))]
        yield f"SVM, cut for {name}", figures(decisions, scores, corpus.test.targets)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv, ...")
    parser.add_argument("--texts", type=int, default=504, help="to train on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--encoder", default="bundled")
    options = parser.parse_args()
    found: dict[str, list[Figures]] = {}
    for seed in options.seeds:
        name = f"{options.data.resolve().name}-{options.encoder}-{options.texts}-{seed}"
        draw(options.data, options.texts, seed, FOLDER / name)
        checkpoint, corpus = trained(FOLDER / name, seed, options.encoder)
        share = checkpoint.meta.words.share if checkpoint.meta.words else 0
        rows = {
            "the model alone": measured(without_words(checkpoint), corpus.test),
            "with weights of words": measured(checkpoint, corpus.test),
            **dict(of_svm(corpus)),
        }
        for method, values in rows.items():
            found.setdefault(method, []).append(values)
            say(
                f"seed {seed}, share {share:.2f}: {method}: {', '.join(f'{v:.3f}' for v in values)}"
            )
    means = {method: np.mean(values, axis=0) for method, values in found.items()}
    head = ["", "macro-F1", "micro-F1", "mean average precision", "labels at zero recall"]
    lines = [[name, *(f"{v:.3f}" for v in row[:3]), f"{row[3]:.1f}"] for name, row in means.items()]
    print(table([head, *lines]))


if __name__ == "__main__":
    main()
