"""Signals ask a run to stop; it stops between two steps, after its state is saved."""

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


@contextmanager
def stop_on_signals(insist: bool) -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM instead of acting on them.

    Args:
        insist: a second signal acts at once. Not so among several processes: there the launcher
            passes on what the terminal has sent already.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

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
