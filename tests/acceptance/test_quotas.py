"""Quotas of users and channels: every way to make one, many at once through both edges, exact in
the end; what is deleted gives room.

Whole form: HUBBUB_QUOTAS=300 (channels, default 12); HUBBUB_QUOTAS_KILL=1 starts a cluster of its
own and kills a node while they are made.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from ops.api import Response, Rest, call
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster, wait_for

CHANNELS = int(os.environ.get("HUBBUB_QUOTAS", "12"))
KILLS = os.environ.get("HUBBUB_QUOTAS_KILL") == "1"
RUN = os.urandom(3).hex()
BOUND_A_NODE = 4  # record 0039, while the quota is below 400 a node
NODES = 3
MADE_S = 30.0


@contextmanager
def killable(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster of all tests, or one of its own whose nodes may die."""
    if not KILLS:
        yield cluster
        return
    with Cluster("--profile", "bench", nodes=NODES, routers=2, edges=2, copies=3) as own:
        yield own


def root(cluster: Cluster) -> Rest:
    return Rest(cluster.url, cluster.file.root_key)


def make(cluster: Cluster, word: str, **quotas: int) -> tuple[str, list[Rest]]:
    """An app that every edge and node knows, and its server's way in at each edge. What has to be
    asked for that is no command: nothing of the app is made."""
    app = f"quota-{word}-{RUN}"
    body = {"app": app, "profile": "bench", "quotas": quotas}
    key = root(cluster).need("POST", "/v1/apps", body)["server_key"]
    edges = [Rest(url, key) for url in cluster.urls]
    for rest in edges:
        wait_for(
            lambda rest=rest: all(
                rest.call("GET", f"/v1/users/none-{n}").body["code"] == "not_found"
                for n in range(16)
            ),
            15.0,
            lambda: f"{app} is not served",
        )
    wait_for(lambda: usage(cluster, app)["complete"], 10.0, lambda: "the nodes know what there is")
    return app, edges


def usage(cluster: Cluster, app: str) -> dict[str, Any]:
    shown: dict[str, Any] = root(cluster).need("GET", f"/v1/apps/{app}")["usage"]
    return shown


def all_know(cluster: Cluster, app: str, **figures: int) -> None:
    """Every node has heard of what was made: from here on the quota is exact."""

    def said() -> list[dict[str, Any]]:
        nodes = cluster.of_role("node")
        seen = [call("GET", f"{one.admin_url}/statistics").body["usage"]["known"] for one in nodes]
        return [one.get(app, {}) for one in seen]

    wait_for(
        lambda: all(one.get(name) == n for one in said() for name, n in figures.items()),
        10.0,
        lambda: f"{said()} is not {figures}",
    )


def settled(rest: Rest, method: str, path: str, body: object, key: str) -> Response:
    """Ask until the answer is no temporary refusal, as a client does."""
    deadline = time.monotonic() + MADE_S
    while True:
        answer = rest.call(method, path, body, key=key)
        if answer.status != 503 or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)  # what the refusal says


def test_many_at_once_through_both_edges_end_at_the_quota(cluster: Cluster) -> None:
    with killable(cluster) as running:
        app, edges = make(running, "rush", channels_max=CHANNELS)

        def create(n: int) -> Response:
            body = {"channel": f"group:q{n}", "owner": "ann"}
            return settled(edges[n % 2], "POST", "/v1/channels", body, f"make-{n}")

        with ThreadPoolExecutor(16) as pool:
            waiting = pool.map(create, range(CHANNELS + 40))
            if KILLS:
                victim = running.of_role("node")[0].name
                running.wait_restarted(victim, running.kill(victim))
            answers = list(waiting)
        said = Counter(answer.body.get("code", "made") for answer in answers)
        assert set(said) == {"made", "quota_reached"}, said
        assert CHANNELS <= said["made"] <= CHANNELS + BOUND_A_NODE * NODES, said
        refused = next(a for a in answers if a.status == 403)
        assert refused.body["quota"] == "channels_max", refused.body
        all_know(running, app, channels=said["made"])
        assert usage(running, app) == {"users": 0, "channels": said["made"], "complete": True}
        assert create(1_000).status == 403
        made = [f"group:q{n}" for n, answer in enumerate(answers) if answer.status == 201]
        sent = edges[0].call("POST", f"/v1/channels/{made[0]}/messages", {"by": "ann", "text": "x"})
        assert sent.status == 201, "what exists goes on"
        for name in made[: said["made"] - CHANNELS + 1]:
            edges[1].need("DELETE", f"/v1/channels/{name}")
        all_know(running, app, channels=CHANNELS - 1)
        assert create(2_000).status == 201
        all_know(running, app, channels=CHANNELS)
        assert create(2_001).status == 403


