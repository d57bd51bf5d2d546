"""cluster.json: its names, its mode, and that a reader never sees half of it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ops import cluster_file
from ops.answer import Exit, Failure
from ops.cluster_file import ClusterFile, ProcessEntry

CONTENT = ClusterFile(
    11,
    "demo",
    "key",
    "s" * 32,
    [
        ProcessEntry("node", "node-1", 12, "http://127.0.0.1:1", "http://127.0.0.1:1"),
        ProcessEntry("router", "router-1", 13, "http://127.0.0.1:2", "http://127.0.0.1:2"),
        ProcessEntry("edge", "edge-1", 14, "http://127.0.0.1:8080", "http://127.0.0.1:3"),
    ],
)


def test_names_that_outside_programs_rely_on(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    cluster_file.write(path, CONTENT)
    content = json.loads(path.read_text())
    assert content["supervisor_pid"] == 11
    assert (content["app"], content["server_key"], content["token_secret"]) == (
        "demo",
        "key",
        "s" * 32,
    )
    assert content["nodes"] == [{"name": "node-1", "pid": 12, "url": "http://127.0.0.1:1"}]
    assert content["routers"] == [{"name": "router-1", "pid": 13, "url": "http://127.0.0.1:2"}]
    edge = content["edges"][0]
    assert (edge["name"], edge["pid"], edge["url"]) == ("edge-1", 14, "http://127.0.0.1:8080")


def test_read_gives_back_what_was_written_and_only_the_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    cluster_file.write(path, CONTENT)
    back = cluster_file.read(path)
    assert sorted(back.processes, key=lambda p: p.name) == sorted(
        CONTENT.processes, key=lambda p: p.name
    )
    assert back.server_key == "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_replaced_as_a_whole_even_over_a_left_part(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    (tmp_path / "cluster.json.part").write_text("{half")
    cluster_file.write(path, CONTENT)
    assert cluster_file.read(path).supervisor_pid == 11
    assert [p.name for p in tmp_path.iterdir()] == ["cluster.json"]


def test_missing_and_broken_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "run" / "cluster.json"
    path.parent.mkdir()
    with pytest.raises(Failure, match="no cluster runs in") as missing:
        cluster_file.read(path)
    assert missing.value.exit_code is Exit.NOT_FOUND
    for text in ("{", "[]", '{"supervisor_pid": 1}'):
        path.write_text(text)
        with pytest.raises(Failure, match="cannot read"):
            cluster_file.read(path)
