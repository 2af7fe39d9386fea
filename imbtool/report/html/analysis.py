"""The analysis as one page: findings first, then labels, splits and measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from imbtool.analysis.document import Analysis, CoOccurrence, LabelDrift, Lengths
from imbtool.analysis.drift import FALSE_ALARM, LEAST_RATIO
from imbtool.analysis.finding import CATALOGUE, ListedRow
from imbtool.analysis.label_counts import ASSUMED_RECALL
from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import FEW, MANY, TIERS, rarest_first
from imbtool.files.writing import write_text
from imbtool.report.cells import rarest_together
from imbtool.report.console.analysis import verdict_line
from imbtool.report.html.environment import make_environment

MOST_CELLS = 40
"""Of more labels the rarest are in the heat map."""


def write_analysis_page(
    analysis: Analysis, quoted: Sequence[Sequence[ListedRow]], path: Path
) -> None:
    """Write the page of an analysis.

    Args:
        analysis: the document.
        quoted: for each of its findings the first rows concerned, by `listed_rows`.
        path: of the HTML file.
    """
    write_text(path, render_analysis_page(analysis, quoted))


def render_analysis_page(analysis: Analysis, quoted: Sequence[Sequence[ListedRow]]) -> str:
    """The HTML of `write_analysis_page`."""
    rows, tokens = rarest_first(analysis.labels), analysis.lengths.tokens
    return (
        make_environment()
        .get_template("analysis.html")
        .render(
            **dict(analysis),
            rows=rows,
            label_lengths=tokens and [(name, tokens.labels[name]) for name, _ in rows],
            sentence=verdict_line(analysis.verdict),
            quoted=quoted,
            catalogue=CATALOGUE,
            split_names=SPLITS,
            tier_order=TIERS,
            heat=_heat(analysis.co_occurrence),
            reach=_reach(analysis.lengths),
            moved=_moved(analysis.drift.labels),
            assumed_recall=ASSUMED_RECALL,
            group_bounds=(MANY, FEW),
            false_alarm=FALSE_ALARM,
            least_ratio=LEAST_RATIO,
        )
    )


def _heat(together: CoOccurrence) -> dict[str, object]:
    """For each two labels their texts, and the share of these among the texts of the row."""
    names, counts, shares = rarest_together(together, MOST_CELLS)
    return {
        "names": names,
        "rows": np.stack([counts, shares], axis=2).tolist(),
        "left_out": len(together.labels) - len(names),
    }


def _reach(lengths: Lengths) -> float:
    """The end of the scale of lengths: a little over the longest that is drawn."""
    tokens = lengths.tokens
    if tokens is None:
        return 1.05 * max(row.p95 or 0 for row in lengths.characters.values())
    drawn = [*tokens.splits.values(), *tokens.labels.values()]
    return 1.05 * max(tokens.limit, *(row.p95 or 0 for row in drawn))


def _moved(labels: Mapping[str, LabelDrift]) -> dict[str, list[tuple[str, LabelDrift]]]:
    """Labels whose frequency differs by more than chance, and the others; the surest first."""
    ordered = sorted(labels.items(), key=lambda item: min(item[1].p.values()))
    sure = [min(row.p.values()) < FALSE_ALARM for _, row in ordered].count(True)
    return {"sure": ordered[:sure], "others": ordered[sure:]}
