"""Settings compared by repeated cross-validation: what `quality.py --folds` does.

Repeat r cuts all texts of the data set into folds with seed r, and trains with seed r. In each fold
every variant is trained on the same texts, has the same validation texts, and is tested on the
same, so that differences are paired over folds and seeds. A fold that is done is a row of a table,
and is not done again as long as data, settings and versions are the same.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.quality.variants import (
    Features,
    Variant,
    fit_and_test,
    read_features,
    train_and_test,
)
from benchmarks.shared.folds import Fold, Pool, read_pool
from benchmarks.shared.paired import compare, show
from benchmarks.shared.tasks import find_profile
from benchmarks.shared.turns import in_its_own_process, say
from imbtool.config.reader import Override, parse_override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import SPLITS
from imbtool.files.json_text import to_json
from imbtool.files.writing import cut_half_line, replacing
from imbtool.model.encoder_files import public_name

FIGURES = {
    "f1_macro": ("macro-F1", 3),
    "average_precision_macro": ("mean AP", 3),
    "average_precision_severe": ("AP severe", 3),
    "f1_micro": ("micro-F1", 3),
    "labels_at_zero_recall": ("zero recall", 1),
}
"""Their titles in the table, and with how many digits they stand there."""
WHERE = ("data", "variant", "settings", "frozen", "encoder", "repeat", "fold", *SPLITS)
COLUMNS = ("key", *WHERE, *FIGURES, "minutes")
PACKAGES = ("imbtool", "torch", "transformers")

Row = dict[str, Any]


@dataclass(frozen=True)
class CrossValidation:
    """The folds of a data set, and where what is reached in them is kept.

    Attributes:
        name: of the data set.
        profile: the file that reads it.
        common: settings of all variants: the tables, and the encoder if one was named.
        pool: its texts.
        folds: of each repeat.
        repeats: how often all texts are cut.
        frozen: whether a head alone is fitted, on features that the encoder computes once.
        results: folder of what is kept.
    """

    name: str
    profile: Path
    common: tuple[Override, ...]
    pool: Pool
    folds: int
    repeats: int
    frozen: bool
    results: Path

    @property
    def table(self) -> Path:
        """The table with a row for each fold and variant that is done."""
        return self.results / f"{self.name}-folds.csv"

    def profile_of(self, variant: Variant, seed: int = 0) -> Profile:
        """The profile of a variant.

        Labels are declared, so that one whose positives are all tested is left out of a fold.
        """
        given = {"labels.names": list(self.pool.labels.names), "training.seed": seed}
        return read_profile(self.profile, [*self.common, *overrides(given), *variant.settings])

    def run(self, variants: Sequence[Variant]) -> dict[str, list[Row]]:
        """What each variant reaches in each fold, kept or new; folds in the same order."""
        done = {row["key"]: row for row in read_rows(self.table)}
        found: dict[str, list[Row]] = {variant.name: [] for variant in variants}
        for repeat in range(self.repeats):
            for fold in self.pool.folds(self.folds, repeat):
                for variant in variants:
                    profile = self.profile_of(variant, repeat)
                    key = self._key(profile, fold)
                    if key not in done:
                        done[key] = {"key": key, **self._new(variant, profile, fold)}
                        append_row(self.table, done[key])
                    found[variant.name].append(done[key])
        return found

    def _key(self, profile: Profile, fold: Fold) -> str:
        """The same for the same settings, texts, encoder and versions."""
        settings = profile.model_dump(mode="json", exclude={"data": True, "model": {"encoder"}})
        texts = [split.fingerprint for split in self.pool.corpus(fold).splits.values()]
        versions = {package: version(package) for package in PACKAGES}
        encoder = public_name(profile.model.encoder)
        return digest([settings, encoder, texts, self.frozen, versions])

    def _new(self, variant: Variant, profile: Profile, fold: Fold) -> Row:
        start = time.perf_counter()
        figures = self._fit(profile, fold) if self.frozen else self._train(profile, fold)
        say(
            f"repeat {fold.repeat}, fold {fold.number}, {variant.name}: macro-F1 "
            f"{figures['f1_macro']:.3f}, mean AP {figures['average_precision_macro']:.3f}"
        )
        return {
            "data": self.name,
            "variant": variant.name,
            "settings": variant.shown,
            "frozen": int(self.frozen),
            "encoder": public_name(profile.model.encoder),
            "repeat": fold.repeat,
            "fold": fold.number,
            **{name: len(getattr(fold, name)) for name in SPLITS},
            **figures,
            "minutes": (time.perf_counter() - start) / 60,
        }

    def _train(self, profile: Profile, fold: Fold) -> dict[str, float]:
        """A whole training by imbtool on tables of the fold, in a process of its own."""
        with TemporaryDirectory() as folder:
            self.pool.write(fold, Path(folder))
            paths = {name: Path(folder) / f"{name}.csv" for name in SPLITS}
            data = profile.data.model_copy(update=paths)
            own = profile.model_copy(update={"data": data})
            figures: dict[str, float] = in_its_own_process(
                train_and_test, own, Path(folder) / "run"
            )
        return figures

    def _fit(self, profile: Profile, fold: Fold) -> dict[str, float]:
        features = self._features(profile)
        parts = {name: features[getattr(fold, name)] for name in SPLITS}
        return fit_and_test(profile, self.pool.corpus(fold), parts)

    def _features(self, profile: Profile) -> Features:
        """Of all texts, computed once for all folds and variants that read them alike."""
        how = profile.model.model_dump(mode="json", exclude={"encoder"})
        texts = self.pool.texts
        encoder = public_name(profile.model.encoder)
        name = digest([how, encoder, profile.training.precision, texts.text_fingerprint])
        path = self.results / "features" / f"{self.name}-{name}.npy"
        if not path.is_file():
            say(f"the encoder reads {len(texts):,} texts")
            features = read_features(profile, self.pool.labels, texts)
            with replacing(path) as draft, draft.open("wb") as stream:
                np.save(stream, features)
        loaded: Features = np.load(path)
        return loaded


# ---- what is kept


def read_rows(path: Path) -> list[Row]:
    """The rows of a table of folds, figures as numbers; none where there is no table yet."""
    cut_half_line(path)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{**row, **{name: float(row[name]) for name in FIGURES}} for row in rows]


def append_row(path: Path, row: Row) -> None:
    """Append a row to a table of folds; the first one comes with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        if stream.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def digest(document: object) -> str:
    """A short name of what a result rests on."""
    return hashlib.sha256(to_json(document).encode()).hexdigest()[:16]


