"""`imbtool analyze`: how imbalanced is my data, and which problems does it have?"""

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
    """Show how imbalanced the labels are, and which problems the data have.

    Examples:

    - `imbtool analyze profiles/moderation.yaml`
    - `imbtool analyze train.csv -o /tmp/look --json`
    - `imbtool analyze profile.yaml --gate --no-texts`
    - `imbtool analyze profile.yaml --label-errors`
    """
    from imbtool.analysis.analyze import analyze as find_problems
    from imbtool.data.corpus import read_corpus
    from imbtool.files.locks import locked
    from imbtool.report.analysis_files import require_free, write_analysis
    from imbtool.report.console.analysis import analysis_views

    require_free(output)
    profile = source_profile(source, sets)
    corpus = read_corpus(profile, learnable=False)
    suspected = _suspected_errors(profile, corpus) if label_errors else []
    analysis = find_problems(corpus, profile, _tokens(corpus, profile.model), suspected)
    with locked(output):
        write_analysis(analysis, corpus, output, texts=not no_texts)
    show(analysis, analysis_views(analysis), json)
    hint(f"\nreport: {output / 'analysis.html'}")
    hint(f"next: imbtool {f'weights {source}' if is_profile(source) else f'init {source}'}")
    errors = [each.id for each in analysis.findings if each.severity == "error"]
    if gate and errors:
        hint(f"gate: there are errors: {', '.join(dict.fromkeys(errors))}")
        raise typer.Exit(1)


def _suspected_errors(profile: Profile, corpus: Corpus) -> list[Finding]:
    from imbtool.search.label_errors import find_label_errors

    return find_label_errors(profile, corpus, hint)


def _tokens(corpus: Corpus, section: ModelSection) -> Tokens | None:
    """The tokens of the texts; None without the encoder, so that only characters are counted."""
    from imbtool.errors import UserError
    from imbtool.model.encoder import count_tokens

    try:
        return count_tokens(corpus, section)
    except UserError as error:
        problem = error.problems[0]
        hint(f"Tokens are not counted: {problem.where}: {problem.found}; {problem.fix}")
        return None
