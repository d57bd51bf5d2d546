"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes, or the making of one, is the machine's.
settings.register_profile("hubbub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubbub")


def pytest_configure() -> None:
    """A shell lets what it runs in the background ignore SIGINT, and so would all that tests start:
    those that send one would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hypothesis makes its tables of characters once a checkout, in 2 s and more, with the first
    text; the test that happens to draw it would be called slow."""
    if any(getattr(getattr(i, "obj", None), "is_hypothesis_test", False) for i in session.items):
        from hypothesis import find
        from hypothesis.strategies import text

        find(text(), lambda _: True)


@pytest.fixture(scope="session", autouse=True)
def pauses() -> Iterator[None]:
    """HUBBUB_PAUSES_MS: what the tests start stands still now and then (`support.pauses`)."""
    if not (ms_max := int(os.environ.get("HUBBUB_PAUSES_MS", "0"))):
        yield
        return
    from tests.support.pauses import Pauses

    running = Pauses(ms_max)
    running.start()
    yield
    running.stop()
