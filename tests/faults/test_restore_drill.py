"""The drill: a cluster is backed up under load and destroyed; what comes back is complete.

Everything that was acknowledged before the backup began is there, under its numbers and ids; every
log is what was backed up; retries store nothing; lists agree with what they list; clients hear that
their streams begin anew; three copies are made again and agree.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from ops.api import Rest
from ops.backup.manifest import Manifest, slot_copy, unseal
from ops.processes import SOURCE_ROOT
from tests.support.client import Client
from tests.support.cluster import Cluster, wait_for
from tests.support.history import Outcome
from tests.support.steadfast import Doors, Sender, close_all
from tests.support.traffic import Traffic

SLOTS = 16
CHANNELS = 12
SENDERS = 12
COMMAND_S = 60.0
MEMBER = "collector"
LISTED_S = 20.0  # a list is a second behind

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@pytest.fixture
def clusters(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, Cluster]]:
    """The one that runs, and the one that will be; its directory is not there yet."""
    options = ("--profile", "bench", "--slots", str(SLOTS))
    new = Cluster(*options, nodes=3, copies=1)
    try:
        with Cluster(*options, nodes=3, copies=request.param) as old:
            yield old, new
    finally:
        new.stop()


class Founder:
    """Founds channels, one after another: each is an entry of its own and one of a user's list."""

    def __init__(self, cluster: Cluster) -> None:
        self._rest = Rest(cluster.url, cluster.server_key)
        self.founded_at: dict[str, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Until it is over."""
        while not self.over.is_set():
            channel = f"group:founded-{len(self.founded_at)}"
            body = {"channel": channel, "members": [MEMBER]}
            self._rest.need("POST", "/v1/channels", body)
            self.founded_at[channel] = time.monotonic()


def assert_lists_agree(cluster: Cluster, founder: Founder, began_at: float) -> None:
    """The cut: no list lacks a channel that is there, and none names one that is not."""
    before = {channel for channel, at in founder.founded_at.items() if at <= began_at}
    assert 0 < len(before) < len(founder.founded_at)
    wait_for(
        lambda: before <= listed(cluster),
        LISTED_S,
        lambda: f"not in the list: {sorted(before - listed(cluster))[:5]}",
    )
    for channel in listed(cluster):
        assert cluster.rest("GET", f"/v1/channels/{channel}")["channel"] == channel


def listed(cluster: Cluster) -> set[str]:
    """The channels in the member's list."""
    found: set[str] = set()
    before = 0
    while True:
        page = cluster.rest("GET", f"/v1/users/{MEMBER}/channels?before={before}")
        found |= {row["channel"] for row in page["channels"]}
        before = page.get("next", 0)
        if not before:
            return found


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


@pytest.mark.parametrize("clusters", [3], indirect=True)
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
        began_at, founder = 0.0, Founder(old)

        async def back_up() -> None:
            nonlocal began_at
            async with asyncio.TaskGroup() as founding:
                founding.create_task(asyncio.to_thread(founder.run))
                try:
                    await traffic.sent_more(SENDERS * 20)
                    began_at = time.monotonic()
                    to = ("--dir", str(old.dir), "--to", str(place))
                    await asyncio.to_thread(hubbub, "backup", "create", *to)
                    await traffic.sent_more(SENDERS * 10)
                finally:
                    founder.over.set()

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
        await asyncio.to_thread(assert_lists_agree, new, founder, began_at)
        await old_positions_end(new, token, seen)
        await traffic.senders[0].ask("message.send", channel=traffic.channels[0], text="goes on")

    hubbub("rebalance", "start", "--dir", str(new.dir), "--copies", "3")
    new.halt()
    assert_logs_are(manifest_at(place), new.dir)


@pytest.mark.parametrize("clusters", [1], indirect=True)
def test_slots_that_come_from_different_disks_agree(
    clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    """Each node freezes at its own moment; what one slot caused in another is neither lost nor
    there without its cause."""
    old, new = clusters
    place, founder = tmp_path / "place", Founder(old)
    with ThreadPoolExecutor(1) as thread:
        founding = thread.submit(founder.run)
        try:
            wait_for(lambda: len(founder.founded_at) >= 50, COMMAND_S, old.said)
            began_at = time.monotonic()
            hubbub("backup", "create", "--dir", str(old.dir), "--to", str(place))
            so_far = len(founder.founded_at)
            wait_for(lambda: len(founder.founded_at) > so_far, COMMAND_S, old.said)
        finally:
            founder.over.set()
        founding.result()
    assert len([node for node in manifest_at(place).nodes if node.files]) == 3
    key = old.dir / "keys" / "backup.pub"
    hubbub("restore", "run", "--from", str(place), "--key", str(key), "--dir", str(new.dir))
    old.halt()
    new.start()
    assert_lists_agree(new, founder, began_at)


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
