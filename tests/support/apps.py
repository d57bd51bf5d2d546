"""A further app in a running cluster: its record is written where every process watches for it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from msgspec.structs import replace

from hubbub.coordinator.api import Put
from hubbub.coordinator.cluster import AppRecord, app_key, create_app
from hubbub.coordinator.open import open_coordinator
from hubbub.wire.codec import encode_json
from ops.answer import Failure
from ops.api import Rest
from tests.support.cluster import Cluster, wait_for

KNOWN_S = 15.0


def add_app(
    cluster: Cluster, app: str, profile: str = "bench", changes: dict[str, Any] | None = None
) -> AppRecord:
    """A new app, known to every edge and node when this returns."""
    record = AppRecord(
        app=app,
        id_secret=secrets.token_urlsafe(32),
        token_secret=secrets.token_urlsafe(32),
        server_key=secrets.token_urlsafe(32),
        profile=profile,
        changes=changes or {},
    )
    asyncio.run(_create(cluster, record))
    for url in cluster.urls:
        wait_for(lambda url=url: _is_known(url, record), KNOWN_S, lambda: f"{app} is unknown")
    return record


def change_app(cluster: Cluster, record: AppRecord, changes: dict[str, Any]) -> AppRecord:
    """Writes the app's settings anew, as its owner does; processes hear of it within moments."""
    changed = replace(record, changes=changes)
    asyncio.run(_put(cluster, changed))
    return changed


def _is_known(url: str, record: AppRecord) -> bool:
    """Whether this edge, and the nodes of some slots, serve the app."""
    rest = Rest(url, record.server_key)
    try:
        for n in range(12):
            rest.need("POST", "/v1/tokens", {"user": f"known-{n}"})
    except Failure:
        return False
    return True


async def _create(cluster: Cluster, record: AppRecord) -> None:
    coordinator = open_coordinator(f"solo:{cluster.dir / 'coordinator.sqlite'}")
    try:
        await create_app(coordinator, record)
    finally:
        await coordinator.close()


async def _put(cluster: Cluster, record: AppRecord) -> None:
    coordinator = open_coordinator(f"solo:{cluster.dir / 'coordinator.sqlite'}")
    try:
        await coordinator.transact([], [Put(app_key(record.app), encode_json(record))])
    finally:
        await coordinator.close()
