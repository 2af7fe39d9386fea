"""What a profile leaves to imbtool: how many epochs."""

import pytest

from imbtool.profile import TrainingSection
from imbtool.training.automatic import LEAST_STEPS, choose_epochs


@pytest.mark.parametrize(
    ("texts", "epochs", "reason"),
    [
        (14_000, 3, "auto"),
        (32 * 167, 3, "auto"),
        (32 * 166, 4, "auto, 166 steps each"),
        (1_000, 16, "auto, 32 steps each"),
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
