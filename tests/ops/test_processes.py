"""How a process of the cluster is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops import processes
from ops.processes import (
    COMPACT,
    SOURCE_ROOT,
    compact_arguments,
    role_arguments,
    role_environment,
)


def test_the_current_folder_cannot_stand_in_for_ours(tmp_path: Path) -> None:
    """A checkout of another project may well have a folder called `node`."""
    intruder = tmp_path / "node"
    intruder.mkdir()
    (intruder / "__main__.py").write_text("print('intruder')")
    done = subprocess.run(
        role_arguments("node", tmp_path / "none.json"),
        cwd=tmp_path,
        env=role_environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "intruder" not in done.stdout
    assert done.returncode != 0


def test_a_source_tree_is_put_on_the_path() -> None:
    environment = role_environment({"PYTHONPATH": "/elsewhere", "HOME": "/h"})
    assert environment["PYTHONPATH"].split(":") == [str(SOURCE_ROOT), "/elsewhere"]
    assert environment["HOME"] == "/h"
    assert role_arguments("edge", Path("c.json"))[0] == sys.executable


def test_an_installed_hubbub_leaves_the_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SOURCE_ROOT", tmp_path)
    assert role_environment({"HOME": "/h"}) == {"HOME": "/h"}


def test_a_compact_process_is_called_with_the_config_of_each_role() -> None:
    words = compact_arguments({role: Path(f"{role}.json") for role in ("edge", "node", "router")})
    assert words[1:4] == ["-P", "-m", COMPACT]
    assert words[4:] == ["--node", "node.json", "--router", "router.json", "--edge", "edge.json"]
