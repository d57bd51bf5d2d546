"""Locust people on a real cluster: they talk, listen and look back, and nothing fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ops.processes import SOURCE_ROOT
from tests.support.cluster import Cluster

pytest.importorskip("locust", reason="the extra `load` is not installed", exc_type=ImportError)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", edges=2) as running:
        yield running


def test_ten_seconds_of_people_without_a_failure(cluster: Cluster) -> None:
    words = ["--headless", "--users", "20", "--spawn-rate", "20", "--run-time", "10s", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *words],
        cwd=SOURCE_ROOT,
        env={**os.environ, "HUBBUB_CLUSTER": str(cluster.dir), "HUBBUB_PAUSE_S": "0.5"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert sum(row["num_failures"] for row in rows.values()) == 0, done.stderr
    assert rows["connect"]["num_requests"] == 20
    assert rows["send to ack"]["num_requests"] > 50
    assert rows["history page"]["num_requests"] > 0
    # Everybody in a room of four receives it; the last ones may still be on their way at the end.
    assert rows["deliver"]["num_requests"] > 3 * rows["send to ack"]["num_requests"]


def test_without_a_cluster_the_run_ends_with_one_clear_line() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "HUBBUB_CLUSTER"}
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "-t", "1s"],
        cwd=SOURCE_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "HUBBUB_CLUSTER" in done.stderr
    assert "Traceback" not in done.stderr
