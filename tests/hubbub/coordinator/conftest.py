"""The stores that the conformance suite runs against: one row each; etcd adds its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from hubbub.coordinator.api import Coordinator, Put
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.solo import SoloCoordinator


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


STORES: dict[str, Callable[[Path], Store]] = {"solo": SoloStore}


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    await made.close()


@pytest.fixture
def coordinator(store: Store) -> Coordinator:
    return store.open()
