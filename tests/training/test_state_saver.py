"""When the state is saved: by minutes or by steps, and before a stop."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from imbtool.distributed.collectives import Ranks
from imbtool.distributed.signals import Stopped, StopRequest
from imbtool.training.loop import StateSaver


class Recorder:
    """A loop that notes at which steps it is saved."""

    def __init__(self) -> None:
        self.progress = SimpleNamespace(step=0)
        self.ranks = Ranks(SimpleNamespace(process_index=0, num_processes=1))
        self.saved: list[int] = []

    def save(self, link: Path) -> None:
        self.saved.append(self.progress.step)


def take_steps(loop: Recorder, saver: StateSaver, count: int) -> None:
    for _ in range(count):
        loop.progress.step += 1
        saver.after_step()


def test_every_so_many_steps():
    loop = Recorder()
    take_steps(loop, StateSaver(loop, Path("last"), "4 steps", StopRequest()), 10)
    assert loop.saved == [4, 8]


def test_every_so_many_minutes(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(0, 100_000, 50))  # a step takes 50 s, as the clock is read once or twice
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    loop = Recorder()
    take_steps(loop, StateSaver(loop, Path("last"), 2.5, StopRequest()), 10)
    assert loop.saved == [3, 6, 9]


def test_a_stop_saves_first():
    loop, request = Recorder(), StopRequest()
    saver = StateSaver(loop, Path("last"), "100 steps", request)
    take_steps(loop, saver, 2)
    request.signum = 15
    with pytest.raises(Stopped) as stopped:
        take_steps(loop, saver, 1)
    assert stopped.value.signum == 15
    assert loop.saved == [3]
