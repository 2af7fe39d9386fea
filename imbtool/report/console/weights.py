"""The weights of labels as a rich table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from imbtool.analysis.document import LabelWeights
from imbtool.data.imbalance import rarest_first
from imbtool.report.cells import label_text, plain_table, ratio_text, tier_text


def weight_views(labels: Mapping[str, LabelWeights]) -> Iterator[RenderableType]:
    """The weight of each label, rarest first, with tier and reason."""
    table = plain_table(
        "Weights", "label", "tier", right=("positives", "ratio", "weight", "eff. number")
    )
    table.add_column("why")
    for name, row in rarest_first(labels):
        table.add_row(
            label_text(name),
            tier_text(row.tier),
            f"{row.positives:,}",
            ratio_text(row.ratio),
            Text(f"{row.weight:.3g}", style="bold"),
            f"{row.effective_number_weight:.2f}",
            Text(row.reason),
        )
    yield table
