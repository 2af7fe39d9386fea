"""The methods that quality.py compares: each trains on a task and answers for its test texts.

Encoders train for as many texts as in imbtool's epochs, in bf16 where the machine computes in
it, and answer in fp32. Validation is read by imbtool alone, for thresholds and the best epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.quality.answers import Answers
from benchmarks.shared.contenders import WithTrainer, make_trainer
from benchmarks.shared.tasks import BATCH_SIZE, Task, profile_of, with_training
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus
from imbtool.evaluation.calibration import sigmoid
from imbtool.model.encoder import TextModel
from imbtool.model.encoder_files import encoder_folder
from imbtool.training.automatic import choose_epochs, computes_bf16

TRAINER_RATE = 5e-5
"""Trainer's default learning rate."""
PAIRS_A_STEP = 16
"""SetFit's default."""
LIBLINEAR_OPTIONS = "-m 1"
"""One thread a label; more mostly wait for one another where texts are this short."""

Document = dict[str, Any]


@dataclass(frozen=True)
class ByTrainer:
    """Trainer as run_classification uses it for several labels: BCE, threshold 0.5, last epoch.

    Its defaults but for batches of 32 instead of 8 and bf16, which all share here.

    Attributes:
        name: of the method.
        pos_weight: whether positives of a label weigh its negatives / positives in training.
    """

    name: str
    pos_weight: bool
    packages: ClassVar[Sequence[str]] = ("torch", "transformers")
    reads_encoder: ClassVar[bool] = True

    def settings(self, task: Task) -> Document:
        """Those that are not Trainer's defaults, and those that its defaults may change."""
        return {
            "epochs": epochs_of(task),
            "batch_size": BATCH_SIZE,
            "learning_rate": TRAINER_RATE,
            "pos_weight": "negatives / positives" if self.pos_weight else None,
            "precision": precision_of(task),
            "max_length": profile_of(task).model.max_length,
        }

    def answer(self, task: Task, seed: int) -> Answers:
        """The last epoch's model decides from a logit of 0 on, which is probability 0.5."""
        profile = profile_of(task)
        corpus = read_corpus(profile)
        flags = {
            "seed": seed,
            "bf16": precision_of(task) == "bf16",
            "use_cpu": task.device == "cpu",  # bf16 on a CPU is refused without it
            "dataloader_pin_memory": task.device == "cuda",
        }
        with TemporaryDirectory() as folder:
            trainer = make_trainer(WithTrainer(self.name, flags), task, Path(folder), Unwatched())
            if self.pos_weight:
                trainer.compute_loss_func = bce_by_ratio(corpus.train.targets)
            trainer.train()
        # unwrapped, since it would go on to answer in bf16
        model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        tokenizer = trainer.data_collator.tokenizer
        length = min(profile.model.max_length, tokenizer.model_max_length)
        logits = TextModel(model, tokenizer, length).logits(corpus.test.texts)
        return Answers(logits > 0, logits)


