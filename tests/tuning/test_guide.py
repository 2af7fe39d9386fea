"""The tuning guide: each row fires for its diagnosis, changes what it says, keeps its bounds."""

from pathlib import Path
from typing import Any

import pytest
from finishedruns import (
    epoch,
    finished,
    found,
    incoherent,
    label,
    rising,
    swinging,
    with_label,
)

from imbtool.config.reader import make_profile, read_profile
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile
from imbtool.tuning.diagnosis import LabelState, not_finite
from imbtool.tuning.guide import (
    BOUNDS,
    GUIDE,
    LESS_WEIGHT,
    STRICTER,
    Change,
    adjusted,
    apply,
    changes_between,
    changes_for,
    settings_of,
)

NAMES = ["rare", "common"]
HIERARCHY = {"hierarchy": {"common": ["rare"]}}
WEIGHTS = {"rare": 10.0, "common": 3.0}


def profile(**sections: Any) -> Profile:
    return make_profile({"data": {"train": "/t.csv"}, "labels": HIERARCHY, **sections})


def settings(profile: Profile, rate: float = 1e-4, **weights: float) -> dict:
    return settings_of(profile, rate, 3, WEIGHTS | weights)


def told(changes: list[Change]) -> list[tuple[str, str | None, float, float]]:
    return [(change.key, change.label, change.before, change.after) for change in changes]


def improving(f1: float) -> Any:
    return finished(epochs=[epoch(1), epoch(2, f1_macro=f1, average_precision_macro=0.6)])


RARE_GAMMA, RARE_WEIGHT = ("loss.gamma", "rare"), ("weights.custom", "rare")
RATE, EPOCHS = ("training.learning_rate", None), ("training.epochs", None)
SLOWER = [(*RATE, 1e-4, 3e-5), (*RATE, 1e-4, 1e-5), (*RATE, 1e-4, 3e-6)]

ROWS = {
    # diagnosis: a run in which it fires, one in which it must not, and the changes in their order
    "zero-recall": (
        with_label(recall=0.0, precision=0.0),
        with_label(recall=0.0, precision=0.0, support=4),
        [(*RARE_GAMMA, 2, 3), (*RARE_WEIGHT, 10, 15)],
    ),
    "low-recall": (
        with_label(recall=0.05, support=100),
        with_label(recall=0.3, support=100),
        [(*RARE_GAMMA, 2, 3), (*RARE_WEIGHT, 10, 15)],
    ),
    "over-predicted": (
        with_label(precision=0.3, recall=0.9),
        with_label(precision=0.3, recall=0.9, support=3),
        [(*RARE_GAMMA, 2, 1.5), (*RARE_WEIGHT, 10, 7)],
    ),
    "threshold-low": (
        with_label(threshold=0.01),
        with_label(threshold=0.03),
        [(*RARE_WEIGHT, 10, 15)],
    ),
    "threshold-high": (
        with_label(threshold=0.99),
        with_label(threshold=0.97),
        [(*RARE_WEIGHT, 10, 7)],
    ),
    "incoherent": (incoherent(30), incoherent(8), [("loss.constraint", None, 0.5, 1)]),
    "oscillating": (swinging(), finished(), SLOWER),
    "worse-than-frozen": (finished(frozen=0.8), finished(frozen=0.4), SLOWER),
    "validation-rising": (rising(0.4), rising(0.6), [(*EPOCHS, 3, 1)]),
    "still-improving": (
        improving(0.6),
        improving(0.505),
        [(*RATE, 1e-4, 2e-4), (*EPOCHS, 3, 5)],
    ),
}


def acted_on(run: Any, name: str) -> list[Any]:
    return [
        diagnosis
        for (found_name, _), diagnosis in found(run).items()
        if found_name == name and diagnosis.verdict == "act"
    ]


@pytest.mark.parametrize("name", ROWS)
def test_each_row_fires_where_it_should_and_changes_what_the_table_says(name: str) -> None:
    fires, must_not, expected = ROWS[name]
    (diagnosis,) = acted_on(fires, name)
    assert told(changes_for(diagnosis, settings(profile()))) == expected
    assert acted_on(must_not, name) == []


