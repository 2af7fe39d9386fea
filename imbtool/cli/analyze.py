"""`imbtool analyze`: how imbalanced is my data, and what in it will sink me?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import Json, Sets, hint, parsed_sets, show

if TYPE_CHECKING:
    from imbtool.profile import Profile


def analyze(
    source: Annotated[Path, typer.Argument(metavar="PROFILE|TABLE", help="A profile or a table.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of analysis.json and the pictures.")
    ] = Path("analysis"),
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Show how imbalanced the labels are, and what in the data will sink a training.

    Examples:

        imbtool analyze profiles/moderation.yaml

        imbtool analyze train.csv -o /tmp/look --json
    """
    from imbtool.analysis import analyze_corpus
    from imbtool.corpus import read_corpus
    from imbtool.files import write_json
    from imbtool.imbalance import count_labels
    from imbtool.profilefile import read_profile
    from imbtool.report.console import analysis_views
    from imbtool.report.plots import plot_co_occurrence, plot_counts, plot_weights
    from imbtool.weighting import assign_weights

    is_profile = source.suffix.lower() in (".yaml", ".yml")
    profile = read_profile(source, parsed_sets(sets)) if is_profile else _guess(source, sets)
    corpus = read_corpus(profile)
    weights = assign_weights(
        corpus.labels.names, count_labels(corpus.train.targets), profile.weights
    )
    document = analyze_corpus(corpus, weights)
    write_json(output / "analysis.json", document)
    plot_counts(document, output / "counts.png")
    plot_weights(document["labels"], output / "weights.png")
    plot_co_occurrence(document, output / "co_occurrence.png")
    show(document, analysis_views(document), json)
    hint(f"\nwrote analysis.json, counts.png, weights.png, co_occurrence.png to {output}/")
    hint(f"next: imbtool {f'weights {source}' if is_profile else f'init {source}'}")


def _guess(table: Path, sets: list[str] | None) -> Profile:
    from imbtool.profilefile import overlay
    from imbtool.proposal import propose_profile

    return overlay(propose_profile(table).profile, parsed_sets(sets))
