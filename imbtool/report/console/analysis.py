"""What is known of the data before training, as rich tables: what to fix first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imbtool.analysis.document import (
    Analysis,
    CoOccurrence,
    LabelAnalysis,
    Sample,
    Verdict,
)
from imbtool.analysis.finding import Finding, Severity
from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import FEW, MANY, ImbalanceMeasures, rarest_first
from imbtool.evaluation.document import Estimate
from imbtool.report.cells import label_text, plain_table, ratio_text, tier_text
from imbtool.wording import counted, printable, three_digits

SEVERITY_STYLE: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "dim"}
MOST_LABELS = 20
MOST_PAIRS = 5


def analysis_views(analysis: Analysis) -> Iterator[RenderableType]:
    """The verdict, the findings with what to do, then labels, splits and measures."""
    yield Text(verdict_line(analysis.verdict), style="bold")
    for _, group in groupby(analysis.findings, key=lambda finding: (finding.severity, finding.id)):
        yield _of_one_kind(list(group))
    yield _labels(analysis.labels)
    yield _splits(analysis)
    yield _measures(analysis.imbalance)
    yield _pairs(analysis.co_occurrence)
    yield from _samples(analysis.samples)


def verdict_line(verdict: Verdict) -> str:
    """How many findings there are: `1 error, 2 warnings and 3 infos were found.`."""
    if not verdict.error + verdict.warning + verdict.info:
        return "No problems were found."
    errors = counted(verdict.error, "error") if verdict.error else "No errors"
    warnings, infos = counted(verdict.warning, "warning"), counted(verdict.info, "info")
    return f"{errors}, {warnings} and {infos} were found."


def _of_one_kind(findings: Sequence[Finding]) -> RenderableType:
    """Findings of one kind and severity, with what to do once."""
    messages = [
        Text.assemble(
            (f"{each.severity:<7}  ", SEVERITY_STYLE[each.severity]),
            (f"{each.id}: ", "bold"),
            label_text(each.message),
        )
        for each in findings
    ]
    fixes = dict.fromkeys(each.fix for each in findings)
    file = f" The rows are in {findings[0].file}." if findings[0].file else ""
    advice = Text.assemble("→ ", label_text(f"{' '.join(fixes)}{file}"), style="dim")
    return Padding(Text("\n").join([*messages, advice]), (0, 0, 0, 2), expand=False)


def _labels(labels: Mapping[str, LabelAnalysis]) -> Table:
    rows = rarest_first(labels)
    more = f", {len(rows) - MOST_LABELS} more in analysis.html" if len(rows) > MOST_LABELS else ""
    right = (*SPLITS, "ratio", "weight", "recall in test if 0.8")
    table = plain_table(f"Labels, rarest first{more}", "label", "tier", right=right)
    for name, row in rows[:MOST_LABELS]:
        table.add_row(
            label_text(name),
            tier_text(row.tier),
            *(f"{row.splits[split]:,}" for split in SPLITS),
            ratio_text(row.ratio),
            f"{row.weight:.3g}",
            _ends(row.measurability["test"].recall),
        )
    return table


def _ends(recall: Estimate) -> str:
    return "–" if recall.low is None else f"{recall.low:.2f}–{recall.high:.2f}"


def _splits(analysis: Analysis) -> Table:
    tokens = analysis.lengths.tokens
    right = ["texts", "labels a text", "unlabelled", "duplicates", "median characters"]
    right += ["median tokens", f"over {tokens.limit}"] if tokens else []
    table = plain_table("Splits", "split", right=right)
    table.add_column("from", overflow="fold")
    for name, row in analysis.splits.items():
        cells = [
            f"{row.texts:,}" + (f" ({row.chosen:,} chosen)" if row.chosen else ""),
            f"{row.mean_labels:.2f}",
            _shown(row.unlabelled_share, ".0%"),
            f"{row.duplicates:,}",
            _shown(analysis.lengths.characters[name].median, ",.0f"),
        ]
        if tokens:
            of = tokens.splits[name]
            cells += [_shown(of.median, ",.0f"), _shown(of.cut.value, ".1%")]
        path = Path(row.source)
        source = path.name if path.suffix else "/".join(path.parts[-2:])
        table.add_row(name, *cells, Text(printable(source)))
    return table


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _measures(imbalance: ImbalanceMeasures) -> Text:
    values = {
        "MeanIR": imbalance.mean_ir,
        "CVIR": imbalance.cvir,
        "SCUMBLE": imbalance.scumble,
        "labels a text": imbalance.cardinality,
        "density": imbalance.density,
    }
    shown = [f"{name} {three_digits(value)}" for name, value in values.items() if value is not None]
    groups = imbalance.shots
    sets = counted(imbalance.label_sets, "label set")
    counts = f"{groups['many']} of more than {MANY}, {groups['medium']} of {FEW} to {MANY}"
    counts += f", {groups['few']} of fewer"
    return Text(
        f"\nImbalance in training: {', '.join(shown)}; {sets}."
        f"\nLabels by training positives: {counts}."
    )


def _pairs(co_occurrence: CoOccurrence) -> Text:
    names, texts = co_occurrence.labels, co_occurrence.texts
    pairs = sorted(
        ((texts[a][b], names[a], names[b]) for a in range(len(names)) for b in range(a)),
        reverse=True,
    )
    shown = [label_text(f"{a} + {b} {n:,}") for n, a, b in pairs[:MOST_PAIRS] if n]
    if not shown:
        return Text("No text has two labels.")
    return Text("Labels that occur together most often: ") + Text(", ").join(shown)


def _samples(samples: Mapping[str, Sample]) -> Iterator[Text]:
    for name, row in samples.items():
        line = f"{name.capitalize()}: a sample of {row.texts:,} of {row.of:,} texts was used."
        yield Text(line, "dim")
