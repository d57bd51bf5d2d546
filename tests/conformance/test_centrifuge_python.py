"""The unmodified test suite of centrifuge-python 0.7.0 against `up --profile centrifuge-compat`.

The suite is obtained as its authors publish it (a source distribution) and run as they run it. It
hard-codes localhost:8000, so this test owns that port. 123 of its tests need no server: they run
here too, since the claim is the whole suite.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.requirement import missing, program

RELEASE = "0.7.0"
TESTS = 185
PORT = 8000
SUITE_TIMEOUT_S = 240

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(SUITE_TIMEOUT_S + 120)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    named = os.environ.get("HUBBUB_SDIST_CACHE")
    cache = Path(named) if named else tmp_path_factory.mktemp("sdist")
    name = f"centrifuge_python-{RELEASE}"
    archive = cache / f"{name}.tar.gz"
    if not archive.exists():
        words = ["download", "--no-deps", "--no-binary", ":all:", "--disable-pip-version-check"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, "-d", cache, f"centrifuge-python=={RELEASE}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode or not archive.exists():
            missing("pip", f"pip could not download centrifuge-python: {done.stderr[-500:]}")
    target = tmp_path_factory.mktemp("suite")
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    return target / name


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            missing("port-8000", f"port {PORT}, which the suite hard-codes, is taken")
    with Cluster("--profile", "centrifuge-compat", "--port", str(PORT)) as cluster:
        yield cluster


def test_all_185_tests_pass(suite: Path, server: Cluster) -> None:
    program("openssl")  # makes the certificates of the suite's TLS tests
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "tests"],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": str(suite)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SUITE_TIMEOUT_S,
        check=False,
    )
    ran = re.search(r"^Ran (\d+) tests? in", done.stdout, re.MULTILINE)
    story = _failures(done.stdout) + "\n" + server.said()
    assert ran, done.stdout[-2_000:]
    assert done.returncode == 0, story
    assert int(ran[1]) == TESTS, f"ran {ran[1]} of {TESTS}\n{story}"
    verdict = done.stdout.strip().splitlines()[-1]
    assert verdict == "OK", f"{verdict}: a skipped test is not a passed one"


def _failures(output: str) -> str:
    """The tracebacks of the suite without the client's debug log."""
    parts = re.split(r"^={70}$", output, flags=re.MULTILINE)[1:]
    return "\n".join(part[:3_000] for part in parts)
