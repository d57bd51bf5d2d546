"""Signs of typing over two edges: within a second, without an offset, not kept; or a number."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

CHANNEL = "group:typing"
PATH = f"/v1/channels/{CHANNEL}"
TOLD_S = 5.0  # a tenth of a second as a rule; a full machine takes longer


def signs(client: Client, channel: str = CHANNEL) -> list[dict[str, Any]]:
    """Publications about typing, whole: with their offset, if they have one."""
    pubs = [
        push["pub"] for push in client.pushes if push.get("channel") == channel and "pub" in push
    ]
    return [pub for pub in pubs if pub["data"]["t"].startswith("typing.")]


async def test_a_sign_reaches_the_other_edge_and_is_not_kept(cluster: Cluster) -> None:
    async def rest(method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(cluster.rest, method, path, body)

    members = ["ty-ann", "ty-bob", "ty-cid"]
    await rest("POST", "/v1/channels", {"channel": CHANNEL, "owner": "ty-ann", "members": members})
    await rest("POST", PATH + "/mutes", {"user": "ty-cid"})
    head = (await rest("GET", PATH))["head"]
    async with (
        Client(cluster.urls[0], cluster.token("ty-ann")) as ann,
        Client(cluster.urls[1], cluster.token("ty-bob")) as bob,
        Client(cluster.urls[0], cluster.token("ty-cid")) as cid,
    ):
        await bob.subscribe(CHANNEL)
        started = time.monotonic()
        answer = await ann.rpc("typing.start", channel=CHANNEL)
        assert (answer["shown"], answer["seq"]) == (True, head)
        await bob.wait_until(lambda: len(signs(bob)) == 1, "the sign", TOLD_S)
        assert time.monotonic() - started < TOLD_S
        with pytest.raises(ReplyError, match="muted"):
            await cid.rpc("typing.start", channel=CHANNEL)
        await rest("POST", PATH + "/typing", {"by": "ty-ann"})
        await rest("DELETE", PATH + "/typing?by=ty-ann")
        await bob.wait_until(lambda: len(signs(bob)) == 3, "signs by REST", TOLD_S)
        assert not any(pub.get("offset") for pub in signs(bob))
        said = [(pub["data"]["t"], pub["data"]["by"]) for pub in signs(bob)]
        assert said == [
            ("typing.started", "ty-ann"),
            ("typing.started", "ty-ann"),
            ("typing.stopped", "ty-ann"),
        ]
        assert signs(bob)[0]["data"]["expires_ms"] == 6_000
        assert (await rest("GET", PATH))["head"] == head

        def offset() -> int:
            return int(bob.publications(CHANNEL)[-1].get("offset", 0))

        await ann.rpc("typing.start", channel=CHANNEL)
        await rest("POST", PATH + "/timeouts", {"user": "ty-ann", "for_s": 60})
        await bob.wait_until(lambda: len(signs(bob)) == 5, "the end of it", TOLD_S)
        last = [pub["data"]["t"] for pub in bob.publications(CHANNEL)][-3:]
        assert last == ["typing.started", "member.muted", "typing.stopped"]
        assert signs(bob)[-1]["data"]["by"] == "ty-ann"
        with pytest.raises(ReplyError, match="muted"):
            await ann.rpc("typing.start", channel=CHANNEL)
        await rest("DELETE", PATH + "/mutes/ty-ann")
        head = (await rest("GET", PATH))["head"]
        sent = await ann.send(CHANNEL, "what was typed")
        assert sent["seq"] == head + 1
        await bob.wait_until(
            lambda: bob.publications(CHANNEL)[-1].get("offset") == head + 1, "the message"
        )
        assert bob.publications(CHANNEL)[-1]["offset"] == head + 1


async def test_who_hides_typing_is_not_told(cluster: Cluster) -> None:
    channel = CHANNEL + "-hidden"
    body = {"channel": channel, "owner": "ty-dan", "members": ["ty-dan", "ty-eve"]}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
    async with (
        Client(cluster.urls[0], cluster.token("ty-dan")) as dan,
        Client(cluster.urls[1], cluster.token("ty-eve")) as eve,
    ):
        await eve.subscribe(channel)
        await dan.rpc("privacy.set", typing=False)
        for _ in range(100):  # the switch reaches his channels within a second
            if not (await dan.rpc("typing.start", channel=channel))["shown"]:
                break
            await asyncio.sleep(0.05)
        before = len(eve.publications(channel))
        assert (await dan.rpc("typing.start", channel=channel))["shown"] is False
        await eve.rpc("typing.start", channel=channel)
        await eve.wait_until(lambda: len(eve.publications(channel)) > before, "her own sign")
        assert eve.publications(channel)[before]["data"]["by"] == "ty-eve"


async def test_in_an_open_channel_the_number_is_told_and_no_name(cluster: Cluster) -> None:
    channel = "open:typing"
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", {"channel": channel})
    users = ["ty-fay", "ty-gus", "ty-hal"]
    async with (
        Client(cluster.urls[0], cluster.token(users[0])) as fay,
        Client(cluster.urls[1], cluster.token(users[1])) as gus,
        Client(cluster.urls[1], cluster.token(users[2])) as hal,
    ):
        await hal.subscribe(channel)

        def counts() -> list[int]:
            return [one["data"]["count"] for one in signs(hal, channel)]

        for client in (fay, gus):
            assert (await client.rpc("typing.start", channel=channel))["shown"] is True
        await hal.wait_until(lambda: 2 in counts(), "both")
        for client in (fay, gus):
            await client.rpc("typing.stop", channel=channel)
        await hal.wait_until(lambda: counts()[-1] == 0, "neither")
        assert {one["data"]["t"] for one in signs(hal, channel)} == {"typing.counted"}
        assert all("offset" not in o and not o["data"]["by"] for o in signs(hal, channel))
