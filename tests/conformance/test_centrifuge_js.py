"""The npm package `centrifuge` against `up --profile centrifuge-compat`, driven from Node.js.

The behaviours are our own list (js/suite.mjs): over WebSocket, SSE and HTTP streaming in JSON, over
WebSocket and HTTP streaming in Protobuf, through two edges.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.requirement import missing, program

SUITE = Path(__file__).with_name("js")
NODE_MAJOR_MIN = 20
TESTS = 102  # a suite that lost some of its tests has not passed

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the suite with its packages, outside of the source tree."""
    node, npm = program("node"), program("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
        missing("node", f"Node.js {version.strip()} is older than {NODE_MAJOR_MIN}")
    target = tmp_path_factory.mktemp("js") / "suite"
    shutil.copytree(SUITE, target, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=target,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        missing("node", f"npm install failed: {done.stderr[-500:]}")
    return target


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with Cluster("--profile", "centrifuge-compat", edges=2) as cluster:
        yield cluster


def test_every_behaviour_over_every_transport(installed: Path, server: Cluster) -> None:
    done = subprocess.run(
        [program("node"), "--test", "--test-reporter=tap", "suite.mjs"],
        cwd=installed,
        env={
            **os.environ,
            "HUBBUB_URLS": ",".join(server.urls),
            "HUBBUB_TOKEN_SECRET": server.token_secret,
            "HUBBUB_SERVER_KEY": server.server_key,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    counts = dict(re.findall(r"^# (tests|pass|fail|skipped|todo) (\d+)$", done.stdout, re.M))
    assert done.returncode == 0, f"{_failures(done.stdout)}\n{done.stderr}\n{server.said()}"
    assert int(counts["pass"]) == int(counts["tests"]) == TESTS, counts


def _failures(tap: str) -> str:
    """The tests that failed, each with the lines that say why."""
    lines = tap.splitlines()
    places = [n for n, line in enumerate(lines) if line.lstrip().startswith("not ok")]
    return "\n".join("\n".join(lines[place : place + 16]) for place in places)
