"""The README's words are true: its curl lines run as they stand, its commands exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.cli import COMMANDS
from ops.processes import SOURCE_ROOT
from tests.support.cluster import Cluster

TEXT = (SOURCE_ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, word: str) -> str:
    """The fenced block of a language that holds a word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return next(text for text in blocks if word in text)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_lines_send_and_read_a_message(cluster: Cluster, tmp_path: Path) -> None:
    script = block("", "curl $HUB/channels")
    script = script.replace("http://127.0.0.1:8080", cluster.url)
    script = script.replace("data/run", str(cluster.dir / "run"))
    script = script.replace(".venv/bin/python", sys.executable)
    script = script.replace("curl ", "curl -sS --fail-with-body ").replace("group:tea", "group:rd")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("The kettle is on") == 1
    assert '"created":true' in done.stdout
    assert '"token"' in done.stdout


def test_every_command_that_it_names_exists() -> None:
    named = set(re.findall(r"hubbub (\w+)", TEXT))
    assert {"demo", "up", "down", "status", "bench", "node"} <= named
    assert named <= COMMANDS.keys()


def test_every_file_that_it_names_exists() -> None:
    named = re.findall(r"`((?:hubbub|node|router|edge|ops)/[\w/.]*)`", TEXT)
    assert len(named) > 10
    assert [name for name in named if not (SOURCE_ROOT / name).exists()] == []


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 10
    assert [link for link in links if not (SOURCE_ROOT / link).exists()] == []


def test_the_two_commands_stand_where_machines_look_for_them() -> None:
    on_all_cores = ".venv/bin/pytest -n auto --dist loadfile"
    for name, last in (("demo", ".venv/bin/hubbub demo"), ("test", on_all_cores)):
        found = re.search(rf"<!-- command: {name} -->\n```\n(.+)\n```", TEXT)
        assert found is not None
        assert found[1].startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert found[1].endswith(last)
