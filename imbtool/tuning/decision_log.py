"""What the decisions.jsonl of a tuning says, all of it checked: enough to go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from imbtool.config.reader import Override, make_profile, overlay
from imbtool.config.schema import Profile
from imbtool.errors import UserError, user_error
from imbtool.events import Event, LabelFigures
from imbtool.files.documents import Number, Share, Typed, first_fault
from imbtool.files.json_text import parse_json
from imbtool.files.locks import LOCK
from imbtool.files.writing import cut_half_line, leftovers, lines_of
from imbtool.runs.manifest import differences
from imbtool.tuning.diagnosis import Finding, Verdict
from imbtool.tuning.guide import (
    EPOCHS,
    GAMMA,
    GUIDE,
    PER_LABEL,
    RATE,
    SETTING_NAMES,
    WEIGHT,
    Change,
    Place,
)
from imbtool.tuning.history import Outcome, Round
from imbtool.wording import shown, some

DECISIONS = "decisions.jsonl"


@dataclass(frozen=True)
class Begun:
    """A round that was written down and has no result yet."""

    base: int | None
    changes: list[Change]


@dataclass
class Memory:
    """A tuning up to its last decision.

    Attributes:
        labels: their names, in order.
        fingerprints: of the splits.
        profiles: of each session; they differ in the budget alone.
        rounds: that are done.
        explored: what a frozen head found, by round.
        begun: the round after them, if it was begun.
    """

    labels: list[str] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    explored: dict[int, list[Change]] = field(default_factory=dict)
    begun: Begun | None = None

    def take(self, record: Event) -> None:
        """Take a record in, in the order in which they were written."""
        match record["event"]:
            case "session":
                session = SessionRecord.model_validate(record)
                if not self.profiles:
                    self.labels, self.fingerprints = session.labels, session.fingerprints
                self.profiles.append(make_profile(session.profile))
            case "explored":
                explored = BegunRecord.model_validate(record)
                self.explored[self._base(explored) or 1] = explored.made()
            case "round":
                begun = BegunRecord.model_validate(record)
                self.begun = Begun(self._base(begun), begun.made())
            case "result":
                self.rounds.append(self._next(ResultRecord.model_validate(record).result))
                self.begun = None
            case "stop":
                pass  # what comes next rests on the rounds
            case other:
                raise ValueError(f"the event {str(other)[:40]!r}, which no tuning writes")

    def _base(self, record: BegunRecord | RoundRecord) -> int | None:
        """The round that a record stands on; only a round that was kept can be it."""
        if not self.profiles:
            raise ValueError("no session before it")
        kept = [each.number for each in self.rounds if each.kept]
        if record.base is not None and record.base not in kept:
            raise ValueError("a base that was not kept")
        named = {change.label for change in record.changes if change.label is not None}
        if unknown := named - set(self.labels):
            raise ValueError(f"a label that is none of the tuning's: {some(sorted(unknown))}")
        return record.base

    def _next(self, record: RoundRecord) -> Round:
        self._base(record)
        if record.number != len(self.rounds) + 1:
            raise ValueError("a round before it is missing")
        if not self.rounds and not record.kept:
            raise ValueError("a baseline that was not kept")
        return record.round()

    def check_settings(self, folder: Path) -> None:
        """Check that each round tells all values that a next one might change.

        Raises:
            UserError: naming the first that is missing.
        """
        places: list[Place] = [(RATE, None), (EPOCHS, None)]
        places += [(key, name) for key in (GAMMA, WEIGHT) for name in self.labels]
        for each in self.rounds:
            for key, label in places:
                if (key, label) not in each.outcome.settings:
                    where = f"{folder / DECISIONS}: result of round {each.number}: settings"
                    found = f"no {key}" + (f" of {label}" if label else "")
                    fix = "restore the file, or start a new run"
                    raise user_error(where, found, "a value for each", fix)

    def profile(self, given: Profile, overrides: Sequence[Override], folder: Path) -> Profile:
        """The profile to go on with: that of the last session, its data where they are now.

        Args:
            given: as it stands in the folder. What its data are is for fingerprints to say.
            overrides: of the budget.
            folder: of the run.

        Raises:
            UserError: it is another one than at the start, naming each key that differs.
        """
        before, now = (
            each.model_dump(mode="json", exclude={"data"}) for each in (self.profiles[0], given)
        )
        changed = [
            f"{key} ({shown(old)} -> {shown(new)})"
            for key, old, new in differences("", before, now)
        ]
        if changed:
            fix = "restore it, or start a new run; --budget-runs and --budget-minutes may change"
            found = f"changed since the start: {some(changed, 8)}"
            raise user_error(
                folder / "profile.yaml", found, "the profile of the rounds before", fix
            )
        return overlay(self.profiles[-1].model_copy(update={"data": given.data}), overrides)


def is_begun(folder: Path) -> bool:
    """Whether a folder holds a run; a kill before the first decision leaves none."""
    if not folder.is_dir():
        return folder.exists()
    decisions = folder / DECISIONS
    if decisions.is_file() and b"\n" in decisions.read_bytes():
        return True
    halves = {half.name for half, _ in leftovers(folder)}
    return not {path.name for path in folder.iterdir()} <= {
        "profile.yaml",
        DECISIONS,
        LOCK,
        *halves,
    }


def require_decisions(folder: Path) -> None:
    """Check that a folder holds the run of a tuning.

    Raises:
        UserError: it does not.
    """
    path = folder / DECISIONS
    if not path.is_file() or b"\n" not in path.read_bytes():
        raise _no_decision(folder)


def read_memory(folder: Path) -> Memory:
    """Read the decisions of a run; half a line, as a kill leaves it, is cut off.

    Raises:
        UserError: there is none, or a line is damaged.
    """
    path = folder / DECISIONS
    cut_half_line(path)
    lines = list(lines_of(path))
    if not lines:
        raise _no_decision(folder)
    memory = Memory()
    for where, line in lines:
        try:
            memory.take(parse_json(line))
        except (ValueError, KeyError, TypeError, UserError) as error:
            raise _damaged(where, line, error) from None
    return memory


def _damaged(where: str, line: bytes, error: Exception) -> UserError:
    found = line.decode(errors="replace").rstrip("\r\n")[:80] or "an empty line"
    expected = "a decision, the first one with profile, labels and fingerprints"
    if isinstance(error, ValidationError):
        key, wrong, right = first_fault(error)
        expected += f" ({key}: {wrong}, expected {right})"
    return user_error(where, found, expected, "restore the file, or start a new run")


def _no_decision(folder: Path) -> UserError:
    found, fix = f"no decision in {DECISIONS}", "give the folder that `imbtool tune` named"
    if not folder.exists():
        found = "no such folder"
    elif not is_begun(folder):
        fix = "start it anew under the same --run: it was stopped before it began"
    return user_error(folder, found, "the run of a tuning", fix)


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
