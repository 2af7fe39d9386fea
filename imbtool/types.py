"""Arrays by what they hold; shapes stand in the docstrings of the functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Targets = NDArray[np.float32]
"""[texts, labels]: 1 has the label, 0 has it not, NaN unknown."""
Decisions = NDArray[np.bool_]
Flags = NDArray[np.bool_]
"""Whether something holds of each text [texts]."""
Counts = NDArray[np.int64]
Rows = NDArray[np.int64]
"""Places of rows in a table or of texts in a split."""
