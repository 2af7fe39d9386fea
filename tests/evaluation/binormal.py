"""A label whose scores are normal: what its measures come to on endlessly many texts."""

import numpy as np
from scipy.stats import norm


def binormal(prevalence: float, distance: float, cut: float) -> dict[str, float]:
    """The measures where positives score `distance` above negatives and `cut` decides."""
    grid = np.linspace(-8, 8 + distance, 100_001)
    recalls, false = prevalence * norm.sf(grid - distance), (1 - prevalence) * norm.sf(grid)
    hits, alarms = prevalence * norm.sf(cut - distance), (1 - prevalence) * norm.sf(cut)
    return {
        "precision": hits / (hits + alarms),
        "recall": hits / prevalence,
        "f1": 2 * hits / (hits + alarms + prevalence),
        "average_precision": float(
            -np.trapezoid(recalls / (recalls + false), recalls / prevalence)
        ),
        "roc_auc": float(norm.cdf(distance / 2**0.5)),
    }
