"""The frozen-encoder search: repeatable, sensitive to what it tries, and only a proposal."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.tuning.frozen_search import FrozenEncoder, freeze_encoder, search
from imbtool.tuning.guide import BOUNDS, Setting, settings_of


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
    logits = encoder.logits(settings())
    assert logits.shape == encoder.corpus.validation.targets.shape
    share = np.nanmean(encoder.corpus.validation.targets)
    assert encoder.average_precision(settings()) > share


def test_the_same_profile_gives_the_same_logits_and_another_one_others(
    encoder: FrozenEncoder,
) -> None:
    first, again = encoder.logits(settings()), encoder.logits(settings())
    assert np.array_equal(first, again)
    weighted = settings(weights__custom="{threats: 30}", loss__gamma="{praise: 0}")
    assert not np.allclose(encoder.logits(weighted), first)


class Oracle:
    """Ranks a profile by what it says of `threats` and of the price, and counts the heads."""

    def __init__(self, worth: Callable[[float, float, float], float]) -> None:
        self.worth, self.asked = worth, list[tuple[float, float, float]]()
        self.corpus = SimpleNamespace(labels=SimpleNamespace(names=["threats", "abuse"]))

    def average_precision(self, profile: Profile) -> float:
        values = (
            profile.weights.custom.get("threats", 10.0),
            profile.loss.gamma_of("threats"),
            profile.loss.constraint,
        )
        assert values not in self.asked, "no head is fitted twice"
        self.asked.append(values)
        return self.worth(*values)


def explored(worth: Callable[[float, float, float], float]) -> tuple[dict[Setting, float], int]:
    oracle, base = Oracle(worth), settings()
    start = {
        ("training.learning_rate", None): 1e-4,
        ("loss.constraint", None): base.loss.constraint,
        **{("loss.gamma", name): base.loss.gamma_of(name) for name in ("threats", "abuse")},
        **{("weights.custom", name): 10.0 for name in ("threats", "abuse")},
    }
    found = search(oracle, base, start, ["threats"])  # type: ignore[arg-type]
    assert found.heads == len(oracle.asked)
    assert all(each.before == start[each.setting] for each in found.changes)
    assert all("mean average precision" in each.because for each in found.changes)
    return {each.setting: each.after for each in found.changes}, found.heads


def test_a_head_climbs_each_setting_as_long_as_it_ranks_better(project: Path) -> None:
    def worth(weight: float, gamma: float, price: float) -> float:
        return 0.3 - 0.01 * abs(weight - 4.9) - 0.01 * abs(gamma - 3) - 0.01 * abs(price - 4)

    assert explored(worth)[0] == {
        ("weights.custom", "threats"): 4.9,
        ("loss.gamma", "threats"): 3.0,
        ("loss.constraint", None): 4.0,
    }


def test_a_gain_that_is_not_clear_is_none(project: Path) -> None:
    assert explored(lambda weight, *_: 0.3 - 1e-4 * weight) == ({}, 11)


def test_what_does_not_help_costs_a_head_for_each_step(project: Path) -> None:
    assert explored(lambda *_: 0.3) == ({}, 6)


def test_a_frozen_encoder_is_explored_within_the_bounds(encoder: FrozenEncoder) -> None:
    profile = settings()
    names = encoder.corpus.labels.names
    start = settings_of(profile, 1e-4, 3, dict.fromkeys(names, 10.0))
    found = search(encoder, profile, start, names)
    assert found == search(encoder, profile, start, names)
    for change in found.changes:
        low, high = BOUNDS[change.key]
        assert low <= change.after <= high


def test_the_fit_of_a_label_hardly_depends_on_the_others(encoder: FrozenEncoder) -> None:
    alone = settings(weights__custom="{threats: 12}", loss__constraint=0)
    together = settings(weights__custom="{threats: 12, spying: 12}", loss__constraint=0)
    column = encoder.corpus.labels.names.index("threats")
    logits = [encoder.logits(profile)[:, column] for profile in (alone, together)]
    assert np.corrcoef(*logits)[0, 1] > 0.98
    assert torch.isfinite(encoder.train).all()
