"""What a person reads."""

from __future__ import annotations

from typing import Any

from ops.copies import FailoverTold, NodeCopies, ShortSlots, added_up
from ops.health import Health, ProcessHealth, State
from ops.render import COLUMNS, place, sentences, status_table


def process(name: str, state: State = "ready", **more: Any) -> ProcessHealth:
    url = f"http://127.0.0.1:{10_000 + len(name)}"
    return ProcessHealth(name.split("-")[0], name, state, 4_194_304, url, **more)


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


def test_the_table_fits_80_columns() -> None:
    copies = NodeCopies(held=16_384, led=5_461, follower_lag_max=12_345)
    rows = [
        process("node-1", memory_bytes=91 << 20, age_s=11_520.0, slots_led=16_384, copies=copies),
        process("router-1", memory_bytes=44 << 20, age_s=65.0),
        process("edge-1", memory_bytes=44 << 20, age_s=65.0, connections=12_345),
        process("edge-12", "starting", reasons=["no_router"], memory_bytes=1 << 30, age_s=3.0),
    ]
    lines = status_table(cluster(*rows))
    assert max(map(len, lines)) <= COLUMNS
    text = "\n".join(lines)
    for word in ("DEGRADED", "1024 slots", "1 copy", "3h12m", "1m05s", "91 MB", "edge-12 says"):
        assert word in text
    assert "12345" in lines[3]
    assert "copies  " not in text, "one copy is no replication"


def test_copies_and_failovers_are_told() -> None:
    told = NodeCopies(
        led=1024,
        short={2: 3},
        follower_lag_max=9,
        failovers=(FailoverTold("node-2", 341, 42_000, 1),),
    )
    found = added_up(3, {"node-1": told}, short=[ShortSlots({2: [1, 2, 9]})])
    lines = status_table(cluster(process("node-1"), copies=3, replication=found))
    text = "\n".join(lines)
    assert "copies     1021 slots x 3, 3 slots x 2 of 3   lag 9" in text
    assert "failovers  341 slots in the last hour, from node-2, the last 42s ago" in text
    assert "3 slots have 2 of 3 copies (1-2,9)" in text
    assert max(map(len, lines)) <= COLUMNS
    assert lines[-1]


def test_long_sentences_are_folded_under_their_beginning() -> None:
    words = "what now   " + "word " * 40
    lines = sentences([words])
    assert len(lines) > 2
    assert all(line.startswith("           word") for line in lines[1:])
    assert max(map(len, lines)) <= COLUMNS
    assert sentences(["x " * 60], indent=2)[1].startswith("  x")


def test_the_place_of_a_url() -> None:
    assert place("http://10.0.0.1:8080") == "10.0.0.1:8080"
    assert place("tcp://host:7") == "host:7"
    assert place("ipc:///tmp/x") == "ipc"
    assert place("") == ""
