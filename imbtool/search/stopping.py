"""Whether another batch is worth its labelling."""

from __future__ import annotations

from imbtool.annotation.batch import Batch

WORTH = 2.0
"""A search is worth it as long as it is expected to find so many times what chance finds."""
LEAST = 1.0
"""Positives that a batch must be expected to hold."""
MOST = 0.9
"""The recall of a search from which on it need not go on."""


def advice(batch: Batch) -> str:
    """Whether the batch is worth labelling, in a sentence or two."""
    expected = sum(need.expected for need in batch.needs)
    at_random = sum(need.at_random for need in batch.needs)
    searched = {need.label for need in batch.needs}
    left = [row for row in batch.remaining if row.label in searched]
    if left and all(row.high == 0 for row in left):
        return "The pool holds no more positives of these labels. Stop here."
    is_answered = any(each.texts for each in batch.progress)
    if is_answered and (expected < LEAST or expected < WORTH * at_random):
        return (
            "This batch is hardly worth labelling, because what was chosen before yielded little "
            "more than chance. Search another pool, or describe the labels (labels.descriptions, "
            "--like)."
        )
    if left and all(row.recall_low > MOST for row in left):
        return "At least nine in ten positives of each of these labels are found. Stop here."
    if batch.remaining:
        return "This batch is worth labelling."
    if any(text.chosen_by == "random" for text in batch.texts):
        return (
            "Label this batch. Once it is merged, the next one shows how many positives the pool "
            "still holds."
        )
    return (
        "Label this batch. Without random texts (--random), nothing shows how many positives the "
        "pool still holds."
    )
