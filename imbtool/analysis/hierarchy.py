"""Where labels and hierarchy disagree: children without parents, parents unsaid, labels apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from imbtool.analysis.finding import Document, Finding, Place, found
from imbtool.config.hierarchy import Labels
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import both_known, co_known, co_occurrence
from imbtool.evaluation.intervals import TAIL, exact_interval
from imbtool.evaluation.measures import figure, figure_text
from imbtool.types import Counts
from imbtool.wording import counted, some

IMPLIES = 0.8
"""A label implies another if surely this share of its texts have it: the interval's low end."""
COMMON = 0.5
"""A label that more texts have is implied by every other one, and parent of none."""


def forest_document(corpus: Corpus) -> Document:
    """For each edge the texts, over all splits, that have the child and not its parent."""
    names = corpus.labels.names
    broken = sum(_broken(corpus, split).sum(axis=0) for split in corpus.splits)
    return {
        "edges": [
            {"child": names[child], "parent": names[parent], "violations": int(count)}
            for (child, parent), count in zip(
                corpus.labels.edges, np.atleast_1d(broken), strict=True
            )
        ]
    }


def forest_findings(corpus: Corpus) -> Iterator[Finding]:
    """Children without parents in any split; implied parents and labels apart in training."""
    yield from _orphans(corpus)
    together, known = co_occurrence(corpus.train.targets), co_known(corpus.train.targets)
    both = both_known(corpus.train.targets)
    yield from _implied(corpus, together, known, both.diagonal())
    yield from _exclusions(corpus.labels, together, known, both)


def _broken(corpus: Corpus, split: str) -> NDArray[np.bool_]:
    """Texts with the child and not the parent of each edge [n, edges]."""
    children, parents = corpus.labels.pairs()
    targets = corpus.splits[split].targets
    # an unknown parent breaks nothing
    return np.asarray((targets[:, children] == 1) & (targets[:, parents] == 0), dtype=np.bool_)


def _orphans(corpus: Corpus) -> Iterator[Finding]:
    names = corpus.labels.names
    places = [
        Place(split, int(row), names[child], f"without {names[parent]}")
        for split in corpus.splits
        for row, edge in np.argwhere(_broken(corpus, split))
        for child, parent in [corpus.labels.edges[edge]]
    ]
    if places:
        pairs = [edge for edge in forest_document(corpus)["edges"] if edge["violations"]]
        pairs.sort(key=lambda edge: -edge["violations"])
        shown = some(f"{e['child']} without {e['parent']} ({e['violations']:,})" for e in pairs)
        message = f"children without their parents: {shown}"
        yield found("orphan-child", message, {"pairs": pairs}, places)


def _implied(corpus: Corpus, together: Counts, known: Counts, texts: Counts) -> Iterator[Finding]:
    names = corpus.labels.names
    pairs: list[Document] = []
    for child, parent in _candidates(corpus.labels, together, known, texts):
        hits, trials = int(together[child, parent]), int(known[child, parent])
        share = figure(hits / trials, *exact_interval(hits, trials))
        if share["low"] >= IMPLIES:
            row = {"child": names[child], "parent": names[parent], "share": share}
            pairs.append({**row, "texts": trials, "without": trials - hits})
    if pairs:
        shown = some(f"{p['child']} → {p['parent']} {figure_text(p['share'])}" for p in pairs)
        message = f"{counted(len(pairs), 'label')} all but implied by another: {shown}"
        yield found("implied-parent", message, {"pairs": pairs}, _exceptions(corpus, pairs))


def _candidates(
    labels: Labels, together: Counts, known: Counts, texts: Counts
) -> Iterator[tuple[int, int]]:
    """For each label without a parent the rarest more frequent one that nearly all its texts have.

    None of those that stand below it. `texts`: of which each label is known [L].
    """
    positives = together.diagonal()
    roots = np.array([labels.with_ancestors(label)[-1] for label in range(len(labels))])
    for child in np.flatnonzero(np.array(labels.parents) < 0):
        implied = together[child] >= IMPLIES * np.maximum(known[child], 1)
        implied &= (positives > positives[child]) & (positives < COMMON * texts) & (roots != child)
        if implied.any():
            yield int(child), int(np.argmin(np.where(implied, positives, np.inf)))


def _said_above(labels: Labels, never: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each two labels [L, L] whether two above them, or one and one above the other, never meet.

    Args:
        labels: the forest.
        never: whether two labels never meet [L, L], in either order.
    """
    at_or_above = never.copy()
    for child, parent in labels.edges:  # parents first
        at_or_above[child] |= at_or_above[parent]
    for child, parent in labels.edges:
        at_or_above[:, child] |= at_or_above[:, parent]
    said = np.zeros_like(never)
    for child, parent in labels.edges:
        said[child] |= at_or_above[parent]
    for child, parent in labels.edges:
        said[:, child] |= at_or_above[:, parent]
    return said


def _exceptions(corpus: Corpus, pairs: list[Document]) -> list[Place]:
    """The training texts with the child and not the parent: the likeliest to be wrong."""
    targets, index = corpus.train.targets, corpus.labels.names.index
    return [
        Place("train", int(row), pair["child"], f"without {pair['parent']}")
        for pair in pairs
        for row in np.flatnonzero(
            (targets[:, index(pair["child"])] == 1) & (targets[:, index(pair["parent"])] == 0)
        )
    ]


def _may_be_below(limit: float, ours: Counts, theirs: Counts, texts: Counts) -> NDArray[np.bool_]:
    """Where the chance of two labels never to meet can be below a limit; elsewhere it is not.

    That chance is the product of 1 - ours / (texts - i) over i < theirs, of which the last factor
    is the least; it is quickly worked out, and rare labels are many.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        least = theirs * np.log1p(-ours / (texts - theirs + 1))
    return np.asarray(~(least > np.log(limit) + 1e-6), dtype=np.bool_)


def _exclusions(labels: Labels, together: Counts, known: Counts, both: Counts) -> Iterator[Finding]:
    """Pairs that never meet, though of all pairs not one would stay apart by chance.

    Where two labels never meet, those below them are not said again. `both`: texts of which both
    labels are known [L, L].
    """
    first, second = np.triu_indices(len(labels), k=1)
    limit = 2 * TAIL / max(1, len(first))
    unmet = np.flatnonzero(together[first, second] == 0)
    first, second = first[unmet], second[unmet]
    ours, theirs, texts = known[first, second], known[second, first], both[first, second]
    apart = _may_be_below(limit, ours, theirs, texts)
    apart[apart] = hypergeom.pmf(0, texts[apart], ours[apart], theirs[apart]) < limit
    expected = ours * theirs / np.maximum(1, texts)
    never = np.zeros(together.shape, np.bool_)
    never[first[apart], second[apart]] = never[second[apart], first[apart]] = True
    said = _said_above(labels, never)
    pairs: list[Document] = [
        {"labels": [labels.names[one], labels.names[other]], "expected": float(count)}
        for one, other, count in sorted(
            zip(first[apart].tolist(), second[apart].tolist(), expected[apart], strict=True),
            key=lambda pair: -pair[2],
        )
        if not said[one, other]
    ]
    if pairs:
        shown = some(
            (f"{' and '.join(p['labels'])} ({p['expected']:.0f} texts by chance)" for p in pairs), 3
        )
        message = f"{counted(len(pairs), 'pair')} of frequent labels never meet: {shown}"
        yield found("mutual-exclusion", message, {"pairs": pairs})
