"""What the answers of a cluster add up to."""

from __future__ import annotations

from typing import Any

import pytest

from ops.health import Health, ProcessHealth, State, state_of, table, what_now


def process(name: str, state: State = "ready", **more: Any) -> ProcessHealth:
    url = f"http://127.0.0.1:{10_000 + len(name)}"
    return ProcessHealth(name.split("-")[0], name, state, 4242, url, **more)


def cluster(*processes: ProcessHealth, **more: Any) -> Health:
    values: dict[str, Any] = {
        "app": "main",
        "processes": processes,
        "slots": 1024,
        "slots_led": 1024,
        "copies": 1,
        "map_revision": 7,
        "supervisor_runs": True,
    }
    return Health(**{**values, **more})


WHOLE = (process("node-1"), process("router-1"), process("edge-1"))


def test_healthy_only_when_everything_is() -> None:
    assert cluster(*WHOLE).verdict == "HEALTHY"
    assert cluster(*WHOLE, process("edge-2", "silent")).verdict == "DEGRADED"
    assert cluster(*WHOLE, slots_led=1023).verdict == "DEGRADED"
    assert cluster(*WHOLE, supervisor_runs=False).verdict == "DEGRADED"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_down_when_a_role_serves_nowhere(missing: int) -> None:
    down = [process(p.name, "down") if i == missing else p for i, p in enumerate(WHOLE)]
    assert cluster(*down).verdict == "DOWN"
    assert cluster(*down).unreachable == [WHOLE[missing].name]


def test_down_when_no_slot_is_served() -> None:
    assert cluster(*WHOLE, slots_led=0).verdict == "DOWN"


@pytest.mark.parametrize(
    ("runs", "status", "answer", "state", "reasons"),
    [
        (True, 200, {"ready": True}, "ready", []),
        (True, 503, {"reasons": ["no_router"]}, "starting", ["no_router"]),
        (True, 503, "not json", "starting", ["not ready"]),
        (True, None, None, "silent", ["no answer"]),
        (False, None, None, "down", []),
    ],
)
def test_states(
    runs: bool, status: int | None, answer: object, state: str, reasons: list[str]
) -> None:
    assert state_of(runs=runs, answer=answer, status=status) == (state, reasons)


def test_each_wrong_thing_gets_a_sentence() -> None:
    sick = cluster(
        process("node-1", "starting", reasons=["opening"]),
        process("router-1", "silent"),
        process("edge-1", "down"),
        supervisor_runs=False,
    )
    text = "\n".join(what_now(sick))
    for words in ("no supervisor", "node-1 says: opening", "router-1 (pid 4242)", "edge-1 is down"):
        assert words in text
    assert what_now(cluster(*WHOLE)) == []


def test_the_table_fits_80_columns() -> None:
    rows = [
        process("node-1", memory_bytes=91 << 20, age_s=11_520.0, slots_led=1024),
        process("router-1", memory_bytes=44 << 20, age_s=65.0),
        process("edge-1", memory_bytes=44 << 20, age_s=65.0),
        process("edge-12", "starting", reasons=["no_router"], memory_bytes=1 << 30, age_s=3.0),
    ]
    lines = table(cluster(*rows))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for word in ("DEGRADED", "1024 slots", "1 copy", "3h12m", "1m05s", "91 MB", "edge-12 says"):
        assert word in text


def test_json_leaves_out_what_is_not_known() -> None:
    row = cluster(process("edge-1", "down")).data()["edges"]
    assert row == [
        {"name": "edge-1", "state": "down", "pid": 4242, "url": "http://127.0.0.1:10006"}
    ]
