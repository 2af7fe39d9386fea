"""The dry run: the plan and label weights of a run, its time and memory by a few trial steps."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from imbtool.analysis.analyze import explain_weights
from imbtool.analysis.document import LabelWeights
from imbtool.config.schema import Profile
from imbtool.distributed.accelerator import make_accelerator
from imbtool.events import Event, RunPlan, StepEvent, of_kind
from imbtool.model.encoder import TextModel
from imbtool.model.long_texts import TokenIds, padded_tokens
from imbtool.training.additions import MOST_INDEXED
from imbtool.training.automatic import autocast
from imbtool.training.batches import EncodedTexts, subsample
from imbtool.training.head_first import MOST_TRAINING_TEXTS, MOST_VALIDATION_TEXTS
from imbtool.training.loop import TrainingLoop
from imbtool.training.setup import TrainingSetup, make_setup
from imbtool.training.token_cache import token_lengths

WARM_UP_STEPS = 3
TRIAL_STEPS = 8
TRIAL_TEXTS = 256
"""Texts of a trial pass without gradients."""


class DryRun(RunPlan):
    """The plan of a run, with its time and memory."""

    padding_share: float
    """Fraction of the tokens of the first epoch that is padding."""
    tokens_per_second: float
    """Speed of the training."""
    minutes: dict[str, float]
    """Duration of each part of the run."""
    memory_gib: float
    """Peak memory of each process."""
    weights: dict[str, LabelWeights]
    """The weight of each label, and its reason."""


def dry_run(profile: Profile) -> DryRun:
    """Train a few steps in memory and estimate what the whole run would take; no file is written.

    Args:
        profile: resolved.

    Raises:
        UserError: the data or the encoder cannot be used, or the largest batch does not fit.
    """
    accelerator = make_accelerator()
    try:
        setup = make_setup(profile, accelerator)
        trial: list[Event] = []
        loop = setup.make_loop(trial.append)
        speed = _training_speed(loop, trial)
        return DryRun(
            **dict(setup.describe(loop)),
            padding_share=_padding_share(loop),
            tokens_per_second=speed,
            minutes=_minutes(setup, loop, speed),
            memory_gib=_memory(loop) / 2**30,
            weights=explain_weights(setup.corpus, setup.weights),
        )
    finally:
        accelerator.end_training()


def _training_speed(loop: TrainingLoop, trial: list[Event]) -> float:
    """Tokens per second over some steps of the first epoch, after a few warm-up steps."""
    for rows in loop.plan(1)[: WARM_UP_STEPS + TRIAL_STEPS]:
        loop.train_step(rows)
    steps = of_kind(trial, StepEvent)
    timed = steps[WARM_UP_STEPS:] or steps
    return sum(step.tokens for step in timed) / sum(step.seconds for step in timed)


def _minutes(setup: TrainingSetup, loop: TrainingLoop, speed: float) -> dict[str, float]:
    training, model = setup.profile.training, setup.text_model
    trained, validated = _tokens(setup.train), _tokens(setup.validation)
    few, held_out = (
        _tokens(subsample(sample, most))
        for sample, most in (
            (setup.train, MOST_TRAINING_TEXTS),
            (setup.validation, MOST_VALIDATION_TEXTS),
        )
    )
    indexed = _tokens(subsample(setup.train, MOST_INDEXED))
    texts = setup.train.encoded[:TRIAL_TEXTS]
    context = autocast(loop.precision.value, setup.accelerator.device)
    frozen = _inference_speed(model, texts, context) * setup.ranks.processes
    exact = _inference_speed(model, texts, nullcontext()) * setup.ranks.processes
    epochs: int = loop.epochs.value
    knn = indexed / frozen + validated / exact
    return {
        "head": (few + 2 * held_out) / frozen / 60 if training.head_first else 0.0,
        "training": epochs * trained / speed / 60,
        "validation": epochs * validated / exact / 60,
        "words": 2 * validated / exact / 60 if training.words else 0.0,
        "neighbours": knn / 60 if training.neighbours else 0.0,
    }


def _tokens(texts: EncodedTexts) -> int:
    return int(token_lengths(texts.encoded).sum())


def _inference_speed(
    model: TextModel, texts: Sequence[TokenIds], context: AbstractContextManager[object]
) -> float:
    """Tokens per second of a pass without gradients."""
    start = time.perf_counter()
    for _, logits in model.forward_all(texts, context):
        logits.sum().item()  # wait for the device
    return sum(map(len, texts)) / (time.perf_counter() - start)


def _padding_share(loop: TrainingLoop) -> float:
    padded = sum(_padded(loop, rows) for rows in loop.plan(1))
    return 1.0 - int(loop.lengths.sum()) / padded


def _padded(loop: TrainingLoop, rows: NDArray[np.int64]) -> int:
    """Number of tokens of a batch, padding included."""
    return padded_tokens(loop.lengths[rows].tolist(), loop.text_model.max_length)


def _memory(loop: TrainingLoop) -> int:
    """Peak memory of a process in bytes, after training on the largest batch."""
    loop.train_step(max(loop.plan(1), key=lambda rows: _padded(loop, rows)))
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
