"""What the figures were taken on: processor, Python, load, and the disk's fsync."""

import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FSYNC_SAMPLES = 100
FSYNC_BYTES = 4_096


@dataclass(frozen=True)
class Machine:
    """`fsync` figures are in ms, of a 4 KiB append and fdatasync in the data folder."""

    processor: str
    cores: int
    kernel: str
    python: str
    load_1m: float
    fsync_p50_ms: float
    fsync_p99_ms: float


def machine(folder: Path | None) -> Machine:
    """This machine, with its disk measured now."""
    samples = sorted(fsync_ms(folder))
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        load_1m=os.getloadavg()[0],
        fsync_p50_ms=samples[len(samples) // 2],
        fsync_p99_ms=samples[int(len(samples) * 0.99)],
    )


def fsync_ms(folder: Path | None) -> list[float]:
    """How long an append of 4 KiB and its fdatasync take, several times."""
    samples: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNC_SAMPLES):
            file.write(bytes(FSYNC_BYTES))
            file.flush()
            start_ns = time.monotonic_ns()
            os.fdatasync(file.fileno())
            samples.append((time.monotonic_ns() - start_ns) / 1e6)
    return samples


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
