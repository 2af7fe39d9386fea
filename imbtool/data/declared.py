"""Labels that the profile declares: no text may have them yet, nobody may have looked for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from imbtool.labels.cells import LabelCells
from imbtool.labels.label_sets import LabelSets
from imbtool.wording import counted, some


@dataclass(frozen=True)
class Declared:
    """What became of the labels in `labels.names`.

    Attributes:
        left_out: those that the label set lacks, since they cannot be learned yet.
        unasked: those of the label set that are unknown of a text unless it is said to be known,
            since no text has them whose labels are all taken for known.
    """

    left_out: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of these labels: of them a table may lack the columns."""
        return (*self.left_out, *self.unasked)


NOTHING_DECLARED = Declared()


def unasked_labels(declared: Collection[str], tables: Sequence[LabelCells]) -> set[str]:
    """The declared labels that nobody was asked for, but in texts that list what is known.

    In one column of names, the absence of a label means 0 where annotators have looked for it. Of a
    declared label that is not known: it is unknown (NaN) in a text, unless the text has it or its
    cell of known labels lists it. As soon as a text has the label whose cell lists nothing, it is
    a label as all others are, 0 where it is absent. This is decided over all tables of the
    profile together, and written to the checkpoint.

    Args:
        declared: `labels.names` of the profile.
        tables: the label cells of all tables that are read together.
    """
    return set(declared).difference(*(cells.usual_names for cells in tables))


@dataclass(frozen=True)
class Lacking:
    """Declared labels that training lacks positives, or negatives, of."""

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of these labels."""
        return (*self.positives, *self.negatives)


def lacking(targets: LabelSets, names: Sequence[str], declared: Collection[str]) -> Lacking:
    """The declared labels that cannot be learned from training targets.

    Args:
        targets: of the labels.
        names: of the labels [L].
        declared: `labels.names` of the profile.
    """
    places = [(place, name) for place, name in enumerate(names) if name in set(declared)]
    positives, negatives = (
        {name for place, name in places if len(targets.texts_with(place, value))}
        for value in (1, 0)
    )
    without = tuple(name for _, name in places if name not in positives)
    constant = (name for _, name in places if name in positives and name not in negatives)
    return Lacking(without, tuple(constant))


def left_out_notes(labels: Lacking) -> Iterator[str]:
    """A sentence on the labels that training leaves out; none where there are none."""
    if not labels.names:
        return
    one = len(labels.names) == 1
    wanted = "positives and negatives" if labels.negatives else "positives"
    yield (
        f"{counted(len(labels.names), 'label')} of labels.names "
        f"{'is' if one else 'are'} left out until {'it has' if one else 'they have'} {wanted}: "
        f"{some(map(repr, labels.names))}."
    )


def table_notes(where: object, cells: LabelCells, left_out: Sequence[str]) -> Iterator[str]:
    """A sentence on labels of a table that the model was trained without; none without any."""
    here = [name for name in left_out if name in cells.names]
    sets = cells.label_sets(here)
    found = [repr(name) for place, name in enumerate(here) if len(sets.texts_with(place))]
    if found:
        yield (
            f"{where}: {counted(len(found), 'label')} of labels.names, which the model was trained "
            f"without, {'is' if len(found) == 1 else 'are'} left out: {some(found)}."
        )
