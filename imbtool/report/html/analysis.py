"""The analysis as one page: what to fix first, then labels, splits and measures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imbtool.analysis.drift import ERROR, RATIO
from imbtool.analysis.finding import CATALOGUE
from imbtool.analysis.label_counts import ASSUMED_RECALL
from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import FEW, MANY, TIERS
from imbtool.files.json_text import to_json
from imbtool.files.writing import write_text
from imbtool.report.cells import rarest_first, rarest_together
from imbtool.report.console.analysis import verdict_line
from imbtool.report.html.environment import make_environment

Document = dict[str, Any]

MOST_CELLS = 40
"""Of more labels the rarest are in the heat map."""


def write_analysis_page(
    document: Document, quoted: Sequence[Sequence[Document]], path: Path
) -> None:
    """Write the page of an analysis.

    Args:
        document: the analysis document.
        quoted: for each of its findings the first rows concerned, by `listed_rows`.
        path: of the HTML file.
    """
    write_text(path, render_analysis_page(document, quoted))


def render_analysis_page(document: Document, quoted: Sequence[Sequence[Document]]) -> str:
    """The HTML of `write_analysis_page`."""
    filed = json.loads(to_json(document))  # as the file says it: what is not finite is null
    rows, tokens = rarest_first(filed["labels"]), filed["lengths"]["tokens"]
    return (
        make_environment()
        .get_template("analysis.html")
        .render(
            **filed,
            rows=rows,
            label_lengths=tokens and [(name, tokens["labels"][name]) for name, _ in rows],
            sentence=verdict_line(filed),
            quoted=quoted,
            catalogue=CATALOGUE,
            split_names=SPLITS,
            tier_order=TIERS,
            heat=_heat(filed["co_occurrence"]),
            reach=_reach(filed["lengths"]),
            moved=_moved(filed["drift"]["labels"]),
            assumed_recall=ASSUMED_RECALL,
            group_bounds=(MANY, FEW),
            likely=ERROR,
            least_ratio=RATIO,
        )
    )


def _heat(together: Document) -> Document:
    """Of each two labels their texts, and the share of these in the row's."""
    names, counts, shares = rarest_together(together, MOST_CELLS)
    return {
        "names": names,
        "rows": np.stack([counts, shares], axis=2).tolist(),
        "left_out": len(together["labels"]) - len(names),
    }


def _reach(lengths: Document) -> float:
    """How far a drawing of lengths goes: a little over the longest that it shows."""
    tokens = lengths["tokens"]
    if tokens is None:
        return 1.05 * float(max(row["p95"] for row in lengths["characters"].values()))
    drawn = [*tokens["splits"].values(), *tokens["labels"].values()]
    return 1.05 * float(max(tokens["limit"], *(row["p95"] or 0 for row in drawn)))


def _moved(labels: Document) -> Document:
    """Labels whose frequency differs surely, and the others; the surest first."""
    ordered = sorted(labels.items(), key=lambda item: min(item[1]["p"].values()))
    sure = [min(row["p"].values()) < ERROR for _, row in ordered].count(True)
    return {"sure": ordered[:sure], "others": ordered[sure:]}
