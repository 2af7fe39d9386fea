"""What is tried next, kept, undone and never tried twice; when it stops and why."""

from collections.abc import Sequence
from typing import Any

import pytest

from imbtool.config.schema import TuningSection
from imbtool.files.json_text import to_json
from imbtool.tuning.diagnosis import Diagnosis
from imbtool.tuning.guide import Change
from imbtool.tuning.history import (
    Round,
    RoundOutcome,
    ancestors,
    best_of,
    judge,
    next_changes,
    stop_reason,
    stop_sentence,
)

NAMES = ("a", "b", "c")
START = {
    ("training.learning_rate", None): 1e-4,
    ("training.epochs", None): 3,
    ("loss.constraint", None): 0.5,
    **{("loss.gamma", name): 2.0 for name in NAMES},
    **{("weights.custom", name): 10.0 for name in NAMES},
}


def finding(name: str, label: str | None = None, verdict: Any = "act", **parts: Any) -> Diagnosis:
    usual = {"evidence": {"kept_epoch": 1}, "epochs": [3], "reason": "why"}
    usual |= {"message": f"{name} seen", "blocks": verdict == "act"}
    return Diagnosis(id=name, label=label, verdict=verdict, **usual | parts)


def change(key: str, label: str | None, before: float, after: float, finding: str) -> Change:
    return Change(key=key, label=label, before=before, after=after, because="seen", finding=finding)


def outcome(
    *findings: Diagnosis, objective: float | None = 0.5, recall: float | None = 0.4, **more: Any
) -> RoundOutcome:
    f1 = more.get("f1", {})
    known = {"precision": 0.5, "recall": 0.5, "support": 20}
    labels = {name: {**known, "f1": f1.get(name, 0.5)} for name in NAMES}
    settings = dict(START)
    for change in more.get("changed", ()):
        settings[change.setting] = change.after
    ranking = more.get("ranking", 0.3)
    return RoundOutcome(
        objective=objective,
        rare_recall=recall,
        labels=labels,
        findings=list(findings),
        settings=settings,
        ranking=ranking,
    )


def done(
    number: int,
    base: int | None,
    changes: list[Change],
    outcome: RoundOutcome,
    kept: bool,
    why: str,
) -> Round:
    return Round(
        number=number,
        base=base,
        changes=changes,
        outcome=outcome,
        seconds=60.0,
        kept=kept,
        why=why,
    )


def first(*findings: Diagnosis, **more: Any) -> Round:
    return done(1, None, [], outcome(*findings, **more), True, "the baseline")


def then(
    rounds: Sequence[Round], changes: list[Change], *findings: Diagnosis, kept: bool, **more: Any
) -> list[Round]:
    """The rounds and another one from the best of them."""
    base = best_of(rounds)
    way = [change for each in ancestors(rounds, base.number) for change in each.changes]
    made = outcome(*findings, changed=[*way, *changes], **more)
    return [*rounds, done(len(rounds) + 1, base.number, changes, made, kept, "")]


def plan(rounds: Sequence[Round]) -> list[Change]:
    return next_changes(rounds, list)


def told(changes: Sequence[Change]) -> set[tuple[str, str | None, float]]:
    return {(change.key.split(".")[1], change.label, change.after) for change in changes}


# What is tried next.


def test_each_label_that_needs_it_gets_one_change_its_own() -> None:
    rounds = [
        first(
            finding("zero-recall", "a"),
            finding("over-predicted", "b"),
            finding("zero-recall", "c", "watch"),
            finding("threshold-low", "a"),
        )
    ]
    assert told(plan(rounds)) == {("gamma", "a", 3), ("gamma", "b", 1.5)}


def test_what_is_only_watched_or_left_changes_nothing() -> None:
    rounds = [first(finding("zero-recall", "a", "watch"), finding("over-predicted", "b", "leave"))]
    assert plan(rounds) == []


