"""Three ways to train the same encoder on the same rows: Trainer twice, and imbtool's engine.

The benchmarks call them; each imports what it needs itself, so that its memory is its own.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imbtool.corpus import Corpus, read_corpus
from imbtool.profile import Profile
from imbtool.profilefile import Override, read_profile
from imbtool.training.automatic import computes_bf16

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

PROFILES = Path(__file__).parents[1] / "profiles"
BATCH_SIZE = 32
LEARNING_RATE = 1e-4
"""What imbtool takes for an encoder of the bundled one's size."""

Tokens = list[int]


@dataclass(frozen=True)
class Task:
    """What every contender trains on.

    Attributes:
        data: folder with train.csv, validation.csv and test.csv.
        profile: how to read it; None looks for the profile of this folder.
        encoder: instead of the profile's.
        learning_rate: of every contender.
        device: cpu or cuda.
        steps: optimizer steps in all; they shape the schedule of the learning rate.
        tokens: replace the texts by ones of exactly this many tokens.
    """

    data: Path
    profile: Path | None
    encoder: str | None
    learning_rate: float
    device: str
    steps: int
    tokens: int | None = None


class Pace(Protocol):
    """Who watches a contender train."""

    def begin(self, model: nn.Module) -> None:
        """Training is about to start; model and rows are ready."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        """So many tokens that are not padding went forward and backward."""

    def after_step(self) -> None:
        """An optimizer step is done. May wait, or raise to end the training."""


# --- The levers of imbtool's speed -----------------------------------------------------------
# Each function switches one off, in a process that trains nothing else: it may patch modules in
# place, and it returns the profile to train with.


def _without_bf16(profile: Profile) -> Profile:
    return with_training(profile, precision="fp32")


def _without_frozen_embeddings(profile: Profile) -> Profile:
    return with_training(profile, freeze_embeddings=False)


def _without_quick_dropout(profile: Profile) -> Profile:
    from imbtool.training import engine

    engine.quick_dropout = nullcontext
    return profile


def _without_narrow_residual(profile: Profile) -> Profile:
    from imbtool.training import engine

    engine.narrow_residual = lambda _: None
    return profile


def _without_kept_memory(profile: Profile) -> Profile:
    from imbtool.training import engine

    engine.keep_freed_memory = lambda: None
    return profile


def _without_clipping_in_the_step(profile: Profile) -> Profile:
    from imbtool.training import engine

    def two_passes(optimizer: torch.optim.AdamW, norm: torch.Tensor, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
            nn.utils.clip_grads_with_norm_(group["params"], 1.0, norm)
        optimizer.step()

    engine.clipped_step = two_passes
    return profile


def _without_saved_masks(profile: Profile) -> Profile:
    from imbtool.model import TextModel

    batch = TextModel.batch

    def always_masked(model: TextModel, encoded: Sequence[Tokens]) -> dict[str, torch.Tensor]:
        inputs = batch(model, encoded)
        inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
        return inputs

    TextModel.batch = always_masked
    return profile


def _without_length_buckets(profile: Profile) -> Profile:
    from imbtool.training import batches

    batches.BUCKET_BATCHES = 1
    return profile


def _without_eager_attention(profile: Profile) -> Profile:
    import imbtool.training.materials as materials

    load = materials.load_encoder

    def load_with_sdpa(*arguments: Any) -> Any:
        text_model = load(*arguments)
        text_model.model.set_attn_implementation("sdpa")
        return text_model

    materials.load_encoder = load_with_sdpa
    return profile


def _without_fused_adamw(profile: Profile) -> Profile:
    from imbtool.training import engine

    make = engine.make_optimizer

    def plain(model: nn.Module, rate: float) -> torch.optim.AdamW:
        groups = make(model, rate).param_groups
        chosen = [{key: group[key] for key in ("params", "weight_decay")} for group in groups]
        return torch.optim.AdamW(chosen, lr=rate, foreach=False)

    engine.make_optimizer = plain
    return _without_clipping_in_the_step(profile)


LEVERS: dict[str, Callable[[Profile], Profile]] = {
    "bf16": _without_bf16,
    "fused AdamW": _without_fused_adamw,
    "length buckets": _without_length_buckets,
    "eager attention": _without_eager_attention,
    "frozen embeddings": _without_frozen_embeddings,
    "quick dropout": _without_quick_dropout,
    "narrow residual": _without_narrow_residual,
    "kept memory": _without_kept_memory,
    "clipping in the step": _without_clipping_in_the_step,
    "no needless masks": _without_saved_masks,
}
# ---------------------------------------------------------------------------------------------


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
    """imbtool's engine with the profile's settings.

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
        train_with_engine(profile, task, pace)


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

    from imbtool.model import encoder_folder

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
    encoded = tokenizer(corpus.train.texts, truncation=True, max_length=length)["input_ids"]
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


