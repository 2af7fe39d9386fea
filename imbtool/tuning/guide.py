"""The tuning guide: what is found, and what is then changed. GUIDE is all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imbtool.config.reader import make_profile
from imbtool.config.schema import LossSection, Profile
from imbtool.tuning.diagnosis import Finding

GAMMA, WEIGHT = "loss.gamma", "weights.custom"
RATE, EPOCHS, CONSTRAINT = "training.learning_rate", "training.epochs", "loss.constraint"
PER_LABEL = frozenset({GAMMA, WEIGHT})
SETTING_NAMES: Mapping[str, str] = {
    GAMMA: "gamma",
    WEIGHT: "weight",
    RATE: "learning rate",
    EPOCHS: "epochs",
    CONSTRAINT: "constraint",
}
"""As people call the keys."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    GAMMA: (0, 5),
    WEIGHT: (1, 30),
    RATE: (1e-6, 5e-4),
    EPOCHS: (1, 20),
    CONSTRAINT: (0, 4),
}


@dataclass(frozen=True)
class Step:
    """One way to change a key of the profile: from its value and the evidence to another value."""

    key: str
    move: Callable[[float, Mapping[str, Any]], float]
    reach: int = 1
    """How many may be taken at once: where one is not enough to help, two may be."""
    bounded: bool = True
    """Whether the bounds hold it; a value that the run itself has shown needs none."""


MORE_GAMMA = Step(GAMMA, lambda gamma, _: max(2.0, gamma + 1.0))
LESS_GAMMA = Step(GAMMA, lambda gamma, _: gamma - 0.5)
MORE_WEIGHT = Step(WEIGHT, lambda weight, _: _cut(1.5 * weight))
LESS_WEIGHT = Step(WEIGHT, lambda weight, _: _cut(0.7 * weight))
SLOWER = Step(RATE, lambda rate, _: float(f"{rate / 3:.0e}"), reach=3)
FASTER = Step(RATE, lambda rate, _: float(f"{rate * 2:.0e}"))
LONGER = Step(EPOCHS, lambda epochs, _: math.ceil(1.5 * epochs))
UP_TO_KEPT = Step(EPOCHS, lambda _, evidence: evidence["kept_epoch"], bounded=False)
STRICTER = Step(CONSTRAINT, lambda price, _: max(0.5, 2.0 * price))

GUIDE: Mapping[str, tuple[Step, ...]] = {
    # of a label: only its own gamma and weight
    "zero-recall": (MORE_GAMMA, MORE_WEIGHT),
    "low-recall": (MORE_GAMMA, MORE_WEIGHT),
    "over-predicted": (LESS_GAMMA, LESS_WEIGHT),
    "threshold-low": (MORE_WEIGHT,),
    "threshold-high": (LESS_WEIGHT,),
    "incoherent": (STRICTER,),
    # of the run
    "not-finite": (SLOWER,),
    "oscillating": (SLOWER,),
    "worse-than-frozen": (SLOWER,),
    "validation-rising": (UP_TO_KEPT,),
    "still-improving": (FASTER, LONGER),  # more steps cost more
}
"""Finding: what is tried, in this order; a step is taken again only after the others had a turn."""

EXPLORED = ((LESS_WEIGHT, MORE_WEIGHT), (LESS_GAMMA, MORE_GAMMA), (STRICTER,))
"""Steps of all rare labels at once that a head on the frozen encoder tries; of each row the first
that helps, as often as it does."""
RANKS_BETTER = "ranks-better"
"""The id of what such a head has found."""

Place = tuple[str, str | None]
"""A key of the profile, and the label where each label has its own value."""
Settings = Mapping[Place, float]


@dataclass(frozen=True)
class Change:
    """A value of the profile that was or will be changed.

    Attributes:
        key: of the profile, `loss.gamma` for one.
        label: whose value it is; None: the run's.
        before: the value it had.
        after: the value it gets.
        because: what was found.
        finding: the id of that.
    """

    key: str
    label: str | None
    before: float
    after: float
    because: str
    finding: str

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return self.key, self.label


