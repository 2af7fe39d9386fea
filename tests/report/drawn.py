"""The figures that plots draw, to look into."""

import pytest
from matplotlib.figure import Figure

from imbtool.report.figures import figure as canvas


def keep_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is drawn from here on, oldest first."""
    figures: list[Figure] = []
    make_canvas = canvas.FigureCanvasAgg

    def keep(figure: Figure) -> object:
        figures.append(figure)
        return make_canvas(figure)

    monkeypatch.setattr(canvas, "FigureCanvasAgg", keep)
    return figures
