"""A whole training run: a profile in, a run folder with the best epoch's checkpoint out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from imbtool.config.schema import Profile
from imbtool.distributed.signals import StopRequest, stop_on_signals
from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.events import (
    EVENTS,
    Emit,
    EndEvent,
    EpochEvent,
    Event,
    HeadEvent,
    InterruptedEvent,
    ResumeEvent,
    StartEvent,
    ValidationMetrics,
    WarningEvent,
)
from imbtool.model.checkpoint import checkpoint_folder, make_meta, write_checkpoint
from imbtool.runs.event_log import EventLogWriter
from imbtool.runs.folder import (
    Resumption,
    find_state,
    hold_run,
    make_folder,
    read_run_profile,
    require_free_name,
)
from imbtool.runs.manifest import read_manifest, refuse_changes
from imbtool.runs.trackers import require_trackers, start_tracking, track
from imbtool.training.automatic import autocast
from imbtool.training.head_first import HeadFit, fit_head
from imbtool.training.knn_weight import KnnFit, fit_knn
from imbtool.training.loop import TrainingLoop
from imbtool.training.saving import StateSaver
from imbtool.training.setup import RunInputs, TrainingSetup, make_accelerator, make_setup
from imbtool.training.validation import validate, validation_logits

AUTO_PATIENCE = 3
"""Epochs without a better one after which `training.epochs: auto` stops; weights are averaged since
half of them, and before that a pause says little."""


def ignore(event: Event) -> None:
    """Watch nothing: of several processes the first one speaks for all."""


@dataclass(frozen=True)
class RunResult:
    """Where a run went and what its best epoch reached on validation."""

    folder: Path
    best: EpochEvent

    @property
    def checkpoint(self) -> Path:
        """The best epoch's checkpoint."""
        return self.folder / "checkpoint"


def train(
    profile: Profile,
    folder: Path,
    emit: Emit = ignore,
    command: Sequence[str] = (),
    trackers: Sequence[str] = (),
    inputs: RunInputs | None = None,
) -> RunResult:
    """Train as the profile says and write the run folder.

    Args:
        profile: resolved.
        folder: of the run; must not exist.
        emit: called with every event: `start`, `head`, `step`, `skipped`, `epoch`, `warning`,
            `end`. Default: nobody watches.
        command: as typed, for the manifest.
        trackers: names of experiment trackers that follow the run.
        inputs: data, tokens and encoder that runs share. Default: the run reads them itself.

    Raises:
        UserError: the data or the encoder cannot be used, the folder exists, or the loss is not
            finite. Nothing is written unless training can start, except that the tokens of a large
            split are kept beside the folder; see `tokencache`.
        Stopped: a signal asked for it; the state is saved.

    Example:
        >>> from pathlib import Path
        >>> from imbtool import read_profile, train
        >>> result = train(read_profile(Path("profile.yaml")), Path("runs/second"))
        >>> result.checkpoint.name
        'checkpoint'
    """
    require_trackers(trackers)
    accelerator = make_accelerator(trackers, folder)
    if accelerator.is_main_process:
        require_free_name(folder)
    setup = make_setup(profile, accelerator, folder, inputs)
    if setup.ranks.first:
        make_folder(folder, profile, setup.manifest(list(command)))
    with hold_run(folder, setup.ranks.first):
        return _run(setup, folder, emit)


def resume(
    folder: Path,
    emit: Emit,
    command: list[str],
    allow_changed: bool,
    trackers: Sequence[str] = (),
    inputs: RunInputs | None = None,
) -> RunResult:
    """Go on with a run that was stopped or killed, to the same weights.

    Args:
        folder: of the run.
        emit: as for `train`; the first event is `resume`.
        command: as typed.
        allow_changed: go on although profile, data, versions or processes have changed.
        trackers: names of experiment trackers that follow the run.
        inputs: as for `train`.

    Raises:
        UserError: there is no such run, it is damaged, another command works on it, its state is
            gone, or something changed.
        Stopped: a signal asked for it; the state is saved.
    """
    require_trackers(trackers)
    before = read_manifest(folder)
    torch.set_num_threads(before.device.threads)
    accelerator = make_accelerator(trackers, folder)
    # held before anything is read: what another process is writing is not what it will be
    with hold_run(folder, accelerator.is_main_process):
        has_state = find_state(folder)
        setup = make_setup(read_run_profile(folder), accelerator, folder, inputs)
        if not allow_changed:
            refuse_changes(folder, before, setup.manifest(command))
        resumption = Resumption(has_state, allow_changed, before.encoder is not None)
        return _run(setup, folder, emit, resumption)


def _run(
    setup: TrainingSetup, folder: Path, emit: Emit, resumption: Resumption | None = None
) -> RunResult:
    accelerator, ranks = setup.accelerator, setup.ranks

    def follow(event: Event) -> None:
        track(accelerator, event)
        emit(event)

    record = EventLogWriter(folder / EVENTS, follow) if ranks.first else ignore
    try:
        start_tracking(accelerator, setup.profile)
        with ranks.ending_together(), stop_on_signals(insist=ranks.alone) as request:
            best = _train(setup, folder, record, request, resumption)
    except KeyboardInterrupt:
        record(InterruptedEvent())
        raise
    finally:
        accelerator.end_training()
    return RunResult(folder, best)


