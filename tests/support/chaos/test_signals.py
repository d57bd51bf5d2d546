"""A paused process stands, goes on again whatever happens, and no other one is ever hit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.chaos.signals import kill, pause, paused, resume
from tests.support.cluster import wait_for
from tests.support.processes import Process, process

# Two threads that never sleep for long, and a byte for each turn of one of them.
PROGRAM = """
import sys, threading, time
def idle():
    while True: time.sleep(0.01)
threading.Thread(target=idle, daemon=True).start()
while True:
    sys.stdout.buffer.write(b"."); sys.stdout.buffer.flush(); time.sleep(0.001)
"""
WITHIN_S = 10.0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        try:
            assert started.stdout.read(1) == b"."
            yield started
        finally:
            started.kill()


def test_all_threads_stand_inside_and_run_afterwards(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    with paused(child.pid):
        assert process(child.pid).states == "TT"
        assert process(child.pid).is_paused
        os.set_blocking(child.stdout.fileno(), False)
        while child.stdout.read(1 << 16):
            pass
        os.set_blocking(child.stdout.fileno(), True)
        assert process(child.pid).is_paused
    assert not process(child.pid).is_paused
    assert child.stdout.read(1) == b".", "the pipe was empty: it has gone on"


def test_it_goes_on_after_an_error_inside(child: subprocess.Popen[bytes]) -> None:
    def fail() -> None:
        assert not process(child.pid).is_paused, "it stood"

    with pytest.raises(AssertionError, match="it stood"), paused(child.pid):
        fail()
    assert not process(child.pid).is_paused


def test_who_was_paused_goes_on_although_another_one_cannot_be(
    child: subprocess.Popen[bytes],
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(ProcessLookupError), paused(child.pid, gone.pid):
        raise AssertionError("unreachable")
    assert not process(child.pid).is_paused


def test_a_paused_process_can_be_killed(child: subprocess.Popen[bytes]) -> None:
    with paused(child.pid):
        kill(child.pid)
        assert child.wait() == -9
    kill(child.pid)
    with pytest.raises(ProcessLookupError):
        pause(child.pid)


def test_a_process_that_nobody_waits_for_counts_as_dead(child: subprocess.Popen[bytes]) -> None:
    victim = process(child.pid)
    child.kill()
    wait_for(lambda: not victim.is_alive, WITHIN_S, lambda: victim.states)
    with pytest.raises(ProcessLookupError):
        process(child.pid)


def test_a_pid_that_was_used_again_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    now = pause(child.pid)
    predecessor = Process(now.pid, now.started_at - 1)
    assert not predecessor.is_alive
    resume(predecessor)
    assert now.is_paused, "another process was signalled"
    resume(now)
    assert not now.is_paused
