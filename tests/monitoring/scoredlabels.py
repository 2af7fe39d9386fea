"""Scores whose truth is known: normal with and without a label, two standard deviations apart."""

import numpy as np

from imbtool.monitoring.shift import ScoredLabel
from imbtool.types import Floats

APART = 2.0


def calibrated(scores: Floats, prior: float) -> Floats:
    """The log odds of the label of such scores, exactly."""
    return APART * scores - APART**2 / 2 + np.log(prior / (1 - prior))


def scored_label(
    seed: int,
    share: float,
    positives: int = 60,
    negatives: int = 2000,
    texts: int = 4000,
    moved: float = 0.0,
) -> ScoredLabel:
    """A label of this share in a stream whose texts with it are scored so much lower."""
    rng = np.random.default_rng(seed)
    prior = positives / (positives + negatives)
    held = rng.random(texts) < share
    stream = rng.normal(np.where(held, APART - moved, 0.0))
    return ScoredLabel(
        calibrated(rng.normal(APART, size=positives), prior),
        calibrated(rng.normal(size=negatives), prior),
        prior,
        calibrated(stream, prior),
    )
