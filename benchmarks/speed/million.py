"""What it takes to start training on a million texts with 50 labels: memory, and minutes.

python -m benchmarks.speed.million [--texts 1000000] [--steps 100] [--encoder bundled] [--json]

The table is that of analyze.py; validation and test are split off from it. A process of its own
trains from the file to so many steps. Another one then starts from the tokens that the first has
kept, and stops after a step. Exit 1 if the first needs more than 4 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.shared.replacing import replace_in
from benchmarks.speed.analyze import FOLDER, ROOT, make_table
from imbtool.events import Event

MOST_MEMORY = 4 * 2**30
PROFILE = """\
data:
  train: {table}
  text: text
  labels: {{column: labels, separator: "|"}}
model:
  encoder: {encoder}
training:
  head_first: {head_first}
"""


class EnoughError(Exception):
    """As many steps are done as were asked for."""


class Stages:
    """Seconds of what a run does one after the other, and the peak of its memory up to then."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, int] = {}
        self._last = time.perf_counter()

    def ended(self, stage: str) -> None:
        """A stage ends now, and another one begins."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self.peaks[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._last = now

    def between(self, before: str, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The same work as a stage; what came before it is another one."""

        def staged(*arguments: Any) -> Any:
            self.ended(before)
            result = work(*arguments)
            self.ended(stage)
            return result

        return staged

    def hear(self, event: Event) -> None:
        """Take note of an event of the run."""
        if event.event in ("start", "head"):
            self.ended({"start": "rest", "head": "head"}[event.event])
        if event.event == "step" and event.at_step == self.steps:
            self.ended("steps")
            raise EnoughError


def measure(profile: Path, run: Path, steps: int) -> dict[str, Any]:
    """Train to so many steps; seconds, and the peak memory of this process, stage by stage."""
    stages = Stages(steps)
    from imbtool.config.reader import read_profile
    from imbtool.training import setup
    from imbtool.training.run import train

    stages.ended("rest")
    for name, stage in (("read_corpus", "reading"), ("encode_split", "tokenising")):
        replace_in(setup, name, stages.between("rest", getattr(setup, name), stage))
    try:
        train(read_profile(profile), run, stages.hear)
    except EnoughError:
        return {"seconds": stages.seconds, "peaks": stages.peaks}
    raise SystemExit(f"fewer than {steps} steps: give more --texts")


def in_own_process(folder: Path, name: str, profile: str, steps: int) -> dict[str, Any]:
    """A measurement; this process stays small, since a child's peak begins with its parent's."""
    path = folder / f"{name}.yaml"
    path.write_text(profile, encoding="utf-8")
    asked = ["--measure", str(path), "--steps", str(steps)]
    command = [sys.executable, "-m", "benchmarks.speed.million", *asked]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def start_twice(table: Path, texts: int, encoder: str, steps: int) -> dict[str, Any]:
    """Train to so many steps, then start again from the tokens that are kept."""
    where = encoder if not Path(encoder).exists() else str(Path(encoder).absolute())
    with TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        asked = {"table": table, "encoder": where}
        first, again = (
            in_own_process(folder, run, PROFILE.format(**asked, head_first=head_first), wanted)
            for run, head_first, wanted in (("first", "true", steps), ("again", "false", 1))
        )
        kept = sum(file.stat().st_size for file in folder.glob("token-cache/*"))
    return {
        "texts": texts,
        "encoder": encoder,
        "steps": steps,
        "peak_memory": max(first["peaks"].values()),
        "token_cache_bytes": kept,
        "first": first,
        "again": again,
    }


def show(document: dict[str, Any]) -> None:
    """The document as lines."""
    first, again = document["first"], document["again"]
    print(f"{document['texts']:,} texts, 50 labels, encoder {document['encoder']}")
    for stage, seconds in first["seconds"].items():
        name = f"{document['steps']} steps" if stage == "steps" else stage
        peak = first["peaks"][stage] / 2**30
        print(f"{name:<12} {seconds / 60:6.1f} min  peak {peak:.2f} GiB so far")
    print(f"tokens kept  {document['token_cache_bytes'] / 2**20:6.0f} MiB")
    parts = ", ".join(f"{stage} {seconds / 60:.1f}" for stage, seconds in again["seconds"].items())
    print(f"again        {sum(again['seconds'].values()) / 60:6.1f} min  ({parts})")
    most = MOST_MEMORY / 2**30
    print(f"peak memory  {document['peak_memory'] / 2**30:.2f} GiB, at most {most:g}")


def main() -> int:
    """Make the table if it is not there, measure, and print; exit 1 where it takes too much."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--encoder", default="bundled", help="as in a profile")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--measure", type=Path, metavar="PROFILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        run = options.measure.with_suffix("")
        print(json.dumps(measure(options.measure, run, options.steps)))
        return 0
    table = FOLDER / f"analyze-{options.texts}.csv"
    if not table.is_file():
        make_table(table, options.texts)
    document = start_twice(table, options.texts, options.encoder, options.steps)
    show(document)
    if options.json:
        print(json.dumps(document))
    return 0 if document["peak_memory"] <= MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
