"""How many texts of a batch each label gets: by what it needs, and by what the search yields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imbtool.config.schema import WeightsSection
from imbtool.data.imbalance import LabelCount, Tier, tier_of
from imbtool.data.splitting import part_sizes
from imbtool.types import Counts

ALREADY = 5
"""Added to the positives of a label: one of none needs twice as much as one of five."""
FLOOR = 0.25
"""The share of the texts that all labels get alike, so that none is given up."""
FADING = 0.7
"""How much each batch's yield counts beside the next one's."""
PRIOR_YIELD, PRIOR_TEXTS = 0.1, 15
"""What a label is thought to yield before it was searched, and the texts that this counts for."""
ENOUGH = 50
"""Positives from which on a label needs no more than others, where no label is rare."""


@dataclass(frozen=True)
class LabelState:
    """What is known of a label before a batch is chosen.

    Attributes:
        name: of the label.
        positives: of it in training.
        prevalence: its share of the texts that no search has chosen.
        known: how many of those say whether they have it.
        unseen: whether the model to be improved finds none of its positives on validation.
        asked: texts that each earlier batch chose for it and that were answered, oldest first.
        yielded: positives among each of these.
    """

    name: str
    positives: int
    prevalence: float
    known: int
    unseen: bool = False
    asked: tuple[int, ...] = ()
    yielded: tuple[int, ...] = ()

    @property
    def ratio(self) -> float:
        """Negatives for each positive in texts that no search has chosen."""
        return (1 - self.prevalence) / self.prevalence if self.prevalence else float("inf")

    @property
    def expected_yield(self) -> float:
        """The share of positives to expect in texts that are chosen for it."""
        positives, texts = PRIOR_YIELD * PRIOR_TEXTS, float(PRIOR_TEXTS)
        for asked, yielded in zip(self.asked, self.yielded, strict=True):
            positives, texts = FADING * positives + yielded, FADING * texts + asked
        return (positives + 0.5) / (texts + 5)

    @property
    def need(self) -> float:
        """What one more positive is worth: it falls with those there are."""
        return (2.0 if self.unseen else 1.0) / (self.positives + ALREADY)


def expected_prevalence(count: LabelCount, rules: WeightsSection) -> float:
    """The share of positives to expect in texts that no search chooses.

    No positive among a few texts says nothing: until more are known, the label is taken for severe.

    Args:
        count: of the label, in texts that no search has chosen.
        rules: `weights` of the profile, which say what is severe.
    """
    known = count.known if count.positives else max(count.known, rules.severe.ratio)
    return (count.positives + 0.5) / (known + 1)


def labels_in_need(states: Sequence[LabelState], rules: WeightsSection) -> list[LabelState]:
    """The labels of the rarest tier that any has: severe, else moderate, else those with few.

    Args:
        states: of all labels.
        rules: `weights` of the profile, which say what is severe.
    """
    tiers: list[Tier] = [tier_of(state.ratio, rules) for state in states]
    for tier in ("severe", "moderate"):
        found = [state for state, of in zip(states, tiers, strict=True) if of == tier]
        if found:
            return found
    return [state for state in states if state.positives < ENOUGH] or list(states)


def allot(states: Sequence[LabelState], texts: int) -> Counts:
    """Share out the texts of a batch over labels [L].

    A text goes where it is expected to be worth most: need times expected yield. A quarter of the
    texts is shared out evenly, since a label that yields nothing today may do so tomorrow.
    """
    worth = np.array([state.need * state.expected_yield for state in states])
    shares = (1 - FLOOR) * worth / worth.sum() + FLOOR / len(states)
    return part_sizes(texts, shares.tolist())
