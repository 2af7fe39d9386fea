"""Signals end a command without leaving halves; a run stops between two steps, its state saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A run that a signal ended after its state was saved."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"signal {signum}")


class StopRequest:
    """The signal that asked for a stop, or None."""

    signum: int | None = None


def _endings() -> tuple[signal.Signals, ...]:
    """The signals that end a program which does not handle them, from a terminal or a scheduler."""
    return tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that no half of a file is left.

    A signal that is ignored, as `nohup` has it, or handled stays so. Python drops what is raised
    while it clears objects away: a stop that was lost so comes at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    numbers = [each for each in _endings() if signal.getsignal(each) is signal.SIG_DFL]
    request = StopRequest()

    def stop(signum: int, _: FrameType | None) -> None:
        request.signum = signum
        raise Stopped(signum)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
        if request.signum is not None:
            raise Stopped(request.signum)
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_on_signals(insist: bool) -> Iterator[StopRequest]:
    """Note SIGINT, SIGTERM and SIGHUP instead of acting on them.

    A SIGHUP that is ignored, as `nohup` has it, stays so.

    Args:
        insist: a second signal acts at once. Not so among several processes: there the launcher
            passes on what the terminal has sent already.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may set handlers
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [each for each in _endings() if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in numbers}

    def note(signum: int, _: FrameType | None) -> None:
        request.signum = signum
        for number, handler in before.items() if insist else ():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
