"""Does a head on a frozen encoder put profiles in the order in which fine-tunes put them?

python -m benchmarks.quality.frozen_search --data data/edos data/goemotions [--texts 3000]
    [--profiles 8] [--json]

The profiles differ as tuning changes them, in gamma and weight of rare labels, and are spread over
all that the guide may reach. Labels of a tier move together, lest their differences cancel in a
mean. Every profile is fine-tuned on the same part of the data, and a head is fitted by it on
features of the frozen encoder. What is done is kept: a benchmark that was stopped or killed goes on
where it was.

For each figure on validation: the rank correlation between the two over the profiles, with a 95%
interval from 2,000 resamples of the profiles and the chance p of one so high if neither knew of the
other (permutations); and of all pairs of profiles, in how many the head prefers the one that the
fine-tune prefers. For single labels these are means over the rare labels, and their pairs pooled.
Pairs are clear where the head's figures differ by 0.02 or more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata
from scipy.stats.qmc import LatinHypercube, scale

from benchmarks.shared.finetunes import (
    Document,
    Part,
    add_part_options,
    estimate,
    forget_weights,
    kept,
    part_of,
)
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say
from imbtool.config.schema import Profile
from imbtool.evaluation.measures import Figure, figure
from imbtool.evaluation.summary import validation_metrics
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.files.json_text import to_json
from imbtool.tuning.frozen_search import FrozenEncoder, freeze_encoder
from imbtool.tuning.guide import BOUNDS, GAMMA, WEIGHT, Setting

SEED = 0
CLEAR = 0.02
"""Of F1."""
RESAMPLES, PERMUTATIONS = 2_000, 9_999
RARE_TIERS = ("severe", "moderate")
FIGURES = {
    "f1_macro": "macro-F1",
    "average_precision_macro": "mean average precision",
    "rare_f1": "rare labels' mean F1",
    "rare_recall": "rare labels' mean recall",
    "labels": "F1 of a rare label",
}

Floats = NDArray[np.float64]
Form = Callable[[Floats], Floats]
Settings = dict[Setting, float]


# ---- what is compared


def spread(part: Part, number: int) -> list[Settings]:
    """Values of so many profiles: as it is, and a Latin hypercube of the space.

    It has a gamma and a weight for each tier of rare labels; weights are spread by their logarithm.
    """
    (gamma_low, gamma_high), (weight_low, weight_high) = BOUNDS[GAMMA], BOUNDS[WEIGHT]
    low, high = [gamma_low, np.log(weight_low)], [gamma_high, np.log(weight_high)]
    tiers = len(RARE_TIERS)
    unit = LatinHypercube(2 * tiers, rng=SEED).random(number - 1)
    rows = scale(unit, low * tiers, high * tiers).reshape(-1, tiers, 2)
    return [{}, *(settings_of(part, dict(zip(RARE_TIERS, row, strict=True))) for row in rows)]


def settings_of(part: Part, tiers: dict[str, Floats]) -> Settings:
    """Gamma and weight of each rare label, from gamma and log weight of its tier."""
    settings: Settings = {}
    for label in part.rare:
        gamma, log_weight = tiers[label.tier]
        settings[GAMMA, label.label] = float(gamma)
        settings[WEIGHT, label.label] = float(np.exp(log_weight))
    return settings


def measure(part: Part, profiles: Sequence[Settings]) -> list[Document]:
    """Of each profile its `settings`, and its figures by a frozen head and by a fine-tune."""

    @cache
    def encoder() -> FrozenEncoder:
        start = time.perf_counter()
        frozen = freeze_encoder(part.profile)
        say(f"  the encoder read all texts in {time.perf_counter() - start:.0f} s")
        return frozen

    def fit_head(settings: Settings) -> Document:
        frozen, start = encoder(), time.perf_counter()
        figures = part.figures_of(figures_of(frozen, part.with_settings(settings)))
        return {"figures": figures, "seconds": time.perf_counter() - start}

    measured = []
    for number, settings in enumerate(profiles, start=1):
        path, key = part.results / "heads.jsonl", part.key_of(settings)
        proxy = kept(path, key, partial(fit_head, settings))
        tuned = part.fine_tune(settings)
        forget_weights(part.fine_tunes)
        places = [[*place, value] for place, value in settings.items()]
        measured.append({"settings": places, "proxy": proxy, "tuned": tuned})
        reached = [each["figures"].get("f1_macro", np.nan) for each in (proxy, tuned)]
        say(f"  {number} of {len(profiles)}: {reached[0]:.4f} frozen, {reached[1]:.4f} fine-tuned")
    return measured


def figures_of(frozen: FrozenEncoder, profile: Profile) -> Document:
    """What a profile's head reaches on validation, decisions cross-fitted as a fine-tune's are."""
    corpus, logits = frozen.corpus, frozen.logits(profile)
    targets = corpus.validation.targets
    choice = choose_thresholds(
        corpus.labels,
        logits,
        targets,
        np.nanmean(corpus.train.targets, axis=0, dtype=np.float64),
        profile.thresholds.method,
        profile.training.seed,
        profile.thresholds.require,
    )
    return validation_metrics(corpus.labels, choice, logits, targets)


# ---- how far they agree


def centred_ranks(values: Floats) -> Floats:
    """Ranks [n, m] of each column of values [n, m], about their mean."""
    ranks = rankdata(values, axis=0)
    return np.asarray(ranks - ranks.mean(axis=0))


def pair_signs(values: Floats) -> Floats:
    """Which of two rows is higher, for all pairs of rows: -1, 0 or 1 [pairs, m]."""
    one, other = np.triu_indices(len(values), k=1)
    return np.asarray(np.sign(values[one] - values[other]))


FORMS: dict[str, Form] = {"spearman": centred_ranks, "kendall": pair_signs}
"""Both coefficients, Kendall's as tau-b, are cosines of columns in such a form."""