@pytest.mark.parametrize("name", ["oscillating", "still-improving", "validation-rising"])
def test_what_is_about_the_whole_run_goes_first_and_alone(name: str) -> None:
    rounds = [first(finding("zero-recall", "b"), finding(name), finding("oscillating"))]
    (change,) = plan(rounds)
    assert change.finding == name
    assert change.label is None


def test_incoherence_comes_last() -> None:
    sick = [finding("incoherent", "b"), finding("zero-recall", "a")]
    rounds, seen = [first(*sick)], []
    while changes := plan(rounds):
        seen.append(told(changes))
        rounds = then(rounds, changes, kept=False, f1={"a": 0.4})
    assert seen == [{("gamma", "a", 3)}, {("custom", "a", 15)}, {("constraint", None, 1)}]


def test_gamma_then_weight_then_gamma_again() -> None:
    sick = finding("zero-recall", "a")
    rounds, seen = [first(sick)], []
    for number in range(4):
        (change,) = plan(rounds)
        seen.append((change.key, change.before, change.after))
        rounds = then(rounds, [change], sick, kept=True, objective=0.5 + number / 10)
    assert seen == [
        ("loss.gamma", 2, 3),
        ("weights.custom", 10, 15),
        ("loss.gamma", 3, 4),
        ("weights.custom", 15, 22),
    ]


def test_a_change_that_was_undone_is_not_tried_again_from_the_same_place() -> None:
    sick = finding("zero-recall", "a")
    rounds = [first(sick)]
    for expected in ({("gamma", "a", 3)}, {("custom", "a", 15)}, set()):
        changes = plan(rounds)
        assert told(changes) == expected
        rounds = then(rounds, changes, kept=False, f1={"a": 0.4})


def test_from_another_place_it_may_be_tried_again() -> None:
    sick = finding("zero-recall", "a")
    rounds = then([first(sick)], plan([first(sick)]), kept=False, f1={"a": 0.4})
    rounds = then(rounds, plan(rounds), sick, kept=True)
    assert told(rounds[-1].changes) == {("custom", "a", 15)}
    assert told(plan(rounds)) == {("gamma", "a", 3)}


def test_what_helped_its_label_goes_along_though_the_round_was_undone() -> None:
    sick = [finding("zero-recall", name) for name in NAMES]
    rounds = [first(*sick)]
    rounds = then(rounds, plan(rounds), kept=False, f1={"a": 0.6, "b": 0.3, "c": 0.5})
    assert told(plan(rounds)) == {("gamma", "a", 3), ("custom", "b", 15), ("custom", "c", 15)}
    rounds = then(rounds, plan(rounds), kept=False, f1={"a": 0.6, "b": 0.3, "c": 0.7})
    assert told(plan(rounds)) == {("gamma", "a", 3), ("custom", "c", 15)}
    rounds = then(rounds, plan(rounds), kept=False, f1={"a": 0.6, "c": 0.4})
    assert told(plan(rounds)) == {("gamma", "a", 3)}
    rounds = then(rounds, plan(rounds), kept=False, f1={"a": 0.6})
    assert told(plan(rounds)) == {("custom", "a", 15)}, "the same again would tell nothing new"


def test_no_set_of_changes_is_tried_twice_from_a_place_whatever_comes_of_it() -> None:
    sick = [finding("zero-recall", "a"), finding("over-predicted", "b"), finding("low-recall", "c")]
    for pattern in range(64):
        rounds, seen = [first(*sick)], []
        while changes := plan(rounds):
            assert told(changes) not in seen
            seen.append(told(changes))
            bits = pattern >> (len(seen) % 6)
            helped = {
                name: 0.5 + (0.1 if bits >> at & 1 else -0.1) for at, name in enumerate("abc")
            }
            rounds = then(rounds, changes, kept=False, f1=helped)
        assert 2 <= len(seen) < 12


EXPLORED = [
    change("weights.custom", "a", 10.0, 4.9, "ranks-better"),
    change("loss.constraint", None, 0.5, 2.0, "ranks-better"),
]


