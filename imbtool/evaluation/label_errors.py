"""How likely each annotation is an error, by a model that has not seen its text."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from imbtool.evaluation.calibration import fit_with_pooling
from imbtool.types import Floats, Targets

ERROR_RATE = 0.05
"""Supposed: so many of a label's positives are missing, and as many stand where they should not."""
LEAST_CHANCE = 0.1
"""An annotation is suspected of being an error from this probability on."""
POOLING = 30.0
"""With fewer positives than this a label is calibrated more as all labels are than by itself."""
CLIP = 1e-9


def error_chances(probabilities: Floats, targets: Targets) -> Floats:
    """The probability of each annotation to be an error: [n, L] from 0 to 1, NaN where unknown.

    Errors depend on the label and on what is right, not on the text (class-conditional noise, as in
    confident learning: Northcutt, Jiang and Chuang, arXiv 1911.00068), and a label's frequency is
    right. By Bayes' rule, with e the error rate, r the label's share and p its probability,

        given:      odds of an error = e / (1 - e) * r / (1 - r) * (1 - p) / p
        not given:  odds of an error = e / (1 - e) * p / (1 - p)

    so a rare label is suspected where it is less probable than in other texts, not where it is
    improbable: all its texts may be that. The probabilities of all labels can be compared. The
    model's probabilities are calibrated first (`fit_with_pooling`): weights, a focal loss or few
    positives move them. A label that is always or never given is not suspected.

    Args:
        probabilities: [n, L].
        targets: [n, L], NaN unknown.
    """
    known, given = ~np.isnan(targets), targets == 1
    share = given.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    both = (share > 0) & (share < 1)
    logits = logit(np.clip(probabilities, CLIP, 1 - CLIP))
    logits = fit_with_pooling(logits, targets, POOLING).logits(logits)
    usual = logit(np.where(both, share, 0.5))
    against = np.where(given, usual - logits, logits)
    return np.where(known & both, expit(logit(ERROR_RATE) + against), np.nan)


def suspected_label_errors(probabilities: Floats, targets: Targets) -> Floats:
    """The probability of each suspected annotation to be an error: [n, L]; NaN for all others.

    Args:
        probabilities: [n, L].
        targets: [n, L], NaN unknown.
    """
    chances = error_chances(probabilities, targets)
    return np.where(chances >= LEAST_CHANCE, chances, np.nan)
