"""A whole training run: a profile in, a run folder with the best epoch's checkpoint out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from imbtool.checkpoint import make_meta, write_checkpoint
from imbtool.errors import fail
from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.files import read_json, write_json, write_text
from imbtool.profile import Profile
from imbtool.profilefile import read_profile
from imbtool.profilewriter import render_profile
from imbtool.training.automatic import autocast
from imbtool.training.chronicle import Chronicle
from imbtool.training.engine import Emit, Engine, Event
from imbtool.training.head import HeadFit, fit_head
from imbtool.training.manifest import refuse_changes
from imbtool.training.materials import Materials, gather_materials, make_accelerator
from imbtool.training.neighbourhood import Heard, ask_neighbours
from imbtool.training.saving import Saver
from imbtool.training.stopping import StopRequest, stop_on_signals
from imbtool.training.tracking import require_trackers, start_tracking, track
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

    Example:
        >>> from pathlib import Path
        >>> from imbtool import read_profile, train
        >>> result = train(read_profile(Path("profile.yaml")), Path("runs/second"))
        >>> result.checkpoint.name
        'checkpoint'
    """
    require_trackers(trackers)
    accelerator = make_accelerator(trackers, folder)
    if accelerator.is_main_process and folder.exists():
        mend = "choose another --run, move the old run away, or go on with --resume"
        raise fail(folder, "a run of this name", "a new name", mend)
    materials = gather_materials(profile, accelerator, folder)
    if materials.ranks.first:
        folder.mkdir(parents=True)
        write_text(folder / "profile.yaml", render_profile(profile))
        write_json(folder / "manifest.json", materials.manifest(list(command)))
    return _run(materials, folder, emit, resumed=False)


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
        UserError: there is no such run, nothing was saved, or something changed.
        Stopped: a signal asked for it; the state is saved.
    """
    require_trackers(trackers)
    if not (folder / "manifest.json").is_file():
        found = "no manifest.json in it" if folder.exists() else "no such folder"
        raise fail(folder, found, "a run folder", "give the folder that holds `last`")
    before = read_json(folder / "manifest.json")
    torch.set_num_threads(before["device"]["threads"])
    accelerator = make_accelerator(trackers, folder)
    materials = gather_materials(read_profile(folder / "profile.yaml"), accelerator, folder)
    if not allow_changed:
        refuse_changes(folder, before, materials.manifest(command))
    return _run(materials, folder, emit, resumed=True)


def _run(materials: Materials, folder: Path, emit: Emit, resumed: bool) -> RunResult:
    accelerator, ranks = materials.accelerator, materials.ranks

    def follow(event: Event) -> None:
        track(accelerator, event)
        emit(event)

    record = Chronicle(folder / "events.jsonl", follow) if ranks.first else ignore
    try:
        start_tracking(accelerator, materials.profile)
        with ranks.ending_together(), stop_on_signals(insist=ranks.alone) as request:
            best = _train(materials, folder, record, request, resumed)
    except KeyboardInterrupt:
        record({"event": "interrupted"})
        raise
    finally:
        accelerator.end_training()
    return RunResult(folder, best)


def run_name(wanted: str | None, profile_path: Path, parent: Path) -> str:
    """The asked-for name, else the profile's with the first number that is free.

    Raises:
        UserError: the name would be more than a folder's name.
    """
    if wanted is not None:
        if not re.fullmatch(r"\w[\w.+-]*", wanted):
            found = repr(wanted)
            raise fail("--run", found, "letters, digits and . _ + -", "choose a plain name")
        return wanted
    stem = re.sub(r"[^\w.+-]+", "-", profile_path.stem).strip("-.") or "run"
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"


def _train(
    materials: Materials, folder: Path, emit: Emit, request: StopRequest, resumed: bool
) -> Event:
    training = materials.profile.training
    engine = materials.engine(emit)
    if resumed:
        engine.load(folder / "last")
        emit({"event": "resume", "step": engine.progress.step, "epoch": engine.progress.epoch})
    emit({"event": "start", **materials.describe(engine)})
    if training.head_first and not resumed:
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


def _finish_epoch(
    materials: Materials, engine: Engine, folder: Path, trained: Event, emit: Emit
) -> None:
    """Validate, and keep the epoch if it is the best so far."""
    figures, choice, calibration = validate(materials, validation_logits(materials))
    metric, best = materials.profile.training.best_by, engine.progress.best
    event = {"event": "epoch", **trained, **figures, "step": engine.progress.step}
    # one process decides, lest a last digit make them disagree
    event["best"] = materials.ranks.from_first(lambda: best is None or event[metric] > best[metric])
    if event["best"]:
        engine.progress.best = event
        if materials.ranks.first:
            _save(materials, folder, choice, calibration, event)
    emit(event)


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
