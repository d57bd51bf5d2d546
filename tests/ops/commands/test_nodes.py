"""`hubbub nodes` on a running cluster, with fakes for processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops.answer import Exit
from ops.commands.nodes import free_names
from ops.directory import Directory
from tests.ops.fake_cluster import DEADLINE_S, Fake, is_running


def nodes(fake: Fake, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return fake.hubbub_in(Path.cwd(), "nodes", verb, "--dir", str(fake.dir), *words)


def rows(fake: Fake) -> dict[str, dict[str, Any]]:
    answer = json.loads(nodes(fake, "list", "--json").stdout)
    assert answer["schema"] == "hubbub.nodes/1"
    return {row["name"]: row for row in answer["data"]["nodes"]}


def of_nodes(fake: Fake) -> list[str]:
    return [entry.name for entry in fake.file.processes if entry.role == "node"]


def test_nodes_come_and_go_while_the_cluster_runs(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16")
    before = {entry.name: entry.pid for entry in fake.file.processes}
    added = nodes(fake, "add", "--count", "2")
    assert added.returncode == Exit.DONE, added.stderr
    assert "added node-3, node-4" in added.stdout
    assert of_nodes(fake) == ["node-1", "node-2", "node-3", "node-4"]
    assert before.items() <= {entry.name: entry.pid for entry in fake.file.processes}.items()
    assert {name: (row["up"], row["copies"]) for name, row in rows(fake).items()} == {
        "node-1": (True, 8),
        "node-2": (True, 8),
        "node-3": (True, 0),
        "node-4": (True, 0),
    }
    pid = fake.pid("node-3")
    removed = nodes(fake, "remove", "node-3")
    assert removed.returncode == Exit.DONE, removed.stderr
    fake.wait(lambda: of_nodes(fake) == ["node-1", "node-2", "node-4"])
    fake.wait(lambda: not is_running(pid))
    assert "node-3 was removed" in _said(fake)
    assert set(rows(fake)) == {"node-1", "node-2", "node-4"}


def test_a_restart_brings_the_nodes_that_there_are(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16")
    nodes(fake, "add", "--count", "2")
    nodes(fake, "remove", "node-3")
    fake.hubbub("down")
    fake.up()
    assert of_nodes(fake) == ["node-1", "node-2", "node-4"]
    fake.hubbub("down")
    refused = fake.hubbub("up", "--port", "0", "--nodes", "2")
    assert refused.returncode == Exit.CONFLICT
    assert "--nodes 3, not 2" in refused.stderr
    assert "hubbub nodes --help" in refused.stderr


def test_an_added_node_is_watched_like_the_others(fake: Fake) -> None:
    fake.up("--slots", "16")
    nodes(fake, "add", "node-5")
    pid = fake.pid("node-5")
    os.kill(pid, signal.SIGKILL)
    fake.wait(lambda: fake.pid("node-5") != pid)
    assert rows(fake)["node-5"]["up"]


def test_nodes_added_to_a_stopped_cluster_start_with_it(fake: Fake) -> None:
    fake.up("--slots", "16")
    fake.hubbub("down")
    added = nodes(fake, "add")
    assert added.returncode == Exit.DONE
    assert "start with the next `hubbub up`" in added.stderr
    fake.up()
    assert of_nodes(fake) == ["node-1", "node-2"]


def test_what_cannot_be_is_refused_with_the_cure(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16")
    held = nodes(fake, "remove", "node-1")
    assert (held.returncode, held.stdout) == (Exit.CONFLICT, "")
    assert "node-1 still holds copies of 8 slots" in held.stderr
    assert "hubbub nodes drain node-1" in held.stderr
    assert nodes(fake, "remove", "node-9").returncode == Exit.NOT_FOUND
    assert nodes(fake, "add", "node-1").returncode == Exit.CONFLICT
    assert nodes(fake, "add", "router-1").returncode == Exit.USAGE
    assert nodes(fake, "drain").returncode == Exit.USAGE
    (fake.dir / "nodes" / "node-7").mkdir()
    taken = nodes(fake, "add", "node-7", "--json")
    assert taken.returncode == Exit.CONFLICT
    assert "another name" in json.loads(taken.stdout)["data"]["try"]
    assert of_nodes(fake) == ["node-1", "node-2"]


def test_one_process_takes_no_more_nodes(fake: Fake) -> None:
    fake.up("--compact", "--slots", "16")
    refused = nodes(fake, "add")
    assert refused.returncode == Exit.CONFLICT
    assert "without --compact" in refused.stderr


def test_elsewhere_nodes_start_themselves(fake: Fake) -> None:
    fake.up("--slots", "16")
    url = f"solo:{fake.dir / 'coordinator.sqlite'}"
    listed = fake.hubbub_in(Path.cwd(), "nodes", "list", "--coordinator", url)
    assert "node-1" in listed.stdout or listed.returncode == Exit.DONE
    refused = fake.hubbub_in(Path.cwd(), "nodes", "add", "--coordinator", url)
    assert refused.returncode == Exit.USAGE
    assert "hubbub node --config FILE" in refused.stderr


@pytest.mark.parametrize(
    ("taken", "folders", "wanted", "names"),
    [
        ([], [], 2, ["node-1", "node-2"]),
        (["node-1", "node-3"], [], 2, ["node-2", "node-4"]),
        (["node-1"], ["node-2"], 1, ["node-3"]),
    ],
)
def test_names_are_never_those_of_old_data(
    tmp_path: Path, taken: list[str], folders: list[str], wanted: int, names: list[str]
) -> None:
    directory = Directory(tmp_path)
    for name in folders:
        directory.node_data(name).mkdir(parents=True)
    assert free_names(taken, directory, wanted) == names


def test_help_shows_examples(fake: Fake) -> None:
    for verb in ("list", "add", "drain", "undrain", "remove"):
        helped = nodes(fake, verb, "--help")
        assert f"hubbub nodes {verb}" in helped.stdout
        assert "Example" in helped.stdout


def _said(fake: Fake) -> str:
    fake.ups[-1].send_signal(signal.SIGTERM)
    _, errors = fake.ups[-1].communicate(timeout=DEADLINE_S)
    fake.up()
    return errors
