"""`hubbub bench` as a person runs it: a real cluster beside the reference, in the smallest size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bench.runner import BENCHMARKS
from ops.commands.bench import NAMES
from ops.processes import SOURCE_ROOT


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "bench", *words],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_command_offers_every_benchmark() -> None:
    assert set(NAMES) == set(BENCHMARKS)


@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_run_measures_both_servers(name: str, tmp_path: Path) -> None:
    done = bench(name, "--smoke", "--rounds", "1", "--json", "--dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["schema"] == "hubbub.bench/1"
    assert answer["data"]["cases"]
    for case in answer["data"]["cases"]:
        assert case["hubbub"]["median"] > 0
        assert case["reference"]["median"] > 0
    assert list(tmp_path.iterdir()) == [], "the cluster's data is removed"


def test_an_unknown_benchmark_is_a_usage_error() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr
