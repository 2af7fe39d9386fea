"""What predict adds to a table can be read back, whatever the labels are called."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from imbtool.evaluation.calibration import sigmoid
from imbtool.labelsyntax import names_in
from imbtool.prediction import predict_frame


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("money", "refund"), ["money|refund", "", "refund"]),
        (("money|refund", "[x]"), ['["money|refund", "[x]"]', "[]", '["[x]"]']),
    ],
)
def test_decided_labels_are_read_back_by_the_separator_or_as_a_list(names, written):
    logits = np.array([[1.0, 1], [-1, -1], [-1, 1]])
    checkpoint = SimpleNamespace(
        labels=SimpleNamespace(names=names),
        meta=SimpleNamespace(separator="|"),
        logits=lambda texts: logits,
        decide=lambda probabilities: probabilities >= 0.5,
    )
    frame = predict_frame(checkpoint, pd.DataFrame({"text": list("abc")}), list("abc"), sigmoid)
    assert frame["predicted"].tolist() == written
    decided = [[*np.array(names)[row]] for row in logits > 0]
    assert [names_in(cell, "|") for cell in frame["predicted"]] == decided
