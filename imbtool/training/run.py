"""A whole training run: a profile in, a run folder with the best epoch's checkpoint out."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from imbtool.checkpoint import make_meta, write_checkpoint
from imbtool.corpus import Corpus, Split, read_corpus
from imbtool.errors import fail
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.metrics import average_precision, confusion, mean_defined
from imbtool.evaluation.summary import group_metrics, label_metrics
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds
from imbtool.files import append_line, cut_half_line, read_json, write_json, write_text
from imbtool.imbalance import count_labels
from imbtool.losses import Objective, make_objective
from imbtool.model import TextModel, load_encoder
from imbtool.profile import Profile
from imbtool.profilefile import read_profile
from imbtool.profilewriter import render_profile
from imbtool.training.engine import Emit, Engine, Event, autocast
from imbtool.training.head import HeadFit, Sample, fit_head
from imbtool.training.manifest import manifest, refuse_changes
from imbtool.training.stopping import Stopped, StopRequest, stop_on_signals
from imbtool.weighting import LabelWeight, assign_weights

EVERY_STEPS = 10
"""Of the steps, this one in so many is recorded in events.jsonl."""


@dataclass(frozen=True)
class RunResult:
    """Where a run went and what its best epoch reached on validation."""

    folder: Path
    best: Event

    @property
    def checkpoint(self) -> Path:
        """The best epoch's checkpoint."""
        return self.folder / "checkpoint"


@dataclass(frozen=True)
class _Materials:
    """What a run works on, all read before anything is written."""

    profile: Profile
    corpus: Corpus
    weights: list[LabelWeight]
    text_model: TextModel
    objective: Objective
    train: Sample
    validation: Sample
    accelerator: Accelerator

    @property
    def prevalence(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([weight.count.prevalence for weight in self.weights])


def train(profile: Profile, folder: Path, emit: Emit, command: list[str]) -> RunResult:
    """Train as the profile says and write the run folder.

    Args:
        profile: resolved.
        folder: of the run; must not exist.
        emit: called with every event: `start`, `head`, `step`, `epoch`, `end`.
        command: as typed, for the manifest.

    Raises:
        UserError: the data or the encoder cannot be used, the folder exists, or the loss is not
            finite. Nothing is written unless training can start.
        Stopped: a signal asked for it; the state is saved.
    """
    if folder.exists():
        mend = "choose another --run, move the old run away, or go on with --resume"
        raise fail(folder, "a run of this name", "a new name", mend)
    materials = _prepare(profile)
    folder.mkdir(parents=True)
    write_text(folder / "profile.yaml", render_profile(profile))
    write_json(folder / "manifest.json", _manifest(materials, command))
    return _run(materials, folder, emit, resumed=False)


def resume(folder: Path, emit: Emit, command: list[str], allow_changed: bool) -> RunResult:
    """Go on with a run that was stopped or killed, to the same weights.

    Args:
        folder: of the run.
        emit: as for `train`; the first event is `resume`.
        command: as typed.
        allow_changed: go on although profile, data or versions have changed.

    Raises:
        UserError: there is no such run, nothing was saved, it has ended, or something changed.
        Stopped: a signal asked for it; the state is saved.
    """
    if not (folder / "manifest.json").is_file():
        found = "no manifest.json in it" if folder.exists() else "no such folder"
        raise fail(folder, found, "a run folder", "give the folder that holds `last`")
    before = read_json(folder / "manifest.json")
    torch.set_num_threads(before["device"]["threads"])
    materials = _prepare(read_profile(folder / "profile.yaml"))
    if not allow_changed:
        refuse_changes(folder, before, _manifest(materials, command))
    return _run(materials, folder, emit, resumed=True)


def _run(materials: _Materials, folder: Path, emit: Emit, resumed: bool) -> RunResult:
    events = folder / "events.jsonl"
    cut_half_line(events)

    def record(event: Event) -> None:
        if event["event"] != "step" or event["step"] % EVERY_STEPS == 0:
            append_line(events, event)
        emit(event)

    try:
        with stop_on_signals() as request:
            best = _train(materials, folder, record, request, resumed)
    except KeyboardInterrupt:
        record({"event": "interrupted"})
        raise
    materials.accelerator.end_training()
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


def _prepare(profile: Profile) -> _Materials:
    corpus = read_corpus(profile)
    if len(corpus.validation) < 2 or not (corpus.validation.targets == 1).any():
        found = f"{len(corpus.validation)} texts and no positive of any label"
        mend = "give a larger data.validation"
        raise fail(corpus.validation.source, found, "positives to choose thresholds by", mend)
    set_seed(profile.training.seed)
    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        found = f"{accelerator.num_processes} processes"
        raise fail("launch", found, "one process", "start imbtool train without a launcher")
    weights = assign_weights(
        corpus.labels.names, count_labels(corpus.train.targets), profile.weights
    )
    text_model = load_encoder(profile.model, corpus.labels.names)
    text_model.model.to(accelerator.device)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], accelerator.device
    )

    def sample(split: Split) -> Sample:
        return Sample(text_model.encode(split.texts), split.targets)

    return _Materials(
        profile,
        corpus,
        weights,
        text_model,
        objective,
        sample(corpus.train),
        sample(corpus.validation),
        accelerator,
    )


