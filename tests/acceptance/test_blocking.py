"""A blocks B: on no surface does A see anything of B, and B's answers are what they were."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ops.api import Rest
from tests.support.client import Client
from tests.support.cluster import Cluster

SECRET = "the words of bob"


def hears(client: Client, text: str) -> bool:
    return text in json.dumps([push for push in client.pushes])


async def test_a_sees_nothing_of_b(cluster: Cluster) -> None:
    ann, ben, cid = (
        Client(cluster.urls[n % 2], cluster.token(f"bl-{u}"))
        for n, u in enumerate(("ann", "ben", "cid"))
    )
    channel = "group:bl-tea"
    async with ann, ben, cid:
        await cid.rpc("channel.create", channel=channel, members=["bl-ann", "bl-ben"])
        position = await ann.subscribe(channel)
        for client in (ben, cid):
            await client.subscribe(channel)
        before = await ben.rpc("message.send", channel=channel, text=SECRET + " 0")
        await ann.wait_until(lambda: hears(ann, SECRET + " 0"), "not blocked yet")
        await ann.rpc("user.block", blocked="bl-ben")
        assert [row["user"] for row in (await ann.rpc("block.list"))["blocks"]] == ["bl-ben"]
        await ann.wait_until(lambda: hears(ann, "user.blocked"), "the edge knows")
        ann.pushes.clear()

        sent = await ben.rpc("message.send", channel=channel, text=SECRET, mentions=["bl-ann"])
        assert sent.keys() == before.keys()
        await ben.rpc("typing.start", channel=channel)
        await ben.rpc("reaction.add", channel=channel, id=sent["id"], emoji=":tea:")
        await cid.rpc("message.pin", channel=channel, id=sent["id"])
        root = await cid.rpc("message.send", channel=channel, text="root")
        await ben.rpc("message.send", channel=channel, text=SECRET, thread=root["id"])
        last = await cid.rpc("message.send", channel=channel, text="last")
        await ann.wait_until(lambda: hears(ann, '"last"'), "the last message")
        await cid.wait_until(lambda: hears(cid, "typing.started"), "others see him type")
        assert hears(cid, SECRET)
        assert not hears(ann, SECRET)
        assert not hears(ann, "typing.started")
        pubs = [p["pub"] for p in ann.pushes if p.get("channel") == channel and "pub" in p]
        offsets = [p["offset"] for p in pubs if p.get("offset")]
        assert offsets == list(range(sent["seq"], last["seq"] + 1)), "no holes"
        assert pubs[0]["data"] == {
            "t": "message.hidden",
            "seq": sent["seq"],
            "id": sent["id"],
            "ts": sent["ts"],
        }

        for verb, params in (
            ("history.get", {"channel": channel}),
            ("thread.get", {"channel": channel, "id": root["id"]}),
            ("pin.list", {"channel": channel}),
            ("reaction.list", {"channel": channel, "id": sent["id"]}),
            ("presence.get", {"users": ["bl-ben"]}),
        ):
            answer: dict[str, Any] = await ann.rpc(verb, **params)
            text = json.dumps(answer)
            assert SECRET not in text, verb
            if verb == "history.get":
                assert "message.hidden" in text
                assert SECRET in json.dumps(await cid.rpc(verb, **params))
            if verb == "presence.get":
                assert answer["users"]["bl-ben"] == {"state": "offline"}
        own = json.dumps(await ben.rpc("history.get", channel=channel))
        assert SECRET in own
        assert "hidden" not in own

        path = f"/v1/channels/{channel}/messages"
        for url in cluster.urls:  # with a session of hers there, and without
            rest = Rest(url, cluster.token("bl-ann"))
            page = await asyncio.to_thread(rest.need, "GET", path)
            assert SECRET not in json.dumps(page), "REST"
            assert "message.hidden" in json.dumps(page)
        async with Client(cluster.urls[1], cluster.token("bl-ann")) as again:
            await again.rpc("block.list")
            joined = {"recover": True, "offset": sent["seq"] - 1, "epoch": position["epoch"]}
            missed = await again.subscribe(channel, **joined)
            assert missed["recovered"]
            assert missed["publications"][0]["data"]["t"] == "message.hidden"
            page = await again.command(history={"channel": channel, "limit": 50})
            assert len(page["publications"]) >= 4
            found = await again.rpc("search.messages", q="words of bob")
            heads = [push for push in again.pushes if "heads" in json.dumps(push)]
            assert SECRET not in json.dumps([missed, page, found, heads, again.connected])

        await ann.rpc("user.unblock", blocked="bl-ben")
        await ann.wait_until(lambda: hears(ann, "user.unblocked"), "the edge knows")
        await ben.rpc("message.send", channel=channel, text="heard again")
        await ann.wait_until(lambda: hears(ann, "heard again"), "unblocked")
