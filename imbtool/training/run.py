"""A whole training run: a profile in, a run folder with the best epoch's checkpoint out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from imbtool.config.schema import Profile
from imbtool.distributed.signals import StopRequest, stop_on_signals
from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.events import Emit, Event
from imbtool.model.checkpoint import checkpoint_folder, make_meta, write_checkpoint
from imbtool.runs.event_log import Chronicle
from imbtool.runs.folder import (
    Resumption,
    find_state,
    held,
    make_folder,
    read_run_profile,
    require_free_name,
)
from imbtool.runs.manifest import read_manifest, refuse_changes
from imbtool.runs.trackers import require_trackers, start_tracking, track
from imbtool.training.automatic import autocast
from imbtool.training.head_first import HeadFit, fit_head
from imbtool.training.knn_share import Heard, ask_neighbours
from imbtool.training.loop import Engine
from imbtool.training.saving import Saver
from imbtool.training.setup import Materials, gather_materials, make_accelerator
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
    best: Event

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
) -> RunResult:
    """Train as the profile says and write the run folder.

    Args:
        profile: resolved.
        folder: of the run; must not exist.
        emit: called with every event: `start`, `head`, `step`, `skipped`, `epoch`, `warning`,
            `end`. Default: nobody watches.
        command: as typed, for the manifest.
        trackers: names of experiment trackers that follow the run.

    Raises:
        UserError: the data or the encoder cannot be used, the folder exists, or the loss is not
            finite. Nothing is written unless training can start, except that the tokens of a large
            split are kept beside the folder; see `tokencache`.
        Stopped: a signal asked for it; the state is saved.

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
    materials = gather_materials(profile, accelerator, folder)
    if materials.ranks.first:
        make_folder(folder, profile, materials.manifest(list(command)))
    with held(folder, materials.ranks.first):
        return _run(materials, folder, emit)


