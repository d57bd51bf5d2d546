"""What is said of the machine."""

from __future__ import annotations

from pathlib import Path

from ops.bench.machine import FSYNC_SAMPLES, fsync_ms, machine


def test_this_machine_is_described_with_its_disk() -> None:
    here = machine(None)
    assert here.cores >= 1
    assert 0 < here.fsync_p50_ms <= here.fsync_p99_ms


def test_the_disk_of_the_named_folder_is_measured_and_left_clean(tmp_path: Path) -> None:
    samples = fsync_ms(tmp_path)
    assert len(samples) == FSYNC_SAMPLES
    assert min(samples) > 0
    assert list(tmp_path.iterdir()) == []
