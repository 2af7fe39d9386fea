"""The decision log of a tuning: its decisions.jsonl, all of it checked, and enough to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from imbtool.config.reader import Override, make_profile, overlay
from imbtool.config.schema import Profile
from imbtool.errors import UserError, user_error
from imbtool.events import Event
from imbtool.files.documents import Count, Number, first_fault
from imbtool.files.json_text import parse_json
from imbtool.files.locks import LOCK
from imbtool.files.writing import cut_half_line, leftovers, lines_of
from imbtool.runs.folder import as_written
from imbtool.runs.manifest import PROFILE, differences
from imbtool.tuning.guide import EPOCHS, GAMMA, RATE, WEIGHT, Change, Setting
from imbtool.tuning.history import Round, RoundNumber
from imbtool.wording import shown, some

DECISIONS = "decisions.jsonl"


class SessionRecord(Event):
    """A tuning starts or goes on: by what it judges, how far it may go, and how far it is."""

    event: Literal["session"] = "session"
    budget_runs: Count = 0
    budget_minutes: Number | None = None
    objective: str = ""
    healthy: dict[str, float] = Field({})
    proxy: bool = True
    runs_done: Count = 0
    minutes_spent: Number = 0.0
    profile: dict[str, Any]
    labels: list[str]
    fingerprints: dict[str, str]


class SearchStart(Event):
    """The frozen-encoder search begins. It is shown, and not written."""

    event: Literal["frozen"] = "frozen"


class SearchRecord(Event):
    """What the frozen-encoder search found."""

    event: Literal["explored"] = "explored"
    base: RoundNumber | None
    changes: list[Change]
    heads: Count = 0
    """That were fitted."""


class RoundRecord(Event):
    """A round begins."""

    event: Literal["round"] = "round"
    round: Count = 0
    base: RoundNumber | None
    changes: list[Change]


class ResultRecord(Event):
    """A round ended."""

    event: Literal["result"] = "result"
    result: Round


class StopRecord(Event):
    """A tuning stopped; what comes next depends on the rounds alone."""

    event: Literal["stop"] = "stop"
    reason: str = ""
    sentence: str = ""
    best_round: Count = 0


KINDS: dict[str, type[Event]] = {
    kind.model_fields["event"].default: kind
    for kind in (SessionRecord, SearchRecord, RoundRecord, ResultRecord, StopRecord)
}


@dataclass
class DecisionLog:
    """A tuning up to its last decision.

    Attributes:
        labels: their names, in order.
        fingerprints: of the splits.
        profiles: of each session; they differ in the budget alone.
        rounds: that are done.
        searched: what the frozen-encoder search found, by round.
        begun: the round after them, if it was begun.
    """

    labels: list[str] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    searched: dict[int, list[Change]] = field(default_factory=dict)
    begun: RoundRecord | None = None

    def take(self, record: Event) -> None:
        """Take a record in; records come in the order in which they were written.

        Raises:
            ValueError: it cannot follow those before it.
            UserError: its profile is damaged.
        """
        match record:
            case SessionRecord():
                if not self.profiles:
                    self.labels, self.fingerprints = record.labels, record.fingerprints
                self.profiles.append(as_written(make_profile(record.profile)))
            case SearchRecord():
                self._check(record)
                self.searched[record.base or 1] = record.changes
            case RoundRecord():
                self._check(record)
                self.begun = record
            case ResultRecord():
                self._check(record.result)
                self._check_next(record.result)
                self.rounds.append(record.result)
                self.begun = None

    def _check(self, record: SearchRecord | RoundRecord | Round) -> None:
        """Check that a record stands on a round that was kept, and names labels of the tuning."""
        if not self.profiles:
            raise ValueError("no session before it")
        kept = [each.number for each in self.rounds if each.kept]
        if record.base is not None and record.base not in kept:
            raise ValueError("a base that was not kept")
        named = {change.label for change in record.changes if change.label is not None}
        if unknown := named - set(self.labels):
            raise ValueError(f"a label that is none of the tuning's: {some(sorted(unknown))}")

    def _check_next(self, result: Round) -> None:
        if result.number != len(self.rounds) + 1:
            raise ValueError("a round before it is missing")
        if not self.rounds and not result.kept:
            raise ValueError("a baseline that was not kept")

    def check_settings(self, folder: Path) -> None:
        """Check that each round has a value of all settings that a next one might change.

        Raises:
            UserError: naming the first that is missing.
        """
        settings: list[Setting] = [(RATE, None), (EPOCHS, None)]
        settings += [(key, name) for key in (GAMMA, WEIGHT) for name in self.labels]
        for each in self.rounds:
            for key, label in settings:
                if (key, label) not in each.outcome.settings:
                    where = f"{folder / DECISIONS}: result of round {each.number}: settings"
                    found = f"no {key}" + (f" of {label}" if label else "")
                    fix = "restore the file, or start a new run"
                    raise user_error(where, found, "a value for each", fix)

    def profile(self, given: Profile, overrides: Sequence[Override], folder: Path) -> Profile:
        """The profile to go on with: that of the last session, its data where they are now.

        Args:
            given: as it is in the folder. Fingerprints tell whether its data have changed.
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
            raise user_error(folder / PROFILE, found, "the profile of the rounds before", fix)
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
        PROFILE,
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


def read_decision_log(folder: Path) -> DecisionLog:
    """Read the decisions of a run; half a line, as a kill leaves it, is cut off.

    Raises:
        UserError: there is none, or a line is damaged.
    """
    path = folder / DECISIONS
    cut_half_line(path)
    lines = list(lines_of(path))
    if not lines:
        raise _no_decision(folder)
    log = DecisionLog()
    for where, line in lines:
        try:
            log.take(_read_record(line))
        except (ValueError, UserError) as error:
            raise _damaged(where, line, error) from None
    return log


def _read_record(line: bytes) -> Event:
    parse_json(line)
    name = Event.model_validate_json(line).event
    if name not in KINDS:
        raise ValueError(f"the event {name[:40]!r}, which no tuning writes")
    return KINDS[name].model_validate_json(line)


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
