"""One flipped bit in a node's write-ahead log: the node refuses, says why, and shortens nothing.

The bits are those with which RocksDB by itself would open a shorter database, or spin: a record's
length, and its type. Flipped back, everything that was acknowledged is there again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.wal import LENGTH_AT, TYPE_AT, flip, newest_log, records
from tests.support import cluster as clusters
from tests.support.client import Client
from tests.support.cluster import Cluster

MESSAGES = 200
CHANNEL = "group:flipped"
REFUSE_WITHIN_S = 30.0
WORDS = ("serves nothing from it", "backup")  # what happened, and what to do

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

FLIPS = [
    pytest.param(LENGTH_AT, 0, id="length-bit-0"),
    pytest.param(LENGTH_AT, 6, id="length-bit-6"),
    pytest.param(LENGTH_AT + 1, 7, id="length-bit-15"),
    pytest.param(TYPE_AT, 0, id="type-bit-0"),
    # It makes the open spin: ended by its alarm after 20 of the 30 seconds.
    pytest.param(TYPE_AT, 2, id="type-bit-2", marks=pytest.mark.alone),
    pytest.param(TYPE_AT, 3, id="type-bit-3"),
    pytest.param(TYPE_AT, 7, id="type-bit-7"),
]


@pytest.fixture(scope="module")
def killed() -> Iterator[Cluster]:
    """A cluster that was killed with its messages in the log, and does not run."""
    with Cluster("--profile", "bench") as cluster:
        cluster.rest("POST", "/v1/channels", {"channel": CHANNEL, "members": ["ann"]})
        asyncio.run(_send(cluster))
        cluster.kill_all()
        yield cluster


@pytest.mark.parametrize(("where", "bit"), FLIPS)
def test_a_flipped_bit_is_refused_and_nothing_is_lost(
    killed: Cluster, where: int, bit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = newest_log(killed.dir / "nodes" / "node-1")
    found = records(log)
    assert len(found) >= 20, "too few records to hit one in the middle"
    place = found[len(found) // 2].start + where
    flip(log, place, bit)
    before = _files(killed)
    try:
        monkeypatch.setattr(clusters, "START_S", REFUSE_WITHIN_S)
        with pytest.raises(AssertionError, match=r"^up ended with 1:") as refused:
            killed.start()
        said = str(refused.value).rpartition("node-1 does not start")[2]
        assert all(word in said for word in WORDS), said
        assert not (killed.dir / "run" / "cluster.json").exists(), "it was served"
        assert _files(killed) == before, "a refusal leaves every file as it is"
    finally:
        killed.halt()
        flip(log, place, bit)


def test_unharmed_it_opens_with_everything(killed: Cluster) -> None:
    killed.start()
    assert asyncio.run(_texts(killed)) == [f"message {n}" for n in range(MESSAGES)]


async def _send(cluster: Cluster) -> None:
    async with Client(cluster.url, cluster.token("ann")) as ann:
        for n in range(MESSAGES):
            await ann.send(CHANNEL, f"message {n}")


async def _texts(cluster: Cluster) -> list[str]:
    texts: list[str] = []
    after_seq = 0
    async with Client(cluster.url, cluster.token("ann")) as ann:
        while True:
            page = await ann.rpc("history.get", channel=CHANNEL, after_seq=after_seq, limit=100)
            if not page["messages"]:
                return texts
            texts += [message["text"] for message in page["messages"]]
            after_seq = page["messages"][-1]["seq"]


def _files(cluster: Cluster) -> dict[Path, bytes]:
    """The node's files: what a repair would change."""
    folder = cluster.dir / "nodes" / "node-1"
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
