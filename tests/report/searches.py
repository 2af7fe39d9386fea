"""Batches as a search leaves them, with what earlier ones gave."""

from collections.abc import Sequence

from batches import LABELS, batch_of, batch_text

from imbtool.annotation.batch import Batch, LabelNeed, Progress, Remaining

CHOSEN = ("score", "score", "similar", "pattern", "random")


def need(label: str, positives: int, expected: float = 1.5, at_random: float = 0.1) -> LabelNeed:
    return LabelNeed(
        label=label,
        positives=positives,
        known=500,
        texts=10,
        expected=expected,
        at_random=at_random,
        why=f"why {label}",
    )


def answered(name: str, texts: int, positives: int) -> Progress:
    return Progress(batch=name, texts=texts, positives=positives, at_random=texts / 100)


def remaining(label: str, low: int, high: int, recall: float = 0.1) -> Remaining:
    return Remaining(
        label=label,
        sample=10,
        positives=0,
        found=3,
        low=low,
        high=high,
        recall_low=recall,
        recall_high=1,
    )


def search(
    needs: Sequence[LabelNeed] = (need("threat", 0), need("spam", 4)),
    progress: Sequence[Progress] = (),
    left: Sequence[Remaining] = (),
    chosen: Sequence[str] = CHOSEN,
    **pool: int,
) -> Batch:
    """A batch whose texts were chosen in these ways, and what was known before it."""
    texts = [batch_text(f"id {at}", f"text {at}", how) for at, how in enumerate(chosen)]
    batch = batch_of(texts, LABELS)
    return batch.model_copy(
        update={
            "needs": list(needs),
            "progress": list(progress),
            "remaining": list(left),
            "pool": batch.pool.model_copy(update=pool),
        }
    )