def resume(
    folder: Path,
    emit: Emit,
    command: list[str],
    allow_changed: bool,
    trackers: Sequence[str] = (),
) -> RunResult:
    """Go on with a run that was stopped or killed, to the same weights.

    Args:
        folder: of the run.
        emit: as for `train`; the first event is `resume`.
        command: as typed.
        allow_changed: go on although profile, data, versions or processes have changed.
        trackers: names of experiment trackers that follow the run.

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
    with held(folder, accelerator.is_main_process):
        has_state = find_state(folder)
        materials = gather_materials(read_run_profile(folder), accelerator, folder)
        if not allow_changed:
            refuse_changes(folder, before, materials.manifest(command))
        resumption = Resumption(has_state, allow_changed, before.encoder is not None)
        return _run(materials, folder, emit, resumption)


def _run(
    materials: Materials, folder: Path, emit: Emit, resumption: Resumption | None = None
) -> RunResult:
    accelerator, ranks = materials.accelerator, materials.ranks

    def follow(event: Event) -> None:
        track(accelerator, event)
        emit(event)

    record = Chronicle(folder / "events.jsonl", follow) if ranks.first else ignore
    try:
        start_tracking(accelerator, materials.profile)
        with ranks.ending_together(), stop_on_signals(insist=ranks.alone) as request:
            best = _train(materials, folder, record, request, resumption)
    except KeyboardInterrupt:
        record({"event": "interrupted"})
        raise
    finally:
        accelerator.end_training()
    return RunResult(folder, best)


def _train(
    materials: Materials,
    folder: Path,
    emit: Emit,
    request: StopRequest,
    resumption: Resumption | None,
) -> Event:
    training = materials.profile.training
    engine = materials.engine(emit)
    if resumption is not None:
        _go_on(engine, folder, emit, resumption)
    emit({"event": "start", **materials.describe(engine)})
    if training.head_first and not (resumption and resumption.has_state):
        emit({"event": "head", **asdict(_fit_head(materials, engine))})
    saver = Saver(engine, folder / "last", training.save_every, request)
    while engine.progress.epoch <= engine.epochs.value and not _out_of_patience(engine):
        epoch = engine.progress.epoch
        loss = engine.run_epoch(saver.after_step)
        with engine.average.in_place():
            _finish_epoch(materials, engine, folder, {"epoch": epoch, "train_loss": loss}, emit)
        saver.save()
    best = engine.progress.best
    assert best is not None  # a profile has at least one epoch
    if training.neighbours:
        best = _hear_neighbours(materials, folder, best, emit)
    early = engine.progress.epoch <= engine.epochs.value
    kept = {key: best.get(key) for key in ("f1_macro", "requirements")}
    emit({"event": "end", "best_epoch": best["epoch"], "early": early, **kept})
    return best


def _go_on(engine: Engine, folder: Path, emit: Emit, resumption: Resumption) -> None:
    """Take up where the run was; without a state that is its first step."""
    if resumption.has_state:
        engine.load(folder / "last", resumption.allow_changed)
        if engine.progress.best is not None:
            checkpoint_folder(folder / "checkpoint")  # of the best epoch, which may stay the best
    emit({"event": "resume", "step": engine.progress.step, "epoch": engine.progress.epoch})
    if not resumption.knows_encoder:
        message = "the manifest does not know its files, so it cannot be seen whether they changed"
        emit({"event": "warning", "id": "encoder", "label": None, "message": message})


def _finish_epoch(
    materials: Materials, engine: Engine, folder: Path, trained: Event, emit: Emit
) -> None:
    """Validate, and keep the epoch if it is the best so far."""
    figures, choice, calibration = validate(materials, validation_logits(materials))
    metric, best = materials.profile.training.best_by, engine.progress.best
    event = {"event": "epoch", **trained, **figures, "step": engine.progress.step}
    # one process decides, lest a last digit make them disagree
    event["best"] = materials.ranks.from_first(lambda: _is_better(event, best, metric))
    if event["best"]:
        engine.progress.best = event
        if materials.ranks.first:
            _save(materials, folder, choice, calibration, event)
    emit(event)


def _is_better(event: Event, best: Event | None, metric: str) -> bool:
    if best is None:
        return True
    before = best.get(metric)
    # what is not known is null in a saved state
    return bool(event[metric] > (math.nan if before is None else before))


def _hear_neighbours(materials: Materials, folder: Path, best: Event, emit: Emit) -> Event:
    """Let the nearest training texts have a say in the best epoch's checkpoint, if it helps."""
    event, heard = ask_neighbours(materials, folder / "checkpoint")
    if heard is not None:
        best = {**best, **heard.figures}
        if materials.ranks.first:
            _save(materials, folder, heard.choice, heard.calibration, best, heard)
        materials.ranks.wait()
    emit(event)
    return best


def _out_of_patience(engine: Engine) -> bool:
    """Whether epochs without a better one are enough; auto counts those of the latter half."""
    patience, best = engine.section.patience, engine.progress.best
    if best is None:
        return False
    since = best["epoch"]
    if patience is None and engine.section.epochs == "auto":
        patience, since = AUTO_PATIENCE, max(since, engine.epochs.value // 2)
    return patience is not None and engine.progress.epoch - 1 - since >= patience


def _fit_head(materials: Materials, engine: Engine) -> HeadFit:
    return fit_head(
        materials.text_model,
        materials.train,
        materials.validation,
        materials.objective,
        autocast(engine.precision.value, materials.accelerator.device),
        materials.ranks,
    )


def _save(
    materials: Materials,
    folder: Path,
    choice: ThresholdChoice,
    calibration: Calibration,
    event: Event,
    heard: Heard | None = None,
) -> None:
    kept = ("epoch", "f1_macro", "f1_macro_at_half", "average_precision_macro", "labels")
    meta = make_meta(
        materials.profile,
        materials.corpus,
        materials.weights,
        choice,
        calibration,
        materials.text_model.max_length,
        {key: event[key] for key in kept},
        heard.meta if heard else None,
    )
    neighbours = heard.neighbours if heard else None
    write_checkpoint(folder / "checkpoint", materials.text_model, meta, neighbours)