@dataclass(frozen=True)
class ByImbtool:
    """imbtool by the profile, or with the method as it was first written down.

    Attributes:
        name: of the method.
        as_first_written: weighted focal loss and penalty alone: no head first, all weights trained
            and none averaged, and decisions at 0.5 that are not made to fit the hierarchy.
        neighbours: whether the nearest training texts may have a say.
    """

    name: str
    as_first_written: bool = False
    neighbours: bool = False
    packages: ClassVar[Sequence[str]] = ("imbtool", "torch", "transformers")
    reads_encoder: ClassVar[bool] = True

    def settings(self, task: Task) -> Document:
        """The profile, but for its tables and for what takes no part in training."""
        sections = self._profile(task, 0).model_dump(
            mode="json", include={"labels", "weights", "loss", "model", "training", "thresholds"}
        )
        del sections["model"]["encoder"], sections["training"]["seed"]  # stand elsewhere
        return {**sections, "precision": precision_of(task)}

    def answer(self, task: Task, seed: int) -> Answers:
        """The best epoch's checkpoint decides."""
        from imbtool.trained.checkpoint import read_checkpoint
        from imbtool.training.run import train

        profile = self._profile(task, seed)
        with TemporaryDirectory() as folder:
            checkpoint = read_checkpoint(train(profile, Path(folder) / "run").checkpoint)
            checkpoint.to(torch.device(task.device))
            logits = checkpoint.logits(read_corpus(profile).test.texts)
        probabilities = sigmoid(logits)
        if self.as_first_written:
            return Answers(probabilities >= 0.5, logits)
        return Answers(checkpoint.decide(probabilities), logits)

    def _profile(self, task: Task, seed: int) -> Profile:
        later = not self.as_first_written
        refined = dict.fromkeys(("head_first", "freeze_embeddings", "average_weights"), later)
        profile = with_training(
            profile_of(task),
            seed=seed,
            learning_rate="auto",
            neighbours=self.neighbours,
            **refined,
        )
        method = "0.5" if self.as_first_written else profile.thresholds.method
        thresholds = profile.thresholds.model_copy(update={"method": method})
        return profile.model_copy(update={"thresholds": thresholds})


@dataclass(frozen=True)
class ByLibMultiLabel:
    """A linear trainer of LibMultiLabel on TF-IDF, at their defaults but for LIBLINEAR's threads.

    Attributes:
        trainer: what follows `train_` in its name.
    """

    trainer: str
    packages: ClassVar[Sequence[str]] = ("libmultilabel", "liblinear-multicore", "scikit-learn")
    reads_encoder: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Of the method."""
        return f"libmultilabel-{self.trainer.replace('_', '-')}"

    def settings(self, task: Task) -> Document:  # noqa: ARG002
        """What is not LibMultiLabel's default."""
        return {"options": LIBLINEAR_OPTIONS}

    def answer(self, task: Task, seed: int) -> Answers:
        """Decision values above 0 decide; where thresholds are chosen they are in the values."""
        from libmultilabel import linear

        corpus = read_corpus(profile_of(task))
        splits = {
            name: {"x": list(split.texts), "y": [np.flatnonzero(row == 1) for row in split.targets]}
            for name, split in (("train", corpus.train), ("test", corpus.test))
        }
        made = linear.Preprocessor().fit_transform({"data_format": "dataframe", **splits})
        np.random.seed(seed)  # it cross-validates by numpy's global state
        train = getattr(linear, f"train_{self.trainer}")
        labels, features = SummableLabels(made["train"]["y"]), made["train"]["x"]
        model = train(labels, features, options=LIBLINEAR_OPTIONS, verbose=False)
        values = model.predict_values(made["test"]["x"])
        return Answers(values > 0, values)


@dataclass(frozen=True)
class BySetFit:
    """SetFit: contrastive pairs train the encoder, one-vs-rest logistic regressions are its heads.

    SetFit as it comes would train on all pairs of texts, 98 million of 14,000. It gets as many
    steps as take the others' number of texts through the encoder; the heads see all texts.
    """

    name: ClassVar[str] = "setfit"
    packages: ClassVar[Sequence[str]] = (
        *("setfit", "sentence-transformers", "scikit-learn", "torch", "transformers"),
    )
    reads_encoder: ClassVar[bool] = True

    def settings(self, task: Task) -> Document:
        """The bound on its steps, and what is not its default."""
        return {
            "pairs_a_step": PAIRS_A_STEP,
            "texts_in_pairs": f"{epochs_of(task)} epochs' worth",
            "precision": precision_of(task),
            "max_length": profile_of(task).model.max_length,
        }

    def answer(self, task: Task, seed: int) -> Answers:
        """Logistic regressions decide from probability 0.5 on."""
        from setfit import SetFitModel, Trainer, TrainingArguments, sampler

        profile = profile_of(task)
        corpus = read_corpus(profile)
        labels = corpus.train.targets.astype(int).tolist()
        model = SetFitModel.from_pretrained(
            encoder_folder(profile.model.encoder),
            multi_target_strategy="one-vs-rest",
            device=task.device,
        )
        body = model.model_body
        most = profile.model.max_length
        body.max_seq_length = min(most, body.max_seq_length or most)
        sampler.shuffle_combinations = random_pairs(seed)
        steps = epochs_of(task) * len(corpus.train) // (2 * PAIRS_A_STEP)
        with TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                batch_size=PAIRS_A_STEP,
                max_steps=steps,
                seed=seed,
                report_to="none",
                save_strategy="no",
            )
            trainer = Trainer(model, arguments)
            # one context for all steps: weights whose casts it kept would stay as they were
            in_bf16 = precision_of(task) == "bf16"
            with torch.autocast(task.device, torch.bfloat16, in_bf16, cache_enabled=False):
                trainer.train_embeddings(list(corpus.train.texts), labels)
            trainer.train_classifier(list(corpus.train.texts), labels)
        embeddings = model.encode(list(corpus.test.texts))
        head = model.model_head
        return Answers(head.predict(embeddings) == 1, head.predict_proba(embeddings))