def _train(
    setup: TrainingSetup,
    folder: Path,
    emit: Emit,
    request: StopRequest,
    resumption: Resumption | None,
) -> EpochEvent:
    training = setup.profile.training
    loop = setup.make_loop(emit)
    if resumption is not None:
        _go_on(loop, folder, emit, resumption)
    emit(StartEvent(**dict(setup.describe(loop))))
    if training.head_first and not (resumption and resumption.has_state):
        emit(HeadEvent(**asdict(_fit_head(setup, loop))))
    saver = StateSaver(loop, folder / "last", training.save_every, request)
    while loop.progress.epoch <= loop.epochs.value and not _out_of_patience(loop):
        loss = loop.run_epoch(saver.after_step)
        with loop.average.in_place():
            _finish_epoch(setup, loop, folder, loss, emit)
        saver.save()
    best = loop.progress.best
    assert best is not None  # a profile has at least one epoch
    if training.neighbours:
        best = _hear_neighbours(setup, folder, best, emit)
    early = loop.progress.epoch <= loop.epochs.value
    emit(
        EndEvent(
            best_epoch=best.epoch,
            early=early,
            f1_macro=best.f1_macro,
            requirements=best.requirements,
        )
    )
    return best


def _go_on(loop: TrainingLoop, folder: Path, emit: Emit, resumption: Resumption) -> None:
    """Take up where the run was; without a state that is its first step."""
    if resumption.has_state:
        loop.load(folder / "last", resumption.allow_changed)
        if loop.progress.best is not None:
            checkpoint_folder(folder / "checkpoint")  # of the best epoch, which may stay the best
    emit(ResumeEvent(step=loop.progress.step, epoch=loop.progress.epoch))
    if not resumption.knows_encoder:
        message = "the manifest does not know its files, so it cannot be seen whether they changed"
        emit(WarningEvent(id="encoder", label=None, message=message))


def _finish_epoch(
    setup: TrainingSetup, loop: TrainingLoop, folder: Path, loss: float, emit: Emit
) -> None:
    """Validate, and keep the epoch if it is the best so far."""
    metrics, choice, calibration = validate(setup, validation_logits(setup))
    name, best = setup.profile.training.best_by, loop.progress.best
    event = EpochEvent(
        epoch=loop.progress.epoch - 1,
        train_loss=loss,
        **metrics.as_given(),
        step=loop.progress.step,
        # one process decides, lest a last digit make them disagree
        best=setup.ranks.from_first(lambda: _is_better(metrics, best, name)),
    )
    if event.best:
        loop.progress.best = event
        if setup.ranks.first:
            _save(setup, folder, choice, calibration, event)
    emit(event)


def _is_better(new: ValidationMetrics, best: EpochEvent | None, name: str) -> bool:
    if best is None:
        return True
    value, before = new.metric(name), best.metric(name)
    return value is not None and before is not None and value > before


def _hear_neighbours(
    setup: TrainingSetup, folder: Path, best: EpochEvent, emit: Emit
) -> EpochEvent:
    """Let the nearest training texts have a say in the best epoch's checkpoint, if it helps."""
    event, heard = fit_knn(setup, folder / "checkpoint")
    if heard is not None:
        best = best.with_metrics(heard.figures)
        if setup.ranks.first:
            _save(setup, folder, heard.choice, heard.calibration, best, heard)
        setup.ranks.wait()
    emit(event)
    return best


def _out_of_patience(loop: TrainingLoop) -> bool:
    """Whether epochs without a better one are enough; auto counts those of the latter half."""
    patience, best = loop.section.patience, loop.progress.best
    if best is None:
        return False
    since = best.epoch
    if patience is None and loop.section.epochs == "auto":
        patience, since = AUTO_PATIENCE, max(since, loop.epochs.value // 2)
    return patience is not None and loop.progress.epoch - 1 - since >= patience


def _fit_head(setup: TrainingSetup, loop: TrainingLoop) -> HeadFit:
    return fit_head(
        setup.text_model,
        setup.train,
        setup.validation,
        setup.objective,
        autocast(loop.precision.value, setup.accelerator.device),
        setup.ranks,
    )


def _save(
    setup: TrainingSetup,
    folder: Path,
    choice: ThresholdChoice,
    calibration: Calibration,
    event: EpochEvent,
    heard: KnnFit | None = None,
) -> None:
    kept = ("epoch", "f1_macro", "f1_macro_at_half", "average_precision_macro", "labels")
    told = event.model_dump()
    meta = make_meta(
        setup.profile,
        setup.corpus,
        setup.weights,
        choice,
        calibration,
        setup.text_model.max_length,
        {key: told[key] for key in kept},
        heard.meta if heard else None,
    )
    neighbours = heard.neighbours if heard else None
    write_checkpoint(folder / "checkpoint", setup.text_model, meta, neighbours)
