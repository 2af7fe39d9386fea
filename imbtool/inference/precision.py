"""The precision of a prediction: fp32, or bf16 where validation shows that it decides as fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from imbtool.data.corpus import Split
from imbtool.data.tables import read_chunks
from imbtool.errors import UserError, user_error
from imbtool.evaluation.document import Comparison
from imbtool.files.copies import local_copy
from imbtool.files.stores import Location, StoreError
from imbtool.files.text_format import TextFormat
from imbtool.inference.agreement import (
    Agreement,
    Measured,
    agreement_of,
    compared,
    loses,
    measure,
)
from imbtool.inference.bf16 import Bf16Checkpoint, guarded, in_bf16
from imbtool.inference.evaluate import own_split
from imbtool.notes import tell
from imbtool.trained.checkpoint import Checkpoint
from imbtool.training.automatic import computes_bf16
from imbtool.wording import counted, did_you_mean, some

PRECISIONS = ("fp32", "bf16", "auto")
LEAST_AGREEMENT = 0.999
"""Least share of the decisions on validation that bf16 alone leaves as they are."""
MOST_LOST, SURELY_LOST = 0.01, 0.001
"""How far the average precision of a label may fall in bf16, and how far surely: there the whole
paired interval lies beyond."""
TIMES_VALIDATION = 4
"""Measuring bf16 on validation pays for so many times as many texts."""

AreThere = Callable[[int], bool]
"""Whether there are so many texts to predict."""


def require_precision(name: str) -> None:
    """Refuse a precision that does not exist.

    Raises:
        UserError: there is none of this name.
    """
    if name not in PRECISIONS:
        expected, fix = f"one of {', '.join(PRECISIONS)}", did_you_mean(name, PRECISIONS)
        raise user_error("--precision", repr(name), expected, fix)


def with_precision(
    checkpoint: Checkpoint, precision: str, are_there: AreThere | None = None
) -> Checkpoint:
    """A checkpoint that computes in a precision.

    In bf16 the decisions are those of fp32: texts that lie near a threshold are read in fp32 too.
    How near, the validation texts say, which are read in both. `auto` takes bf16 if the device
    computes in it, 99.9% of its own decisions on validation are those of fp32, and no label loses
    average precision; a note says what was chosen, and why.

    Args:
        checkpoint: the trained model, on its device.
        precision: `fp32`, which leaves the model as it is, `bf16` or `auto`.
        are_there: whether there are so many texts to predict; None if nobody knows. Only `auto`
            asks, since measuring takes time.

    Raises:
        UserError: another precision; or bf16, and the validation texts cannot be had, or the model
            cannot compute in it.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import predict, read_checkpoint, with_precision
        >>> checkpoint = with_precision(read_checkpoint(Path("runs/first")), "bf16")
        >>> frames = list(predict(checkpoint, Path("test.csv")))
        >>> checkpoint.precision
        'bf16'
    """
    require_precision(precision)
    if precision == "fp32":
        return checkpoint
    return _automatic(checkpoint, are_there) if precision == "auto" else _bf16(checkpoint)


def have_rows(paths: Iterable[Location], text_format: TextFormat, least: int) -> bool:
    """Whether tables have so many rows together; reads no more of them than that takes.

    Rows of a table that cannot be read do not count.
    """
    left = least
    for path in paths:
        try:
            for rows in _row_counts(path, text_format):
                left -= rows
                if left <= 0:
                    return True
        except StoreError:
            raise
        except UserError:
            continue
    return False


def _row_counts(path: Location, text_format: TextFormat) -> Iterator[int]:
    with local_copy(path) as table:
        yield from map(len, read_chunks(table, text_format))


def tell_precision(checkpoint: Checkpoint) -> None:
    """Tell how many of the texts that a checkpoint has read were decided in fp32 beside bf16."""
    if isinstance(checkpoint, Bf16Checkpoint):
        tell([checkpoint.told])


@dataclass(frozen=True)
class _Trial:
    """A checkpoint and its copy in bf16, both measured on validation."""

    checkpoint: Checkpoint
    fast: Checkpoint
    split: Split

    @cached_property
    def ours(self) -> Measured:
        """What bf16 alone gives."""
        return measure(self.fast, self.split)

    @cached_property
    def theirs(self) -> Measured:
        """What fp32 gives."""
        return measure(self.checkpoint, self.split)

    @cached_property
    def agreement(self) -> Agreement:
        """Of the two."""
        return agreement_of(self.ours.predictions, self.theirs.predictions)

    @property
    def in_its_favour(self) -> str:
        """What validation says for bf16."""
        return (
            f"on {counted(len(self.split), 'validation text')} {self.agreement.share:.2%} of its "
            "own decisions are those of fp32 and no label loses average precision; what lies near "
            "a threshold is decided in fp32"
        )

    def faults(self) -> Iterator[str]:
        """What validation says against bf16."""
        if self.agreement.share < LEAST_AGREEMENT:
            yield (
                f"on validation {self.agreement.share:.2%} of the decisions of bf16 are those of "
                f"fp32, and at least {LEAST_AGREEMENT:.1%} should be"
            )
        comparison = compared(
            self.ours.predictions, self.theirs.predictions, self.checkpoint, self.split
        )
        if lost := [name for name in comparison.labels if _falls(comparison, name)]:
            yield f"on validation the average precision of {some(lost)} falls in bf16"

    def guarded(self) -> Checkpoint:
        """bf16, and fp32 near the thresholds."""
        return guarded(self.checkpoint, self.fast, self.ours.logits, self.theirs.logits)


def _bf16(checkpoint: Checkpoint) -> Checkpoint:
    return _trial(checkpoint, _validation(checkpoint)).guarded()


def _automatic(checkpoint: Checkpoint, are_there: AreThere | None) -> Checkpoint:
    """The faster precision that decides alike; a note says which, and why."""
    try:
        trial, fault = _trial_if_it_pays(checkpoint, are_there)
    except UserError as error:
        trial, fault = None, error.problems[0].found
    if trial is None or fault is not None:
        tell([f"{checkpoint.precision} is used: {fault}."])
        return checkpoint
    tell([f"bf16 is used: {trial.in_its_favour}."])
    return trial.guarded()


def _trial_if_it_pays(
    checkpoint: Checkpoint, are_there: AreThere | None
) -> tuple[_Trial | None, str | None]:
    """The trial, and what speaks against bf16: what takes least time to find out comes first."""
    if checkpoint.meta.export is not None:
        return None, "the exported graph computes in it"
    device = checkpoint.text_model.device
    if not computes_bf16(device):
        return None, f"this {device.type} has no bf16 arithmetic"
    split = _validation(checkpoint)
    least = TIMES_VALIDATION * len(split)
    if are_there is None:
        return (
            None,
            f"nobody knows whether {least:,} texts will come, for which measuring bf16 pays",
        )
    if not are_there(least):
        return None, f"there are fewer than {least:,} texts, from which on measuring bf16 pays"
    trial = _trial(checkpoint, split)
    return trial, next(trial.faults(), None)


def _trial(checkpoint: Checkpoint, split: Split) -> _Trial:
    return _Trial(checkpoint, in_bf16(checkpoint), split)


def _validation(checkpoint: Checkpoint) -> Split:
    """The texts that bf16 is measured on.

    Raises:
        UserError: they cannot be had, or the model is an exported one.
    """
    if checkpoint.meta.export is not None:
        found = f"an exported model, which computes in {checkpoint.precision}"
        raise user_error(checkpoint.folder, found, "a checkpoint", "leave --precision out")
    try:
        return own_split(checkpoint, "validation")
    except UserError as error:
        found = f"the validation texts cannot be had ({error.problems[0].found})"
        expected = "those of the training, which show how far bf16 differs from fp32"
        fix = "leave --precision out, or predict with the run where it and its data were"
        raise user_error(f"{checkpoint.folder}: bf16", found, expected, fix) from error


def _falls(comparison: Comparison, name: str) -> bool:
    """Whether a label loses average precision, by its value or for sure."""
    high = comparison.labels[name].average_precision.high
    surely = high is not None and high < -SURELY_LOST
    return surely or loses(comparison, name, MOST_LOST)
