"""Messages on real processes: everything that one carries, its history, pins, forwards, links."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

PICTURE = {
    "kind": "image",
    "url": "https://example.org/a.png",
    "mime": "image/png",
    "bytes": 1234,
    "width": 64,
    "height": 48,
    "thumbnails": [{"url": "https://example.org/a-s.png", "width": 8, "height": 6}],
    "data": {"alt": "a picture"},
}


async def together(steps: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All at once; their results in order."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(step) for step in steps]
    return [task.result() for task in started]


def made(cluster: Cluster, channel: str, *members: str) -> str:
    body = {"channel": channel, "members": members[1:], "owner": members[0]}
    cluster.rest("POST", "/v1/channels", body)
    return channel


async def test_what_a_message_carries_arrives_as_it_was_sent(cluster: Cluster) -> None:
    channel = made(cluster, "group:carry", "msg-a", "msg-b")
    async with (
        Client(cluster.urls[0], cluster.token("msg-a")) as a,
        Client(cluster.urls[1], cluster.token("msg-b")) as b,
    ):
        await b.subscribe(channel)
        first = await a.send(channel, "one")
        await a.send(
            channel,
            "two",
            attachments=[PICTURE],
            mentions=["msg-b"],
            mention_all=True,
            reply_to=first["id"],
            type="card",
            data={"n": 1.5},
        )
        await a.send(channel, "psst", silent=True)
        pubs = await b.wait_publications(channel, 3)
        two = pubs[1]["data"]
        assert (two["attachments"], two["mentions"], two["type"]) == ([PICTURE], ["msg-b"], "card")
        assert two["quote"] == {
            "id": first["id"],
            "seq": first["seq"],
            "by": "msg-a",
            "text": "one",
        }
        page = (await b.rpc("history.get", channel=channel))["messages"]
        assert page == [pub["data"] for pub in pubs]
        await a.rpc("message.delete", channel=channel, id=first["id"])
        page = (await b.rpc("history.get", channel=channel))["messages"]
        assert page[1]["quote"] == {"id": first["id"], "seq": first["seq"], "deleted": True}
        recovered = await a.subscribe(channel, recover=True, offset=first["seq"] - 1, epoch="")
        texts = [pub["data"].get("quote", {}).get("text") for pub in recovered["publications"]]
        assert "one" not in texts
        with pytest.raises(ReplyError) as refused:
            await a.send(channel, "x", mentions=["nobody-here"])
        assert refused.value.code == 107
        with pytest.raises(ReplyError) as refused:
            await a.send(channel, "x", kind="system")
        assert refused.value.code == 103
        system = cluster.rest(
            "POST", f"/v1/channels/{channel}/messages", {"text": "hello", "kind": "system"}
        )
        bad = {"text": "x", "attachments": [{"kind": "link", "url": "javascript:alert(1)"}]}
        answer = cluster.rest_answer("POST", f"/v1/channels/{channel}/messages", bad)
        assert answer.status == 400
        many = await b.rpc("messages.get", channel=channel, ids=[system["id"], "0" * 26])
        assert [m["kind"] for m in many["messages"]] == ["system"]
        assert many["missing"] == ["0" * 26]


async def test_edits_are_kept_and_deletions_undone(cluster: Cluster) -> None:
    channel = made(cluster, "group:edits", "ed-own", "ed-a", "ed-b")
    async with (
        Client(cluster.urls[0], cluster.token("ed-own")) as owner,
        Client(cluster.urls[1], cluster.token("ed-a")) as a,
        Client(cluster.urls[0], cluster.token("ed-b")) as b,
    ):
        await b.subscribe(channel)
        sent = await a.send(channel, "one")
        where = {"channel": channel, "id": sent["id"]}
        changed = [await a.rpc("message.edit", **where, text=text) for text in ("two", "three")]
        edits = await b.rpc("message.edits", **where)
        assert [row["text"] for row in edits["revisions"]] == ["one", "two", "three"]
        assert {row["by"] for row in edits["revisions"]} == {"ed-a"}
        await a.rpc("message.delete", **where)
        with pytest.raises(ReplyError) as refused:
            await b.rpc("message.edits", **where)
        assert refused.value.code == 103
        kept = cluster.rest("GET", f"/v1/channels/{channel}/messages/{sent['id']}/edits")
        assert (kept["deleted"], kept["revisions"][-1]["text"]) == (True, "three")
        back = await a.rpc("message.undelete", **where)
        assert back["rev"] == 4
        assert (await b.rpc("message.get", **where))["text"] == "three"
        await owner.rpc("message.delete", **where)
        with pytest.raises(ReplyError) as refused:
            await a.rpc("message.undelete", **where)
        assert refused.value.code == 103
        await owner.rpc("message.undelete", **where)
        pubs = await b.wait_publications(channel, 7)
        kinds = [pub["data"]["t"].removeprefix("message.") for pub in pubs]
        assert kinds == ["created", *["updated"] * 2, *["deleted", "undeleted"] * 2]
        assert pubs[-1]["data"]["text"] == "three"

        # What stood there then, for who may undelete: also when it was said and taken back since.
        await owner.rpc("message.delete", **where)
        path = f"/v1/channels/{channel}/messages?as_of="
        for at, text in ((sent["ts"], "one"), (changed[0]["ts"], "two"), (back["ts"], "three")):
            [then] = (await owner.rpc("history.get", channel=channel, as_of=at))["messages"]
            assert (then["text"], "deleted" in then) == (text, False)
            assert cluster.rest("GET", path + at)["messages"] == [then]
        with pytest.raises(ReplyError) as refused:
            await a.rpc("history.get", channel=channel, as_of=sent["ts"])
        assert refused.value.code == 103


async def test_everything_of_an_author_goes_by_itself(cluster: Cluster) -> None:
    channel = made(cluster, "group:purge", "pu-own", "pu-a", "pu-b")
    async with (
        Client(cluster.urls[0], cluster.token("pu-own")) as owner,
        Client(cluster.urls[1], cluster.token("pu-a")) as a,
        Client(cluster.urls[0], cluster.token("pu-b")) as b,
    ):
        texts = await together(a.send(channel, f"a{n}") for n in range(250))
        kept = [await b.send(channel, f"b{n}") for n in range(3)]
        two = await owner.rpc(
            "message.bulk_delete", channel=channel, ids=[texts[0]["id"], texts[1]["id"]]
        )
        assert two["deleted"] == 2
        first = await owner.rpc("message.delete_by", channel=channel, user="pu-a")
        assert (first["deleted"], first["more"]) == (100, True)
        async with asyncio.timeout(10):
            while left := await _texts(b, channel):
                if left == [f"b{n}" for n in range(3)]:
                    break
                await asyncio.sleep(0.05)
        assert (await b.rpc("message.get", channel=channel, id=kept[0]["id"]))["text"] == "b0"
        with pytest.raises(ReplyError) as refused:
            await b.rpc("message.delete_by", channel=channel, user="pu-own")
        assert refused.value.code == 103


async def _texts(client: Client, channel: str) -> list[str]:
    found: list[dict[str, Any]] = []
    after = 0
    while page := (await client.rpc("history.get", channel=channel, after_seq=after, limit=200))[
        "messages"
    ]:
        found += page
        after = page[-1]["seq"]
    return [m["text"] for m in found if not m.get("deleted")]


async def test_pins_end_and_forwards_name_their_origin(cluster: Cluster) -> None:
    source = made(cluster, "group:origin", "pf-own", "pf-a")
    target = made(cluster, "group:target", "pf-a", "pf-b")
    async with (
        Client(cluster.urls[0], cluster.token("pf-own")) as owner,
        Client(cluster.urls[1], cluster.token("pf-a")) as a,
        Client(cluster.urls[0], cluster.token("pf-b")) as b,
    ):
        await a.subscribe(source)
        sent = await owner.send(source, "keep this", attachments=[PICTURE])
        where = {"channel": source, "id": sent["id"]}
        ends = sent["ts"]  # in the past
        with pytest.raises(ReplyError) as refused:
            await owner.rpc("message.pin", **where, until=ends)
        assert refused.value.code == 107
        await owner.rpc("message.pin", **where, until=int(time.time() * 1_000) + 1_000)
        pins = await a.rpc("pin.list", channel=source)
        assert [pin["message"]["id"] for pin in pins["pins"]] == [sent["id"]]
        assert (await owner.subscribe(source))["data"]["pinned"] == [sent["id"]]

        def kinds() -> list[str]:
            return [pub["data"]["t"] for pub in a.publications(source)]

        await a.wait_until(lambda: "message.unpinned" in kinds(), "the end of the pin")
        assert (await a.rpc("pin.list", channel=source))["pins"] == []

        await b.subscribe(target)
        copy = await a.rpc("message.forward", **where, to=target)
        (pub,) = await b.wait_publications(target, 1)
        assert pub["data"]["text"] == "keep this"
        assert pub["data"]["attachments"] == [PICTURE]
        origin = {"channel": source, "id": sent["id"], "by": "pf-own"}
        assert (pub["data"]["forwarded"], pub["data"]["by"]) == (origin, "pf-a")
        assert pub["data"]["id"] == copy["id"]
        forged = await a.send(target, "forged", forwarded=origin)
        shown = await b.rpc("message.get", channel=target, id=forged["id"])
        assert "forwarded" not in shown
        for client, place in ((b, where), (owner, where)):  # may not read, may not send
            with pytest.raises(ReplyError) as refused:
                await client.rpc("message.forward", **place, to=target)
            assert refused.value.code == CHANNEL_NOT_FOUND.code
        located = await a.rpc("message.locate", **where)
        assert located["seq"] == sent["seq"]
        by_link = cluster.rest("GET", f"/v1/locate?link={located['link']}")
        assert (by_link["id"], by_link["channel"]) == (sent["id"], source)
