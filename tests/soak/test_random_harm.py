"""Minutes of random harm under traffic: nothing acknowledged is lost, doubled, moved or skipped.

By hand: `pytest tests/soak -s`. HUBBUB_SOAK_SECONDS (600) is how long, HUBBUB_SOAK_SEED repeats the
order of harm of another run (not its timing).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.cluster import Cluster, wait_for
from tests.support.traffic import Traffic

SECONDS = float(os.environ.get("HUBBUB_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("HUBBUB_SOAK_SEED", time.time_ns() % 1_000_000_007))
COPIES = int(os.environ.get("HUBBUB_SOAK_COPIES", "3"))
SENDERS, GAP_S, CHANNELS = 20, 0.2, 24
CALM_S_MAX = 2.0  # between two harms; some fall into the recovery from the one before
PAUSE_S_MAX = 5.0  # longer than a link's silence and a lease
WRITABLE_WITHIN_S = 45.0
RETRIED = 300
KINDS = {
    "kill one": 8,
    "kill two": 4,
    "pause one": 4,
    "stop one": 2,
    "kill all, supervisor first": 1,
    "stop and start all": 1,
}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 600)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=2, copies=COPIES) as running:
        yield running


async def test_nothing_acknowledged_is_lost(cluster: Cluster) -> None:
    print(f"\nseed {SEED}, {SECONDS:.0f} s")
    random, rounds = Random(SEED), Counter[str]()
    async with Traffic(
        cluster, "soak", channels=CHANNELS, senders=SENDERS, gap_s=GAP_S, deadline_s=60
    ) as traffic:

        async def harm() -> None:
            ends_at = time.monotonic() + SECONDS
            while time.monotonic() < ends_at:
                await asyncio.sleep(random.uniform(0, CALM_S_MAX))
                kind = random.choices(list(KINDS), list(KINDS.values()))[0]
                rounds[kind] += 1
                harmed = await asyncio.to_thread(_harm, cluster, kind, random)
                at = f"{sum(rounds.values())}: {kind}: {harmed}; {traffic.count} acknowledged"
                print(at, flush=True)
                traffic.doors.refresh()
                try:
                    async with asyncio.timeout(WRITABLE_WITHIN_S):
                        await traffic.everybody_sent(1)
                except TimeoutError:
                    raise AssertionError(f"{at}: not writable again\n{cluster.said()}") from None

        await traffic.run(harm)
        findings = await traffic.check()
        resumed = sum(reader.resumes for reader in traffic.readers)
        print(f"seed {SEED}: {sum(rounds.values())} rounds {dict(rounds)}; {findings}; {resumed=}")
        print(f"slowest send: {traffic.slowest_s:.1f} s")
        assert findings.is_clean, findings.examples[:10]
        await traffic.check_retries(random, RETRIED)


def _harm(cluster: Cluster, kind: str, random: Random) -> str:
    """Does one kind of harm to the processes that it names; every one is there again then."""
    harmed = ["all"]
    names = [entry.name for entry in cluster.file.processes]
    match kind:
        case "kill all, supervisor first":
            cluster.kill_all()
            cluster.start()
        case "stop and start all":
            cluster.restart()
        case "pause one":
            harmed = [random.choice(names)]
            cluster.kill(harmed[0], signal.SIGSTOP)
            time.sleep(random.uniform(0.05, PAUSE_S_MAX))  # harm: how long it stands
            cluster.kill(harmed[0], signal.SIGCONT)
        case _:
            number = signal.SIGTERM if kind == "stop one" else signal.SIGKILL
            harmed = random.sample(names, 2 if kind == "kill two" else 1)
            pids = {name: cluster.kill(name, number) for name in harmed}
            for name, pid in pids.items():
                cluster.wait_restarted(name, pid, WRITABLE_WITHIN_S)
    wait_for(lambda: _all_run(cluster), WRITABLE_WITHIN_S, cluster.said)
    return " ".join(harmed)


def _all_run(cluster: Cluster) -> bool:
    try:
        for entry in cluster.file.processes:
            os.kill(entry.pid, 0)
    except ProcessLookupError:
        return False
    return True
