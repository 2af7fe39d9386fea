"""Annotations that a model, which has not seen the text, confidently contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imbtool.analysis.finding import Document, Finding, Place, found
from imbtool.evaluation.label_errors import ERROR_RATE, suspected_label_errors
from imbtool.types import Floats, Targets
from imbtool.wording import counted, some

FEW_KINDS = 10
"""A label with fewer positives, or negatives, says too little of what is usual for it."""


def judged_labels(targets: Targets) -> NDArray[np.bool_]:
    """Which labels have enough of both kinds to judge single annotations by: [L].

    Args:
        targets: [n, L], NaN unknown.
    """
    counts = np.stack([(targets == value).sum(axis=0) for value in (0, 1)])
    return np.asarray(counts.min(axis=0) >= FEW_KINDS)


def label_error_findings(
    names: Sequence[str], probabilities: Floats, targets: Targets, split: str = "train"
) -> Iterator[Finding]:
    """One finding `label-error` if any annotation is suspected, none otherwise.

    Its places stand rarest label first, within a label the most doubted annotation first. Evidence:
    the `error_rate` supposed, how many errors are to be expected among the suspects at that rate,
    of each label how many positives it has, and how many are suspected as `given` and as
    `missing`, and the labels too rare to judge.

    Args:
        names: of the labels [L].
        probabilities: of heads that have not seen the text [n, L]; see `error_chances`.
        targets: as annotated [n, L], NaN unknown.
        split: whose texts they are.
    """
    judged = judged_labels(targets)
    scores = np.full(targets.shape, np.nan)
    scores[:, judged] = suspected_label_errors(probabilities[:, judged], targets[:, judged])
    suspected, given = ~np.isnan(scores), targets == 1
    if not suspected.any():
        return
    rarest = np.argsort(given.sum(axis=0), kind="stable")
    evidence: Document = {
        "error_rate": ERROR_RATE,
        "expected_errors": float(np.nansum(scores)),
        "labels": {
            names[label]: {
                "positives": int(given[:, label].sum()),
                "given": int((suspected & given)[:, label].sum()),
                "missing": int((suspected & ~given)[:, label].sum()),
            }
            for label in rarest
            if judged[label]
        },
        "not_judged": [names[label] for label in rarest if not judged[label]],
    }
    places = [
        Place(split, int(text), names[label], _detail(given[text, label], scores[text, label]))
        for label in rarest
        for text in _most_doubted(scores[:, label])
    ]
    yield found("label-error", _message(evidence, suspected), evidence, places)


def _most_doubted(scores: Floats) -> NDArray[np.int64]:
    """The places of a label's suspects, the highest score first."""
    order = np.argsort(-scores, kind="stable")  # NaN last
    return order[: int((~np.isnan(scores)).sum())]


def _detail(given: bool, score: float) -> str:
    return f"{'given' if given else 'missing'}, {score:.0%} likely an error"


def _message(evidence: Document, suspected: NDArray[np.bool_]) -> str:
    rows = {name: row["given"] + row["missing"] for name, row in evidence["labels"].items()}
    given = sum(row["given"] for row in evidence["labels"].values())
    most = sorted((name for name in rows if rows[name]), key=lambda name: -rows[name])
    annotations = counted(int(suspected.sum()), "annotation")
    texts = counted(int(suspected.any(axis=1).sum()), "text")
    return (
        f"{annotations} in {texts} of training contradicted by a model that has not seen the text, "
        f"{given} given and {sum(rows.values()) - given} missing; about "
        f"{evidence['expected_errors']:.0f} of them errors, if {ERROR_RATE:.0%} of all positives "
        f"are: {some(f'{name} ({rows[name]})' for name in most)}"
    )
