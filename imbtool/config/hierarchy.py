"""The label set and its forest: primary labels, the secondary labels under them, any depth."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbtool.types import Decisions

Hierarchy = Mapping[str, object] | Sequence[object] | str | None
"""Nested maps and lists of label names: `{violence: [praise, {threats: [armed threats]}]}`."""

Coherence = Literal["add-parents", "drop-children"]


@dataclass(frozen=True)
class Labels:
    """An ordered label set and its forest.

    Attributes:
        names: label names, in the order of the columns of every target matrix.
        parents: for each label the index of its parent, -1 for a root.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(child, parent) index pairs, parents before their children's children."""
        pairs = [(child, parent) for child, parent in enumerate(self.parents) if parent >= 0]
        return tuple(sorted(pairs, key=lambda pair: self._depths[pair[0]]))

    @property
    def groups(self) -> dict[str, list[int]]:
        """Indices of `primary` (has children) and `secondary` (has a parent) labels.

        A label in the middle of the forest is in both; without a hierarchy there are none.
        """
        if not self.edges:
            return {}
        return {
            "secondary": sorted({child for child, _ in self.edges}),
            "primary": sorted({parent for _, parent in self.edges}),
        }

    def with_ancestors(self, label: int) -> list[int]:
        """A label and those above it, the highest last."""
        line = [label]
        while (parent := self.parents[line[-1]]) >= 0:
            line.append(parent)
        return line

    def only(self, kept: Sequence[int]) -> Labels:
        """Some of the labels, by their indices; a child attaches to the next of them above it."""
        place = {label: number for number, label in enumerate(kept)}
        above = (self.with_ancestors(label)[1:] for label in kept)
        parents = (next(filter(place.__contains__, line), None) for line in above)
        return Labels(
            tuple(self.names[label] for label in kept),
            tuple(-1 if parent is None else place[parent] for parent in parents),
        )

    @cached_property
    def _depths(self) -> list[int]:
        """The number of ancestors of each label; every label is walked through once."""
        depths = [-1] * len(self)
        for start in range(len(self)):
            line, label = [], start
            while label >= 0 and depths[label] < 0:
                line.append(label)
                label = self.parents[label]
            above = depths[label] if label >= 0 else -1
            for number, below in enumerate(reversed(line), start=1):
                depths[below] = above + number
        return depths

    def pairs(self) -> tuple[list[int], list[int]]:
        """Children and their parents as two parallel index lists, top of the forest first."""
        return [child for child, _ in self.edges], [parent for _, parent in self.edges]

    def violations(self, decisions: Decisions) -> NDArray[np.int64]:
        """Count rows with the child decided and its parent not, for each edge: [edges]."""
        return np.asarray(self._broken(decisions).sum(axis=0), dtype=np.int64)

    def violation_rate(self, decisions: Decisions) -> float:
        """Share of rows in which at least one decided child lacks its parent."""
        return float(self._broken(decisions).any(axis=1).mean()) if len(decisions) else 0.0

    def _broken(self, decisions: Decisions) -> Decisions:
        children, parents = self.pairs()
        return np.asarray(decisions[:, children] & ~decisions[:, parents], dtype=np.bool_)

    def coherent(self, decisions: Decisions, how: Coherence | None) -> Decisions:
        """Decisions [..., n, L] in which no child stands without its parents; as they are for None.

        `add-parents` decides every ancestor of a decided label; `drop-children` withdraws every
        label one of whose ancestors is not decided.
        """
        if how is None:
            return decisions
        result = decisions.copy()
        if how == "add-parents":
            for child, parent in reversed(self.edges):
                result[..., parent] |= result[..., child]
        else:
            for child, parent in self.edges:
                result[..., child] &= result[..., parent]
        return result


def label_set(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> Labels:
    """Build the label set from names and (child, parent) name pairs among them.

    Raises:
        ValueError: a parent that is no label; a cycle.
    """
    ordered = tuple(names)
    index = {name: position for position, name in enumerate(ordered)}
    parent_of = dict(edges)
    for name in filter(parent_of.__contains__, ordered):
        if parent_of[name] not in index:
            raise ValueError(f"{name!r} stands under {parent_of[name]!r}, which is no label")
    _refuse_cycles({name: parent_of[name] for name in ordered if name in parent_of})
    parents = (index[parent_of[name]] if name in parent_of else -1 for name in ordered)
    return Labels(ordered, tuple(parents))


def hierarchy_edges(tree: Hierarchy) -> list[tuple[str, str]]:
    """Flatten a nested hierarchy into (child, parent) name pairs, in the order written.

    Raises:
        ValueError: a shape other than maps, lists and text; a label with two parents; a cycle.
    """
    edges = list(dict.fromkeys(_walk(tree)))
    parent_of: dict[str, str] = {}
    for child, parent in edges:
        if child in parent_of:
            raise ValueError(f"{child!r} stands under {parent_of[child]!r} and under {parent!r}")
        parent_of[child] = parent
    _refuse_cycles(parent_of)
    return edges


def spelled_alike(names: Iterable[str]) -> list[list[str]]:
    """Labels that differ by case, blanks or the encoding of their characters alone, together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(plain, []).append(name)
    return [alike for alike in groups.values() if len(alike) > 1]


def _walk(tree: Hierarchy) -> Iterator[tuple[str, str]]:
    """The pairs of a tree of any depth, from the top down and in the order written."""
    left: list[tuple[object, str | None]] = [(tree, None)]
    while left:
        part, parent = left.pop()
        if isinstance(part, str):
            if parent is not None:
                yield part, parent
        elif part is not None:
            left += reversed(_parts(part, parent))


def _parts(part: object, parent: str | None) -> list[tuple[object, str | None]]:
    """What a map or a list under a label is made of, each with the label above it."""
    if isinstance(part, Mapping):
        return [pair for name, below in part.items() for pair in ((name, parent), (below, name))]
    if isinstance(part, Sequence):
        return [(item, parent) for item in part]
    raise ValueError(f"{part!r} is neither a label, a list nor a map")


def _refuse_cycles(parent_of: Mapping[str, str]) -> None:
    """Follow each label upwards, as far as no label before it has led."""
    seen: set[str] = set()
    for start in parent_of:
        line: dict[str, None] = {}
        label = start
        while label in parent_of and label not in seen:
            seen.add(label)
            line[label] = None
            label = parent_of[label]
        if label in line:
            above = list(line)[list(line).index(label) :]
            raise ValueError("a cycle: " + " > ".join(reversed([*above, label])))