def settings_of(
    profile: Profile, rate: float, epochs: int, weights: Mapping[str, float]
) -> dict[Place, float]:
    """What a run was trained with, of all that the guide may change.

    Args:
        profile: of the run.
        rate: the learning rate, which the profile may leave to imbtool.
        epochs: that were planned, which it may leave as well.
        weights: of the labels, as the rules of the profile gave them.
    """
    values: dict[Place, float] = {(RATE, None): rate, (EPOCHS, None): epochs}
    if profile.labels.edges:
        values[CONSTRAINT, None] = profile.loss.constraint
    for name, weight in weights.items():
        values[GAMMA, name] = profile.loss.gamma_of(name)
        values[WEIGHT, name] = weight
    return values


def changes_for(finding: Finding, settings: Settings) -> list[Change]:
    """What the guide has for a finding, within the bounds.

    Args:
        finding: that is acted on.
        settings: what the run was trained with.
    """
    steps = GUIDE[finding.id]
    changes = [
        _change(step, finding, settings, times)
        for times in range(1, max(step.reach for step in steps) + 1)
        for step in steps
        if times <= step.reach
    ]
    # a bound cuts longer ways to the same value
    return list(dict.fromkeys(change for change in changes if change is not None))


def stepped(step: Step, settings: Settings, rare: Iterable[str]) -> dict[Place, float]:
    """What settings become after a step of every rare label, or of the run; its bounds hold."""
    places = [(step.key, name) for name in rare] if step.key in PER_LABEL else [(step.key, None)]
    after = dict(settings)
    for place in places:
        if place in settings and (moved := _moved(step, settings[place], {})) is not None:
            after[place] = moved
    return after


def between(before: Settings, after: Settings, because: str) -> list[Change]:
    """The changes from some settings to others that rank better on frozen features."""
    return [
        Change(*place, value, after[place], because, RANKS_BETTER)
        for place, value in before.items()
        if after[place] != value
    ]


def _change(step: Step, finding: Finding, settings: Settings, times: int) -> Change | None:
    place = (step.key, finding.label if step.key in PER_LABEL else None)
    before = settings.get(place)
    after = before
    for _ in range(times):
        after = None if after is None else _moved(step, after, finding.evidence)
    if before is None or after is None:
        return None
    because = finding.message
    if finding.label is not None and place[1] is None:
        because = f"{finding.label}: {because}"
    return Change(*place, before, after, because, finding.id)


def _moved(step: Step, value: float, evidence: Mapping[str, Any]) -> float | None:
    """The value after a step; None where a bound leaves no way in its direction."""
    low, high = BOUNDS[step.key]
    wanted = step.move(value, evidence)
    after = min(max(wanted, low), high) if step.bounded else wanted
    return after if (after - value) * (wanted - value) > 0 else None


def _cut(weight: float) -> float:
    """10 -> 15, 5 -> 7, 10 -> 7: whole numbers from 5 on, one digit below."""
    digit = 1.0 if weight >= 5 else 0.1
    # 7 / 0.1 is 69.99: a hair is no digit
    return round(math.floor(weight / digit + 1e-9) * digit, 1)


def apply(profile: Profile, changes: Iterable[Change], names: Sequence[str]) -> Profile:
    """The profile with some changes made, read anew by the schema.

    Args:
        profile: resolved.
        changes: at most one a place.
        names: of all labels: the others keep the gamma they have.
    """
    values = profile.model_dump(mode="json", exclude_unset=True)
    for change in changes:
        section, name = change.key.split(".")
        part = values.setdefault(section, {})
        if change.label is None:
            part[name] = change.after
            continue
        if change.key == GAMMA:
            part |= {"name": "focal", "gamma": _gammas(part, profile, names)}
        part[name] = {**part.get(name, {}), change.label: change.after}
    return make_profile(values)


def _gammas(loss: dict[str, Any], profile: Profile, names: Sequence[str]) -> dict[str, float]:
    """Gamma of each label that has another than the default."""
    if isinstance(loss.get("gamma"), dict):
        return dict(loss["gamma"])
    usual = LossSection().gamma
    gammas = {name: profile.loss.gamma_of(name) for name in names}
    return {name: gamma for name, gamma in gammas.items() if gamma != usual}