Method = ByTrainer | ByImbtool | ByLibMultiLabel | BySetFit
"""A name, the packages whose versions its answers rest on, and whether it reads an encoder."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        ByTrainer("trainer", pos_weight=False),
        ByTrainer("trainer-pos-weight", pos_weight=True),
        ByImbtool("first-written", as_first_written=True),
        ByLibMultiLabel("1vsrest"),
        ByLibMultiLabel("thresholding"),
        ByLibMultiLabel("cost_sensitive"),
        BySetFit(),
        ByImbtool("imbtool"),
        ByImbtool("imbtool-neighbours", neighbours=True),
    )
}


class Unwatched:
    """Nobody watches how fast it trains."""

    def begin(self, model: nn.Module) -> None:
        """Training is about to start."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        """Tokens went forward and backward."""

    def after_step(self) -> None:
        """A step is done."""


class SummableLabels(csc_matrix):
    """Labels [n, L] as train_thresholding needs them.

    It sums them along axis 2 for the positives of each label, which scipy took for axis 0 of such a
    matrix up to 1.13 and refuses since.
    """

    def sum(self, axis: int | None = None, **options: Any) -> Any:
        """The sum along an axis."""
        return super().sum(axis=0 if axis == 2 else axis, **options)


def bce_by_ratio(targets: NDArray[np.float32]) -> Callable[..., torch.Tensor]:
    """Trainer's loss with pos_weight negatives / positives of each label of targets [n, L]."""
    positives = (targets == 1).sum(axis=0)
    ratios = torch.from_numpy(((targets == 0).sum(axis=0) / positives).astype(np.float32))

    def loss(outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
        logits = outputs.logits.float()
        return binary_cross_entropy_with_logits(logits, labels, pos_weight=ratios.to(logits.device))

    return loss


def random_pairs(seed: int) -> Callable[..., Any]:
    """SetFit's `shuffle_combinations`, pairs drawn one by one for as long as it wants some.

    Its own lists all pairs of texts first, which for 43,410 of them takes more than 15 GB.
    """

    def pairs(rows: Sequence[Any], **_: Any) -> Any:
        rng = np.random.default_rng(seed)
        while True:
            first, second = rng.integers(len(rows), size=2)
            yield rows[first], rows[second]

    return pairs


@lru_cache
def epochs_of(task: Task) -> int:
    """Of every encoder: as many as imbtool has at most, 3 for all but small sets."""
    profile = profile_of(task)
    epochs: int = choose_epochs(profile.training, len(read_corpus(profile).train)).value
    return epochs


def precision_of(task: Task) -> str:
    """In which encoders train: bf16 where the machine computes in it, as imbtool decides."""
    return "bf16" if computes_bf16(torch.device(task.device)) else "fp32"
