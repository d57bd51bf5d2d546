"""The README's words are true: its lines of curl, Python and JavaScript run as they stand, its
commands exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from ops.cli import COMMANDS
from ops.processes import SOURCE_ROOT
from tests.support.cluster import Cluster
from tests.support.requirement import program

WAIT_S = 60  # until a program has said what it is to say
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


def room(cluster: Cluster, name: str) -> str:
    """A token of somebody who is in the channel that stands for `group:tea`."""
    cluster.rest("POST", "/v1/channels", {"channel": name, "members": ["ann", "ben"]})
    return cluster.token("ann")


def says(words: list[str], *wanted: str) -> None:
    """Runs a program that goes on by itself until it has said all of this."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(SOURCE_ROOT)}
    left, heard = set(wanted), list[str]()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as running:
        watch = threading.Timer(WAIT_S, running.kill)
        watch.start()
        try:
            assert running.stdout is not None
            for line in running.stdout:
                heard.append(line)
                left -= {word for word in left if word in line}
                if not left:
                    break
        finally:
            watch.cancel()
            running.kill()
    assert not left, (left, heard)


def test_the_lines_of_python_send_and_hear(cluster: Cluster, tmp_path: Path) -> None:
    name = "group:rd-py"
    token, script = room(cluster, name), block("python", "from hubbub.client")
    file = tmp_path / "lines.py"
    lines = f"import asyncio, sys\n{script}\nasyncio.run(main(sys.argv[1]))\n"
    file.write_text(placed(lines, cluster, name), encoding="utf-8")
    says([sys.executable, str(file), token], "stored as", "Milk?")


def test_the_lines_of_javascript_send_and_hear(cluster: Cluster, tmp_path: Path) -> None:
    """Node.js imports no module from the network, so it is fetched first."""
    name = "group:rd-js"
    token, script = room(cluster, name), block("js", "/sdk/hubbub.js")
    with urllib.request.urlopen(f"{cluster.url}/sdk/hubbub.js") as served:
        (tmp_path / "hubbub.mjs").write_bytes(served.read())
    script = script.replace("http://127.0.0.1:8080/sdk/hubbub.js", "./hubbub.mjs")
    file = tmp_path / "lines.mjs"
    lines = f"const token = {json.dumps(token)};\n{placed(script, cluster, name)}"
    file.write_text(lines, encoding="utf-8")
    says([program("node"), "--experimental-websocket", str(file)], "Biscuits?")


def placed(script: str, cluster: Cluster, name: str) -> str:
    """The lines with this cluster's address and a channel of the test's own."""
    host = cluster.url.removeprefix("http://")
    return script.replace("127.0.0.1:8080", host).replace("group:tea", name)


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
