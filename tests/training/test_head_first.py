"""The head is fitted on frozen features: exact, better than a constant, never wild."""

import copy
import random
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import KEY_WORDS, make_row
from encoders import KINDS, make_encoder

from imbtool.config.hierarchy import label_set
from imbtool.config.schema import LossSection, ModelSection
from imbtool.distributed.collectives import Ranks
from imbtool.errors import UserError
from imbtool.evaluation.metrics import average_precision
from imbtool.labels.label_sets import LabelSets
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.head import head_layer
from imbtool.model.losses import Objective, make_objective
from imbtool.training import head_first
from imbtool.training.batches import EncodedTexts, subsample
from imbtool.training.head_first import (
    HeadFit,
    collect_features,
    fit_head,
    fit_path,
    log_odds,
)

NAMES = sorted(KEY_WORDS)
ROWS = [make_row(random.Random(number), str(number)) for number in range(260)]
TEXTS = [row["text"] for row in ROWS]
TARGETS = np.array(
    [[name in row["labels"].split("|") for name in NAMES] for row in ROWS], dtype=np.float32
)
TRAIN, VALIDATION = slice(200), slice(200, None)

RANKS = Ranks(Accelerator())


@pytest.fixture(params=KINDS)
def text_model(request: pytest.FixtureRequest, tmp_path: Path) -> TextModel:
    """A random encoder of each family with a fresh head."""
    return load(request.param, tmp_path)


@pytest.fixture
def bert(tmp_path: Path) -> TextModel:
    """A random BERT."""
    return load("bert", tmp_path)


def load(kind: str, folder: Path) -> TextModel:
    """A random encoder with a fresh head of one output a label."""
    make_encoder(kind, folder / "encoder", corpus=TEXTS)
    torch.manual_seed(0)
    return load_encoder(ModelSection(encoder=str(folder / "encoder"), max_length=24), NAMES)


def objective() -> Objective:
    """Focal loss with gamma 2 and a weight of 3 for every label."""
    return make_objective(
        LossSection(), label_set(NAMES, []), [3.0] * len(NAMES), torch.device("cpu")
    )


def sample(model: TextModel, part: slice) -> EncodedTexts:
    """A split of the toy set."""
    encoded = model.encode(TEXTS[part])
    return EncodedTexts(encoded, LabelSets.each(TARGETS[part]), range(1, len(encoded) + 1))


def fit(model: TextModel) -> HeadFit:
    """Fit the head on the toy set."""
    train, validation = (sample(model, part) for part in (TRAIN, VALIDATION))
    return fit_head(model, train, validation, objective(), nullcontext(), RANKS)


def fit_on(features: np.ndarray, model: TextModel, monkeypatch: pytest.MonkeyPatch) -> HeadFit:
    """Fit the head as if the encoder gave these features [260, 32]."""
    parts = iter([features[TRAIN], features[VALIDATION], features[VALIDATION]])
    monkeypatch.setattr(
        head_first,
        "collect_features",
        lambda *_, **__: torch.tensor(next(parts), dtype=torch.float32),
    )
    return fit(model)


def mean_loss(model: TextModel, dropout: bool) -> float:
    """Mean loss on the training texts, with dropout as the first epoch meets it or without."""
    torch.manual_seed(1)
    model.model.train(dropout)
    batch, targets = model.batch(model.encode(TEXTS[TRAIN])), torch.from_numpy(TARGETS[TRAIN])
    with torch.no_grad():
        losses = [objective()(model.model(**batch).logits, targets) for _ in range(5)]
    return float(torch.stack(losses).mean())


def constant_loss() -> float:
    """Loss on the training texts of a head that knows each label's frequency and nothing else."""
    targets = torch.from_numpy(TARGETS[TRAIN])
    return float(objective()(torch.logit(targets.mean(dim=0)).expand_as(targets), targets))


def test_the_fitted_head_is_the_models_head(text_model: TextModel) -> None:
    before = copy.deepcopy(text_model.model.base_model.state_dict())
    result = fit(text_model)
    layer = head_layer(text_model.model)
    assert layer is not None
    encoded = text_model.encode(TEXTS)
    features = collect_features(text_model, encoded, layer, nullcontext(), RANKS)
    by_hand = features @ layer.weight.detach().T + layer.bias.detach()
    logits = text_model.logits_of(encoded)
    np.testing.assert_allclose(logits, by_hand.numpy(), rtol=1e-4, atol=1e-3)
    reached = average_precision(logits[VALIDATION].astype(float), TARGETS[VALIDATION]).mean()
    assert result.average_precision == pytest.approx(reached, abs=1e-3)
    after = text_model.model.base_model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_learnable_set_is_ranked_better_than_by_a_constant(text_model: TextModel) -> None:
    result = fit(text_model)
    assert result.kept
    assert result.baseline == pytest.approx(TARGETS[VALIDATION].mean(axis=0).mean())
    assert result.average_precision > 1.3 * result.baseline
    assert mean_loss(text_model, dropout=False) < constant_loss()


