"""One measured stretch: what all server processes, and the generator, used meanwhile."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from ops.bench import cpu
from ops.bench.targets import Target

# What stands beside a figure, as endings of the names of two counters: every role counts its links
# under a name of its own.
GATHERING: Mapping[str, tuple[str, str]] = {
    "messages_per_fsync": ("_writer_records_total", "_writer_batches_total"),
    "messages_per_frame": ("_link_messages_sent_total", "_link_frames_sent_total"),
}


@dataclass(frozen=True)
class Usage:
    """What a stretch cost. `generator_share` is of one core, 1.0 = a whole one."""

    wall_s: float
    server_cpu_us: float
    generator_share: float
    gathering: Mapping[str, float]


class Meter:
    """`start`, then `stop`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._counters: dict[str, float] = {}
        self._wall_ns = self._server_ns = self._own_ns = 0

    async def start(self) -> None:
        self._counters = await counters(self._target)
        self._wall_ns = time.monotonic_ns()
        self._own_ns = cpu.own_cpu_ns()
        self._server_ns = cpu.cpu_ns(self._target.pids)

    async def stop(self) -> Usage:
        server_ns = cpu.cpu_ns(self._target.pids) - self._server_ns
        own_ns = cpu.own_cpu_ns() - self._own_ns
        wall_ns = time.monotonic_ns() - self._wall_ns
        after = await counters(self._target)
        risen = {name: value - self._counters.get(name, 0.0) for name, value in after.items()}
        return Usage(wall_ns / 1e9, server_ns / 1e3, own_ns / wall_ns, gathering(risen))


def gathering(risen: Mapping[str, float]) -> dict[str, float]:
    """The ratios of GATHERING whose counters rose, each summed over all roles."""
    ratios: dict[str, float] = {}
    for name, (above, below) in GATHERING.items():
        count = sum(value for counter, value in risen.items() if counter.endswith(below))
        if count > 0:
            total = sum(value for counter, value in risen.items() if counter.endswith(above))
            ratios[name] = total / count
    return ratios


async def counters(target: Target) -> dict[str, float]:
    """Every counter of every process of the target, summed over processes and labels."""
    sums: dict[str, float] = {}
    async with aiohttp.ClientSession() as session:
        for url in target.admin_urls:
            async with session.get(f"{url}/metrics") as answer:
                for name, value in parse_counters(await answer.text()):
                    sums[name] = sums.get(name, 0.0) + value
    return sums


def parse_counters(text: str) -> list[tuple[str, float]]:
    """`name{labels} value` lines of the text exposition format whose name ends in `_total`."""
    rows: list[tuple[str, float]] = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if name.endswith("_total"):
            rows.append((name, float(value)))
    return rows
