"""What a profile leaves to imbtool: how many epochs, at which learning rate."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from imbtool.config.schema import TrainingSection
from imbtool.training.automatic import (
    LEAST_STEPS,
    MOST_TEXTS,
    choose_epochs,
    choose_learning_rate,
    most_texts,
)

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
}

MULTILINGUAL = 250_002
"""Words of XLM-R and mDeBERTa."""


@pytest.mark.parametrize(
    ("texts", "epochs", "reason"),
    [
        (14_000, 3, "auto"),
        (32 * 400, 3, "auto"),
        (32 * 399, 4, "auto, 399 steps each"),
        (3_000, 13, "auto, 94 steps each"),
        (300, 20, "auto, 10 steps each"),
        (1, 20, "auto, 1 step each"),
    ],
)
def test_a_small_set_gets_more_epochs(texts: int, epochs: int, reason: str) -> None:
    choice = choose_epochs(TrainingSection(), texts)
    assert (choice.value, choice.reason) == (epochs, reason)
    assert epochs in (3, 20) or epochs * -(-texts // 32) >= LEAST_STEPS


def test_a_profile_may_say_how_many() -> None:
    choice = choose_epochs(TrainingSection(epochs=2), 300)
    assert (choice.value, choice.reason) == (2, "from the profile")


@pytest.mark.parametrize(
    ("shape", "rate", "size"),
    [
        (MINILM, 1e-4, "11.0M"),
        ({}, 3e-5, "86.0M"),
        ({"vocab_size": MULTILINGUAL}, 3e-5, "86.0M"),
        (LARGE, 1e-5, "303.9M"),
    ],
    ids=["MiniLM", "base", "multilingual base", "large"],
)
def test_a_larger_encoder_learns_more_slowly_however_many_words_it_knows(
    shape: dict[str, Any], rate: float, size: str
) -> None:
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig(**shape))
    choice = choose_learning_rate(TrainingSection(), model)
    assert choice.value == rate
    assert choice.reason == f"auto, {size} parameters besides word vectors"


def test_a_learning_rate_of_the_profile_is_taken() -> None:
    choice = choose_learning_rate(TrainingSection(learning_rate=2e-5), torch.nn.Linear(1, 1))
    assert (choice.value, choice.reason) == (2e-5, "from the profile")


@pytest.mark.parametrize(
    ("shape", "short", "long"),
    [(MINILM, 127, 19), ({}, 26, 4), (LARGE, 6, 1)],
    ids=["MiniLM", "base", "large"],
)
def test_on_cpu_a_larger_encoder_reads_fewer_texts_at_once_and_fewest_if_they_are_long(
    shape: dict[str, Any], short: int, long: int
) -> None:
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig(**shape))
    at_once = most_texts(model, torch.device("cpu"))
    assert (at_once(64), at_once(256), at_once(10**6)) == (short, long, 1)
    assert most_texts(model, torch.device("cuda"))(256) == MOST_TEXTS
