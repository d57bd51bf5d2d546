"""What the log is asked for: one entry a message at any size, none for who joins an open channel.

Each on a cluster of its own: users of other tests go offline meanwhile, an entry each.

Whole form: HUBBUB_APPENDS_MEMBERS=10000 HUBBUB_APPENDS_MESSAGES=2000 HUBBUB_APPENDS_JOINS=20000
(300, 200 and 300 by default), with pytest's `--timeout 600`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.support import patience
from tests.support.client import Client, new_cmid
from tests.support.cluster import Cluster
from tests.support.metrics import of_nodes

MEMBERS = int(os.environ.get("HUBBUB_APPENDS_MEMBERS", "300"))
MESSAGES = int(os.environ.get("HUBBUB_APPENDS_MESSAGES", "200"))
JOINS = int(os.environ.get("HUBBUB_APPENDS_JOINS", "300"))
SENDERS = 4
LISTENERS = 20
APPENDS_MAX = 1.1  # a message
COMMAND_USERS = 1_000  # members added by one request
LOOK_S = 0.2
SETTLED_LOOKS = 8  # 1.6 s: nodes delete rows of finished Forwards once a second


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=2, copies=3) as running:
        yield running


async def appended(cluster: Cluster) -> float:
    """Entries that commands made so far, in the logs of all slots, each counted once."""
    return sum(await asyncio.to_thread(of_nodes, cluster, "hubbub_node_backlog_appended_total"))


@pytest.mark.parametrize("members", [SENDERS, MEMBERS])
async def test_a_message_is_one_entry_at_any_size(cluster: Cluster, members: int) -> None:
    channel = f"group:appends-{members}"
    people = [f"app-{n}" for n in range(members)]
    body = {"channel": channel, "members": people[:COMMAND_USERS]}
    await patience.rest(cluster, "POST", "/v1/channels", body)
    for start in range(COMMAND_USERS, members, COMMAND_USERS):
        users = {"users": people[start : start + COMMAND_USERS]}
        path = f"/v1/channels/{channel}/members"
        await patience.rest(cluster, "POST", path, users)
    async with AsyncExitStack() as stack:
        clients = [
            await patience.entered(cluster, user, n) for n, user in enumerate(people[:LISTENERS])
        ]
        for client in clients:
            stack.push_async_callback(client.close)
            await patience.rpc(partial(client.subscribe, channel))
        before = await settled(cluster)

        async def send(client: Client) -> None:
            for n in range(MESSAGES // SENDERS):
                wish = {"channel": channel, "text": f"message {n}", "cmid": new_cmid()}
                await patience.rpc(partial(client.rpc, "message.send", **wish))

        async with asyncio.TaskGroup() as tasks:
            for client in clients[:SENDERS]:
                tasks.create_task(send(client))
        for client in clients:
            await client.wait_publications(channel, MESSAGES // SENDERS * SENDERS)
        appends = await settled(cluster) - before
    sent = MESSAGES // SENDERS * SENDERS
    print(f"{members} members: {appends / sent:.3f} log entries a message, {sent} messages")
    assert sent <= appends <= APPENDS_MAX * sent


async def test_joining_an_open_channel_writes_nothing(cluster: Cluster) -> None:
    hall = "open:join-hall"
    made = await patience.rest(cluster, "POST", "/v1/channels", {"channel": hall})
    async with Client(cluster.url, cluster.token("join-one")) as client:
        before = await settled(cluster)  # the user came to be
        for _ in range(JOINS):
            answer = await patience.rpc(partial(client.rpc, "member.join", channel=hall))
            assert answer["seq"] == made["seq"]
        await client.subscribe(hall)
        await client.send(hall, "no member, and yet")
        assert await settled(cluster) - before == 1
    info = await patience.rest(cluster, "GET", f"/v1/channels/{hall}")
    assert (info["members"], info["head"]) == (0, made["seq"] + 1)


async def settled(cluster: Cluster) -> float:
    """How many there are once that stands still: lists are told by then."""
    counts = [await appended(cluster)]
    async with asyncio.timeout(60):
        while len(counts) < SETTLED_LOOKS or len({*counts[-SETTLED_LOOKS:]}) > 1:
            await asyncio.sleep(LOOK_S)
            counts.append(await appended(cluster))
    return counts[-1]