def test_training_starts_no_worse_than_from_a_constant_score(text_model: TextModel) -> None:
    fit(text_model)
    assert mean_loss(text_model, dropout=True) < constant_loss()


def test_features_that_hardly_vary_get_no_huge_weights(
    bert: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(TEXTS), 32))
    features[:, : len(NAMES)] += TARGETS
    features[:, 16:24] = 1 + 1e-6 * rng.normal(size=(len(TEXTS), 8))
    result = fit_on(features, bert, monkeypatch)
    weight = head_layer(bert.model).weight.detach().abs()
    assert result.kept
    assert weight[:, 16:24].max() < weight[:, :16].max()


def test_features_that_say_nothing_leave_the_log_odds(
    bert: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fit_on(np.ones((len(TEXTS), 32)), bert, monkeypatch)
    assert not result.kept
    frequency = TARGETS[TRAIN].mean(axis=0)
    np.testing.assert_allclose(
        bert.logits(TEXTS[:3]), [np.log(frequency / (1 - frequency))] * 3, rtol=1e-5
    )


@pytest.mark.parametrize("value", [np.nan, 1e30], ids=["not a number", "overflows"])
def test_features_that_are_not_finite_are_refused(
    value: float, bert: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = np.ones((len(TEXTS), 32))
    features[3, 5] = value
    with pytest.raises(UserError, match="not finite"):
        fit_on(features, bert, monkeypatch)


def test_unknown_targets_take_no_part_in_the_log_odds(
    bert: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = TARGETS.copy()
    targets[:100, 0] = np.nan
    monkeypatch.setitem(globals(), "TARGETS", targets)
    fit_on(np.ones((len(TEXTS), 32)), bert, monkeypatch)
    frequency = np.nanmean(targets[TRAIN], axis=0)
    np.testing.assert_allclose(
        bert.logits(TEXTS[:1])[0], np.log(frequency / (1 - frequency)), rtol=1e-5
    )


def numbered(targets: np.ndarray) -> EncodedTexts:
    """Texts whose one token is their place, counted from 0 and their row from 1."""
    encoded = [[place] for place in range(len(targets))]
    return EncodedTexts(encoded, LabelSets.each(targets), range(1, len(targets) + 1))


def test_up_to_the_most_texts_the_head_is_fitted_on_all() -> None:
    every = numbered(np.zeros((50, 2), dtype=np.float32))
    assert subsample(every, 50) is every


def test_of_more_texts_it_is_fitted_on_some_with_all_that_is_rare() -> None:
    targets = np.zeros((5_000, 3), dtype=np.float32)
    targets[:2_500, 0] = 1  # half of the texts
    targets[17::700, 1] = 1  # 8 of them
    targets[:, 2] = np.nan  # hardly any is known
    targets[[3, 4_000], 2] = 0, 1
    few = subsample(numbered(targets), 1_000)
    places = np.array([ids[0] for ids in few.encoded])
    assert len(places) == 1_000
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(few.targets, targets[places])
    assert list(few.rows) == (places + 1).tolist()
    assert (few.targets == 1)[:, 1:].sum(axis=0).tolist() == [8, 1]
    assert (few.targets == 0)[:, 2].sum() == 1
    assert few.targets[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    again = subsample(numbered(targets), 1_000)
    np.testing.assert_array_equal(few.rows, again.rows)


def test_labels_without_number_leave_room_for_texts_at_random() -> None:
    targets = np.random.default_rng(0).integers(2, size=(500, 30)).astype(np.float32)
    assert len(subsample(numbered(targets), 40).encoded) == 40


def test_a_head_that_is_fitted_on_some_texts_has_the_frequencies_of_all(
    bert: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_first, "MOST_TRAINING_TEXTS", 100)
    few = subsample(sample(bert, TRAIN), 100)
    result = fit(bert)
    layer = head_layer(bert.model)
    features = collect_features(bert, few.encoded, layer, nullcontext(), RANKS)
    fitted = fit_path(features, torch.from_numpy(few.targets), objective())[result.l2]
    shift = log_odds(TARGETS[TRAIN]) - log_odds(few.targets)
    assert result.kept
    assert shift.abs().min() > 0
    torch.testing.assert_close(layer.weight.detach(), fitted.weight)
    torch.testing.assert_close(layer.bias.detach(), fitted.bias + shift)
    assert mean_loss(bert, dropout=False) < constant_loss()
