"""The restart decisions with a clock that the test holds."""

from __future__ import annotations

import signal

from ops.restarts import STORE_REFUSED_EXIT, USAGE_EXIT, Policy, Restarts, Verdict

POLICY = Policy(first_s=0.1, longest_s=1.0, settled_s=10.0, startup_tries=3)


def running(name: str = "node-1", *, ready: bool = True) -> Restarts:
    restarts = Restarts(POLICY)
    restarts.started(name, 0.0)
    if ready:
        restarts.cluster_ready()
    return restarts


def test_delay_doubles_and_is_bounded() -> None:
    restarts, now, delays = running(), 0.0, []
    for _ in range(7):
        decision = restarts.ended("node-1", -9, now)
        assert decision.verdict is Verdict.RESTART
        assert decision.at is not None
        delays.append(decision.delay_s)
        now = decision.at
        restarts.started("node-1", now)
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_a_settled_life_starts_over() -> None:
    restarts = running()
    for _ in range(4):
        restarts.ended("node-1", 1, 0.0)
        restarts.started("node-1", 0.0)
    assert restarts.ended("node-1", 1, 10.0).delay_s == 0.1


def test_due_only_when_its_moment_has_come() -> None:
    restarts = running()
    restarts.ended("node-1", -9, 5.0)
    assert restarts.next_at() == 5.1
    assert restarts.due(5.05) == []
    assert restarts.due(5.1) == ["node-1"]
    restarts.started("node-1", 5.1)
    assert restarts.due(100.0) == []
    assert restarts.next_at() is None


def test_a_refusal_is_final_until_started_by_hand() -> None:
    for code in (USAGE_EXIT, STORE_REFUSED_EXIT, -int(signal.SIGALRM)):
        restarts = running()
        assert restarts.ended("node-1", code, 20.0).verdict is Verdict.REFUSED
        assert restarts.due(1e9) == []
        assert restarts.refused() == ["node-1"]
        restarts.started("node-1", 30.0)
        assert restarts.refused() == []


def test_a_start_gives_up_but_a_running_cluster_never_does() -> None:
    starting = running(ready=False)
    verdicts = [starting.ended("node-1", 1, 0.0).verdict for _ in range(3)]
    assert verdicts == [Verdict.RESTART, Verdict.RESTART, Verdict.GAVE_UP]
    ready = running()
    assert all(ready.ended("node-1", 1, 0.0).verdict is Verdict.RESTART for _ in range(1000))


def test_processes_do_not_share_a_count() -> None:
    restarts = running("node-1")
    restarts.started("edge-1", 0.0)
    for _ in range(3):
        restarts.ended("node-1", 1, 0.0)
    assert restarts.ended("edge-1", 1, 0.0).delay_s == 0.1


def test_who_was_stopped_for_good_is_not_started_again() -> None:
    restarts = running()
    restarts.ended("node-1", -9, 0.0)
    restarts.forget("node-1")
    restarts.forget("node-1")
    assert restarts.due(1_000.0) == []
    assert restarts.next_at() is None
