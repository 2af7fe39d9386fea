"""The loop: rounds kept and undone, budgets, and a decision log that survives a kill at any moment.

Training is replaced by a script of what rounds reach; tests/cli/test_tune.py trains in earnest.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finishedruns import epoch, label

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.distributed.signals import Stopped
from imbtool.errors import NotFiniteError, Problem, UserError
from imbtool.files.locks import locked
from imbtool.trained.metadata import read_meta
from imbtool.training.setup import RunInputs
from imbtool.tuning import loop as session
from imbtool.tuning.history import Round
from imbtool.tuning.loop import TuningResult, resume, tune
from imbtool.tuning.summary import TuningSummary

Document = dict[str, Any]
Script = dict[int, Document]
"""By round: macro-F1, and figures of labels; what is not said is as in the round before."""

NAMES = ("abuse", "insults", "praise", "spying", "threats", "violence")
SILENT = {"threats": {"recall": 0.0, "precision": 0.0}}
WELL: Document = {"threats": {}}


class Training:
    """Stands in for `imbtool.training.run`: writes the folder of a run that reached its script."""

    def __init__(self, template: Path, script: Script) -> None:
        self.template, self.script = template, script
        self.profiles: list[Profile] = []
        self.resumed: list[str] = []
        self.stop_in: int | None = None

    def train(self, profile: Profile, folder: Path, *_: Any, inputs: RunInputs) -> None:
        self.profiles.append(profile)
        shutil.copytree(self.template, folder, symlinks=True)
        if int(folder.name) == self.stop_in:
            (folder / "events.jsonl").write_text("")
            raise Stopped(15)
        self._write(folder, profile)

    def resume(self, folder: Path, *_: Any, inputs: RunInputs) -> None:
        self.resumed.append(folder.name)
        self._write(folder, read_profile(folder / "profile.yaml"))

    def _write(self, folder: Path, profile: Profile) -> None:
        reached = self.script[int(folder.name)]
        rate = {"value": reached.get("rate", 1e-4)}
        start = {"event": "start", "learning_rate": rate, "epochs": profile.training.epochs}
        if "error" in reached:
            self._events(folder, [start])
            raise NotFiniteError(Problem("training step 3", reached["error"], "", ""))
        labels = {name: label(**reached.get("labels", {}).get(name, {})) for name in NAMES}
        kept = epoch(1, labels=labels, f1_macro=reached["f1"])
        self._events(folder, [start, kept.model_dump(), {"event": "end"}])

    def _events(self, folder: Path, events: list[Document]) -> None:
        lines = [json.dumps(event) + "\n" for event in events]
        (folder / "events.jsonl").write_text("".join(lines))


@pytest.fixture
def training(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Training]:
    """Let rounds reach what a script says; all labels are rare."""
    path = project / "runs" / "first" / "checkpoint" / "imbtool.json"
    meta = json.loads(path.read_text())
    for row in meta["labels"].values():
        row |= {"tier": "moderate", "threshold": 0.5}
    path.write_text(json.dumps(meta))

    def use(script: Script) -> Training:
        made = Training(project / "runs" / "first", script)
        monkeypatch.setattr(session, "training", made)
        return made

    return use


def settings(**sets: object) -> Profile:
    values = {"tuning.proxy": False} | {key.replace("__", "."): sets[key] for key in sets}
    overrides = [Override(key, str(value), key) for key, value in values.items()]
    return read_profile(Path("profile.yaml"), overrides)


def start(name: str = "t", **sets: object) -> TuningResult:
    return tune(settings(**sets), Path("runs") / name, lambda event: None, ["imbtool", "tune"])


def go_on(name: str = "t", **budget: int) -> TuningResult:
    overrides = [Override(f"tuning.{key}", str(value), key) for key, value in budget.items()]
    return resume(Path("runs") / name, lambda event: None, [], overrides)


def decisions(name: str = "t") -> list[Document]:
    lines = (Path("runs") / name / "decisions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def told(done: Round) -> set[tuple[str, str | None, float]]:
    return {(change.key, change.label, change.after) for change in done.changes}


GAMMA_UP = ("loss.gamma", "threats", 3)
WEIGHT_UP = ("weights.custom", "threats", 4.5)


def test_a_healthy_baseline_ends_it_at_once(training: Any) -> None:
    made = training({1: {"f1": 0.6}})
    summary = start().summary
    assert summary.stop.reason == "healthy"
    assert summary.changes == []
    assert made.profiles == [settings()]


def test_a_change_that_helps_is_kept_and_built_upon(training: Any) -> None:
    made = training(
        {
            1: {"f1": 0.4, "labels": SILENT},
            2: {"f1": 0.5, "labels": SILENT},
            3: {"f1": 0.6, "labels": WELL},
        }
    )
    summary = start().summary
    assert [told(each) for each in summary.rounds] == [set(), {GAMMA_UP}, {WEIGHT_UP}]
    assert [each.kept for each in summary.rounds] == [True, True, True]
    assert [each.base for each in summary.rounds] == [None, 1, 2]
    last = made.profiles[-1]
    assert (last.loss.gamma_of("threats"), last.weights.custom) == (3, {"threats": 4.5})
    assert last.loss.gamma_of("praise") == 2
    assert (summary.best_round, summary.stop.reason) == (3, "healthy")
    assert dict(summary.objective) == {"name": "f1_macro", "baseline": 0.4, "best": 0.6}


def test_a_change_that_does_not_help_is_undone(training: Any) -> None:
    made = training(
        {
            1: {"f1": 0.4, "labels": SILENT},
            2: {"f1": 0.3, "labels": SILENT},
            3: {"f1": 0.35, "labels": SILENT},
        }
    )
    summary = start().summary
    assert [told(each) for each in summary.rounds] == [set(), {GAMMA_UP}, {WEIGHT_UP}]
    assert [each.kept for each in summary.rounds] == [True, False, False]
    assert made.profiles[-1].loss.gamma_of("threats") == 2, "the second try is from the baseline"
    assert (summary.best_round, summary.stop.reason) == (1, "nothing-left")


def test_a_better_objective_does_not_buy_the_recall_of_rare_labels(training: Any) -> None:
    fallen = {name: {"recall": 0.5} for name in NAMES}
    training({1: {"f1": 0.4, "labels": SILENT}, 2: {"f1": 0.6, "labels": fallen}})
    summary = start(tuning__budget_runs=2).summary
    assert not summary.rounds[1].kept
    assert "too much of it lost" in summary.rounds[1].why


@pytest.mark.parametrize(
    ("budget", "runs", "reason"),
    [
        ({"tuning__budget_runs": 2}, 2, "budget-runs"),
        ({"tuning__budget_minutes": 1e-7}, 1, "budget-minutes"),
    ],
)
def test_it_stops_at_the_budget(training: Any, budget: Any, runs: int, reason: str) -> None:
    made = training({number: {"f1": number / 10, "labels": SILENT} for number in range(1, 9)})
    assert start(**budget).summary.stop.reason == reason
    assert len(made.profiles) == runs


def test_the_result_is_the_best_round_with_its_profile_and_the_reasons(training: Any) -> None:
    training({1: {"f1": 0.4, "labels": SILENT}, 2: {"f1": 0.5, "labels": WELL}})
    result = start()
    folder = result.folder
    best = folder / "rounds" / "2"
    weights = "checkpoint/model.safetensors"
    assert (folder / weights).read_bytes() == (best / weights).read_bytes()
    assert read_meta(folder / "checkpoint").labels.keys() == set(NAMES)
    assert (folder / "manifest.json").read_text() == (best / "manifest.json").read_text()
    text = (folder / "tuned-profile.yaml").read_text()
    assert "    threats: 3  # 2 -> 3 in round 2: none of 40 positives found\n" in text
    assert read_profile(folder / "tuned-profile.yaml").loss.gamma == {"threats": 3}
    assert read_profile(folder / "profile.yaml") == settings()
    assert not list(best.glob("last*")), "what resuming needs is three times the model"


def test_every_finding_change_and_outcome_is_written_down(training: Any) -> None:
    training({1: {"f1": 0.4, "labels": SILENT}, 2: {"f1": 0.5, "labels": WELL}})
    start()
    records = decisions()
    assert [record["event"] for record in records] == [
        "session", "round", "result", "round", "result", "stop"
    ]  # fmt: skip
    (finding,) = records[2]["result"]["outcome"]["findings"]
    assert (finding["id"], finding["label"], finding["verdict"]) == (
        "zero-recall",
        "threats",
        "act",
    )
    assert records[3]["changes"][0]["because"] == finding["message"]
    assert records[5]["reason"] == "healthy"


def test_a_loss_that_is_not_finite_lowers_the_rate_until_it_trains(training: Any) -> None:
    made = training(
        {
            1: {"error": "loss nan", "rate": 1e-3},
            2: {"error": "loss nan", "rate": 3e-4},
            3: {"f1": 0.5, "rate": 1e-4},
        }
    )
    summary = start(training__learning_rate=1e-3).summary
    assert [each.training.learning_rate for each in made.profiles] == [1e-3, 3e-4, 1e-4]
    assert (summary.best_round, summary.stop.reason) == (3, "healthy")


def test_no_round_that_ends_is_an_error_that_says_so(training: Any) -> None:
    training({number: {"error": "loss nan", "rate": 1e-4} for number in (1, 2)})
    with pytest.raises(UserError, match=r"no round trained to its end \(loss nan\)"):
        start(tuning__budget_runs=2)


def test_other_errors_end_it_with_their_own_message(training: Any) -> None:
    made = training({1: {"f1": 0.4, "labels": SILENT}})

    def full(*_: Any) -> None:
        raise UserError(Problem("runs/t", "no space left", "space", "free some"))

    made._write = full
    with pytest.raises(UserError, match="no space left"):
        start()
    assert [record["event"] for record in decisions()] == ["session", "round"]


# Killed at any moment.

STORY: Script = {
    1: {"f1": 0.4, "labels": SILENT},
    2: {"f1": 0.3, "labels": SILENT},
    3: {"f1": 0.5, "labels": SILENT},
    4: {"f1": 0.6, "labels": WELL},
}


def comparable(summary: TuningSummary) -> Document:
    """A summary without its times."""
    rounds = [each.model_copy(update={"seconds": 0}) for each in summary.rounds]
    changed = {"rounds": rounds, "budget": None, "stop": summary.stop.reason}
    return dict(summary) | changed


@pytest.mark.parametrize("lines", range(1, 10))
@pytest.mark.parametrize("half", ["", '{"event": "res'])
def test_killed_after_any_decision_it_goes_on_to_the_same_summary(
    lines: int, half: str, training: Any
) -> None:
    made = training(STORY)
    whole = start().summary
    path = Path("runs/t/decisions.jsonl")
    kept = path.read_text().splitlines(keepends=True)[:lines]
    path.write_text("".join(kept) + half)
    begun = sum('"event": "round"' in line for line in kept)
    for number in range(begun + 1, 5):
        shutil.rmtree(f"runs/t/rounds/{number}")
    made.profiles.clear()
    assert comparable(go_on().summary) == comparable(whole)
    assert len(made.profiles) == 4 - begun, "rounds whose training had ended are not repeated"
    assert made.resumed == []


def test_a_round_stopped_in_the_middle_is_resumed_not_repeated(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 2
    with pytest.raises(Stopped):
        start()
    summary = go_on().summary
    assert made.resumed == ["2"]
    assert len(made.profiles) == 4
    assert [each.kept for each in summary.rounds] == [True, False, True, True]


def test_the_minutes_of_a_round_are_those_of_all_processes_that_trained_it(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 2
    with pytest.raises(Stopped):
        start()
    events = [
        {"event": "start", "learning_rate": {"value": 1e-4}, "epochs": 1},
        {"event": "save", "step": 1, "seconds": 100.0},
        {"event": "save", "step": 2, "seconds": 200.0},
        {"event": "resume", "step": 2},
        {"event": "save", "step": 3, "seconds": 40.0},
    ]
    lines = [json.dumps(event) + "\n" for event in events]
    Path("runs/t/rounds/2/events.jsonl").write_text("".join(lines))
    assert 240 <= go_on().summary.rounds[1].seconds < 300


def test_a_round_goes_on_with_the_profile_that_it_was_decided_to_have(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 1
    with pytest.raises(Stopped):
        start(tuning__budget_runs=1)
    path = Path("runs/t/rounds/1/profile.yaml")
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 7"))
    resume(Path("runs/t"), lambda event: None, [], allow_changed=True)
    assert read_profile(path) == settings(tuning__budget_runs=1)


def test_a_round_killed_before_its_first_save_is_trained_anew(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 2
    with pytest.raises(Stopped):
        start()
    for path in Path("runs/t/rounds/2").glob("last*"):
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    made.stop_in = None
    go_on()
    assert made.resumed == []
    assert len(made.profiles) == 5


def test_a_finished_tuning_goes_on_with_a_larger_budget(training: Any) -> None:
    made = training(STORY)
    assert start(tuning__budget_runs=2).summary.best_round == 1
    assert go_on().summary.stop.reason == "budget-runs"
    assert len(made.profiles) == 2
    summary = go_on(budget_runs=8).summary
    assert (summary.best_round, summary.stop.reason) == (4, "healthy")
    assert len(made.profiles) == 4


def test_it_goes_on_with_the_budget_that_it_went_on_with_before(training: Any) -> None:
    made = training({number: {"f1": number / 10, "labels": SILENT} for number in range(1, 9)})
    start(tuning__budget_runs=1)
    go_on(budget_runs=3)
    summary = go_on().summary
    assert (len(made.profiles), summary.budget.runs) == (3, 3)
    assert go_on(budget_minutes=60).summary.budget.runs == 3


def test_it_does_not_go_on_with_another_profile_whatever_is_allowed(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 1
    with pytest.raises(Stopped):
        start()
    path = Path("runs/t/profile.yaml")
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 3"))
    with pytest.raises(UserError, match=r"training\.epochs \(2 -> 3\)"):
        resume(path.parent, lambda event: None, [], allow_changed=True)


def test_it_goes_on_where_the_same_data_have_moved(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    Path("train.csv").rename("moved.csv")
    path = Path("runs/t/profile.yaml")
    path.write_text(path.read_text().replace("train.csv", "moved.csv"))
    go_on(budget_runs=2)
    assert read_profile(Path("runs/t/tuned-profile.yaml")).data.train.name == "moved.csv"


def test_it_does_not_go_on_with_other_labels_whatever_is_allowed(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    with Path("train.csv").open("a") as stream:
        stream.write("x-1,hello,extra\n")
    with pytest.raises(UserError, match="other labels than at the start: extra"):
        resume(Path("runs/t"), lambda event: None, [], allow_changed=True)


def test_what_a_kill_left_of_a_finished_round_is_cleared_away(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    (Path("runs/t/rounds/1") / "last-7").mkdir()
    go_on()
    assert not list(Path("runs/t/rounds/1").glob("last*"))


def test_killed_before_the_first_decision_it_starts_anew(training: Any) -> None:
    training(STORY)
    folder = Path("runs/t")
    folder.mkdir()
    (folder / "profile.yaml").write_text("data:\n")
    (folder / "decisions.jsonl").write_text('{"event": "ses')
    start(tuning__budget_runs=1)
    assert decisions()[0]["event"] == "session"
    with pytest.raises(UserError, match="a run of this name"):
        start()


def test_a_run_is_one_commands(training: Any) -> None:
    training(STORY)
    with locked(Path("runs/t")), pytest.raises(UserError, match="another imbtool command at work"):
        start()
    start(tuning__budget_runs=1)
    before = decisions()
    with locked(Path("runs/t")), pytest.raises(UserError, match="another imbtool command at work"):
        go_on(budget_runs=2)
    assert decisions() == before


def test_a_manifest_that_is_gone_is_named_before_anything_is_written(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    Path("runs/t/rounds/1/manifest.json").write_text("{")
    before = Path("runs/t/checkpoint").readlink()
    with pytest.raises(UserError, match=r"rounds/1/manifest\.json"):
        go_on()
    assert Path("runs/t/checkpoint").readlink() == before


def test_damaged_events_of_a_round_are_named_not_decided_on(training: Any) -> None:
    made = training(STORY)
    made.stop_in = 1
    with pytest.raises(Stopped):
        start()
    Path("runs/t/rounds/1/events.jsonl").write_text('{"event": "epoch", "epoch": 1}\n')
    with pytest.raises(UserError, match=r"rounds/1/events\.jsonl:1"):
        go_on()
    assert made.resumed == []


def test_settings_that_are_missing_are_named(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    path = Path("runs/t/decisions.jsonl")
    path.write_text(path.read_text().replace('["loss.gamma", "insults", 2.0]', '["x", null, 2]'))
    with pytest.raises(UserError, match=r"result of round 1: settings\n  found     no loss\.gamma"):
        go_on(budget_runs=2)


def test_a_best_checkpoint_that_is_gone_is_named(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    shutil.rmtree("runs/t/rounds/1")
    with pytest.raises(UserError, match=r"rounds/1/checkpoint\n  found     no such folder"):
        go_on()


def test_it_does_not_go_on_with_other_data(training: Any) -> None:
    training(STORY)
    start(tuning__budget_runs=1)
    with Path("train.csv").open("a") as stream:
        stream.write("x-1,hello,abuse\n")
    with pytest.raises(UserError, match="other texts or labels"):
        go_on()
    assert resume(Path("runs/t"), lambda event: None, [], [], allow_changed=True).summary


# The frozen-encoder search.


FROZEN = {"tuning__proxy": True, "weights__moderate": "{ratio: 1.1, weight: 3}"}
"""All labels are rare to the rules as well."""


class Prefers:
    """A frozen encoder whose head ranks best with a weight of 2.1 for `threats`."""

    def __init__(self, profile: Profile, inputs: RunInputs) -> None:
        self.corpus = type("Corpus", (), {"labels": type("Labels", (), {"names": NAMES})})

    def average_precision(self, profile: Profile) -> float:
        return 0.3 - 0.01 * abs(profile.weights.custom.get("threats", 3.0) - 2.1)


def test_the_frozen_encoder_search_proposes_what_ranks_better_and_a_fine_tune_decides(
    training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    training({number: {"f1": 0.5 - 0.1 * number, "labels": SILENT} for number in (1, 2, 3)})
    monkeypatch.setattr(session, "freeze_encoder", Prefers)
    summary = start(**FROZEN, tuning__budget_runs=3).summary
    assert ("weights.custom", "threats", 2.1) in told(summary.rounds[1])
    assert {change.finding for change in summary.rounds[1].changes} == {"ranks-better"}
    assert not summary.rounds[1].kept
    assert told(summary.rounds[2]) == {GAMMA_UP}
    (found,) = [record for record in decisions() if record["event"] == "explored"]
    assert (found["base"], found["changes"]) == (
        1,
        [change.model_dump() for change in summary.rounds[1].changes],
    )


def test_a_tuning_that_goes_on_does_not_search_the_same_round_again(
    training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    training({number: {"f1": 0.5 - 0.1 * number, "labels": SILENT} for number in (1, 2, 3)})
    monkeypatch.setattr(session, "freeze_encoder", Prefers)
    start(**FROZEN, tuning__budget_runs=2)
    monkeypatch.setattr(session, "freeze_encoder", lambda *_: pytest.fail("was asked"))
    assert told(go_on(budget_runs=3).summary.rounds[2]) == {GAMMA_UP}


def test_a_resumed_tuning_proposes_what_an_undisturbed_one_does(
    training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "freeze_encoder", Prefers)
    script = {number: {"f1": 0.4, "labels": SILENT} for number in (1, 2, 3)}
    training(script)
    start("whole", **FROZEN, tuning__budget_runs=3)
    training(script)
    start("cut", **FROZEN, tuning__budget_runs=1)
    go_on("cut", budget_runs=3)
    rounds = [
        [record["changes"] for record in decisions(name) if record["event"] == "round"]
        for name in ("whole", "cut")
    ]
    assert rounds[0] == rounds[1]


def test_switched_off_the_guides_own_order_stands_and_no_head_is_fitted(
    training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    training({1: {"f1": 0.4, "labels": SILENT}, 2: {"f1": 0.5, "labels": WELL}})
    monkeypatch.setattr(session, "freeze_encoder", lambda *_: pytest.fail("was asked"))
    summary = start(tuning__proxy=False).summary
    assert told(summary.rounds[1]) == {GAMMA_UP}
