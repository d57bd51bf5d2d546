"""The last end of each process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from ops.ends import last_ends
from ops.restarts import STORE_REFUSED_EXIT
from ops.supervisor import Journal

AT = "2026-01-02T03:04:05.000Z"


def event(kind: str, name: str, **more: object) -> str:
    return json.dumps({"at": AT, "event": f"process.{kind}", "name": name, **more})


def test_only_ends_without_a_new_start_count() -> None:
    ends = last_ends(
        [
            event("started", "node-1"),
            event("ended", "node-1", exit_code=-9),
            event("started", "node-1"),
            event("ended", "node-2", exit_code=-9),
            event("ended", "node-3", exit_code=STORE_REFUSED_EXIT),
        ]
    )
    assert {name: (end.text, end.is_refusal) for name, end in ends.items()} == {
        "node-2": ("killed by SIGKILL", False),
        "node-3": (f"exit code {STORE_REFUSED_EXIT}", True),
    }
    assert ends["node-2"].ago_s(datetime(2026, 1, 2, 3, 4, 47, tzinfo=UTC)) == 42
    assert ends["node-2"].ago_s(datetime(2020, 1, 1, tzinfo=UTC)) == 0


def test_bad_lines_are_skipped(tmp_path: Path) -> None:
    lines = ["{", "[]", "null", "{}", event("ended", "x"), event("ended", "y", exit_code="z")]
    assert last_ends(lines) == {}
    assert (
        last_ends([json.dumps({"at": "x", "event": "process.ended", "name": "n", "exit_code": 1})])
        == {}
    )


def test_the_supervisors_own_lines_are_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.ndjson", lambda _text: None)
    journal.write("process.ended", role="node", name="node-1", pid=1, exit_code=-9)
    lines = (tmp_path / "events.ndjson").read_text().splitlines()
    assert last_ends(lines)["node-1"].text == "killed by SIGKILL"
