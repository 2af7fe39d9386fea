"""A whole training run: a profile in, a run folder with the best epoch's checkpoint out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from imbtool.config.schema import Profile
from imbtool.distributed.accelerator import make_accelerator
from imbtool.distributed.signals import StopRequest, stop_on_signals
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
    ignore,
)
from imbtool.runs.event_log import EventLogWriter
from imbtool.runs.folder import (
    Resumption,
    find_state,
    hold_run,
    make_folder,
    read_run_profile,
    require_free_name,
)
from imbtool.runs.manifest import read_manifest, refuse_changes, refuse_other_labels
from imbtool.runs.soft_targets import kept_soft_targets
from imbtool.runs.trackers import require_trackers, start_tracking, track
from imbtool.trained.checkpoint import checkpoint_folder, make_meta, write_checkpoint
from imbtool.trained.metadata import ValidationMeta, read_meta
from imbtool.training.additions import KnnFit, WordsFit, fit_knn, fit_words, restore_weights
from imbtool.training.automatic import autocast
from imbtool.training.head_first import HeadFit, fit_head
from imbtool.training.loop import StateSaver, TrainingLoop
from imbtool.training.setup import RunInputs, TrainingSetup, make_setup
from imbtool.training.validation import ValidationResult, validate, validation_logits

AUTO_PATIENCE = 3
"""Epochs without improvement after which `training.epochs: auto` stops. Epochs of the first half do
not count: weights are averaged only in the latter half, and improve until then in any case."""


@dataclass(frozen=True)
class RunResult:
    """The folder of a run, and the validation metrics of its best epoch."""

    folder: Path
    best: EpochEvent

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / "checkpoint"


def train(
    profile: Profile,
    folder: Path,
    emit: Emit = ignore,
    command: Sequence[str] = (),
    trackers: Sequence[str] = (),
    inputs: RunInputs | None = None,
) -> RunResult:
    """Train by a profile and write the run folder.

    Args:
        profile: resolved.
        folder: of the run; it must not exist.
        emit: called with every event of `imbtool.events`. Default: events are not shown.
        command: the command line, for the manifest.
        trackers: names of experiment trackers that log the run.
        inputs: data, token ids and encoder that runs share. Default: the run reads them itself.

    Raises:
        UserError: the data or the encoder cannot be used, the folder exists, or the loss is not
            finite. Nothing is written unless training can start, except that the token ids of a
            large split are cached beside the folder; see `token_cache`.
        Stopped: a signal requested it; the state is saved.

    Examples:
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
        soft = setup.soft_targets
        also = (soft.save,) if soft else ()
        make_folder(folder, profile, setup.manifest(list(command)), *also)
    with hold_run(folder, setup.ranks.first):
        return _run(setup, folder, emit)


def resume(
    folder: Path,
    emit: Emit,
    command: Sequence[str],
    allow_changed: bool,
    trackers: Sequence[str] = (),
    inputs: RunInputs | None = None,
) -> RunResult:
    """Resume a run that was stopped or killed; it ends with the same weights.

    Args:
        folder: of the run.
        emit: as for `train`; the first event is `resume`.
        command: the command line.
        allow_changed: resume although profile, data, versions or processes have changed.
        trackers: names of experiment trackers that log the run.
        inputs: as for `train`.

    Raises:
        UserError: there is no such run, it is damaged, another command works on it, its state is
            missing, it had other labels, or something else has changed.
        Stopped: a signal requested it; the state is saved.
    """
    require_trackers(trackers)
    before = read_manifest(folder)
    torch.set_num_threads(before.device.threads)
    accelerator = make_accelerator(trackers, folder)
    # locked before anything is read: another process may be writing to the folder
    with hold_run(folder, accelerator.is_main_process):
        has_state = find_state(folder)
        profile = read_run_profile(folder)
        if teach := kept_soft_targets(folder, before):
            inputs = RunInputs(profile, folder, teach=teach)
        setup = make_setup(profile, accelerator, folder, inputs)
        if not allow_changed:
            refuse_changes(folder, before, setup.manifest(command))
        refuse_other_labels(folder, before, setup.corpus.labels.names)
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
        with ranks.ending_together(), stop_on_signals(second_stops=ranks.alone) as request:
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
        with loop.average.applied():
            _finish_epoch(setup, loop, folder, loss, emit)
        saver.save()
    best = loop.progress.best
    assert best is not None  # a profile has at least one epoch
    best = _add(setup, folder, best, emit)
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
    """Continue from the saved state; without one the run starts at its first step."""
    if resumption.has_state:
        loop.load(folder / "last", resumption.allow_changed)
        if loop.progress.best is not None:
            checkpoint_folder(folder / "checkpoint")  # of the best epoch, which may remain the best
    emit(ResumeEvent(step=loop.progress.step, epoch=loop.progress.epoch))
    if not resumption.knows_encoder:
        message = "the manifest has no digests of its files, so changes in them cannot be noticed"
        emit(WarningEvent(id="encoder", label=None, message=message))


