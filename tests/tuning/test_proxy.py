"""The frozen stage: repeatable, sensitive to what it explores, and never more than an order."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from imbtool.profile import Profile
from imbtool.profilefile import Override, read_profile
from imbtool.tuning.guide import Change
from imbtool.tuning.proxy import FrozenEncoder, freeze_encoder, rank_options


def settings(**sets: object) -> Profile:
    overrides = [Override(key.replace("__", "."), str(sets[key]), key) for key in sets]
    return read_profile(Path("profile.yaml"), overrides)


@pytest.fixture
def encoder(project: Path) -> FrozenEncoder:
    return freeze_encoder(settings())


def test_it_reads_each_text_once_and_fits_a_head_that_knows_something(
    encoder: FrozenEncoder,
) -> None:
    assert encoder.train.shape[0] == len(encoder.corpus.train)
    assert encoder.validation.shape[0] == len(encoder.corpus.validation)
    assert not encoder.train.requires_grad
    figures = encoder.figures(settings())
    assert set(figures["labels"]) == set(encoder.corpus.labels.names)
    share = np.nanmean(encoder.corpus.validation.targets)
    assert figures["average_precision_macro"] > share
    assert 0 < figures["secondary_f1_macro"] <= 1


def test_the_same_profile_gives_the_same_figures_and_another_one_others(
    encoder: FrozenEncoder,
) -> None:
    first, again = encoder.figures(settings()), encoder.figures(settings())
    assert first == again
    weighted = settings(weights__custom="{threats: 30}", loss__gamma="{praise: 0}")
    other = encoder.figures(weighted)
    assert other["average_precision_macro"] != first["average_precision_macro"]


def change(key: str, label: str, after: float) -> Change:
    return Change(key, label, 2.0, after, "", "")


class Oracle:
    """Gives each label an F1 by what the profile says of it, and counts the fits."""

    def __init__(self, scores: Mapping[tuple[str, float], float]) -> None:
        self.scores, self.fits = scores, 0
        self.corpus = SimpleNamespace(labels=SimpleNamespace(names=["threats", "praise"]))

    def figures(self, profile: Profile) -> dict[str, Any]:
        self.fits += 1
        labels = {}
        for name in ("threats", "praise"):
            gamma, weight = profile.loss.gamma_of(name), profile.weights.custom.get(name, 1.0)
            labels[name] = {"f1": self.scores.get((name, gamma), self.scores.get((name, weight)))}
        return {"labels": labels}


OPTIONS = {
    "threats": [change("loss.gamma", "threats", 3), change("weights.custom", "threats", 15)],
    "praise": [
        change("loss.gamma", "praise", 1.5),
        change("weights.custom", "praise", 7),
        change("weights.custom", "praise", 4.9),
    ],
}

APART = {
    ("threats", 3): 0.4, ("threats", 15): 0.5,
    ("praise", 1.5): 0.3, ("praise", 7): 0.6, ("praise", 4.9): 0.59,
}  # fmt: skip
"""F1 of options that differ clearly, but for the last."""


def order(scores: Mapping[tuple[str, float], float]) -> tuple[dict[str, list[float]], Oracle]:
    oracle = Oracle({("threats", 1.0): 0.1, ("praise", 1.0): 0.1} | dict(scores))
    ranking = rank_options(oracle, settings(), OPTIONS)  # type: ignore[arg-type]
    assert dict(ranking.scores).keys() == {each for row in OPTIONS.values() for each in row}
    return {
        label: [each.after for each in changes] for label, changes in ranking.options.items()
    }, oracle


def test_a_clearly_better_option_goes_first_and_others_keep_their_order(project: Path) -> None:
    assert order(APART)[0] == {"threats": [15, 3], "praise": [7, 4.9, 1.5]}


def test_a_slight_difference_leaves_the_guide_its_order(project: Path) -> None:
    scores = {
        ("threats", 3): 0.490, ("threats", 15): 0.5,
        ("praise", 1.5): 0.585, ("praise", 7): 0.59, ("praise", 4.9): 0.6,
    }  # fmt: skip
    assert order(scores)[0] == {"threats": [3, 15], "praise": [1.5, 7, 4.9]}


def test_one_fit_tries_an_option_of_every_label(project: Path) -> None:
    assert order(APART)[1].fits == 3


def test_the_fit_of_a_label_hardly_depends_on_the_others(encoder: FrozenEncoder) -> None:
    alone = settings(weights__custom="{threats: 12}", loss__constraint=0)
    together = settings(weights__custom="{threats: 12, spying: 12}", loss__constraint=0)
    column = encoder.corpus.labels.names.index("threats")
    logits = [encoder._logits(profile)[:, column] for profile in (alone, together)]
    assert np.corrcoef(*logits)[0, 1] > 0.98
    assert torch.isfinite(encoder.train).all()
