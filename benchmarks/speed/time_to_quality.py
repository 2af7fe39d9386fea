"""How soon imbtool and transformers.Trainer reach which mean average precision on validation.

python -m benchmarks.speed.time_to_quality --data data/edos [--epochs 3]
    [--plot curves.png] [--json]

One after the other, each in a process of its own. The clock starts when model and rows are loaded
and tokenised. It counts the fit of imbtool's head and every step of all; it stands still while the
model is measured, which happens after the same steps for all, and between epochs, where imbtool
would choose thresholds and save. Nobody saves within an epoch.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from torch import nn

from benchmarks.shared.charts import curve_chart
from benchmarks.shared.contenders import Contender, WithImbtool, WithTrainer, default_trainer
from benchmarks.shared.replacing import replace_in
from benchmarks.shared.tasks import Task, profile_of, steps_an_epoch, with_training
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say, silence
from benchmarks.speed.throughput import STEPS, add_task_options, choose_best, make_task
from imbtool.data.corpus import read_corpus
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.events import Event

POINTS = 6
"""Measurements an epoch."""
NEVER_SAVE = 1e6
"""Minutes between two saved states."""
COLOURS = ("#6d737c", "#e0a030", "#4a83b5")
MARKS = ("s", "^", "o")


class Point(NamedTuple):
    """A model's mean average precision on validation after some seconds of training."""

    seconds: float
    quality: float


class Watch:
    """A clock that stands still while a model is measured."""

    def __init__(self, task: Task, per_epoch: int, measure: Callable[[nn.Module], float]) -> None:
        self.points: list[Point] = []
        share = per_epoch / POINTS
        self._due = {round(share * number) for number in range(1, round(task.steps / share) + 1)}
        self._measure = measure
        self._model: nn.Module | None = None
        self._step, self._seconds = 0, 0.0
        self._since: float | None = None

    def begin(self, model: nn.Module) -> None:
        """Measure a model that is about to be trained, then let the clock run."""
        self._model = model
        self._look()

    def saw(self, tokens: object) -> None:
        """Tokens do not matter here."""

    def after_step(self) -> None:
        """Measure if it is due."""
        self._step += 1
        if self._step in self._due:
            self._look()

    def go(self) -> None:
        """Let the clock run."""
        if self._since is None:
            self._since = time.perf_counter()

    def pause(self) -> None:
        """Stop the clock until `go`."""
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since
            self._since = None

    def _look(self) -> None:
        self.pause()
        assert self._model is not None
        self.points.append(Point(self._seconds, self._measure(self._model)))
        self.go()


def follow(contender: Contender, task: Task) -> list[Point]:
    """Train a contender in this process; the points that it went through."""
    silence()
    per_epoch = steps_an_epoch(read_corpus(profile_of(task)))
    watch = Watch(task, per_epoch, judge(task))
    if isinstance(contender, WithTrainer):
        contender.train(task, watch)
    else:
        train_whole_run(task, task.steps // per_epoch, watch)
    return watch.points


def judge(task: Task) -> Callable[[nn.Module], float]:
    """A function that gives a model's mean average precision on validation."""
    from transformers import AutoTokenizer

    from imbtool.model.encoder import TextModel
    from imbtool.model.encoder_files import encoder_folder

    profile = profile_of(task)
    validation = read_corpus(profile).validation
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder(profile.model.encoder))
    length = min(profile.model.max_length, tokenizer.model_max_length)
    encoded = TextModel(None, tokenizer, length).encode(validation.texts)

    def measure(model: nn.Module) -> float:
        scores = TextModel(model, tokenizer, length).logits_of(encoded)
        return mean_defined(average_precision(scores, validation.targets))

    return measure


def train_whole_run(task: Task, epochs: int, watch: Watch) -> None:
    """Train as `imbtool train` does, with the clock on between `start` and the last step."""
    from imbtool.training.loop import TrainingLoop
    from imbtool.training.run import train

    def watched_epoch(loop: TrainingLoop, after_step: Callable[[], None]) -> float:
        def after() -> None:
            after_step()
            watch.after_step()

        if watch.points:
            watch.go()
        else:
            watch.begin(loop.text_model.model)
        loss = run_epoch(loop, after)
        watch.pause()
        return loss

    def emit(event: Event) -> None:
        if event.event == "start":
            watch.go()  # for the fit of the head

    run_epoch = replace_in(TrainingLoop, "run_epoch", watched_epoch)
    profile = with_training(profile_of(task), epochs=epochs, save_every=NEVER_SAVE)
    with TemporaryDirectory() as folder:
        train(profile, Path(folder) / "run", emit, [])


def curves(contenders: Sequence[Contender], task: Task) -> dict[str, list[Point]]:
    """The points of every contender, one contender after the other."""
    context = multiprocessing.get_context("spawn")
    result = {}
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for contender in contenders:
            points = pool.submit(follow, contender, task).result()
            say(f"{points[-1].seconds:6.0f} s to {points[-1].quality:.4f}  {contender.name}")
            result[contender.name] = points
    return result


def summarise(points: dict[str, list[Point]]) -> dict[str, Any]:
    """The document: every curve, and when the last contender reached what the others ended with."""
    *_, ours = points.values()
    return {
        name: {
            "final": curve[-1].quality,
            "seconds": curve[-1].seconds,
            "reached_after": reached(ours, curve[-1].quality),
            "share": share_of(reached(ours, curve[-1].quality), curve[-1].seconds),
            "points": curve,
        }
        for name, curve in points.items()
    }


def reached(curve: Sequence[Point], quality: float) -> float | None:
    """Seconds to the first point that is at least so good."""
    return next((point.seconds for point in curve if point.quality >= quality), None)


def share_of(seconds: float | None, whole: float) -> float | None:
    """A part of a time, if it was ever reached."""
    return None if seconds is None else seconds / whole


def show(document: dict[str, Any]) -> str:
    """The document as a table."""
    head = ("", "mean AP", "seconds", "imbtool reaches it", "of its time")
    rows = [
        (
            name,
            f"{each['final']:.4f}",
            f"{each['seconds']:.1f}",
            "never" if each["share"] is None else f"{each['reached_after']:.1f} s",
            "" if each["share"] is None else f"{each['share']:.0%}",
        )
        for name, each in document.items()
    ]
    return table([head, *rows])


def plot(points: dict[str, list[Point]], data: str, path: Path) -> None:
    """Draw the curves as PNG; a dotted line stands where a contender of imbtool's ended."""
    cost = "seconds of training, measurements left out"
    with curve_chart(path, data, cost, "mean average precision on validation") as axes:
        for (name, curve), colour, mark in zip(points.items(), COLOURS, MARKS, strict=True):
            seconds, quality = zip(*curve, strict=True)
            axes.plot(seconds, quality, color=colour, marker=mark, markersize=4, label=name)
        for curve, colour in list(zip(points.values(), COLOURS, strict=True))[:-1]:
            axes.axhline(curve[-1].quality, color=colour, linestyle=":", linewidth=1)
        axes.set_ylim(bottom=0)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_task_options(parser)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves to this PNG")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a table."""
    options = parse()
    task = make_task(options, STEPS)
    best = choose_best(task, STEPS)
    per_epoch = steps_an_epoch(read_corpus(profile_of(task)))
    task = make_task(options, options.epochs * per_epoch)
    points = curves([default_trainer(), best, WithImbtool("imbtool")], task)
    document = summarise(points)
    print(show(document))
    if options.plot:
        plot(points, options.data.resolve().name, options.plot)
    if options.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
