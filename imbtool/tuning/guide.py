"""The tuning guide: for each diagnosis, what the next round changes. GUIDE is all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from imbtool.config.reader import make_profile
from imbtool.config.schema import LossSection, Profile
from imbtool.events import Evidence
from imbtool.files.documents import Number, Typed
from imbtool.tuning.diagnosis import Diagnosis

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
"""The keys in words."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    GAMMA: (0, 5),
    WEIGHT: (1, 30),
    RATE: (1e-6, 5e-4),
    EPOCHS: (1, 20),
    CONSTRAINT: (0, 4),
}


@dataclass(frozen=True)
class Adjustment:
    """One way to change a key of the profile.

    Attributes:
        key: of the profile.
        move: gives the new value for the present one and the evidence of the diagnosis.
        most_times: how often it may be applied at once: where once does not help, twice may.
        bounded: whether `BOUNDS` limit it; a value that the run itself has shown needs no limit.
    """

    key: str
    move: Callable[[float, Evidence], float]
    most_times: int = 1
    bounded: bool = True


MORE_GAMMA = Adjustment(GAMMA, lambda gamma, _: max(2.0, gamma + 1.0))
LESS_GAMMA = Adjustment(GAMMA, lambda gamma, _: gamma - 0.5)
MORE_WEIGHT = Adjustment(WEIGHT, lambda weight, _: _cut(1.5 * weight))
LESS_WEIGHT = Adjustment(WEIGHT, lambda weight, _: _cut(0.7 * weight))
SLOWER = Adjustment(RATE, lambda rate, _: float(f"{rate / 3:.0e}"), most_times=3)
FASTER = Adjustment(RATE, lambda rate, _: float(f"{rate * 2:.0e}"))
LONGER = Adjustment(EPOCHS, lambda epochs, _: math.ceil(1.5 * epochs))
UP_TO_KEPT = Adjustment(
    EPOCHS, lambda epochs, evidence: evidence["kept_epoch"] or epochs, bounded=False
)
STRICTER = Adjustment(CONSTRAINT, lambda price, _: max(0.5, 2.0 * price))

GUIDE: Mapping[str, tuple[Adjustment, ...]] = {
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
"""By diagnosis: what is tried, in this order. One is applied again only after the others were."""

SEARCHED = ((LESS_WEIGHT, MORE_WEIGHT), (LESS_GAMMA, MORE_GAMMA), (STRICTER,))
"""What the frozen-encoder search tries for all rare labels at once: of each row the first
adjustment that helps, as often as it does."""
RANKS_BETTER = "ranks-better"
"""The reason for the changes that the frozen-encoder search finds, in place of a diagnosis."""

Setting = tuple[str, str | None]
"""A key of the profile, and the label where each label has its own value."""
Value = Annotated[int, Field(ge=-(10**18), le=10**18)] | Number
Settings = Mapping[Setting, Value]


class Change(Typed):
    """A value of the profile that was or will be changed."""

    model_config = ConfigDict(extra="forbid")

    key: str
    """Of the profile, `loss.gamma` for one."""
    label: str | None
    """Whose value it is; None: the run's."""
    before: Value
    after: Value
    because: str
    """The message of the diagnosis."""
    finding: str
    """The id of the diagnosis."""

    @model_validator(mode="after")
    def _is_of_the_guide(self) -> Self:
        if self.key not in SETTING_NAMES or (self.key in PER_LABEL) != (self.label is not None):
            raise ValueError("a key that the guide does not change")
        return self

    @property
    def setting(self) -> Setting:
        """What is changed."""
        return self.key, self.label


def settings_of(
    profile: Profile, rate: float, epochs: int, weights: Mapping[str, float]
) -> dict[Setting, float]:
    """What a run was trained with, of all that the guide may change.

    Args:
        profile: of the run.
        rate: the learning rate, which the profile may leave to imbtool.
        epochs: that were planned, which it may leave as well.
        weights: of the labels, as the rules of the profile gave them.
    """
    values: dict[Setting, float] = {(RATE, None): rate, (EPOCHS, None): epochs}
    if profile.labels.edges:
        values[CONSTRAINT, None] = profile.loss.constraint
    for name, weight in weights.items():
        values[GAMMA, name] = profile.loss.gamma_of(name)
        values[WEIGHT, name] = weight
    return values


def changes_for(diagnosis: Diagnosis, settings: Settings) -> list[Change]:
    """What the guide has for a diagnosis, within the bounds.

    Args:
        diagnosis: that is acted on.
        settings: what the run was trained with.
    """
    adjustments = GUIDE[diagnosis.id]
    changes = [
        _change(adjustment, diagnosis, settings, times)
        for times in range(1, max(each.most_times for each in adjustments) + 1)
        for adjustment in adjustments
        if times <= adjustment.most_times
    ]
    # a bound gives several of them the same value
    return list(dict.fromkeys(change for change in changes if change is not None))


def adjusted(adjustment: Adjustment, settings: Settings, rare: Iterable[str]) -> Settings:
    """Settings after an adjustment of every rare label, or of the run, within the bounds."""
    key = adjustment.key
    after = dict(settings)
    for setting in [(key, name) for name in rare] if key in PER_LABEL else [(key, None)]:
        if setting in settings:
            moved = _moved(adjustment, settings[setting], {})
            after[setting] = settings[setting] if moved is None else moved
    return after


def changes_between(before: Settings, after: Settings, because: str) -> list[Change]:
    """The changes from some settings to others that rank better with the encoder frozen."""
    return [
        Change(
            key=setting[0],
            label=setting[1],
            before=value,
            after=after[setting],
            because=because,
            finding=RANKS_BETTER,
        )
        for setting, value in before.items()
        if after[setting] != value
    ]


def _change(
    adjustment: Adjustment, diagnosis: Diagnosis, settings: Settings, times: int
) -> Change | None:
    label = diagnosis.label if adjustment.key in PER_LABEL else None
    before = settings.get((adjustment.key, label))
    after = before
    for _ in range(times):
        after = None if after is None else _moved(adjustment, after, diagnosis.evidence)
    if before is None or after is None:
        return None
    because = diagnosis.message
    if diagnosis.label is not None and label is None:
        because = f"{diagnosis.label}: {because}"
    return Change(
        key=adjustment.key,
        label=label,
        before=before,
        after=after,
        because=because,
        finding=diagnosis.id,
    )


def _moved(adjustment: Adjustment, value: float, evidence: Evidence) -> float | None:
    """The value after an adjustment; None where a bound leaves no room in its direction."""
    low, high = BOUNDS[adjustment.key]
    wanted = adjustment.move(value, evidence)
    after = min(max(wanted, low), high) if adjustment.bounded else wanted
    return after if (after - value) * (wanted - value) > 0 else None


def _cut(weight: float) -> float:
    """10 -> 15, 5 -> 7, 10 -> 7: whole numbers from 5 on, one digit below."""
    digit = 1.0 if weight >= 5 else 0.1
    # 7 / 0.1 is 69.99: rounding must not cost a digit
    return round(math.floor(weight / digit + 1e-9) * digit, 1)


def apply(profile: Profile, changes: Iterable[Change], names: Sequence[str]) -> Profile:
    """The profile with some changes made, read anew by the schema.

    Args:
        profile: resolved.
        changes: at most one of each setting.
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
