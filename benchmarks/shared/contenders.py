"""Three ways to train the same encoder on the same rows: Trainer twice, and imbtool.

The benchmarks call them; each imports what it needs itself, so that its memory is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.shared.levers import LEVERS
from benchmarks.shared.tasks import (
    BATCH_SIZE,
    Task,
    Tokens,
    profile_of,
    rows_of,
    steps_an_epoch,
    with_training,
)
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus
from imbtool.events import Event, StepEvent
from imbtool.training.automatic import computes_bf16

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback


class Pace(Protocol):
    """Who watches a contender train."""

    def begin(self, model: nn.Module) -> None:
        """Training is about to start; model and rows are ready."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        """So many tokens that are not padding went forward and backward."""

    def after_step(self) -> None:
        """An optimizer step is done. May wait, or raise to end the training."""


@dataclass(frozen=True)
class WithTrainer:
    """`transformers.Trainer`.

    Attributes:
        name: in the tables.
        flags: TrainingArguments beyond those that all share.
        attention: implementation of attention; None is what transformers chooses.
    """

    name: str
    flags: dict[str, Any]
    attention: str | None = None

    def train(self, task: Task, pace: Pace) -> None:
        """Train on the rows of a task, watched by `pace`."""
        with TemporaryDirectory() as folder:
            make_trainer(self, task, Path(folder), pace).train()


@dataclass(frozen=True)
class WithImbtool:
    """imbtool with the profile's settings.

    Attributes:
        name: in the tables.
        without: levers that are switched off.
    """

    name: str
    without: tuple[str, ...] = ()

    def train(self, task: Task, pace: Pace) -> None:
        """Train on the rows of a task, watched by `pace`."""
        profile = profile_of(task)
        for lever in self.without:
            profile = LEVERS[lever](profile)
        train_with_imbtool(profile, task, pace)


Contender = WithTrainer | WithImbtool


def default_trainer() -> WithTrainer:
    """Trainer as it comes."""
    return WithTrainer("Trainer, defaults", {})


def best_trainers(device: str) -> list[WithTrainer]:
    """Trainer with every flag that helps, once for each implementation of attention."""
    bf16 = computes_bf16(torch.device(device))
    flags = {
        "bf16": bf16,
        "train_sampling_strategy": "group_by_length",
        "optim": "adamw_torch_fused",
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,  # it waits for the device at every step
        "use_cpu": device == "cpu",  # bf16 on a CPU is refused without it
    }
    if device == "cuda":
        flags |= {"dataloader_num_workers": 4, "dataloader_persistent_workers": True}
    else:
        flags["dataloader_pin_memory"] = False
    precision = "bf16" if bf16 else "fp32"
    return [
        WithTrainer(f"Trainer, best flags ({attention}, {precision})", flags, attention)
        for attention in ("sdpa", "eager")
    ]


def make_trainer(contender: WithTrainer, task: Task, folder: Path, pace: Pace) -> Trainer:
    """A Trainer with plain BCE, as transformers gives it to multi-label classification."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        TrainingArguments,
        set_seed,
    )

    from imbtool.model.encoder_files import encoder_folder

    profile = profile_of(task)
    corpus = read_corpus(profile)
    where = encoder_folder(profile.model.encoder)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH_SIZE,
        max_steps=task.steps,
        learning_rate=task.learning_rate,
        report_to="none",
        save_strategy="no",
        **contender.flags,
    )
    set_seed(arguments.seed)
    attention = {"attn_implementation": contender.attention} if contender.attention else {}
    model = AutoModelForSequenceClassification.from_pretrained(
        where,
        num_labels=len(corpus.labels),
        problem_type="multi_label_classification",
        dtype=torch.float32,  # else that of the file
        **attention,
    )
    tokenizer = AutoTokenizer.from_pretrained(where)
    length = min(profile.model.max_length, tokenizer.model_max_length)
    encoded = tokenizer(list(corpus.train.texts), truncation=True, max_length=length)["input_ids"]
    rows = trainer_rows(rows_of(task, encoded), corpus.train.targets)
    return _watched_trainer(pace)(
        model,
        arguments,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=rows,
        callbacks=[_watching_callback(pace)],
    )


def trainer_rows(encoded: Sequence[Tokens], targets: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Rows as Trainer's collator takes them, labels as floats."""
    return [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": row}
        for ids, row in zip(encoded, targets.tolist(), strict=True)
    ]


def train_with_imbtool(profile: Profile, task: Task, pace: Pace) -> None:
    """Train with imbtool until `pace` raises."""
    from accelerate import Accelerator

    from imbtool.training.setup import make_setup

    setup = make_setup(profile, Accelerator())
    epochs = -(-task.steps // steps_an_epoch(setup.corpus))
    setup = replace(
        setup,
        profile=with_training(profile, epochs=epochs),
        train=replace(setup.train, encoded=rows_of(task, setup.train.encoded)),
    )

    def emit(event: Event) -> None:
        if isinstance(event, StepEvent):
            pace.saw(event.tokens)

    loop = setup.make_loop(emit)
    pace.begin(setup.text_model.model)
    for _ in range(epochs):
        loop.run_epoch(pace.after_step)


def count_parameters(model: nn.Module) -> int:
    """Parameters outside embeddings: those that every token is multiplied with."""
    return sum(
        parameter.numel()
        for module in model.modules()
        if not isinstance(module, nn.Embedding)
        for parameter in module.parameters(recurse=False)
    )


def _watched_trainer(pace: Pace) -> type[Trainer]:
    from transformers import Trainer

    class WatchedTrainer(Trainer):
        def training_step(self, model: nn.Module, inputs: Any, *rest: Any) -> torch.Tensor:
            # counted here, since the loader collates batches that are not trained on yet
            pace.saw(inputs["attention_mask"].sum())
            return super().training_step(model, inputs, *rest)

    return WatchedTrainer


def _watching_callback(pace: Pace) -> TrainerCallback:
    from transformers import TrainerCallback

    class Watching(TrainerCallback):
        def on_train_begin(self, *_: Any, model: nn.Module, **__: Any) -> None:
            pace.begin(model)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            pace.after_step()

    return Watching()
