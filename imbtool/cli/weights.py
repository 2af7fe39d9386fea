"""`imbtool weights`: which weight does each label get, and why?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import OUTPUT, Json, Sets, hint, parsed_sets, require_new, show

if TYPE_CHECKING:
    from imbtool.config.yaml_text import Key


def weights(
    profile: Annotated[Path, typer.Argument(metavar="PROFILE", help="The weight profile.")],
    sets: Sets = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write weights.json and weights.png into this folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("analysis"),
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="<path>",
            help="Write a profile in which these weights stand as custom weights.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Overwrite the file of --save if it exists.", rich_help_panel=OUTPUT
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show the weight of each label, its tier and the reason.

    Beside it stands, for comparison, the weight by effective number (arXiv 1901.05555).

    Examples:

    - `imbtool weights profiles/moderation.yaml`
    - `imbtool weights profile.yaml --set weights.cap=2 --save tuned.yaml`
    """
    from imbtool.analysis.analyze import explain_weights
    from imbtool.analysis.document import Weights
    from imbtool.config.reader import read_profile
    from imbtool.config.writer import rewrite_profile
    from imbtool.data.corpus import read_corpus
    from imbtool.data.weights import weigh_labels, with_custom_weights
    from imbtool.files.locks import locked
    from imbtool.files.writing import write_text
    from imbtool.report.analysis_files import WEIGHTS, require_free, write_weights
    from imbtool.report.console.weights import weight_views

    if save is not None:
        require_new(save, force, "name")
    require_free(output, WEIGHTS)
    settings = read_profile(profile, parsed_sets(sets))
    corpus = read_corpus(settings)
    assigned = weigh_labels(corpus, settings.weights)
    document = Weights(labels=explain_weights(corpus, assigned))
    with locked(output):
        write_weights(document, output)
    if save is not None:
        comments: dict[Key, str] = {
            ("weights", "custom", row.label): row.reason for row in assigned
        }
        saved = with_custom_weights(settings, assigned)
        write_text(save, rewrite_profile(profile, saved, comments, save))
    show(document, weight_views(document.labels), json)
    hint(f"\nwrote weights.json, weights.png to {output}/" + (f" and {save}" if save else ""))
    hint(f"next: imbtool train {save or profile}")