def test_what_ranks_better_with_the_encoder_frozen_goes_before_labels_and_once() -> None:
    rounds = [first(finding("zero-recall", "a"), finding("incoherent", "b"))]
    assert next_changes(rounds, lambda: EXPLORED) == EXPLORED
    rounds = then(rounds, EXPLORED, kept=False)
    assert told(next_changes(rounds, lambda: EXPLORED)) == {("gamma", "a", 3)}


def test_what_the_run_itself_suggests_comes_after_it_and_before_labels() -> None:
    found = [finding("still-improving", verdict="act"), finding("zero-recall", "a")]
    found[0] = found[0].model_copy(update={"blocks": False})
    rounds = [first(*found)]
    assert next_changes(rounds, lambda: EXPLORED) == EXPLORED
    rounds = then(rounds, EXPLORED, kept=False)
    assert told(next_changes(rounds, lambda: EXPLORED)) == {("learning_rate", None, 2e-4)}


def test_what_is_unwell_in_the_run_goes_before_it_and_nothing_is_explored() -> None:
    rounds = [first(finding("oscillating"), finding("zero-recall", "a"))]
    changes = next_changes(rounds, lambda: pytest.fail("was asked"))
    assert told(changes) == {("learning_rate", None, 3e-5)}


def test_what_ranks_better_belongs_together_and_no_part_of_it_goes_along() -> None:
    pair = [
        change("weights.custom", "a", 10.0, 4.9, "ranks-better"),
        change("loss.gamma", "a", 2.0, 1.5, "ranks-better"),
    ]
    rounds = then([first(finding("zero-recall", "b"))], pair, kept=False, f1={"a": 0.9})
    assert told(next_changes(rounds, lambda: pair)) == {("gamma", "b", 3)}


def test_no_way_leads_back_to_settings_that_a_round_has_had() -> None:
    longer = change("training.epochs", None, 3, 5, "still-improving")
    shorter = finding("validation-rising", evidence={"kept_epoch": 3})
    assert plan(then([first()], [longer], shorter, kept=True)) == []
    lighter = change("weights.custom", "a", 10.0, 6.7, "over-predicted")
    assert plan(then([first()], [lighter], finding("threshold-low", "a"), kept=True)) == []


def test_a_label_whose_first_change_would_lead_back_gets_its_next() -> None:
    more = [change("loss.gamma", "a", 2.0, 3.0, "zero-recall")]
    less = [
        change("loss.gamma", "a", 3.0, 2.0, "ranks-better"),
        change("weights.custom", "a", 10.0, 6.7, "ranks-better"),
    ]
    rounds = then(then([first()], more, kept=True), less, finding("zero-recall", "a"), kept=True)
    assert told(plan(rounds)) == {("gamma", "a", 3)}, "a weight of 10 is that of the baseline"


# What is kept.


@pytest.mark.parametrize(
    ("objective", "recall", "kept", "says"),
    [
        (0.52, 0.4, True, "macro-F1 0.500 -> 0.520"),
        (0.52, 0.36, True, "0.400 -> 0.360"),
        (0.52, 0.34, False, "0.400 -> 0.340: too much of it lost since it was 0.400"),
        (0.52, None, True, "better"),
        (0.4, 0.9, False, "not better"),
        (None, None, False, "did not end"),
    ],
)
def test_a_round_is_kept_if_it_is_better_and_rare_labels_are_not_given_up(
    objective: float | None, recall: float | None, kept: bool, says: str
) -> None:
    new = outcome(objective=objective, recall=recall)
    decided, why = judge(new, [first()], "f1_macro")
    assert decided == kept
    assert says in why


@pytest.mark.parametrize(
    ("objective", "ranking", "kept"),
    [
        (0.491, 0.31, True),
        (0.491, 0.3, False),
        (0.509, 0.31, True),
        (0.509, 0.29, False),
        (0.489, 0.9, False),
        (0.511, 0.1, True),
    ],
)
def test_where_chance_may_have_moved_the_objective_the_better_ranking_is_kept(
    objective: float, ranking: float, kept: bool
) -> None:
    new = outcome(objective=objective, ranking=ranking)
    decided, why = judge(new, [first()], "f1_macro")
    assert decided == kept
    assert ("within chance" in why) == (0.49 <= objective <= 0.51)


