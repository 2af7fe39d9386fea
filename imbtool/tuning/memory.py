"""What the decisions.jsonl of a tuning says, all of it checked: enough to go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imbtool.errors import UserError, fail, some
from imbtool.events import Event
from imbtool.files import cut_half_line, leftovers
from imbtool.profile import Profile
from imbtool.profilefile import Override, make_profile, overlay
from imbtool.training.manifest import differences
from imbtool.tuning.guide import Change
from imbtool.tuning.history import Round, round_of

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
        if not self.profiles:
            self.labels, self.fingerprints = record["labels"], record["fingerprints"]
        match record["event"]:
            case "session":
                self.profiles.append(make_profile(record["profile"]))
            case "explored":
                self.explored[record["base"]] = _changes_of(record)
            case "round":
                self.begun = Begun(record["base"], _changes_of(record))
            case "result":
                self.rounds.append(_next_of(self.rounds, record["result"]))
                self.begun = None

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
        changed = [f"{key} ({old} -> {new})" for key, old, new in differences("", before, now)]
        if changed:
            mend = "restore it, or start a new run; --budget-runs and --budget-minutes may change"
            found = f"changed since the start: {some(changed, 8)}"
            raise fail(folder / "profile.yaml", found, "the profile of the rounds before", mend)
        return overlay(self.profiles[-1].model_copy(update={"data": given.data}), overrides)


def is_begun(folder: Path) -> bool:
    """Whether a folder holds a run; a kill before the first decision leaves none."""
    if not folder.is_dir():
        return folder.exists()
    decisions = folder / DECISIONS
    if decisions.is_file() and b"\n" in decisions.read_bytes():
        return True
    halves = {half.name for half, _ in leftovers(folder)}
    return not {path.name for path in folder.iterdir()} <= {"profile.yaml", DECISIONS, *halves}


def read_memory(folder: Path) -> Memory:
    """Read the decisions of a run; half a line, as a kill leaves it, is cut off.

    Raises:
        UserError: there is none, or a line is damaged.
    """
    path = folder / DECISIONS
    cut_half_line(path)
    # of bytes: a text's lines would also end at separators that JSON leaves in strings
    lines = path.read_bytes().splitlines() if path.is_file() else []
    if not lines:
        raise _no_decision(folder)
    memory = Memory()
    for number, line in enumerate(lines, start=1):
        try:
            memory.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, UserError):
            found = line.decode(errors="replace")[:80] or "an empty line"
            expected = "a decision, the first one with profile, labels and fingerprints"
            raise fail(
                f"{path}:{number}", found, expected, "restore the file, or start a new run"
            ) from None
    return memory


def _no_decision(folder: Path) -> UserError:
    found, mend = f"no decision in {DECISIONS}", "give the folder that `imbtool tune` named"
    if not folder.exists():
        found = "no such folder"
    elif not is_begun(folder):
        mend = "start it anew under the same --run: it was stopped before it began"
    return fail(folder, found, "the run of a tuning", mend)


def _next_of(rounds: Sequence[Round], document: Event) -> Round:
    made = round_of(document)
    if made.number != len(rounds) + 1:
        raise ValueError("a round before it is missing")
    return made


def _changes_of(record: Event) -> list[Change]:
    return [Change(**change) for change in record["changes"]]