async def test_every_way_to_make_one_is_counted(cluster: Cluster) -> None:
    app, (rest, _) = await asyncio.to_thread(make, cluster, "ways", users_max=3, channels_max=3)
    await asyncio.to_thread(every_user, cluster, app, rest)
    token = rest.need("POST", "/v1/tokens", {"user": "ann"})["token"]
    async with Client(cluster.urls[0], token) as ann:
        await asyncio.to_thread(
            paced, rest, "POST", "/v1/channels", {"channel": "open:q", "owner": "ann"}
        )
        await settled_rpc(ann, "channel.create", kind="group")
        dm = (await settled_rpc(ann, "channel.open", **{"with": "ben"}))["channel"]
        await asyncio.to_thread(all_know, cluster, app, channels=3)
        for verb, body in (
            ("channel.create", {"kind": "group"}),
            ("channel.open", {"with": "cat"}),
        ):
            with pytest.raises(ReplyError, match="quota_reached"):
                await settled_rpc(ann, verb, **body)
        again = await ann.rpc("channel.open", **{"with": "ben"})
        assert (again["channel"], again["created"]) == (dm, False), "what exists is answered"
        promoted = await ann.rpc("channel.promote", channel=dm, kind="group")
        assert promoted["seq"], "it is one before and after"
        with pytest.raises(ReplyError, match="quota_reached"):
            await settled_rpc(ann, "channel.open", **{"with": "ben"})  # a second one of the pair
    seen = [call("GET", f"{one.admin_url}/metrics").body for one in cluster.of_role("node")]
    words = f'hubbub_app_quota_exceeded_total{{app="{app}",quota="channels_max"}}'
    assert any(words in page for page in seen)
    users = [
        line for page in seen for line in page.splitlines() if f'app_users{{app="{app}"' in line
    ]
    assert sum(float(line.split()[-1]) for line in users) == 4


def every_user(cluster: Cluster, app: str, rest: Rest) -> None:
    """Three users by three ways, and each way refuses the fourth."""
    paced(rest, "PUT", "/v1/users/ann", {"name": "Ann"})
    paced(rest, "POST", "/v1/tokens", {"user": "ben"})
    paced(rest, "POST", "/v1/guests", {"name": "a guest"})
    all_know(cluster, app, users=3)
    for method, path, body in (
        ("PUT", "/v1/users/cat", {"name": "Cat"}),
        ("PATCH", "/v1/users/cat", {"name": "Cat"}),
        ("POST", "/v1/tokens", {"user": "cat"}),
        ("POST", "/v1/guests", {"name": "one more"}),
    ):
        answer = settled(rest, method, path, body, os.urandom(4).hex())
        assert (answer.status, answer.body["code"]) == (403, "quota_reached"), (path, answer.body)
    rest.need("PATCH", "/v1/users/ann", {"name": "Anne"})
    rest.need("POST", "/v1/tokens", {"user": "ben"})
    changed = {"quotas": {"users_max": 4, "channels_max": 3}}
    root(cluster).need("PATCH", f"/v1/apps/{app}", changed)
    wait_for(
        lambda: (
            settled(rest, "PUT", "/v1/users/cat", {"name": "Cat"}, os.urandom(4).hex()).status
            == 200
        ),
        5.0,
        lambda: "a raised quota gives room",
    )


def paced(rest: Rest, method: str, path: str, body: object) -> None:
    answer = settled(rest, method, path, body, os.urandom(4).hex())
    assert answer.status < 300, (path, answer.body)


async def settled_rpc(client: Client, method: str, **data: Any) -> Any:
    """As `settled`."""
    deadline = time.monotonic() + MADE_S
    while True:
        try:
            return await client.rpc(method, **data)
        except ReplyError as refusal:
            if not refusal.temporary or time.monotonic() > deadline:
                raise