def train_with_engine(profile: Profile, task: Task, pace: Pace) -> None:
    """Train with imbtool's engine until `pace` raises."""
    from accelerate import Accelerator

    from imbtool.training.materials import gather_materials

    materials = gather_materials(profile, Accelerator())
    epochs = -(-task.steps // steps_an_epoch(materials.corpus))
    materials = replace(
        materials,
        profile=with_training(profile, epochs=epochs),
        train=replace(materials.train, encoded=rows_of(task, materials.train.encoded)),
    )

    def emit(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            pace.saw(event["tokens"])

    engine = materials.engine(emit)
    pace.begin(materials.text_model.model)
    for _ in range(epochs):
        engine.run_epoch(pace.after_step)


def steps_an_epoch(corpus: Corpus) -> int:
    """Batches that hold every training text once."""
    return -(-len(corpus.train) // BATCH_SIZE)


def profile_of(task: Task) -> Profile:
    """The profile of a task's folder, with what all contenders share laid over it."""
    settings = {
        **{f"data.{name}": task.data / f"{name}.csv" for name in ("train", "validation", "test")},
        "training.batch_size": BATCH_SIZE,
        "training.learning_rate": task.learning_rate,
    }
    if task.encoder is not None:
        settings["model.encoder"] = task.encoder
    if task.tokens is not None:
        settings["model.max_length"] = task.tokens
    overrides = [Override(key, json.dumps(str(text)), key) for key, text in settings.items()]
    return read_profile(task.profile or find_profile(task.data), overrides)


def find_profile(data: Path) -> Path:
    """The profile that is named after a data folder, or else one that reads it."""
    named = PROFILES / f"{data.resolve().name}.yaml"
    if named.is_file():
        return named
    for path in sorted(PROFILES.glob("*.yaml")):
        if read_profile(path).data.train.parent == data.resolve():
            return path
    raise SystemExit(f"no profile for {data}: give --profile")


def with_training(profile: Profile, **settings: Any) -> Profile:
    """The profile with other values in its section `training`."""
    section = profile.training.model_copy(update=settings)
    return profile.model_copy(update={"training": section})


def rows_of(task: Task, encoded: Sequence[Tokens]) -> list[Tokens]:
    """The encoded texts, or as many of exactly `tokens` tokens cut from them in turn."""
    if task.tokens is None:
        return list(encoded)
    first, last = encoded[0][0], encoded[0][-1]
    inner = itertools.chain.from_iterable(ids[1:-1] for ids in itertools.cycle(encoded))
    return [[first, *itertools.islice(inner, task.tokens - 2), last] for _ in encoded]


def count_parameters(model: nn.Module) -> int:
    """Parameters outside embeddings: those that every token is multiplied with."""
    return sum(
        parameter.numel()
        for module in model.modules()
        if not isinstance(module, nn.Embedding)
        for parameter in module.parameters(recurse=False)
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, the first one aligned left and all others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if position else cell.ljust(width)


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