def test_better_rankings_do_not_lead_the_objective_down_step_by_step() -> None:
    rounds = then([first()], [], kept=True, objective=0.492, ranking=0.31)
    lower = outcome(objective=0.488, ranking=0.32)
    assert not judge(lower, rounds, "f1_macro")[0]


def test_better_objectives_do_not_lead_recall_down_step_by_step() -> None:
    rounds = then([first()], [], kept=True, objective=0.52, recall=0.36)
    kept, why = judge(outcome(objective=0.54, recall=0.34), rounds, "f1_macro")
    assert not kept
    assert "0.360 -> 0.340: too much of it lost since it was 0.400" in why


def test_recall_of_a_round_that_was_undone_is_no_measure() -> None:
    rounds = then([first()], [], kept=False, objective=0.4, recall=0.9)
    assert judge(outcome(objective=0.52, recall=0.38), rounds, "f1_macro")[0]


def test_an_objective_that_is_the_ranking_itself_is_compared_as_it_is() -> None:
    new = outcome(objective=0.501, ranking=0.501)
    kept, why = judge(new, [first(ranking=0.5)], "average_precision_macro")
    assert kept
    assert "within chance" not in why


def test_a_round_whose_ranking_is_not_known_is_judged_by_its_objective() -> None:
    assert judge(outcome(objective=0.501), [first(ranking=None)], "f1_macro")[0]


def test_the_baseline_is_kept_and_so_is_what_follows_one_that_did_not_end() -> None:
    broken = outcome(objective=None)
    after = [done(1, None, [], broken, True, "")]
    assert judge(broken, [], "f1_macro")[0]
    assert judge(outcome(), after, "f1_macro")[0]
    assert judge(broken, after, "f1_macro")[0], "a lower rate is tried from there"


def test_the_best_round_is_the_one_kept_last() -> None:
    rounds = then([first()], [], kept=False)
    rounds = then(rounds, [], kept=True)
    rounds = then(rounds, [], kept=False)
    assert best_of(rounds).number == 3
    assert [each.number for each in ancestors(rounds, 3)] == [1, 3]


# When it stops.


def section(**values: Any) -> TuningSection:
    return TuningSection.model_validate(values)


@pytest.mark.parametrize(
    ("rounds", "terms", "reason"),
    [
        ([], {}, None),
        ([first()], {}, "healthy"),
        ([first(finding("zero-recall", "a", "watch"))], {}, "healthy"),
        ([first(finding("zero-recall", "a"))], {}, None),
        ([first(finding("zero-recall", "a"))], {"budget_runs": 1}, "budget-runs"),
        ([first(finding("zero-recall", "a"))], {"budget_minutes": 1.9}, "budget-minutes"),
        ([first(finding("zero-recall", "a"))], {"budget_minutes": 2.1}, None),
    ],
)
def test_reasons_to_stop(rounds: list[Round], terms: dict, reason: str | None) -> None:
    assert stop_reason(rounds, section(**terms)) == reason


def test_health_is_that_of_the_best_round() -> None:
    sick = finding("zero-recall", "a")
    assert stop_reason(then([first(sick)], [], kept=False), section()) is None
    assert stop_reason(then([first(sick)], [], kept=True), section()) == "healthy"


def test_the_sentence_says_what_was_spent() -> None:
    assert "(1 run, 1 min)" in stop_sentence("budget-runs", [first()])
    assert "nothing is left" in stop_sentence("nothing-left", [first()])


def test_a_round_is_the_same_once_it_was_written_down() -> None:
    rounds = [first(finding("zero-recall", "a"), recall=None)]
    rounds = then(rounds, plan(rounds), finding("oscillating"), kept=True)
    assert [Round.model_validate_json(to_json(each)) for each in rounds] == rounds