# ---- the command line


def overrides(values: dict[str, object]) -> tuple[Override, ...]:
    """Values of a profile's keys, as `--set` gives them."""
    return tuple(Override(key, json.dumps(value), key) for key, value in values.items())


def make_variants(given: Sequence[Sequence[str]]) -> list[Variant]:
    """Variants as `--variant NAME KEY=VALUE ...` names them; none: the profile as it is."""
    variants = [
        Variant(name, tuple(parse_override(text) for text in settings)) for name, *settings in given
    ]
    if len({variant.name for variant in variants}) < len(variants):
        raise SystemExit("--variant: give each name once")
    return variants or [Variant("profile")]


def make_cross_validation(options: argparse.Namespace) -> CrossValidation:
    """What the command line asks for."""
    data = options.data.resolve()
    given: dict[str, object] = {f"data.{name}": str(data / f"{name}.csv") for name in SPLITS}
    if options.encoder:
        given["model.encoder"] = options.encoder
    path, common = options.profile or find_profile(data), overrides(given)
    pool = read_pool(read_profile(path, common), options.texts)
    return CrossValidation(
        name=data.name if options.texts is None else f"{data.name}-{options.texts}",
        profile=path,
        common=common,
        pool=pool,
        folds=options.folds,
        repeats=options.repeats,
        frozen=options.frozen,
        results=options.results,
    )


def headline(validation: CrossValidation) -> str:
    """What was done on what."""
    how = "a head on the frozen encoder" if validation.frozen else "fine-tuned"
    encoder = public_name(validation.profile_of(Variant("")).model.encoder)
    return (
        f"{validation.name}: {len(validation.pool.texts):,} texts, {len(validation.pool.labels)} "
        f"labels; {validation.folds} folds, repeats {validation.repeats}; {how}, {encoder}; 95% "
        "intervals by the corrected resampled t-test"
    )


def cross_validate(options: argparse.Namespace) -> None:
    """Do what is not kept, and print the table."""
    validation = make_cross_validation(options)
    found = validation.run(make_variants(options.variant))
    figures = {
        name: [{figure: row[figure] for figure in FIGURES} for row in rows]
        for name, rows in found.items()
    }
    compared = compare(figures, options.folds)
    print(headline(validation))
    print(show(compared, FIGURES))
    if options.json:
        print(to_json({name: asdict(of) for name, of in compared.items()}, indent=None))
