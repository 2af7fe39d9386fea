"""A label is at least as frequent as each label below it."""

from imbtool.config.hierarchy import label_set
from imbtool.evaluation.document import Estimate
from imbtool.monitoring.coherence import coherent

LABELS = label_set(["top", "middle", "low"], [("middle", "top"), ("low", "middle")])


def share(value: float | None, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high)


def values(*estimates: Estimate) -> list[tuple[float | None, float | None, float | None]]:
    return [(each.value, each.low, each.high) for each in coherent(LABELS, estimates)]


def test_what_fits_stays():
    fitting = (share(0.5, 0.4, 0.6), share(0.3, 0.2, 0.4), share(0.3, 0.1, 0.5))
    assert coherent(LABELS, fitting) == list(fitting)


def test_a_child_that_is_known_less_well_comes_down():
    found = values(share(0.3, 0.28, 0.32), share(0.4, 0.2, 0.6), share(0.1, 0.0, 0.2))
    assert found[:2] == [(0.3, 0.28, 0.32), (0.3, 0.2, 0.32)]


def test_a_parent_that_is_known_less_well_goes_up_with_all_above_it():
    found = values(share(0.2, 0.0, 0.5), share(0.1, 0.0, 0.3), share(0.3, 0.25, 0.35))
    assert found == [(0.3, 0.25, 0.5), (0.3, 0.25, 0.35), (0.3, 0.25, 0.35)]


def test_a_withheld_label_moves_no_other_and_is_bounded_by_its_parent():
    found = values(share(0.2, 0.1, 0.3), share(None, 0.0, 0.9), share(0.4, 0.3, 0.5))
    assert found == [(0.2, 0.1, 0.3), (None, 0.0, 0.3), (0.4, 0.3, 0.5)]


def test_a_bound_that_is_lower_than_that_of_the_parent_stays():
    found = values(share(0.2, 0.1, 0.3), share(None, 0.0, 0.2), share(None, 0.0, 1.0))
    assert found[1:] == [(None, 0.0, 0.2), (None, 0.0, 0.2)]
