"""The drill: a cluster is backed up under load and destroyed; what comes back is complete.

Everything that was acknowledged before the backup began is there, under its numbers and ids; every
log is what was backed up; retries store nothing; clients hear that their streams begin anew; three
copies are made again and agree.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hubbub.coordinator.backups import SlotCopy
from hubbub.wire.codec import parse_json
from node.restore import last_incarnation
from node.slot_log import SlotLog
from node.store.rocks import RocksStore
from node.survey import look
from ops.backup.manifest import Manifest, slot_copy, unseal
from ops.processes import SOURCE_ROOT
from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.history import Outcome
from tests.support.steadfast import Doors, Sender, close_all
from tests.support.traffic import Traffic

SLOTS = 16
CHANNELS = 12
SENDERS = 12
COMMAND_S = 60.0

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@pytest.fixture
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    """The one that runs, and the one that will be; its directory is not there yet."""
    options = ("--profile", "bench", "--slots", str(SLOTS))
    new = Cluster(*options, nodes=3, copies=1)
    try:
        with Cluster(*options, nodes=3, copies=3) as old:
            yield old, new
    finally:
        new.stop()


def hubbub(*words: str) -> dict[str, Any]:
    """What a command answers as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words, "--json"],
        cwd=SOURCE_ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_what_was_backed_up_under_load_comes_back_whole(
    clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    old, new = clusters
    place, key = tmp_path / "place", tmp_path / "backup.pub"
    shutil.copy(old.dir / "keys" / "backup.pub", key)  # `up` made it; kept elsewhere, as told
    words = ("--from", str(place), "--key", str(key))
    async with Traffic(
        old, "drill", channels=CHANNELS, senders=SENDERS, gap_s=0.02, readers=0
    ) as traffic:
        began_at = 0.0

        async def back_up() -> None:
            nonlocal began_at
            await traffic.sent_more(SENDERS * 20)
            began_at = time.monotonic()
            to = ("--dir", str(old.dir), "--to", str(place))
            await asyncio.to_thread(hubbub, "backup", "create", *to)
            await traffic.sent_more(SENDERS * 10)

        await traffic.run(back_up)
        token, seen = old.token("drill-sender-0"), await positions(old, traffic)
        old.kill_all()
        shutil.rmtree(old.dir)

        assert hubbub("backup", "verify", *words)["data"]["damages"] == []
        assert hubbub("restore", "plan", *words, "--dir", str(new.dir))["data"]["missing"] == []
        hubbub("restore", "run", *words, "--dir", str(new.dir))
        new.start()

        before = [one for one in traffic.acked if one[0].ended_at <= began_at]
        assert SENDERS * 20 <= len(before) < len(traffic.acked)
        await close_all(*traffic.senders)
        traffic.doors, traffic.senders = renewed(traffic, new)
        traffic.acked = [
            one
            if one[0].ended_at <= began_at
            else (one[0]._replace(outcome=Outcome.UNKNOWN), one[1])
            for one in traffic.acked
        ]
        report = await traffic.check()
        assert report.is_clean, (str(report), report.examples[:5])
        assert report.acked == len(before)
        traffic.acked = before
        await traffic.check_retries(Random(1), 50)
        await old_positions_end(new, token, seen)
        await traffic.senders[0].ask("message.send", channel=traffic.channels[0], text="goes on")

    hubbub("rebalance", "start", "--dir", str(new.dir), "--copies", "3")
    new.halt()
    assert_logs_are(manifest_at(place), new.dir)


async def positions(cluster: Cluster, traffic: Traffic) -> dict[str, dict[str, Any]]:
    """Where a client stands that has seen everything."""
    found = {}
    async with Client(cluster.url, cluster.token("drill-sender-0")) as client:
        for channel in traffic.channels:
            top = await client.subscribe(channel, recoverable=True, positioned=True)
            found[channel] = {"offset": top["offset"], "epoch": top["epoch"]}
            assert top["offset"] >= traffic.heads[channel]
    return found


async def old_positions_end(cluster: Cluster, token: str, seen: dict[str, dict[str, Any]]) -> None:
    """With its old token a client is let in; its old positions are not taken for positions."""
    async with Client(cluster.url, token) as client:
        for channel, position in seen.items():
            top = await client.subscribe(channel, recover=True, **position)
            assert not top.get("recovered", False)
            assert top["epoch"] not in ("", position["epoch"])
            assert top["offset"] <= position["offset"] + 1


def renewed(traffic: Traffic, cluster: Cluster) -> tuple[Doors, list[Sender]]:
    """The same people at the doors of the new cluster."""
    doors = Doors(cluster)
    return doors, [Sender(doors, one.user, n) for n, one in enumerate(traffic.senders)]


def manifest_at(place: Path) -> Manifest:
    (path,) = place.glob("*/manifest.json")
    data = path.read_bytes()
    assert parse_json(data)
    return unseal(data, str(path)).manifest


def assert_logs_are(manifest: Manifest, directory: Path) -> None:
    """Every copy goes on from what was backed up, and all copies of a slot agree."""
    stores = [
        RocksStore(str(path / "db"), is_read_only=True)
        for path in sorted((directory / "nodes").iterdir())
    ]
    try:
        assert len(stores) == 3
        for entry in manifest.slots:
            wanted = slot_copy(entry)
            copies = [look(store, entry.slot) for store in stores]
            held = [copy for copy in copies if copy is not None]
            assert len(held) == 3, f"slot {entry.slot}"
            (epoch,) = {
                last_incarnation(store, copy) for store, copy in zip(stores, held, strict=True)
            }
            assert epoch.hex() not in ("", wanted.incarnation)
            assert_same_log(stores, wanted, held)
    finally:
        for store in stores:
            store.close()


def assert_same_log(stores: list[RocksStore], wanted: SlotCopy, copies: list[SlotCopy]) -> None:
    upto = min(copy.last_index for copy in copies)
    assert upto > wanted.last_index
    logs = [SlotLog(wanted.slot, store) for store in stores]
    assert {log.chain_at(wanted.last_index) for log in logs} == {wanted.last_chain}
    assert len({log.chain_at(upto) for log in logs}) == 1