def test_the_table_has_no_row_without_a_test() -> None:
    assert set(GUIDE) == {*ROWS, "not-finite"}


def test_a_loss_that_is_not_finite_asks_for_a_lower_rate() -> None:
    assert told(changes_for(not_finite("loss nan"), settings(profile(), rate=1e-3))) == [
        (*RATE, 1e-3, 3e-4),
        (*RATE, 1e-3, 1e-4),
        (*RATE, 1e-3, 3e-5),
    ]


def test_a_change_says_why_and_by_which_diagnosis() -> None:
    (diagnosis,) = acted_on(ROWS["zero-recall"][0], "zero-recall")
    change = changes_for(diagnosis, settings(profile()))[0]
    assert change.because == diagnosis.message == "none of 40 positives found"
    assert change.finding == "zero-recall"
    (diagnosis,) = acted_on(incoherent(30), "incoherent")
    because = changes_for(diagnosis, settings(profile()))[0].because
    assert because.startswith("rare: 30 of the 60 texts"), "the change itself names no label"


# Ways to their ends. Each step from the value before, and where the bounds stop it.

WAYS = {
    ("zero-recall", "loss.gamma"): [0, 2, 3, 4, 5],
    ("over-predicted", "loss.gamma"): [2, 1.5, 1, 0.5, 0],
    ("zero-recall", "weights.custom"): [1, 1.5, 2.2, 3.3, 4.9, 7, 10, 15, 22, 30],
    ("over-predicted", "weights.custom"): [10, 7, 4.9, 3.4, 2.3, 1.6, 1.1, 1],
    ("oscillating", "training.learning_rate"): [1e-2, 5e-4, 2e-4, 7e-5, 2e-5, 7e-6, 2e-6, 1e-6],
    ("still-improving", "training.epochs"): [2, 3, 5, 8, 12, 18, 20],
    ("still-improving", "training.learning_rate"): [3e-5, 6e-5, 1e-4, 2e-4, 4e-4, 5e-4],
    ("incoherent", "loss.constraint"): [0, 0.5, 1, 2, 4],
}


@pytest.mark.parametrize(("name", "key"), WAYS)
def test_steps_go_on_up_to_the_bounds_and_end_there(name: str, key: str) -> None:
    (diagnosis,) = acted_on(ROWS[name][0], name)
    way = WAYS[name, key]
    place = (key, diagnosis.label if key in ("loss.gamma", "weights.custom") else None)
    value, seen = way[0], [way[0]]
    while True:
        changes = [c for c in changes_for(diagnosis, {place: value}) if c.setting == place]
        if not changes:
            break
        value = changes[0].after
        seen.append(value)
    assert seen == pytest.approx(way)
    assert seen[-1] in BOUNDS[key]


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("zero-recall", RARE_WEIGHT, 50),
        ("over-predicted", RARE_WEIGHT, 0.5),
        ("zero-recall", RARE_GAMMA, 6),
        ("oscillating", RATE, 1e-7),
        ("still-improving", EPOCHS, 40),
    ],
)
def test_a_value_beyond_its_bound_is_not_moved_back_by_a_step_that_goes_on(
    name: str, place: Any, value: float
) -> None:
    (diagnosis,) = acted_on(ROWS[name][0], name)
    assert changes_for(diagnosis, {place: value}) == []


@pytest.mark.parametrize(("epochs", "kept"), [(40, 30), (3, 1)])
def test_no_bound_cuts_the_best_epoch_off(epochs: int, kept: int) -> None:
    (diagnosis,) = acted_on(rising(0.4), "validation-rising")
    diagnosis = diagnosis.model_copy(update={"evidence": {"kept_epoch": kept}})
    assert told(changes_for(diagnosis, {EPOCHS: epochs})) == [(*EPOCHS, epochs, kept)]


def test_five_goes_to_seven() -> None:
    (diagnosis,) = acted_on(ROWS["zero-recall"][0], "zero-recall")
    assert changes_for(diagnosis, settings(profile(), rare=5))[1].after == 7