def correlation(form: Form, proxy: Floats, tuned: Floats) -> float:
    """A rank correlation of columns [n, m], the mean where several vary; NaN where none does."""
    one, other = form(proxy), form(tuned)
    lengths = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    varied = lengths > 0
    cosines = (one * other).sum(axis=0)[varied] / lengths[varied]
    return float(cosines.mean()) if varied.any() else np.nan


def agreement(form: Form, proxy: Floats, tuned: Floats) -> Document:
    """A rank correlation with its interval, and its p by permutation of the profiles."""
    value, rows = correlation(form, proxy, tuned), np.arange(len(proxy))
    drawn = np.random.default_rng(SEED).integers(len(rows), size=(RESAMPLES, len(rows)))
    resampled = [correlation(form, proxy[each], tuned[each]) for each in drawn]
    p = permutation_test(
        (rows,),
        lambda order: correlation(form, proxy[order], tuned),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=PERMUTATIONS,
        rng=SEED,
    ).pvalue
    return {"figure": interval(value, resampled), "p": float(p)}


def interval(value: float, resampled: Sequence[float]) -> Figure:
    """A figure and the 95% interval of its resamples."""
    if np.isnan(value):
        return figure(value, value, value)
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return figure(value, low, high)


def picks(proxy: Floats, tuned: Floats, least: float) -> Document:
    """Of the pairs of profiles that fine-tunes tell apart, in which share the head agrees.

    Pairs whose figures by the head differ by less than `least` are left out; one that the head
    cannot tell apart counts half.
    """
    one, other = np.triu_indices(len(proxy), k=1)
    ours, theirs = proxy[one] - proxy[other], tuned[one] - tuned[other]
    told = (theirs != 0) & (np.abs(ours) >= least)
    right = (1 + np.sign(ours * theirs)[told]) / 2
    return {"pairs": int(told.sum()), "share": float(right.mean()) if told.any() else np.nan}


def compare(part: Part, profiles: int) -> Document:
    """All that is said of a data set."""
    pairs = measure(part, spread(part, profiles))
    whole = [pair for pair in pairs if pair["tuned"]["figures"]]
    rows = {key: matrices(whole, key) for key in FIGURES}
    return {
        "profiles": len(whole),
        "broken_off": len(pairs) - len(whole),
        "head_seconds": float(np.median([pair["proxy"]["seconds"] for pair in pairs])),
        "fine_tune_seconds": float(np.median([pair["tuned"]["seconds"] for pair in pairs])),
        "figures": {
            key: {
                "spread": [float(np.ptp(values, axis=0).mean()) for values in both],
                **{name: agreement(form, *both) for name, form in FORMS.items()},
                "picks": picks(*both, least=0.0),
                "clear_picks": picks(*both, least=CLEAR),
            }
            for key, both in rows.items()
        },
        "measured": pairs,
    }


def matrices(pairs: Sequence[Document], key: str) -> tuple[Floats, Floats]:
    """A figure of all profiles by head and by fine-tune [profiles, 1]; [profiles, labels] of F1.

    Labels without positives on validation are left out.
    """

    def values(way: str) -> Floats:
        found = [pair[way]["figures"][key] for pair in pairs]
        rows = [list(each.values()) if isinstance(each, dict) else [each] for each in found]
        return np.array(rows, dtype=np.float64)

    both = values("proxy"), values("tuned")
    known = ~np.isnan(both).any(axis=(0, 1))
    return both[0][:, known], both[1][:, known]


# ---- shown


def show(name: str, document: Document) -> str:
    """What is said of a data set, as a table and some lines."""
    rows = [["", "spread", "Spearman", "p", "Kendall", "p", "pairs picked", "clear pairs picked"]]
    for key, each in document["figures"].items():
        row = [FIGURES[key], " / ".join(f"{value:.3f}" for value in each["spread"])]
        for form in FORMS:
            row += [with_interval(each[form]["figure"]), f"{each[form]['p']:.3f}"]
        rows.append([*row, *(share(each[kind]) for kind in ("picks", "clear_picks"))])
    return "\n".join(
        [
            f"{name}: {document['profiles']} profiles ({document['broken_off']} broke off), a head "
            f"in {document['head_seconds']:.1f} s, a fine-tune in "
            f"{document['fine_tune_seconds']:.0f} s (medians, rough on a shared machine)",
            table(rows),
            f"{document['profiles']} profiles give wide intervals, and pairs share profiles: they "
            "are fewer than they look. Fine-tunes differ by chance too, with one seed each. "
            "Spread: highest less lowest, head / fine-tune.",
        ]
    )


def with_interval(row: Figure) -> str:
    """`0.71 (0.12 to 0.95)`."""
    if np.isnan(row["value"]):
        return "-"
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def share(row: Document) -> str:
    """`79% of 28`."""
    return f"{row['share']:.0%} of {row['pairs']}" if row["pairs"] else "none"


def main() -> None:
    """Measure what the results lack, and print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    add_part_options(parser, "proxy")
    parser.add_argument("--profiles", type=int, default=8, help="the one as it is among them")
    options = parser.parse_args()
    size, folders = (options.texts, options.epochs), (options.cache, options.results)
    parts = {data.resolve().name: part_of(data, *size, SEED, *folders) for data in options.data}
    say(estimate(options.profiles, list(parts.values())))
    documents = {}
    for name, part in parts.items():
        say(name)
        documents[name] = compare(part, options.profiles)
        print(show(name, documents[name]), end="\n\n")
    if options.json:
        print(to_json(documents, indent=None))


if __name__ == "__main__":
    main()
