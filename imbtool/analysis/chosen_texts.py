"""Texts of validation and test that a search chose: figures on them are biased."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imbtool.analysis.finding import Finding, FoundRows, found
from imbtool.data.corpus import SPLITS, Corpus
from imbtool.wording import counted


def chosen_findings(corpus: Corpus) -> Iterator[Finding]:
    """One finding for each split but training that holds texts which a search chose."""
    for name in SPLITS[1:]:
        split = corpus.splits[name]
        chosen = np.flatnonzero(split.chosen)
        rows = FoundRows.of_split(name, chosen, lambda _: (None, ""))
        if rows:
            verb = "was" if len(rows) == 1 else "were"
            texts = counted(len(split), "text")
            message = f"{len(rows):,} of the {texts} of {name} {verb} chosen by a search."
            evidence = {"split": name, "chosen": len(rows), "texts": len(split)}
            yield found("chosen-texts", message, evidence, rows)
