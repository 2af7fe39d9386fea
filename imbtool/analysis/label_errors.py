"""Suspected label errors: labels that a model which has not seen the text contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imbtool.analysis.finding import Finding, FoundRow, found
from imbtool.evaluation.label_errors import ERROR_RATE, suspected_label_errors
from imbtool.types import Floats, Rows, Targets
from imbtool.wording import counted, some

SAMPLED_TEXTS = 200_000
"""Of more training texts, label errors are looked for in a sample of this size."""
LEAST_OF_EACH = 10
"""With fewer positives, or negatives, single annotations of a label cannot be judged."""


@dataclass(frozen=True)
class SuspectedErrors:
    """How many annotations of a label are suspected errors, `given` and `missing` ones."""

    positives: int
    given: int
    missing: int


@dataclass(frozen=True)
class TextSample:
    """Training texts that were judged.

    Attributes:
        rows: their index among all of them [n].
        of: how many there are.
    """

    rows: Rows
    of: int

    @property
    def is_part(self) -> bool:
        """Whether there are others."""
        return len(self.rows) < self.of


def judged_labels(targets: Targets) -> NDArray[np.bool_]:
    """Which labels have enough positives and negatives to judge single annotations: [L].

    Args:
        targets: [n, L], NaN unknown.
    """
    counts = np.stack([(targets == value).sum(axis=0) for value in (0, 1)])
    return np.asarray(counts.min(axis=0) >= LEAST_OF_EACH)


def label_error_findings(
    names: Sequence[str], probabilities: Floats, targets: Targets, sample: TextSample | None = None
) -> Iterator[Finding]:
    """One finding `label-error` if any annotation is suspected, none otherwise.

    The rarest label comes first, and within a label the most probable error. Evidence: the assumed
    `error_rate`, how many errors are to be expected among the suspected ones at that
    rate, the `SuspectedErrors` of each label, and the labels that are too rare to judge; of a
    sample also how many of how many texts were judged.

    Args:
        names: of the labels [L].
        probabilities: of heads that have not seen the text [n, L]; see `error_chances`.
        targets: as annotated [n, L], NaN unknown.
        sample: the training texts that they are; all of them by default.
    """
    sample = sample or TextSample(np.arange(len(targets)), len(targets))
    judged = judged_labels(targets)
    scores = np.full(targets.shape, np.nan)
    scores[:, judged] = suspected_label_errors(probabilities[:, judged], targets[:, judged])
    suspected, given = ~np.isnan(scores), targets == 1
    if not suspected.any():
        return
    rarest = np.argsort(given.sum(axis=0), kind="stable")
    expected = float(np.nansum(scores))
    of_labels = {
        names[label]: SuspectedErrors(
            positives=int(given[:, label].sum()),
            given=int((suspected & given)[:, label].sum()),
            missing=int((suspected & ~given)[:, label].sum()),
        )
        for label in rarest
        if judged[label]
    }
    evidence = {
        "error_rate": ERROR_RATE,
        "expected_errors": expected,
        "labels": {name: asdict(errors) for name, errors in of_labels.items()},
        "not_judged": [names[label] for label in rarest if not judged[label]],
        **({"sample": {"texts": len(targets), "of": sample.of}} if sample.is_part else {}),
    }
    rows = [
        FoundRow(
            "train",
            int(sample.rows[text]),
            names[label],
            _detail(given[text, label], scores[text, label]),
        )
        for label in rarest
        for text in _most_probable(scores[:, label])
    ]
    texts = int(suspected.any(axis=1).sum())
    message = _message(of_labels, texts, expected)
    if sample.is_part:
        message += f" A sample of {len(targets):,} of the {sample.of:,} training texts was judged."
    yield found("label-error", message, evidence, rows)


def _most_probable(scores: Floats) -> Rows:
    """The texts in which a label is a suspected error, the highest score first."""
    order = np.argsort(-scores, kind="stable")  # NaN last
    return order[: int((~np.isnan(scores)).sum())]


def _detail(given: bool, score: float) -> str:
    return f"{'given' if given else 'missing'}, {score:.0%} likely an error"


def _message(of_labels: Mapping[str, SuspectedErrors], texts: int, expected: float) -> str:
    counts = {name: errors.given + errors.missing for name, errors in of_labels.items()}
    given = sum(errors.given for errors in of_labels.values())
    total = sum(counts.values())
    most = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    return (
        f"A model that has not seen the texts contradicts {counted(total, 'label')} in "
        f"{counted(texts, 'text')} of training, {given} given and {total - given} missing. About "
        f"{expected:.0f} of them are errors, if {ERROR_RATE:.0%} of all positives are. Most "
        f"concern {some(f'{name} ({counts[name]})' for name in most)}."
    )
