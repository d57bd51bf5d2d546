"""Waiting for signals without an event loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from ops.signals import Signals

SOON_S = 10.0  # the deadline of a wait that must end early


def test_a_stop_signal_ends_the_wait_and_is_counted() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
            signals.wait(SOON_S)
        assert signals.stop_count == 3
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_child_that_ends_wakes_but_does_not_stop() -> None:
    with Signals() as signals:
        process = subprocess.Popen([sys.executable, "-S", "-c", ""])
        signals.wait(SOON_S)
        process.wait()
        assert signals.stop_count == 0


def test_another_thread_may_end_the_wait() -> None:
    with Signals() as signals:
        thread = threading.Thread(target=signals.request_stop)
        thread.start()
        signals.wait(SOON_S)
        thread.join()
        assert signals.stop_count == 1


def test_wake_ups_do_not_pile_up() -> None:
    with Signals() as signals:
        for _ in range(100_000):
            signals.wake()
        signals.wait(SOON_S)
        for _ in range(100):
            signals.wait(0)  # drains what is left; a full pipe must not block `wake`
        signals.wake()
        signals.wait(SOON_S)
