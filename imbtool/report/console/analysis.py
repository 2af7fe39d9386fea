"""What is known of the data before training, as rich tables: what to fix first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import FEW, MANY
from imbtool.evaluation.measures import is_known
from imbtool.report.cells import label_text, plain_table, rarest_first, ratio_text, tier_text
from imbtool.wording import counted, printable, three_digits

Document = dict[str, Any]

SEVERITY_STYLE = {"blocks": "bold red", "warns": "yellow", "note": "dim"}
MOST_LABELS = 20
MOST_PAIRS = 5


def analysis_views(document: Document) -> Iterator[RenderableType]:
    """The verdict, the findings with what to do, then labels, splits and measures."""
    yield Text(verdict_line(document), style="bold")
    for (severity, _), group in groupby(document["findings"], key=itemgetter("severity", "id")):
        yield _kind(severity, list(group))
    yield _labels(document["labels"])
    yield _splits(document)
    yield _measures(document["imbalance"])
    yield _pairs(document["co_occurrence"])
    yield from _samples(document["samples"])


def verdict_line(document: Document) -> str:
    """What the findings come to: `1 finding blocks; 2 warnings, 3 notes.`."""
    numbers = document["verdict"]
    blocks, warns, notes = (numbers[severity] for severity in ("blocks", "warns", "note"))
    if not blocks + warns + notes:
        return "Nothing found that would sink a training."
    parts = f"{counted(warns, 'warning')}, {counted(notes, 'note')}"
    if not blocks:
        return f"Nothing blocks; {parts}."
    return f"{counted(blocks, 'finding')} {'blocks' if blocks == 1 else 'block'}; {parts}."


def _kind(severity: str, rows: Sequence[Document]) -> RenderableType:
    """Findings of one kind, what to do said once."""
    messages = [
        Text.assemble(
            (f"{severity:<6} ", SEVERITY_STYLE[severity]),
            (f"{row['id']}: ", "bold"),
            label_text(row["message"]),
        )
        for row in rows
    ]
    fixes = dict.fromkeys(row["fix"] for row in rows)
    file = f" ({rows[0]['file']})" if rows[0]["file"] else ""
    advice = Text.assemble("→ ", label_text(f"{'; '.join(fixes)}{file}"), style="dim")
    return Padding(Text("\n").join([*messages, advice]), (0, 0, 0, 2), expand=False)


def _labels(labels: Document) -> Table:
    rows = rarest_first(labels)
    more = f", {len(rows) - MOST_LABELS} more in analysis.html" if len(rows) > MOST_LABELS else ""
    right = (*SPLITS, "ratio", "weight", "recall in test if 0.8")
    table = plain_table(f"Labels, rarest first{more}", "label", "tier", right=right)
    for name, row in rows[:MOST_LABELS]:
        table.add_row(
            label_text(name),
            tier_text(row["tier"]),
            *(f"{row['splits'][split]:,}" for split in SPLITS),
            ratio_text(row["ratio"]),
            f"{row['weight']:.3g}",
            _ends(row["measurability"]["test"]["recall"]),
        )
    return table


def _ends(recall: Document) -> str:
    low, high = recall["low"], recall["high"]
    return f"{low:.2f}–{high:.2f}" if is_known(low) else "–"


def _splits(document: Document) -> Table:
    tokens = document["lengths"]["tokens"]
    right = ["texts", "labels a text", "unlabelled", "duplicates", "median characters"]
    right += ["median tokens", f"over {tokens['limit']}"] if tokens else []
    table = plain_table("Splits", "split", right=right)
    table.add_column("from", overflow="fold")
    for name, row in document["splits"].items():
        cells = [
            f"{row['texts']:,}",
            f"{row['mean_labels']:.2f}",
            f"{row['unlabelled_share']:.0%}" if is_known(row["unlabelled_share"]) else "–",
            f"{row['duplicates']:,}",
            f"{document['lengths']['characters'][name]['median']:,.0f}",
        ]
        if tokens:
            of = tokens["splits"][name]
            cells += [f"{of['median']:,.0f}", f"{of['cut']['value']:.1%}"]
        path = Path(row["source"])
        source = path.name if path.suffix else "/".join(path.parts[-2:])
        table.add_row(name, *cells, Text(printable(source)))
    return table


def _measures(imbalance: Document) -> Text:
    values = {
        "MeanIR": imbalance["mean_ir"],
        "CVIR": imbalance["cvir"],
        "SCUMBLE": imbalance["scumble"],
        "labels a text": imbalance["cardinality"],
        "density": imbalance["density"],
    }
    shown = [f"{name} {three_digits(value)}" for name, value in values.items() if value is not None]
    groups = imbalance["shots"]
    sets = counted(imbalance["label_sets"], "label set")
    counts = f"{groups['many']} of more than {MANY}, {groups['medium']} of {FEW} to {MANY}"
    counts += f", {groups['few']} of fewer"
    return Text(
        f"\nImbalance in training: {', '.join(shown)}; {sets}."
        f"\nLabels by training positives: {counts}."
    )


def _pairs(co_occurrence: Document) -> Text:
    names, texts = co_occurrence["labels"], co_occurrence["texts"]
    pairs = sorted(
        ((texts[a][b], names[a], names[b]) for a in range(len(names)) for b in range(a)),
        reverse=True,
    )
    shown = [label_text(f"{a} + {b} {n:,}") for n, a, b in pairs[:MOST_PAIRS] if n]
    if not shown:
        return Text("No text has two labels.")
    return Text("Most together: ") + Text(", ").join(shown)


def _samples(samples: Document) -> Iterator[Text]:
    for name, row in samples.items():
        yield Text(f"{name}: of a sample of {row['texts']:,} of {row['of']:,} texts", "dim")
