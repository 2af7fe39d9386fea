"""Whether another batch is worth its labelling."""

from __future__ import annotations

from imbtool.annotation.batch import Batch

WORTH = 2.0
"""A search is worth it as long as it is expected to find so many times what chance finds."""
LEAST = 1.0
"""Positives that a batch must be expected to hold."""


def advice(batch: Batch) -> str:
    """Whether to label the batch, and another one after it, in a sentence or two."""
    expected = sum(need.expected for need in batch.needs)
    at_random = sum(need.at_random for need in batch.needs)
    searched = {need.label for need in batch.needs}
    left = [row for row in batch.remaining if row.label in searched]
    if left and all(row.high == 0 for row in left):
        return "The pool holds no more positives of these labels: stop here."
    is_answered = any(each.texts for each in batch.progress)
    if is_answered and (expected < LEAST or expected < WORTH * at_random):
        return (
            "This batch is hardly worth labelling: what was chosen before yielded little more than "
            "chance. Label another pool, or describe the labels (labels.descriptions, --like)."
        )
    if left and all(row.recall_low > 0.9 for row in left):
        return "Nine of ten positives of these labels are found: another batch will find few."
    if not batch.remaining:
        return "Label this batch; once it is merged, the next one says what the pool still holds."
    return "Another batch is worth labelling."
