"""Signal handling: commands clean up when they are stopped, and a run saves its state first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A signal has stopped a run; its state was saved before."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"signal {signum}")


class StopRequest:
    """The signal that requested a stop; None as long as there was none."""

    signum: int | None = None


class HangupRequest:
    """Whether a SIGHUP has come that nobody has acted upon."""

    wanted: bool = False


def _endings() -> tuple[signal.Signals, ...]:
    """The signals that a scheduler or a closed terminal sends, if the system has them."""
    return tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that no incomplete file is left.

    A signal that is ignored (under `nohup`, for example) or handled already keeps its handler.
    Python discards exceptions that are raised in destructors: a stop that was lost that way is
    raised at the end of the block.
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
def hangups_noted() -> Iterator[HangupRequest]:
    """Record SIGHUP, with which an operator asks a server to read its files anew.

    It is recorded under `nohup`, too.
    """
    request = HangupRequest()
    number = getattr(signal, "SIGHUP", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may set handlers
        return

    def note(_: int, __: FrameType | None) -> None:
        request.wanted = True

    before = signal.signal(number, note)
    try:
        yield request
    finally:
        signal.signal(number, before)


@contextmanager
def stop_on_signals(second_stops: bool, hangup_stops: bool = True) -> Iterator[StopRequest]:
    """Record SIGINT, SIGTERM and SIGHUP instead of stopping at once.

    A SIGHUP that is ignored (under `nohup`, for example) stays ignored.

    Args:
        second_stops: whether a second signal stops at once. It must not with several processes,
            which receive each signal twice: from the terminal and from the launcher.
        hangup_stops: whether SIGHUP is one of these signals, or keeps its meaning.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may set handlers
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [each for each in _endings() if signal.getsignal(each) is not signal.SIG_IGN]
    if not hangup_stops:
        numbers = [each for each in numbers if each.name != "SIGHUP"]
    before = {number: signal.getsignal(number) for number in numbers}

    def note(signum: int, _: FrameType | None) -> None:
        request.signum = signum
        for number, handler in before.items() if second_stops else ():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
