"""The tuning loop: each round is written to the decision log before and after it is trained."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imbtool.config.reader import Override
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile
from imbtool.errors import NotFiniteError, user_error
from imbtool.events import Emit, EndEvent, Event, ignore, of_kind, require_events
from imbtool.files.json_text import append_line, read_json, write_json
from imbtool.files.locks import locked
from imbtool.files.writing import (
    cut_half_line,
    delete,
    publish_folder,
    published,
    require_utf8,
    write_text,
)
from imbtool.runs.folder import read_run_profile
from imbtool.runs.manifest import MANIFEST, PROFILE
from imbtool.training import run as training
from imbtool.tuning.decision_log import (
    DECISIONS,
    DecisionLog,
    ResultRecord,
    RoundRecord,
    SearchRecord,
    SearchStart,
    SessionRecord,
    StopRecord,
    is_begun,
    read_decision_log,
    require_decisions,
)
from imbtool.tuning.finished_run import outcome_of_failed_run, read_outcome, seconds_before
from imbtool.tuning.frozen_search import FrozenEncoder, freeze_encoder, search
from imbtool.tuning.guide import Change, apply
from imbtool.tuning.history import (
    Round,
    RoundOutcome,
    Stop,
    ancestors,
    best_of,
    judge,
    next_changes,
    stop_reason,
)
from imbtool.tuning.preparation import TuningData, read_data
from imbtool.tuning.summary import TuningSummary, profile_comments, summarise
from imbtool.wording import some


@dataclass(frozen=True)
class TuningResult:
    """The folder of a tuning, and its summary."""

    folder: Path
    summary: TuningSummary


def tune(
    profile: Profile, folder: Path, emit: Emit = ignore, command: Sequence[str] = ()
) -> TuningResult:
    """Train, diagnose, change the profile by the guide and train again, while it helps.

    Args:
        profile: resolved; the baseline.
        folder: of the run; no run may be in it.
        emit: called with each record of decisions.jsonl, and with the events of each training.
            Default: they are not shown.
        command: as typed, for the manifests.

    Raises:
        UserError: the data or the encoder cannot be used, or the folder exists. Nothing is written
            unless training can start.
        Stopped: a signal asked for it; the state is saved.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import read_profile, tune
        >>> profile = read_profile(Path("profile.yaml"))
        >>> once = profile.tuning.model_copy(update={"budget_runs": 1})
        >>> result = tune(profile.model_copy(update={"tuning": once}), Path("runs/example"))
        >>> (result.folder / "tuned-profile.yaml").is_file()
        True
    """
    require_utf8(folder)
    _refuse_begun(folder)
    with locked(folder):
        _refuse_begun(folder)  # by another command meanwhile
        data = read_data(profile, folder)
        cut_half_line(folder / DECISIONS)
        write_text(folder / PROFILE, render_profile(profile))
        session = _Session(profile, folder, data, emit, command)
        session.record_start()
        return session.run()


def _refuse_begun(folder: Path) -> None:
    if is_begun(folder):
        fix = "choose another --run, move the old run away, or go on with --resume"
        raise user_error(folder, "a run of this name", "a new name", fix)


def resume(
    folder: Path,
    emit: Emit,
    command: Sequence[str],
    overrides: Sequence[Override] = (),
    allow_changed: bool = False,
) -> TuningResult:
    """Go on with a tuning that was stopped or killed; finished rounds are not repeated.

    Args:
        folder: of the run.
        emit: as for `tune`.
        command: as typed.
        overrides: of the budget.
        allow_changed: go on although data or versions have changed.

    Raises:
        UserError: there is no such run, its decisions are damaged, or something changed: another
            profile or other labels are refused whatever is allowed.
        Stopped: a signal asked for it; the state is saved.
    """
    require_decisions(folder)
    with locked(folder):
        log = read_decision_log(folder)
        log.check_settings(folder)
        profile = log.profile(read_run_profile(folder), overrides, folder)
        data = read_data(profile, folder)
        _refuse_other_data(folder, log, data, allow_changed)
        session = _Session(profile, folder, data, emit, command, allow_changed)
        session.rounds += log.rounds
        session.searched |= log.searched
        session.record_start()
        # a kill may have come between a result and this
        for each in log.rounds:
            session.forget_state(each.number)
        if log.begun is not None:
            session.train_round(log.begun.base, log.begun.changes)
        return session.run()


def _refuse_other_data(
    folder: Path, log: DecisionLog, data: TuningData, allow_changed: bool
) -> None:
    if log.labels != data.names:
        odd = sorted(set(log.labels) ^ set(data.names))
        found = f"other labels than at the start: {some(odd or data.names)}"
        raise user_error(folder, found, "the labels of the rounds before", "restore them")
    if log.fingerprints != data.fingerprints and not allow_changed:
        found, fix = "other texts or labels than at the start", "restore them, or --allow-changed"
        raise user_error(folder, found, "the data of the rounds before", fix)


@dataclass
class _Session:
    """A tuning as it goes."""

    profile: Profile
    folder: Path
    data: TuningData
    emit: Emit
    command: Sequence[str]
    allow_changed: bool = False
    rounds: list[Round] = field(default_factory=list)
    encoder: FrozenEncoder | None = None
    searched: dict[int, list[Change]] = field(default_factory=dict)

    def record_start(self) -> None:
        """Write down by what is judged, how far the tuning may go, and how far it is."""
        section = self.profile.tuning
        given = self.profile.model_dump(mode="json", exclude_unset=True)
        # in full, since another version may have other defaults
        given["training"] = self.profile.training.model_dump(mode="json")
        self._record(
            SessionRecord(
                budget_runs=section.budget_runs,
                budget_minutes=section.budget_minutes,
                objective=section.objective,
                healthy=section.healthy.model_dump(),
                proxy=section.proxy,
                runs_done=len(self.rounds),
                minutes_spent=sum(each.seconds for each in self.rounds) / 60,
                profile=given,
                labels=self.data.names,
                fingerprints=self.data.fingerprints,
            )
        )

    def run(self) -> TuningResult:
        """Train round after round, until there is a reason to stop."""
        reason = None
        while reason is None:
            reason = self._next_round()
        return self._finish(reason)

    def _next_round(self) -> Stop | None:
        """Write the next round down and train it, or say why there is none."""
        if reason := stop_reason(self.rounds, self.profile.tuning):
            return reason
        base: int | None = None
        changes = next_changes(self.rounds, self._search) if self.rounds else []
        if self.rounds:
            if not changes:
                return "nothing-left"
            base = best_of(self.rounds).number
        self._record(RoundRecord(round=len(self.rounds) + 1, base=base, changes=changes))
        self.train_round(base, changes)
        return None

    def train_round(self, base: int | None, changes: list[Change]) -> None:
        """Train the next round, or what is left of it, and write down what came of it."""
        number = len(self.rounds) + 1
        profile = apply(self._profile_of(base), changes, self.data.names)
        before, start = seconds_before(self._round_folder(number)), time.monotonic()
        outcome = self._outcome(profile, self._round_folder(number))
        seconds = before + time.monotonic() - start
        kept, why = judge(outcome, self.rounds, self.profile.tuning.objective)
        done = Round(
            number=number,
            base=base,
            changes=changes,
            outcome=outcome,
            seconds=seconds,
            kept=kept,
            why=why,
        )
        self.rounds.append(done)
        self._record(ResultRecord(result=done))
        self.forget_state(number)

    def forget_state(self, number: int) -> None:
        """Delete what resuming a finished round would need: three times the model's size."""
        link = self._round_folder(number) / "last"
        for path in (link, *published(link)):
            delete(path)

    def _outcome(self, profile: Profile, run: Path) -> RoundOutcome:
        weights = self.data.weights(profile)
        try:
            self._train(profile, run)
        except NotFiniteError as error:
            return outcome_of_failed_run(run, profile, weights, error)
        return read_outcome(run, profile, weights)

    def _train(self, profile: Profile, run: Path) -> None:
        """Train a round that is not trained yet, or only in part."""
        if of_kind(require_events(run), EndEvent):
            return
        if (run / "last").is_dir():
            # the round's own, whatever the file says by now: data may have moved
            write_text(run / PROFILE, render_profile(profile))
            training.resume(
                run, self.emit, self.command, self.allow_changed, inputs=self.data.inputs
            )
            return
        # a kill before the first save leaves nothing to go on from
        shutil.rmtree(run, ignore_errors=True)
        training.train(profile, run, self.emit, self.command, inputs=self.data.inputs)

    def _search(self) -> list[Change]:
        """What a head on the frozen encoder ranks better with than with the best round's values."""
        if not (self.profile.tuning.proxy and self.data.has_head_layer):
            return []
        best = best_of(self.rounds)
        if best.number not in self.searched:
            self.emit(SearchStart())
            self.encoder = self.encoder or freeze_encoder(self.profile, self.data.inputs)
            profile, settings = self._profile_of(best.number), best.outcome.settings
            found = search(self.encoder, profile, settings, self.data.rare)
            self._record(SearchRecord(base=best.number, changes=found.changes, heads=found.heads))
            self.searched[best.number] = found.changes
        return self.searched[best.number]

    def _profile_of(self, number: int | None) -> Profile:
        profile = self.profile
        for each in ancestors(self.rounds, number) if number is not None else ():
            profile = apply(profile, each.changes, self.data.names)
        return profile

    def _finish(self, reason: Stop) -> TuningResult:
        """The best round's checkpoint is the result; nothing is trained anew."""
        best = best_of(self.rounds)
        if best.outcome.objective is None:
            found = "; ".join(diagnosis.message for diagnosis in best.outcome.findings)
            fix = "look at the data, or start from a lower training.learning_rate"
            raise user_error(
                self.folder, f"no round trained to its end ({found})", "one that does", fix
            )
        run = self._round_folder(best.number)
        checkpoint = run / "checkpoint"
        if not checkpoint.is_dir():
            fix = "restore it, or start a new run"
            raise user_error(checkpoint, "no such folder", "the best round's checkpoint", fix)

        manifest = read_json(run / MANIFEST)

        def fill(folder: Path) -> None:
            shutil.copytree(checkpoint, folder, dirs_exist_ok=True)

        publish_folder(self.folder / "checkpoint", fill)
        write_json(self.folder / MANIFEST, manifest)
        tuned = render_profile(
            self._profile_of(best.number), profile_comments(self.rounds, best.number)
        )
        write_text(self.folder / "tuned-profile.yaml", tuned)
        section, labels = self.profile.tuning, self.data.labels
        summary = summarise(self.folder, self.rounds, section, reason, labels)
        self._record(StopRecord(**dict(summary.stop), best_round=best.number))
        return TuningResult(self.folder, summary)

    def _round_folder(self, number: int) -> Path:
        return self.folder / "rounds" / str(number)

    def _record(self, record: Event) -> None:
        append_line(self.folder / DECISIONS, record, sync=True)
        self.emit(record)