def _finish_epoch(
    setup: TrainingSetup, loop: TrainingLoop, folder: Path, loss: float, emit: Emit
) -> None:
    """Validate, and write a checkpoint if the epoch is the best so far."""
    result = validate(setup, validation_logits(setup))
    name, best = setup.profile.training.best_by, loop.progress.best
    event = EpochEvent(
        epoch=loop.progress.epoch - 1,
        train_loss=loss,
        **result.metrics.as_given(),
        step=loop.progress.step,
        # one process decides, since rounding may differ between processes
        best=setup.ranks.from_first(lambda: _is_better(result.metrics, best, name)),
    )
    if event.best:
        loop.progress.best = event
        if setup.ranks.first:
            _save(setup, folder, result, event)
    emit(event)


def _is_better(new: ValidationMetrics, best: EpochEvent | None, name: str) -> bool:
    if best is None:
        return True
    value, before = new.metric(name), best.metric(name)
    return value is not None and before is not None and value > before


def _add(setup: TrainingSetup, folder: Path, best: EpochEvent, emit: Emit) -> EpochEvent:
    """Add weights of words and kNN probabilities to the best checkpoint where they improve it."""
    training, checkpoint, words = setup.profile.training, folder / "checkpoint", None
    _take_back(setup, folder, best)
    if training.words:
        event, words = fit_words(setup, checkpoint)
        if words is not None:
            setup = words.setup
            best = _save_better(setup, folder, words.validation, best, words)
        emit(event)
    if training.neighbours:
        of_knn, knn = fit_knn(setup, checkpoint)
        if knn is not None:
            best = _save_better(setup, folder, knn.validation, best, words, knn)
        emit(of_knn)
    return best


def _take_back(setup: TrainingSetup, folder: Path, best: EpochEvent) -> None:
    """Write the best checkpoint anew without what the end of an earlier session added to it."""
    checkpoint = folder / "checkpoint"
    if setup.ranks.from_first(lambda: read_meta(checkpoint).has_additions):
        restore_weights(setup, checkpoint)
        result = validate(setup, validation_logits(setup))
        if setup.ranks.first:
            _save(setup, folder, result, best)
        setup.ranks.wait()


def _save_better(
    setup: TrainingSetup,
    folder: Path,
    result: ValidationResult,
    best: EpochEvent,
    words: WordsFit | None,
    knn: KnnFit | None = None,
) -> EpochEvent:
    best = best.with_metrics(result.metrics)
    if setup.ranks.first:
        _save(setup, folder, result, best, words, knn)
    setup.ranks.wait()
    return best


def _out_of_patience(loop: TrainingLoop) -> bool:
    """Whether too many epochs have brought no improvement; see `AUTO_PATIENCE`."""
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
    result: ValidationResult,
    event: EpochEvent,
    words: WordsFit | None = None,
    knn: KnnFit | None = None,
) -> None:
    meta = make_meta(
        setup.profile,
        setup.corpus,
        setup.weights,
        result.choice,
        result.calibration,
        setup.text_model.max_length,
        ValidationMeta.model_validate(event.model_dump()),
        knn.meta if knn else None,
        words.meta if words else None,
    )
    write_checkpoint(folder / "checkpoint", setup.text_model, meta, knn.index if knn else None)
