"""One round trip draws the first screen; a resume brings only what changed.

HUBBUB_BOOTSTRAP_CHANNELS: channels of the measured user, 50 by default; 10000 is the whole form.
HUBBUB_BOOTSTRAP_CPU_MS: what a bootstrap may cost in all processes.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import psutil

from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.patience import batch

CHANNELS = int(os.environ.get("HUBBUB_BOOTSTRAP_CHANNELS", "50"))
FIRST_PAGE = 50
CONNECTS = 40
# [M] on a busy machine of 2 cores: 8 ms at 50 channels in seven processes, one connect at a time,
# of which an empty list costs 4.7 (the WebSocket, the token, the own stream). Side by side on one
# node it is below the aim of 3 ms (loadtests/RESULTS.md); this keeps what there is from growing.
CPU_MS_MAX = float(os.environ.get("HUBBUB_BOOTSTRAP_CPU_MS", "20"))


async def test_a_connect_brings_all_that_the_first_screen_needs(cluster: Cluster) -> None:
    ann, bob = "boot-ann", "boot-bob"
    names = [f"group:boot-{n}" for n in range(8)]
    async with Client(cluster.urls[0], cluster.token(ann)) as a:
        for name in names:
            await a.rpc("channel.create", channel=name, members=[bob], name=f"Room {name}")
            await a.send(name, f"hi in {name}")
    token = cluster.token(bob)
    async with Client(cluster.urls[1], token) as b:
        await b.rpc("user.update", name="Bob", data={"color": "blue"})
        await b.rpc("settings.set", settings={"theme": "dark"})
        await b.rpc("mark.read", channel=names[0], upto=2)
    async with Client(cluster.urls[0], token) as b:
        data = b.connected["data"]
        assert data["user"] == bob
        assert data["profile"]["name"] == "Bob"
        assert data["settings"] == {"theme": "dark"}
        assert [c["channel"] for c in data["channels"]] == names[::-1]
        assert data["next"] == 0
        assert data["limits"]["text_chars"] == 5_000
        own = b.connected["subs"][f"#{bob}"]
        assert data["cursor"] == [own["epoch"], own["offset"]]
        assert set(data["heads"]) == set(names)
        for name in names:
            head = data["heads"][name]
            assert (head["seq"], head["preview"]["text"]) == (2, f"hi in {name}")
            assert head["unread"] == (0 if name == names[0] else 1)
            assert head["mark"] == (2 if name == names[0] else 1)
        position = {"recover": True, "offset": own["offset"], "epoch": own["epoch"]}
        await b.rpc("settings.set", settings={"theme": "light"})
    async with Client(cluster.urls[1], token, subs={f"#{bob}": position}) as b:
        assert b.connected["data"] == {"resumed": True}
        [missed] = b.connected["subs"][f"#{bob}"]["publications"]
        assert missed["data"]["settings"] == {"theme": "light"}
        await b.wait_until(lambda: len(heads_of(b)) == len(names), "the heads of a resume")
        assert set(heads_of(b)) == set(names)


def heads_of(client: Client) -> dict[str, Any]:
    pubs = [push["pub"]["data"] for push in client.pushes if "pub" in push]
    heads: dict[str, Any] = {}
    for data in pubs:
        if data.get("t") == "heads":
            heads |= data["heads"]
    return heads


async def test_what_a_bootstrap_costs_in_all_processes(cluster: Cluster) -> None:
    owner, user = "cost-owner", f"cost-user-{CHANNELS}"
    names = [f"group:cost-{CHANNELS}-{number}" for number in range(CHANNELS)]
    await batch(
        cluster,
        [
            {
                "method": "POST",
                "path": "/v1/channels",
                "body": {"channel": name, "owner": owner, "members": [user]},
            }
            for name in names
        ],
    )
    async with Client(cluster.urls[0], cluster.token(owner)) as a:
        for name in names[-FIRST_PAGE:]:
            await a.send(name, "hi")
    token = cluster.token(user)
    async with Client(cluster.urls[1], token) as b:  # caches are warm from here on
        await b.wait_until(lambda: len(b.connected["data"]["heads"]) == min(CHANNELS, FIRST_PAGE))
    each = await cost_ms(cluster, token) / CONNECTS
    print(f"bootstrap of {CHANNELS} channels: {each:.2f} CPU-ms in all processes")
    assert each <= CPU_MS_MAX, f"{each:.2f} ms"


async def cost_ms(cluster: Cluster, token: str) -> float:
    """CPU of all processes while a user connects some times, less what they need when idle."""
    processes = [psutil.Process(entry.pid) for entry in cluster.file.processes]

    def total() -> float:
        times = [process.cpu_times() for process in processes]
        return sum(t.user + t.system for t in times)

    before, began = total(), time.monotonic()
    for _ in range(CONNECTS):
        async with Client(cluster.urls[1], token) as client:
            assert client.connected["data"]["heads"]
    took = time.monotonic() - began
    busy, before = total() - before, total()
    began = time.monotonic()
    while (rested := time.monotonic() - began) < max(took, 2.0):  # noqa: ASYNC110 - idling is measured
        await asyncio.sleep(0.1)
    idle = (total() - before) * took / rested
    return (busy - idle) * 1_000
