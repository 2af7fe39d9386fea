"""Where labels and hierarchy disagree: missing parents, implied parents, exclusive labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from imbtool.analysis.document import Edge, HierarchyAnalysis
from imbtool.analysis.finding import Finding, FoundRows, found
from imbtool.config.hierarchy import Labels
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import both_known, co_known, co_occurrence
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate, estimate_text
from imbtool.evaluation.intervals import TAIL, exact_interval
from imbtool.labels.label_sets import LabelSets
from imbtool.types import Counts, Rows
from imbtool.wording import counted, some

IMPLIES = 0.8
"""A label implies another if surely this share of its texts have it: the interval's low end."""
COMMON = 0.5
"""A label that more texts have is implied by every other one, and parent of none."""


@dataclass(frozen=True)
class ImpliedParent:
    """Which share of the texts of a label have another one too.

    Attributes:
        child: the label.
        parent: the other one.
        share: of the texts of the label.
        texts: of the label, with the other one known.
        without: how many of them do not have the other one.
    """

    child: str
    parent: str
    share: Estimate
    texts: int
    without: int


def count_violations(corpus: Corpus) -> HierarchyAnalysis:
    """For each edge the texts, over all splits, that have the child and not its parent."""
    names = corpus.labels.names
    sets = [split.label_sets for split in corpus.splits.values()]
    broken = sum(each.times @ _broken(each, corpus.labels) for each in sets)
    return HierarchyAnalysis(
        edges=[
            Edge(child=names[child], parent=names[parent], violations=int(count))
            for (child, parent), count in zip(
                corpus.labels.edges, np.atleast_1d(broken), strict=True
            )
        ]
    )


def hierarchy_findings(corpus: Corpus) -> Iterator[Finding]:
    """Missing parents in any split; implied parents and exclusive labels in training.

    Labels are exclusive in the texts that no search chose: one that looks for texts of either label
    finds few that have both.
    """
    yield from _orphans(corpus)
    targets = corpus.train.label_sets
    together, known, both = co_occurrence(targets), co_known(targets), both_known(targets)
    yield from _implied(corpus, together, known, both.diagonal())
    if corpus.train.chosen.any():
        targets = corpus.train.unchosen().label_sets
        together, known, both = co_occurrence(targets), co_known(targets), both_known(targets)
    yield from _exclusions(corpus.labels, together, known, both)


def _broken(targets: LabelSets, labels: Labels) -> NDArray[np.bool_]:
    """Which sets of labels have the child and not the parent of each edge [k, edges]."""
    children, parents = labels.pairs()
    sets = targets.sets
    # an unknown parent breaks nothing
    return np.asarray((sets[:, children] == 1) & (sets[:, parents] == 0), dtype=np.bool_)


def _orphans(corpus: Corpus) -> Iterator[Finding]:
    names = corpus.labels.names
    parts = [_orphan_texts(split.label_sets, corpus.labels) for split in corpus.splits.values()]
    index, edge = (np.concatenate(each) for each in zip(*parts, strict=True))
    split = np.repeat(np.arange(len(parts)), [len(texts) for texts, _ in parts])

    def tell(at: int) -> tuple[str, str]:
        child, parent = corpus.labels.edges[edge[at]]
        return names[child], f"without {names[parent]}"

    if rows := FoundRows(split, index, tell):
        pairs = [edge for edge in count_violations(corpus).edges if edge.violations]
        pairs.sort(key=lambda edge: -edge.violations)
        shown = some(f"{edge.child} without {edge.parent} ({edge.violations:,})" for edge in pairs)
        message = f"Child labels are given without their parent: {shown}."
        yield found("orphan-child", message, {"pairs": pairs}, rows)


def _orphan_texts(targets: LabelSets, labels: Labels) -> tuple[Rows, Rows]:
    """Texts that have a child without its parent, and of which edge, for each such pair."""
    broken = _broken(targets, labels)
    texts = np.flatnonzero(np.asarray(broken.any(axis=1))[targets.of_text])
    row, edge = np.nonzero(broken[targets.of_text[texts]])
    return texts[row], edge


def _implied(corpus: Corpus, together: Counts, known: Counts, texts: Counts) -> Iterator[Finding]:
    names = corpus.labels.names
    pairs = []
    for child, parent in _candidates(corpus.labels, together, known, texts):
        hits, trials = int(together[child, parent]), int(known[child, parent])
        low, high = exact_interval(hits, trials)
        if low >= IMPLIES:
            share = estimate(hits / trials, low, high)
            pairs.append(ImpliedParent(names[child], names[parent], share, trials, trials - hits))
    if pairs:
        shown = some(
            f"{pair.child} with {pair.parent}, {estimate_text(pair.share)}" for pair in pairs
        )
        occur = "occurs" if len(pairs) == 1 else "occur"
        subject = f"{counted(len(pairs), 'label')} nearly always {occur} with another one"
        message = f"{subject} (share of the texts): {shown}."
        evidence = {"pairs": [asdict(pair) for pair in pairs]}
        yield found("implied-parent", message, evidence, _exceptions(corpus, pairs))


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
    """Of each two labels [L, L] whether labels above both, or above one, never occur together.

    Args:
        labels: the forest.
        never: whether two labels never occur together [L, L], in either order.
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


def _exceptions(corpus: Corpus, pairs: Sequence[ImpliedParent]) -> FoundRows:
    """The training texts with the child and not the parent: the likeliest to be wrong."""
    targets, place = corpus.train.label_sets, corpus.labels.names.index
    sets = targets.sets
    found_texts = [
        np.flatnonzero(
            ((sets[:, place(pair.child)] == 1) & (sets[:, place(pair.parent)] == 0))[
                targets.of_text
            ]
        )
        for pair in pairs
    ]
    number = np.repeat(np.arange(len(pairs)), [*map(len, found_texts)])

    def tell(at: int) -> tuple[str, str]:
        pair = pairs[number[at]]
        return pair.child, f"without {pair.parent}"

    return FoundRows.of_split("train", np.concatenate(found_texts), tell)


def _may_be_below(limit: float, ours: Counts, theirs: Counts, texts: Counts) -> NDArray[np.bool_]:
    """Where the chance of two labels never to occur together can be below a limit.

    That chance is the product of 1 - ours / (texts - i) over i < theirs, of which the last factor
    is the least; it is quickly worked out, and rare labels are many.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        least = theirs * np.log1p(-ours / (texts - theirs + 1))
    return np.asarray(~(least > np.log(limit) + 1e-6), dtype=np.bool_)


def _exclusions(labels: Labels, together: Counts, known: Counts, both: Counts) -> Iterator[Finding]:
    """Pairs that never occur together, though by chance every pair would.

    Where two labels never occur together, the labels below them are not reported again. `both`:
    texts of which both labels are known [L, L].
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
    pairs = [
        (labels.names[one], labels.names[other], float(count))
        for one, other, count in sorted(
            zip(first[apart].tolist(), second[apart].tolist(), expected[apart], strict=True),
            key=lambda pair: -pair[2],
        )
        if not said[one, other]
    ]
    if pairs:
        shown = some(
            (f"{one} and {other} ({count:.0f} texts by chance)" for one, other, count in pairs), 3
        )
        subject = f"{counted(len(pairs), 'pair')} of frequent labels never"
        message = f"{subject} {'occurs' if len(pairs) == 1 else 'occur'} together: {shown}."
        rows = [{"labels": [one, other], "expected": count} for one, other, count in pairs]
        yield found("mutual-exclusion", message, {"pairs": rows})
