"""Starting and ending servers: ready when entered, gone when left, and a failure says why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ops.answer import Failure
from ops.bench import targets
from ops.bench.targets import SHAPES, Target, hubbub, reference


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_the_reference_ends_with_its_context() -> None:
    with reference() as target:
        assert is_running(target.pids[0])
        assert target.pids != [os.getpid()]
    assert not is_running(target.pids[0])


def test_it_ends_also_when_the_benchmark_breaks() -> None:
    pids: list[int] = []

    def breaks() -> None:
        with reference() as target:
            pids.extend(target.pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert not is_running(pids[0])


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr(targets, "_module", lambda _name: broken)
    with pytest.raises(Failure, match="did not start") as raised, reference():
        pass
    assert "no such luck" in raised.value.cause


def test_connections_are_spread_over_the_edges(target: Target) -> None:
    spread = Target("x", target.dialect, ["http://a", "http://b"], [])
    assert [spread.url_of(n) for n in range(4)] == ["http://a", "http://b", "http://a", "http://b"]


@pytest.mark.parametrize(("shape", "process_count"), [("single", 4), ("compact", 2)])
def test_a_shape_says_how_many_processes_are_measured(shape: str, process_count: int) -> None:
    with hubbub(SHAPES[shape], None) as target:
        assert len(set(target.pids)) == process_count
        assert len(target.admin_urls) == 3
        assert all(map(is_running, target.pids))
    assert not any(map(is_running, target.pids))
