"""`imbtool analyze`: how imbalanced is my data, and what in it will sink me?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    Json,
    NoTexts,
    Sets,
    Source,
    hint,
    is_profile,
    show,
    source_profile,
)

if TYPE_CHECKING:
    from imbtool.analysis.document import Analysis
    from imbtool.analysis.finding import Finding
    from imbtool.analysis.lengths import Tokens
    from imbtool.config.schema import ModelSection, Profile
    from imbtool.data.corpus import Corpus


def analyze(
    source: Source,
    label_errors: Annotated[
        bool,
        typer.Option(
            "--label-errors",
            help="Also search for labels that are probably wrong. This takes minutes.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    sets: Sets = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the report, its tables and pictures into this folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("analysis"),
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit with code 1 if there is a finding of severity error, for use in scripts.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    no_texts: NoTexts = False,
    json: Json = False,
) -> None:
    """Show how imbalanced the labels are, and what in the data will sink a training.

    Examples:

    - `imbtool analyze profiles/moderation.yaml`
    - `imbtool analyze train.csv -o /tmp/look --json`
    - `imbtool analyze profile.yaml --gate --no-texts`
    - `imbtool analyze profile.yaml --label-errors`
    """
    from imbtool.data.corpus import read_corpus
    from imbtool.files.locks import locked
    from imbtool.report.analysis_files import require_free, write_analysis
    from imbtool.report.console.analysis import analysis_views

    require_free(output)
    profile = source_profile(source, sets)
    corpus = read_corpus(profile, learnable=False)
    suspects = _suspects(profile, corpus) if label_errors else []
    analysis = _analysis(profile, corpus, suspects)
    with locked(output):
        write_analysis(analysis, corpus, output, texts=not no_texts)
    show(analysis.document, analysis_views(analysis.document), json)
    hint(f"\nreport: {output / 'analysis.html'}")
    hint(f"next: imbtool {f'weights {source}' if is_profile(source) else f'init {source}'}")
    blocking = [each.id for each in analysis.findings if each.severity == "blocks"]
    if gate and blocking:
        hint(f"gate: blocked by {', '.join(dict.fromkeys(blocking))}")
        raise typer.Exit(1)


def _analysis(profile: Profile, corpus: Corpus, suspects: list[Finding]) -> Analysis:
    from imbtool.analysis.document import analyze_corpus
    from imbtool.data.imbalance import count_labels
    from imbtool.data.weights import assign_weights

    counts = count_labels(corpus.train.targets)
    weights = assign_weights(corpus.labels.names, counts, profile.weights)
    tokens = _tokens(corpus, profile.model)
    return analyze_corpus(corpus, weights, tokens, profile.thresholds.require, suspects)


def _suspects(profile: Profile, corpus: Corpus) -> list[Finding]:
    from imbtool.annotation.label_errors import suspect_labels

    return suspect_labels(profile, corpus, hint)


def _tokens(corpus: Corpus, section: ModelSection) -> Tokens | None:
    """The tokens of the texts; without the encoder characters have to do."""
    from imbtool.errors import UserError
    from imbtool.model.token_counts import count_tokens

    try:
        return count_tokens(corpus, section)
    except UserError as error:
        problem = error.problems[0]
        hint(f"tokens are not counted: {problem.where}: {problem.found}; {problem.fix}")
        return None
