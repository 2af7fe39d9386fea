"""What stands in decisions.jsonl: one record a decision, checked before it is believed."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from imbtool.events import LabelFigures
from imbtool.files.documents import Number, Share, Typed
from imbtool.tuning.diagnosis import Finding, Verdict
from imbtool.tuning.guide import GUIDE, PER_LABEL, SETTING_NAMES, Change
from imbtool.tuning.history import Outcome, Round

RoundNumber = Annotated[int, Field(ge=1, le=10**6)]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Setting = Annotated[tuple[str, str | None, Number], BeforeValidator(_as_tuple)]


class ChangeRecord(Typed):
    """A value that was changed."""

    model_config = ConfigDict(extra="forbid")

    key: str
    label: str | None
    before: Number
    after: Number
    because: str
    finding: str

    @model_validator(mode="after")
    def _is_of_the_guide(self) -> Self:
        if self.key not in SETTING_NAMES or (self.key in PER_LABEL) != (self.label is not None):
            raise ValueError("a key that the guide does not change")
        return self

    def change(self) -> Change:
        """The change."""
        return Change(**self.model_dump())


class FindingRecord(Typed):
    """Something that was unwell."""

    model_config = ConfigDict(extra="forbid")

    id: str
    label: str | None
    message: str
    evidence: dict[str, Number | None]
    epochs: list[int]
    verdict: Verdict
    reason: str
    blocks: bool

    @model_validator(mode="after")
    def _is_of_the_guide(self) -> Self:
        if self.verdict == "act" and self.id not in GUIDE:
            raise ValueError("a finding that the guide has nothing for")
        return self

    def finding(self) -> Finding:
        """The finding."""
        known = {key: math.nan if value is None else value for key, value in self.evidence.items()}
        return Finding(**{**self.model_dump(), "evidence": known})


class OutcomeRecord(Typed):
    """What a round reached."""

    model_config = ConfigDict(extra="forbid")

    objective: Share | None
    rare_recall: Share | None
    labels: dict[str, LabelFigures]
    findings: list[FindingRecord]
    settings: list[Setting]
    ranking: Share | None = None

    def outcome(self) -> Outcome:
        """The outcome."""
        return Outcome(
            self.objective,
            self.rare_recall,
            {name: row.model_dump() for name, row in self.labels.items()},
            [finding.finding() for finding in self.findings],
            {(key, label): value for key, label, value in self.settings},
            self.ranking,
        )


class RoundRecord(Typed):
    """A round that is done."""

    model_config = ConfigDict(extra="forbid")

    number: RoundNumber
    base: RoundNumber | None
    changes: list[ChangeRecord]
    outcome: OutcomeRecord
    seconds: Annotated[Number, Field(ge=0)]
    kept: bool
    why: str

    def round(self) -> Round:
        """The round."""
        return Round(
            self.number,
            self.base,
            [change.change() for change in self.changes],
            self.outcome.outcome(),
            self.seconds,
            self.kept,
            self.why,
        )


class SessionRecord(Typed):
    """A start, or going on: by what is judged."""

    profile: dict[str, Any]
    labels: list[str]
    fingerprints: dict[str, str]


class BegunRecord(Typed):
    """A round that is begun, or what a frozen head found for one."""

    base: RoundNumber | None
    changes: list[ChangeRecord]

    def made(self) -> list[Change]:
        """The changes."""
        return [change.change() for change in self.changes]


class ResultRecord(Typed):
    """The end of a round."""

    result: RoundRecord
