"""The stores that the conformance suite runs against, one row each: solo, and an etcd of one member
that all tests of the session share, each in a namespace of its own.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from hubbub.coordinator.api import Coordinator, Put
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.solo import SoloCoordinator
from tests.support.etcd import Etcd

_numbers = count(1)  # of namespaces


class Store(Protocol):
    """One empty store that any number of connections, also of other processes, can use."""

    url: str
    ttl_ms: int  # the shortest lease that makes sense here

    def open(self) -> Coordinator:
        """One more connection, closed at the end of the test."""

    async def compact(self) -> int:
        """Make it forget some history; the current revision."""

    async def close(self) -> None:
        """Close all connections."""


class SoloStore:
    """The embedded one, in a folder of the test."""

    ttl_ms = 200

    def __init__(self, folder: Path) -> None:
        self.path = folder / "solo.db"
        self.url = f"solo:{self.path}"
        self._opened: list[Coordinator] = []

    def open(self) -> Coordinator:
        self._opened.append(open_coordinator(self.url))
        return self._opened[-1]

    async def compact(self) -> int:
        forgetful = SoloCoordinator(self.path, history_revisions=20)
        self._opened.append(forgetful)
        revision = 0
        for i in range(100):
            revision = (await forgetful.transact([], [Put("/compacted", b"%d" % i)])).revision
        return revision

    async def close(self) -> None:
        for coordinator in self._opened:
            await coordinator.close()


class EtcdStore:
    """A namespace of the session's etcd. Nobody else writes to that one at the same time."""

    ttl_ms = 1_000  # it counts whole seconds

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd
        self.namespace = f"test-{next(_numbers)}"
        self.url = etcd.place(self.namespace)
        self._opened: list[Coordinator] = []

    def open(self) -> Coordinator:
        self._opened.append(open_coordinator(self.url))
        return self._opened[-1]

    async def compact(self) -> int:
        writer = self.open()
        revision = 0
        for i in range(100):
            revision = (await writer.transact([], [Put("/compacted", b"%d" % i)])).revision
        body = {"revision": str(revision - 20), "physical": True}
        await asyncio.to_thread(self.etcd.post, 0, "kv/compaction", body)
        return revision

    async def close(self) -> None:
        for coordinator in self._opened:
            await coordinator.close()
        # A lease that ends in the next test must find nothing to delete: it would be a revision.
        start, end = f"/{self.namespace}/", f"/{self.namespace}0"
        body = {"key": b64encode(start.encode()), "range_end": b64encode(end.encode())}
        text = {name: value.decode() for name, value in body.items()}
        await asyncio.to_thread(self.etcd.post, 0, "kv/deleterange", text)


STORES = ("solo", pytest.param("etcd", marks=pytest.mark.slow))


@pytest.fixture(scope="session")
def etcd() -> Iterator[Etcd]:
    """Nobody kills this one, so it need not sync: its disk is not what the tests are about."""
    with Etcd(1, "--unsafe-no-fsync") as running:
        yield running


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "solo":
        made = SoloStore(tmp_path)
    else:
        made = EtcdStore(request.getfixturevalue("etcd"))
    yield made
    await made.close()


@pytest.fixture
def coordinator(store: Store) -> Coordinator:
    return store.open()


@pytest.fixture
async def base(coordinator: Coordinator) -> int:
    """The revision of the empty store: 1 in solo, where etcd has got to otherwise.

    Nobody else writes, so that the n-th change has revision base + n in both.
    """
    return (await coordinator.range(""))[1]
