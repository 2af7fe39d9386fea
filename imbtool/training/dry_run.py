"""What a run would be: its plan, its weights, and its time and memory by a few trial steps."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imbtool.analysis.analyze import explain_weights
from imbtool.config.schema import Profile
from imbtool.events import Event
from imbtool.model.encoder import TextModel, Tokens
from imbtool.model.long_texts import padded_tokens
from imbtool.training.automatic import autocast
from imbtool.training.head_first import MOST_JUDGES, MOST_TEXTS, few_texts
from imbtool.training.knn_share import MOST_REMEMBERED
from imbtool.training.loop import Engine
from imbtool.training.setup import Materials, gather_materials, make_accelerator
from imbtool.training.token_cache import token_counts

WARM_UP_STEPS = 3
TRIAL_STEPS = 8
TRIAL_TEXTS = 256
"""Texts of a trial pass without gradients."""


def rehearse(profile: Profile) -> dict[str, Any]:
    """Try a few steps in memory, write nothing, and say what the whole run would take.

    Returns:
        What `Materials.describe` says, the `padding_share` of the first epoch, `tokens_per_second`
        of training, `minutes` of each part, the `memory_gib` of a process, and the `weights`,
        label by label.

    Raises:
        UserError: the data or the encoder cannot be used, or the largest batch does not fit.
    """
    accelerator = make_accelerator()
    try:
        materials = gather_materials(profile, accelerator)
        trial: list[Event] = []
        engine = materials.engine(trial.append)
        speed = _training_speed(engine, trial)
        return {
            **materials.describe(engine),
            "padding_share": _padding_share(engine),
            "tokens_per_second": speed,
            "minutes": _minutes(materials, engine, speed),
            "memory_gib": _memory(engine) / 2**30,
            "weights": explain_weights(materials.corpus, materials.weights),
        }
    finally:
        accelerator.end_training()


def _training_speed(engine: Engine, trial: list[Event]) -> float:
    """Tokens a second over some steps of the first epoch, after a few to warm up."""
    for rows in engine.plan(1)[: WARM_UP_STEPS + TRIAL_STEPS]:
        engine.train_step(rows)
    timed = trial[WARM_UP_STEPS:] or trial
    speed: float = sum(row["tokens"] for row in timed) / sum(row["seconds"] for row in timed)
    return speed


def _minutes(materials: Materials, engine: Engine, speed: float) -> dict[str, float]:
    training, model = materials.profile.training, materials.text_model
    trained, validated = sum(engine.lengths), sum(token_counts(materials.validation.encoded))
    few, judges = (
        sum(token_counts(few_texts(sample, most).encoded))
        for sample, most in ((materials.train, MOST_TEXTS), (materials.validation, MOST_JUDGES))
    )
    remembered = sum(token_counts(few_texts(materials.train, MOST_REMEMBERED).encoded))
    texts = materials.train.encoded[:TRIAL_TEXTS]
    context = autocast(engine.precision.value, materials.accelerator.device)
    frozen = _reading_speed(model, texts, context) * materials.ranks.processes
    exact = _reading_speed(model, texts, nullcontext()) * materials.ranks.processes
    epochs: int = engine.epochs.value
    asked = remembered / frozen + validated / exact
    return {
        "head": (few + 2 * judges) / frozen / 60 if training.head_first else 0.0,
        "training": epochs * trained / speed / 60,
        "validation": epochs * validated / exact / 60,
        "neighbours": asked / 60 if training.neighbours else 0.0,
    }


def _reading_speed(
    model: TextModel, texts: Sequence[Tokens], context: AbstractContextManager[Any]
) -> float:
    """Tokens a second of a pass without gradients."""
    start = time.perf_counter()
    for _, logits in model.forward_all(texts, context):
        logits.sum().item()  # wait for the device
    return sum(map(len, texts)) / (time.perf_counter() - start)


def _padding_share(engine: Engine) -> float:
    padded = sum(_padded(engine, rows) for rows in engine.plan(1))
    return 1.0 - sum(engine.lengths) / padded


def _padded(engine: Engine, rows: NDArray[np.int64]) -> int:
    """Tokens of a batch, padding among them."""
    return padded_tokens([engine.lengths[row] for row in rows], engine.text_model.max_length)


def _memory(engine: Engine) -> int:
    """Bytes that a process has used at most, once the largest batch has been trained on."""
    engine.train_step(max(engine.plan(1), key=lambda rows: _padded(engine, rows)))
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