def _train(
    materials: _Materials, folder: Path, emit: Emit, request: StopRequest, resumed: bool
) -> Event:
    section = materials.profile.training
    engine = Engine(
        materials.accelerator,
        materials.text_model,
        materials.train,
        materials.objective,
        section,
        emit,
    )
    last = folder / "last"
    if resumed:
        engine.load(last)
        emit({"event": "resume", "step": engine.progress.step, "epoch": engine.progress.epoch})
    emit(_start(materials, engine))
    if section.head_first and not resumed:
        emit({"event": "head", **asdict(_fit_head(materials, engine))})
    saver = _Saver(engine, last, section.save_every, request)
    while engine.progress.epoch <= section.epochs:
        epoch = engine.progress.epoch
        loss = engine.run_epoch(saver.after_step)
        event, choice = _validate(materials, epoch, loss)
        best = engine.progress.best
        event["best"] = best is None or event["f1_macro"] > best["f1_macro"]
        event["step"] = engine.progress.step
        if event["best"]:
            engine.progress.best = event
            _save(materials, folder, choice, event)
        emit(event)
        saver.save()
    best = engine.progress.best
    assert best is not None  # a profile has at least one epoch
    emit({"event": "end", "best_epoch": best["epoch"], "f1_macro": best["f1_macro"]})
    return best


class _Saver:
    """Saves the state every so many minutes, and once more where a signal asks for a stop."""

    def __init__(self, engine: Engine, link: Path, minutes: float, request: StopRequest) -> None:
        self._engine, self._link, self._request = engine, link, request
        self._seconds = 60.0 * minutes
        self._saved = time.monotonic()

    def after_step(self) -> None:
        if self._request.signum is not None:
            self.save()
            raise Stopped(self._request.signum)
        if time.monotonic() - self._saved >= self._seconds:
            self.save()

    def save(self) -> None:
        self._engine.save(self._link)
        self._saved = time.monotonic()


def _fit_head(materials: _Materials, engine: Engine) -> HeadFit:
    return fit_head(
        materials.text_model,
        materials.train,
        materials.validation,
        materials.objective,
        autocast(engine.precision.value, materials.accelerator.device),
    )


def _manifest(materials: _Materials, command: list[str]) -> dict[str, Any]:
    device = str(materials.accelerator.device)
    return manifest(command, materials.profile, materials.corpus, device)


def _validate(
    materials: _Materials, epoch: int, train_loss: float
) -> tuple[Event, ThresholdChoice]:
    labels, profile = materials.corpus.labels, materials.profile
    targets = materials.validation.targets
    logits = materials.text_model.logits_of(materials.validation.encoded).astype(np.float64)
    choice = choose_thresholds(
        labels,
        logits,
        targets,
        materials.prevalence,
        profile.thresholds.method,
        profile.training.seed,
    )
    crossed, at_half = confusion(choice.cross_fitted, targets), confusion(logits >= 0, targets)
    with torch.no_grad():
        loss = materials.objective(
            torch.from_numpy(logits).to(materials.accelerator.device),
            torch.from_numpy(targets).to(materials.accelerator.device),
        )
    event = {
        "event": "epoch",
        "epoch": epoch,
        "train_loss": train_loss,
        "validation_loss": float(loss),
        "f1_macro": mean_defined(crossed.f1),
        "f1_macro_at_half": mean_defined(at_half.f1),
        "average_precision_macro": mean_defined(average_precision(sigmoid(logits), targets)),
        **group_metrics(labels, crossed),
        "threshold_rule": choice.rule,
        "threshold_scores": choice.scores,
        "coherence": choice.coherence,
        "labels": label_metrics(labels, crossed, choice.positives),
    }
    return event, choice


def _save(materials: _Materials, folder: Path, choice: ThresholdChoice, event: Event) -> None:
    kept = ("epoch", "f1_macro", "f1_macro_at_half", "average_precision_macro", "labels")
    meta = make_meta(
        materials.profile,
        materials.corpus,
        materials.weights,
        choice,
        materials.text_model.max_length,
        {key: event[key] for key in kept},
    )
    write_checkpoint(folder / "checkpoint", materials.text_model, meta)


def _start(materials: _Materials, engine: Engine) -> Event:
    profile, corpus = materials.profile, materials.corpus
    return {
        "event": "start",
        "encoder": profile.model.encoder,
        "device": str(materials.accelerator.device),
        "precision": asdict(engine.precision),
        "learning_rate": asdict(engine.rate),
        "max_length": materials.text_model.max_length,
        "epochs": profile.training.epochs,
        "steps": engine.steps,
        "tokens_an_epoch": sum(engine.lengths),
        "cut_off": sum(length >= materials.text_model.max_length for length in engine.lengths),
        "texts": {name: len(split) for name, split in corpus.splits.items()},
        "labels": len(corpus.labels),
        "head_first": profile.training.head_first,
    }
