"""A small corpus to spoil, and its analysis."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imbtool.analysis import analyze as module
from imbtool.analysis.document import Analysis
from imbtool.analysis.finding import Finding, ListedRow, listed_rows
from imbtool.analysis.lengths import Tokens
from imbtool.config.hierarchy import label_set
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split
from imbtool.labels.label_sets import LabelSets
from imbtool.types import Rows, Targets

NAMES = ("top", "below", "lone")
TOP, BELOW, LONE = range(3)
SIZES = {"train": 90, "validation": 45, "test": 45}
WORDS = ("alpha", "bravo", "delta", "gamma", "omega")


class EditableTexts(list[str]):
    """Texts that a test may still change."""

    def take(self, rows: Rows) -> "EditableTexts":
        return EditableTexts(self[row] for row in rows)

    def characters(self) -> Rows:
        return np.array([*map(len, self)], np.int64)


class EditableSplit(Split):
    """A split whose texts and targets a test may still change."""

    @property
    def targets(self) -> Targets:  # type: ignore[override]
        sets = self.label_sets
        is_whole = np.array_equal(sets.of_text, np.arange(len(sets.sets)))
        return sets.sets if is_whole else sets.targets()


def healthy(name: str, rows: int, labels: int = len(NAMES)) -> Split:
    """Unlike texts of the same words; a third of them top and below, a third lone, a third none."""
    targets = np.zeros((rows, labels), np.float32)
    targets[::3, [TOP, BELOW]] = 1
    targets[1::3, LONE] = 1
    rng = np.random.default_rng(list(name.encode()))
    texts = [" ".join(rng.choice(WORDS, 12)) for _ in range(rows)]
    numbers, sets = range(1, rows + 1), LabelSets.each(targets)
    editable: Any = EditableTexts(texts)
    return EditableSplit(name, Path(f"{name}.csv"), editable, sets, numbers)


def healthy_corpus(names: Sequence[str] = NAMES) -> Corpus:
    """Three splits alike; `below` stands under `top`, whatever they are called."""
    labels = label_set(names, [(names[BELOW], names[TOP])])
    splits = {name: healthy(name, rows, len(names)) for name, rows in SIZES.items()}
    return Corpus(labels, **splits)


def spoiled_corpus() -> Corpus:
    """Of every kind of finding at least one, but of those that need other corpora."""
    names = ("top", "below", "lone", "Lone", "copy", "rare", "never", "other", "absent")
    labels = label_set(names, [("below", "top"), ("copy", "top")])
    splits = {name: healthy(name, 4 * rows, len(names)) for name, rows in SIZES.items()}
    for split in splits.values():
        split.targets[3::5, 7] = 1
        split.targets[split.targets[:, 7] == 1, :3] = 0
        split.targets[2::9, 3] = 1
        split.targets[:4, 5] = 1
        split.targets[::60, 8] = 1
        split.targets[5::60, 2] = np.nan
    train, validation, test = splits.values()
    train.targets[:60, 4] = train.targets[:60, 7] = 1
    train.targets[1, 4] = train.targets[1, 7] = 0
    test.targets[:, 4] = 0
    validation.targets[:, 8] = 0
    test.targets[0, TOP] = 0
    test.targets[:40, 3] = 1
    for row in range(12):
        test.texts[row] = train.texts[row] if row < 6 else f"{train.texts[row]} http://x.org/{row}"
        test.texts[20 + row] = f"{train.texts[20 + row]} and"
    validation.texts[4:120] = [
        f"{text} wholly unseen and longer" for text in validation.texts[4:120]
    ]
    train.texts[80] = train.texts[81] = train.texts[82]
    train.texts[85] = f"{train.texts[86]} too"
    train.texts[90] = "long " * 40
    return Corpus(labels, train, validation, test)


def tokens_of(corpus: Corpus, limit: int) -> Tokens:
    """A word is a token."""
    rows = {name: np.arange(len(split)) for name, split in corpus.splits.items()}
    counts = {
        name: np.array([len(text.split()) for text in split.texts])
        for name, split in corpus.splits.items()
    }
    return Tokens(limit, rows, counts)


def analyze(
    corpus: Corpus,
    tokens: Tokens | None = None,
    required: Sequence[str] = (),
    further: Sequence[Finding] = (),
    declared: Sequence[str] = (),
) -> Analysis:
    """Its analysis with the usual weights."""
    require = {name: {"recall": 0.5} for name in required}
    profile = Profile.model_validate(
        {
            "data": {"train": "train.csv"},
            "labels": {"names": list(declared)},
            "thresholds": {"require": require},
        }
    )
    return module.analyze(corpus, profile, tokens, further)


def hostile_analysis(
    text: str, tokens: Callable[[Corpus], Tokens | None] = lambda _: None
) -> tuple[Analysis, Corpus]:
    """Of a corpus whose names and texts try to break out, with findings of every severity."""
    corpus = healthy_corpus(("<script>alert(1)</script>", 'say "&amp;" \u202e', "=lone"))
    for row in range(30):
        corpus.train.texts[row] = corpus.test.texts[row] = f"{text} {row}"
    corpus.validation.targets[:, LONE] = 0
    corpus.train.texts[80] = "a text that goes on, " * 200
    return analyze(corpus, tokens(corpus)), corpus


def quoted_rows(analysis: Analysis, corpus: Corpus, texts: bool = True) -> list[list[ListedRow]]:
    """The first rows of each finding, as the page shows them."""
    return [listed_rows(each, corpus, texts, most=20) for each in analysis.findings]
