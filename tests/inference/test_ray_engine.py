"""How a command gets a Ray: what Ray raises becomes a message, and signals keep their meaning."""

import signal
from types import SimpleNamespace

import pytest

from imbtool.errors import UserError
from imbtool.inference.ray_engine import _connected


def stand_in(init) -> SimpleNamespace:
    return SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "--engine ray\n.*too slow\n"), ("here:1", "--address here:1\n.*too slow\n")],
)
def test_a_ray_that_cannot_be_had_is_a_message(address: str | None, said: str) -> None:
    def init(**options: object) -> None:
        raise Exception("too slow\nand more")  # Ray itself raises no other class where it is

    with pytest.raises(UserError, match=said), _connected(stand_in(init), address):
        pass


def test_a_ray_that_starts_too_slowly_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    starts: list[dict] = []

    def init(**options: object) -> None:
        starts.append(options)
        if len(starts) < 3:
            raise Exception("timed out")

    with caplog.at_level("WARNING", "imbtool"), _connected(stand_in(init), None):
        pass
    assert len(starts) == 3
    assert caplog.text.count("is started again") == 2


def test_a_ray_of_our_own_is_small_and_leaves_sigterm_as_it_is() -> None:
    asked: list[dict] = []

    def init(**options: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asked.append(options)

    before = signal.getsignal(signal.SIGTERM)
    with _connected(stand_in(init), None):
        assert signal.getsignal(signal.SIGTERM) == before
    assert asked[0]["address"] == "local"
    assert asked[0]["include_dashboard"] is False


def test_a_ray_that_is_there_is_used_and_stays() -> None:
    ray = SimpleNamespace(is_initialized=lambda: True)
    with _connected(ray, None):
        pass
