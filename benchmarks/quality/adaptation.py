"""Task-adaptive pretraining: an encoder trained further to guess masked words of a task's texts.

It writes a folder that `model.encoder` can name, so that `quality.py --folds` compares it with the
encoder as it came:

    python -m benchmarks.quality.adaptation PROFILE [MORE.csv ...] --output FOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import AutoModel, AutoModelForMaskedLM, DataCollatorForLanguageModeling

from benchmarks.shared.turns import say
from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.unlabelled import read_unlabelled
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.encoder_files import encoder_folder
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.batches import plan_epoch
from imbtool.training.cpu_speed import keep_freed_memory, narrow_residual, quick_dropout
from imbtool.training.optimizer import clipped_step, gradient_norm, learning_rate_factor

MASKED = 0.15
WARMUP = 0.1
HEAD_STEPS, HEAD_RATE = 200, 1e-3
"""The head of a sentence encoder is new: at first it is trained alone."""
LINE_EVERY = 30.0


def texts_of(profile: Profile, corpus: Corpus, more: Sequence[Path]) -> list[str]:
    """The training texts, and those of other tables that are not held out."""
    texts = list(corpus.train.texts)
    for path in more:
        data = profile.data.model_copy(update={"unlabelled": path})
        texts += read_unlabelled(data, corpus).split.texts
    return texts


class MaskedModel:
    """An encoder with a masked-word head whose output layer is the table of word embeddings."""

    def __init__(self, folder: Path, text_model: TextModel, seed: int) -> None:
        set_seed(seed)
        self.model: Any = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
        self.encoder: Any = self.model.base_model
        self.head: nn.Module = next(
            each for each in self.model.children() if each is not self.encoder
        )
        words, output = (
            self.model.get_input_embeddings(),
            self.model.get_output_embeddings(),
        )
        assert output.weight is words.weight  # a random output layer would have to learn all words
        self.text_model = text_model
        self.collator = DataCollatorForLanguageModeling(
            text_model.tokenizer, mlm_probability=MASKED, seed=seed
        )
        narrow_residual(self.model)

    def loss(self, encoded: Sequence[list[int]]) -> Tensor:
        """The mean cross-entropy of the masked words of a batch."""
        batch = self.collator([{"input_ids": ids} for ids in encoded])
        wanted = batch["labels"] != -100
        mask = batch["input_ids"] != self.text_model.tokenizer.pad_token_id
        states = self.encoder(input_ids=batch["input_ids"], attention_mask=mask.long())[0]
        scores = self.head(states[wanted])  # of the masked words alone: the output layer is large
        return cross_entropy(scores.float(), batch["labels"][wanted])


def adapt(
    profile: Profile, texts: Sequence[str], folder: Path, epochs: int, rate: float, seed: int
) -> None:
    """Train the profile's encoder on texts and write it to a folder.

    Args:
        profile: that names the encoder.
        texts: to train on.
        folder: for the encoder and its tokenizer.
        epochs: passes over the texts.
        rate: the highest learning rate.
        seed: of masks, order and head.
    """
    source = Path(encoder_folder(profile.model.encoder))
    text_model = load_encoder(profile.model, ["a", "b"])
    masked = MaskedModel(source, text_model, seed)
    encoded = text_model.encode(texts)
    lengths = [len(ids) for ids in encoded]
    masked.model.get_input_embeddings().weight.requires_grad_(False)
    batches = [rows for epoch in range(epochs) for rows in plan_epoch(lengths, 32, seed, epoch)]
    head = list(masked.head.parameters())
    trained = [each for each in masked.model.parameters() if each.requires_grad]
    optimizers = [
        torch.optim.AdamW([each for each in head if each.requires_grad], fused=True),
        torch.optim.AdamW(trained, fused=True),
    ]
    say(f"{len(texts):,} texts, {sum(lengths):,} tokens, {len(batches)} steps")
    keep_freed_memory()
    masked.model.train()
    context = choose_precision(profile.training, torch.device("cpu")).value
    said, mean = time.monotonic(), 0.0
    warming = min(HEAD_STEPS, len(batches) // 10)
    for step, rows in enumerate([*batches[:warming], *batches]):
        alone = step < warming
        with autocast(context, torch.device("cpu")), quick_dropout():
            loss = masked.loss([encoded[row] for row in rows])
        loss.backward()  # type: ignore[no-untyped-call]
        at, steps = step - warming, len(batches)
        now = HEAD_RATE if alone else rate * learning_rate_factor(at, steps, WARMUP, False)
        clipped_step(optimizers[0 if alone else 1], gradient_norm(masked.model), now)
        masked.model.zero_grad()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if time.monotonic() - said > LINE_EVERY:
            said = time.monotonic()
            say(f"step {at} of {steps}, loss {mean:.3f}")
    # of the encoder as it came: a model for masked words has no pooler
    whole: Any = AutoModel.from_pretrained(source, dtype=torch.float32)
    whole.load_state_dict(masked.encoder.state_dict(), strict=False)
    whole.save_pretrained(folder)
    text_model.tokenizer.save_pretrained(folder)


def main() -> None:
    """Adapt the encoder of a profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", type=Path)
    parser.add_argument("more", type=Path, nargs="*", help="tables of unlabelled texts")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    profile = read_profile(options.profile, [Override("model.encoder", options.encoder, "")])
    texts = texts_of(profile, read_corpus(profile), options.more)
    adapt(profile, texts, options.output, options.epochs, options.rate, options.seed)


if __name__ == "__main__":
    main()
