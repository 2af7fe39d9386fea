"""Samples are drawn with known probabilities, more often where the model is in doubt."""

import numpy as np
import pytest

from imbtool.monitoring.strata import DRAWS, plan_sample


def probabilities(texts: int = 4000, labels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.beta(0.05, np.array([2.0, 4.0, 8.0])[:labels], size=(texts, labels))


@pytest.mark.parametrize("answers", [2, 7, 300, 3999, 4000])
def test_a_sample_has_as_many_texts_as_asked_for(answers: int):
    design = plan_sample(probabilities(), answers)
    rows = design.draw(0)
    assert design.draws.sum() == len(rows) == len(set(rows.tolist())) == answers
    assert (design.draws <= design.sizes).all() and design.sizes.sum() == 4000
    np.testing.assert_array_equal(np.bincount(design.stratum[rows]), design.draws)


def test_each_text_is_drawn_as_often_as_its_inclusion_probability_says():
    design = plan_sample(probabilities(400), 60)
    counts = np.zeros(400)
    for seed in range(2000):
        counts[design.draw(seed)] += 1
    np.testing.assert_allclose(counts / 2000, design.inclusion[design.stratum], atol=0.06)


def test_texts_in_doubt_are_drawn_more_often():
    values = probabilities()
    design = plan_sample(values, 300)
    inclusion = design.inclusion[design.stratum]
    doubt = (values * (1 - values)).max(axis=1)
    assert inclusion[doubt > 0.2].mean() > 3 * inclusion[doubt < 0.01].mean()


def test_a_stratum_gets_about_ten_texts():
    design = plan_sample(probabilities(), 300)
    assert design.draws.min() >= 2
    assert np.median(design.draws) == pytest.approx(DRAWS, abs=1)


def test_a_label_that_is_certain_everywhere_takes_no_texts_from_another():
    values = probabilities(labels=2)
    certain = values.copy()
    certain[:, 1] = np.arange(len(values)) % 2
    alone, beside = plan_sample(values[:, :1], 200), plan_sample(certain, 200)
    top = np.argsort(values[:, 0])[-200:]
    drawn = [design.inclusion[design.stratum][top].mean() for design in (alone, beside)]
    assert drawn[1] >= 0.5 * drawn[0]


def test_texts_that_are_all_alike_are_drawn_like_a_random_sample():
    design = plan_sample(np.full((500, 2), 0.1), 50)
    np.testing.assert_allclose(design.inclusion, 0.1, atol=0.03)
