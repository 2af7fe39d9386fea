import pytest

from imbtool.report.cells import interval


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (2 / 3, 0.3, 0.9, "0.67 [.30–.90]"),
        (0.0, 0.0, 1.0, "0.00 [.00–1.00]"),
        (float("nan"), float("nan"), float("nan"), "–"),
        (None, None, None, "–"),
    ],
)
def test_a_figure_stands_before_its_interval_and_a_dash_where_there_is_none(
    value: float | None, low: float | None, high: float | None, shown: str
) -> None:
    assert interval({"value": value, "low": low, "high": high}).plain == shown