def test_values_of_a_run_take_single_steps_unless_longer_ones_may_help() -> None:
    (diagnosis,) = acted_on(improving(0.6), "still-improving")
    assert len(changes_for(diagnosis, settings(profile()))) == 2


def test_a_step_of_all_rare_labels_leaves_the_others_and_stops_at_the_bound() -> None:
    start = settings(profile())
    lighter = adjusted(LESS_WEIGHT, start, ["rare"])
    assert told(changes_between(start, lighter, "why")) == [(*RARE_WEIGHT, 10, 7)]
    least = start | {RARE_WEIGHT: 1.0}
    assert adjusted(LESS_WEIGHT, least, ["rare"]) == least
    stricter = adjusted(STRICTER, start, ["rare"])
    assert told(changes_between(start, stricter, "why")) == [("loss.constraint", None, 0.5, 1.0)]


def test_without_a_hierarchy_no_price_of_incoherence_is_changed() -> None:
    (diagnosis,) = acted_on(incoherent(30), "incoherent")
    flat = make_profile({"data": {"train": "/t.csv"}})
    assert changes_for(diagnosis, settings(flat)) == []


# Changes become a profile.


def change(key: str, name: str | None, after: float) -> Change:
    return Change(
        key=key, label=name, before=0.0, after=after, because="because", finding="zero-recall"
    )


def test_labels_that_need_opposite_things_get_each_its_own() -> None:
    labels = {"rare": label(recall=0.0, precision=0.0), "other": label(precision=0.2, recall=0.9)}
    states = {name: LabelState("severe", 0.5) for name in labels}
    run = finished(epochs=[epoch(1), epoch(2, labels=labels)], labels=states)
    changes = [
        changes_for(diagnosis, settings(profile(), other=5))[0] for diagnosis in found(run).values()
    ]
    tuned = apply(profile(), changes, ["rare", "other", "common"])
    assert [tuned.loss.gamma_of(name) for name in ("rare", "other", "common")] == [3, 1.5, 2]


@pytest.mark.parametrize(
    ("loss", "others", "kept"),
    [({}, 2, {}), ({"gamma": 1.0}, 1, {"common": 1}), ({"name": "bce"}, 0, {"common": 0})],
)
def test_a_gamma_of_one_label_leaves_that_of_the_others(
    loss: dict, others: float, kept: dict
) -> None:
    tuned = apply(profile(loss=loss), [change("loss.gamma", "rare", 3)], NAMES)
    assert tuned.loss.name == "focal"
    assert tuned.loss.gamma == kept | {"rare": 3}
    assert tuned.loss.gamma_of("common") == others


def test_changes_lie_over_the_profile_and_the_rest_stays() -> None:
    before = profile(
        loss={"gamma": {"common": 1}}, weights={"custom": {"common": 2}, "cap": 2}, training={}
    )
    changes = [
        change("loss.gamma", "rare", 3),
        change("weights.custom", "rare", 15),
        change("training.epochs", None, 5),
        change("training.learning_rate", None, 3e-5),
        change("loss.constraint", None, 1),
    ]
    tuned = apply(before, changes, NAMES)
    assert tuned.loss.gamma == {"common": 1, "rare": 3}
    assert tuned.weights.custom == {"common": 2, "rare": 15}
    assert (tuned.training.epochs, tuned.training.learning_rate) == (5, 3e-5)
    assert tuned.loss.constraint == 1
    assert tuned.weights.cap == 2
    assert apply(before, [], NAMES) == before
    assert before.weights.custom == {"common": 2}, "the profile itself does not change"


def test_a_tuned_profile_reads_back_equal(tmp_path: Path) -> None:
    odd = '1.1 threats: "of" {harm}'
    tuned = apply(
        profile(), [change("loss.gamma", odd, 3), change("weights.custom", odd, 7)], [odd]
    )
    path = tmp_path / "tuned.yaml"
    path.write_text(render_profile(tuned), encoding="utf-8")
    again = read_profile(path)
    assert again.loss.gamma == {odd: 3}
    assert again.weights.custom == {odd: 7}
