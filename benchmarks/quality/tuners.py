"""The methods that benchmarks/quality/tuning.py compares: `imbtool tune`, and Optuna's samplers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.shared.finetunes import Document, Part, cached, forget_weights, texts_trained
from benchmarks.shared.tasks import LEARNING_RATE
from benchmarks.shared.turns import say
from imbtool.events import Event
from imbtool.files.json_text import append_line
from imbtool.tuning.decision_log import (
    DECISIONS,
    ResultRecord,
    RoundRecord,
    SessionRecord,
    StopRecord,
)
from imbtool.tuning.guide import BOUNDS, CONSTRAINT, GAMMA, RATE, WEIGHT, Setting
from imbtool.tuning.loop import resume, tune

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

IMBTOOL = "imbtool"
SEARCHES = ("tpe", "random", "tpe-from-default")
STARTUP = 4
"""Random choices before TPE's own."""
RATES = (1e-5, BOUNDS[RATE][1])
"""The guide may go lower: searches are spared what surely trains nothing in so few steps."""
SCALES = (1 / 3, 3.0)
"""Of the weights: as far as severe labels have room, whose weight is 10 of at most 30."""


class Point(NamedTuple):
    """How far a method has come.

    Attributes:
        texts: trained so far, and what else was spent.
        seconds: the same.
        best: objective of what it would hand over; None: of nothing yet.
    """

    texts: float
    seconds: float
    best: float | None


def run_method(name: str, part: Part, seed: int, fine_tunes: int) -> Document:
    """All that a method does on a part.

    Returns:
        `points` after each fine-tune, `fine_tunes`, `deciding` (texts and seconds), `stop` and
        `test`.
    """
    result = part.results / f"{name}-of-{fine_tunes}.json"
    if name == IMBTOOL:
        folder = part.cache / result.stem
        document = cached(result, lambda: by_imbtool(part, folder, fine_tunes))
    else:
        folder = part.fine_tunes
        document = cached(result, lambda: search(name, part, seed, fine_tunes))
    forget_weights(folder)
    return document


def by_imbtool(part: Part, run: Path, fine_tunes: int) -> Document:
    """`imbtool tune` with a budget of so many fine-tunes."""
    watch = Deciding(run.with_suffix(".jsonl"))
    if (run / DECISIONS).is_file():
        summary = resume(run, watch, []).summary
    else:
        shutil.rmtree(run, ignore_errors=True)
        budget = part.profile.tuning.model_copy(update={"budget_runs": fine_tunes})
        summary = tune(part.profile.model_copy(update={"tuning": budget}), run, watch, []).summary
    rounds, deciding = summary.rounds, watch.seconds()
    texts = [texts_trained(run / "rounds" / str(each.number)) for each in rounds]
    seconds = [each.seconds for each in rounds]
    # the median: a round that was killed and resumed has fewer seconds than it took
    pace = float(np.median(np.array(texts) / np.array(seconds)))
    found = [each.outcome.objective if each.kept else None for each in rounds]
    steps = zip(deciding, [*texts, 0], [*seconds, 0.0], [*found, None], strict=True)
    return {
        "points": climb(
            (many + pace * spent, took + spent, best) for spent, many, took, best in steps
        ),
        "fine_tunes": len(rounds),
        "deciding": {"texts": pace * sum(deciding), "seconds": sum(deciding)},
        "stop": summary.stop.sentence,
        "test": part.measure_test(run),
    }


class Deciding:
    """Writes down how long a tuning decides before each round, and before it stops."""

    def __init__(self, path: Path) -> None:
        self._path, self._since, self._round = path, time.monotonic(), 1

    def __call__(self, event: Event) -> None:
        """Follow the records of a tuning."""
        match event:
            case SessionRecord():
                self._round = event.runs_done + 1
            case ResultRecord(result=result):
                say(f"  round {self._round}: {result.why}, {result.seconds:.0f} s")
                self._round, self._since = self._round + 1, time.monotonic()
            case RoundRecord() | StopRecord() if (
                self._round > 1
            ):  # before the first one data are read
                seconds = time.monotonic() - self._since
                append_line(self._path, {"round": self._round, "seconds": seconds})

    def seconds(self) -> list[float]:
        """Before each round, and before the stop."""
        lines = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
        known = {line["round"]: line["seconds"] for line in lines}
        return [known.get(number, 0.0) for number in range(1, self._round + 1)]


def search(name: str, part: Part, seed: int, fine_tunes: int) -> Document:
    """Ask one of Optuna's samplers for settings and tell it what they reached, again and again."""
    study = make_study(name, part, seed)
    tried, attempts = [], []
    for number in range(1, fine_tunes + 1):
        trial = study.ask()
        tried.append(suggest(trial, part))
        made = part.fine_tune(tried[-1])
        objective = made["figures"].get("f1_macro") or 0.0  # training that broke off is the worst
        study.tell(trial, objective)
        attempts.append((made["texts"], made["seconds"], study.best_value))
        say(f"  {number} of {fine_tunes}: {objective:.4f}, {made['seconds']:.0f} s")
    return {
        "points": climb(attempts),
        "fine_tunes": fine_tunes,
        "deciding": {"texts": 0.0, "seconds": 0.0},
        "stop": "the budget of fine-tunes is spent",
        "test": part.on_test(tried[study.best_trial.number]),
    }


def make_study(name: str, part: Part, seed: int) -> Study:
    """A study of Optuna's whose choices hang on the seed and on what it is told alone."""
    try:
        import optuna
    except ModuleNotFoundError:
        fix = 'pip install "optuna>=5", or give --methods imbtool'
        raise SystemExit(f"Optuna is missing: {fix}") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = (
        optuna.samplers.RandomSampler(seed=seed)
        if name == "random"
        else optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    if name == "tpe-from-default":
        loss = part.profile.loss
        gamma = loss.gamma_of(part.labels[0].label)
        default = {"gamma": gamma, "scale": 1.0, "rate": LEARNING_RATE}
        study.enqueue_trial({**default, "constraint": loss.constraint})
    return study


def suggest(trial: Trial, part: Part) -> dict[Setting, float]:
    """A point of the space that is searched."""
    gamma = trial.suggest_float("gamma", *BOUNDS[GAMMA])
    scale = trial.suggest_float("scale", *SCALES, log=True)
    settings: dict[Setting, float] = {(RATE, None): trial.suggest_float("rate", *RATES, log=True)}
    if part.profile.labels.edges:
        settings[CONSTRAINT, None] = trial.suggest_float("constraint", *BOUNDS[CONSTRAINT])
    for label in part.labels:
        settings[GAMMA, label.label] = gamma
        settings[WEIGHT, label.label] = float(np.clip(scale * label.weight, *BOUNDS[WEIGHT]))
    return settings


def climb(attempts: Iterable[tuple[float, float, float | None]]) -> list[Point]:
    """Texts and seconds one after the other become sums.

    Args:
        attempts: texts, seconds, and the objective of what would be handed over after it; None:
            the same as before it.
    """
    points = [Point(0.0, 0.0, None)]
    for texts, seconds, objective in attempts:
        past = points[-1]
        best = past.best if objective is None else objective
        points.append(Point(past.texts + texts, past.seconds + seconds, best))
    return points[1:]
