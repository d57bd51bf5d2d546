"""Users by what is known of them, over all nodes: what is acknowledged is found within seconds.

Whole form: HUBBUB_USERS=2000 (default 40); HUBBUB_USERS_KILL=1 kills every node in turn and starts
the cluster anew in between.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from hubbub.base.errors import PERMISSION_DENIED
from ops.api import Rest
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster, wait_for

USERS = int(os.environ.get("HUBBUB_USERS", "40"))
KILLS = os.environ.get("HUBBUB_USERS_KILL", "") == "1"
FRESH_S = 10.0  # a second as a rule; a full machine takes longer


def query(cluster: Cluster, edge: int = 0, **more: Any) -> list[dict[str, Any]]:
    """All pages, by the server key."""
    found: list[dict[str, Any]] = []
    while True:
        page = cluster.rest("POST", "/v1/users/query", more, edge=edge)
        found += page["users"]
        if not page["next"]:
            return found
        more["cursor"] = page["next"]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["user"] for row in rows]


async def test_everybody_is_found_once_and_as_he_is_now(cluster: Cluster) -> None:
    users = [f"uq-{n:04}" for n in range(USERS)]
    for n, user in enumerate(users):
        body = {"name": f"Quill {'even' if n % 2 == 0 else 'odd'} {n}", "data": {"team": n % 3}}
        cluster.rest("PUT", f"/v1/users/{user}", body)
    wait_for(
        lambda: names(query(cluster, prefix="uq-", limit=7)) == users,
        FRESH_S,
        lambda: f"{len(query(cluster, prefix='uq-'))} of {USERS}",
    )
    for edge in range(len(cluster.urls)):
        odd = query(cluster, edge, q="QUI odd", data={"team": 1}, sort="id", limit=5)
        assert names(odd) == [u for n, u in enumerate(users) if n % 2 == 1 and n % 3 == 1]
        down = query(cluster, edge, prefix="uq-", sort="newest", limit=9)
        stamps = [(row["created"], row["user"]) for row in down]
        assert stamps == sorted(stamps, reverse=True)
        assert sorted(names(down)) == users
    cluster.rest("PATCH", "/v1/users/uq-0001", {"name": "Renamed"})
    cluster.rest("POST", "/v1/users/uq-0002/deactivate")
    gone = {"prefix": "uq-", "state": "deactivated"}
    wait_for(lambda: names(query(cluster, **gone)) == ["uq-0002"], FRESH_S, lambda: "not told")
    wait_for(lambda: names(query(cluster, q="renamed")) == ["uq-0001"], FRESH_S, lambda: "old name")
    assert "uq-0001" not in names(query(cluster, q="quill"))

    token = cluster.token("uq-0000")
    page = Rest(cluster.urls[1], token).need("GET", "/v1/users?prefix=uq-000&limit=100")
    assert "uq-0002" not in names(page["users"])  # out for whom cannot exclude
    assert "uq-0001" in names(page["users"])
    async with Client(cluster.urls[0], token) as client:
        found = await client.rpc("user.query", name="ren")
        assert names(found["users"]) == ["uq-0001"]
        for wrong in ({}, {"prefix": "u"}, {"prefix": "uq-", "state": "any"}):
            with pytest.raises(ReplyError) as refused:
                await client.rpc("user.query", **wrong)
            assert refused.value.code == PERMISSION_DENIED.code
    cluster.rest("POST", "/v1/users/uq-0002/reactivate")
    wait_for(lambda: query(cluster, **gone) == [], FRESH_S, lambda: "still out")


@pytest.mark.skipif(not KILLS, reason="HUBBUB_USERS_KILL=1")
def test_lines_survive_nodes_and_restarts(cluster: Cluster) -> None:
    users = [f"uk-{n:03}" for n in range(60)]
    for n, user in enumerate(users):
        if n % 20 == 10:
            victim = f"node-{n // 20 + 1}"
            cluster.wait_restarted(victim, cluster.kill(victim))
        cluster.rest("PUT", f"/v1/users/{user}", {"name": f"Kill {n}"})
    wait_for(lambda: names(query(cluster, prefix="uk-")) == users, 30.0, lambda: "some are missing")
    cluster.restart()
    assert names(query(cluster, prefix="uk-")) == users
