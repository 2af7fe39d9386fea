"""When the state is saved: by minutes or by steps, and before a stop."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from imbtool.distributed.collectives import Ranks
from imbtool.distributed.signals import Stopped, StopRequest
from imbtool.training import saving
from imbtool.training.saving import Saver


class Recorder:
    """An engine that notes at which steps it is saved."""

    def __init__(self) -> None:
        self.progress = SimpleNamespace(step=0)
        self.ranks = Ranks(SimpleNamespace(process_index=0, num_processes=1))
        self.saved: list[int] = []

    def save(self, link: Path) -> None:
        self.saved.append(self.progress.step)


def take_steps(engine: Recorder, saver: Saver, count: int) -> None:
    for _ in range(count):
        engine.progress.step += 1
        saver.after_step()


def test_every_so_many_steps():
    engine = Recorder()
    take_steps(engine, Saver(engine, Path("last"), "4 steps", StopRequest()), 10)
    assert engine.saved == [4, 8]


def test_every_so_many_minutes(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(0, 100_000, 50))  # a step takes 50 s, as the clock is read once or twice
    monkeypatch.setattr(saving.time, "monotonic", lambda: next(clock))
    engine = Recorder()
    take_steps(engine, Saver(engine, Path("last"), 2.5, StopRequest()), 10)
    assert engine.saved == [3, 6, 9]


def test_a_stop_saves_first():
    engine, request = Recorder(), StopRequest()
    saver = Saver(engine, Path("last"), "100 steps", request)
    take_steps(engine, saver, 2)
    request.signum = 15
    with pytest.raises(Stopped) as stopped:
        take_steps(engine, saver, 1)
    assert stopped.value.signum == 15
    assert engine.saved == [3]
