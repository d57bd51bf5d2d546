"""Processes stand still at random, and go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.cluster import wait_for
from tests.support.pauses import Pauses, victims
from tests.support.processes import process

WITHIN_S = 20.0


@pytest.fixture
def started() -> Iterator[list[int]]:
    """One that is called as a node is, one that is not."""
    sleep = "import time; time.sleep(60)"
    words = (["-m", "node"], ["of", "nobody"])
    children = [subprocess.Popen([sys.executable, "-c", sleep, *more]) for more in words]
    yield [child.pid for child in children]
    for child in children:
        child.kill()
        child.wait()


def test_what_belongs_to_a_cluster_stands_still_for_a_moment(started: list[int]) -> None:
    node, other = started
    wait_for(lambda: node in victims(os.getpid()), WITHIN_S, lambda: str(started))
    assert other not in victims(os.getpid())
    pauses = Pauses(ms_max=60)
    pauses.start()
    try:
        for is_paused in (True, False, True):
            wait_for(
                lambda is_paused=is_paused: process(node).is_paused is is_paused,
                WITHIN_S,
                lambda: process(node).states,
            )
    finally:
        pauses.stop()
    wait_for(lambda: not process(node).is_paused, WITHIN_S, lambda: process(node).states)
