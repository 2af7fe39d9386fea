"""Signals end a command as Ctrl-C does; what is ignored stays ignored."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from imbtool.distributed.signals import (
    Stopped,
    hangups_noted,
    stop_on_signals,
    stopped_by_signals,
)

ENDINGS = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    numbers = (*ENDINGS, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", ENDINGS)
def test_a_signal_ends_the_block(number: int) -> None:
    with pytest.raises(Stopped) as stopped, stopped_by_signals():
        os.kill(os.getpid(), number)
    assert stopped.value.signum == number


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals(), stop_on_signals(second_stops=True) as request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert request.signum is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", ENDINGS)
def test_a_training_notes_the_first_and_ends_at_the_second(number: int) -> None:
    twice = stop_on_signals(second_stops=True)
    with pytest.raises(Stopped), stopped_by_signals(), twice as request:
        os.kill(os.getpid(), number)
        assert request.signum == number
        os.kill(os.getpid(), number)


def test_a_stop_that_was_dropped_comes_at_the_end_of_the_block():
    with pytest.raises(Stopped) as stopped, stopped_by_signals(), suppress(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.signum == signal.SIGTERM


def test_a_hangup_asks_a_server_to_read_its_files_and_stops_nothing():
    with stopped_by_signals(), hangups_noted() as hangup:
        with stop_on_signals(second_stops=True, hangup_stops=False) as request:
            assert not hangup.wanted
            os.kill(os.getpid(), signal.SIGHUP)
            assert (hangup.wanted, request.signum) == (True, None)
            os.kill(os.getpid(), signal.SIGTERM)
        assert request.signum == signal.SIGTERM
