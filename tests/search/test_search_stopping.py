"""Whether another batch is worth its labelling, as a sentence says it."""

import pytest
from batches import batch_of, batch_text

from imbtool.annotation.batch import Batch, LabelNeed, Progress, Remaining
from imbtool.search.stopping import advice


def batch(
    expected: float = 20,
    at_random: float = 1,
    answered: int = 90,
    remaining: tuple[Remaining, ...] = (),
    chosen_by: str = "random",
) -> Batch:
    need = LabelNeed(
        label="threat",
        positives=3,
        known=500,
        texts=90,
        expected=expected,
        at_random=at_random,
        why="",
    )
    progress = Progress(batch="01", texts=answered, positives=9, at_random=1.0)
    changes = {"needs": [need], "progress": [progress], "remaining": list(remaining)}
    return batch_of([batch_text("r", "a text", chosen_by)]).model_copy(update=changes)


def left(low: int, high: int, recall_low: float, label: str = "threat") -> Remaining:
    return Remaining(
        label=label,
        sample=100,
        positives=2,
        found=30,
        low=low,
        high=high,
        recall_low=recall_low,
        recall_high=1.0,
    )


SAYS = {
    "go on": "This batch is worth labelling",
    "empty": "holds no more",
    "found": "nine in ten",
    "chance": "hardly worth",
    "first": "Once it is merged",
    "blind": "Without random texts",
}


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (batch(answered=0), "first"),
        (batch(answered=0, chosen_by="score"), "blind"),
        (batch(remaining=(left(3, 90, 0.2),)), "go on"),
        (batch(remaining=(left(0, 0, 1.0),)), "empty"),
        (batch(remaining=(left(0, 2, 0.94),)), "found"),
        (batch(remaining=(left(0, 2, 0.89),)), "go on"),
        (batch(expected=0.9, at_random=0.1), "chance"),
        (batch(expected=9, at_random=5, remaining=(left(3, 90, 0.2),)), "chance"),
        (batch(expected=11, at_random=5, remaining=(left(3, 90, 0.2),)), "go on"),
        # nothing that was chosen has been answered: nobody knows what a search yields
        (batch(expected=9, at_random=50, answered=0), "first"),
        # of labels that are not searched for, nothing follows
        (batch(remaining=(left(0, 0, 1.0, "spam"),)), "go on"),
        (batch(remaining=(left(0, 0, 1.0), left(4, 90, 0.2, "spam"))), "empty"),
    ],
)
def test_advice_follows_from_what_is_expected_and_what_is_left(of, says):
    assert [name for name, piece in SAYS.items() if piece in advice(of)] == [says]
