"""A real node process, driven by a test that plays the router."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND
from hubbub.wire.codec import decode_pack
from hubbub.wire.shapes import HeadAsk, HeadsQuery, Kind, Redirect, Status
from tests.node.process import APP, NodeProcess, RouterPlayer, command, running_node

ROOM = "group:x"


def read(url: str) -> str:
    """The body of a GET."""
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


async def test_a_message_goes_through_a_real_process() -> None:
    async with running_node() as (node, router):
        created = await router.submit(ROOM, "channel.create", {"channel": ROOM, "members": ["bob"]})
        assert created.seq == 1
        subscribed = await router.subscribe(ROOM, user="bob")
        assert (subscribed.head, subscribed.recovered) == (1, False)
        sent = await router.submit(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
        event = await router.next_event(ROOM, 2)
        assert json.loads(event.data)["id"] == sent.id
        page = json.loads(await router.query(ROOM, "history.get", {"channel": ROOM}))
        assert [m["text"] for m in page["messages"]] == ["hi"]
        assert (page["head"], page["epoch"]) == (2, subscribed.epoch)
        ask = HeadAsk(router.slot_of(ROOM), APP, ROOM, users=("bob",), preview=True)
        (row,) = (await router.heads(HeadsQuery("edge-1.7", (ask,)))).rows
        assert (row.led, row.seq, json.loads(row.preview)["text"]) == (True, 2, "hi")
        assert json.loads(row.fields[0])["unread"] == 1
        refused = await router.submit(ROOM, "message.send", {"channel": ROOM, "text": "x"}, "eve")
        assert refused.code == CHANNEL_NOT_FOUND.code
        await router.view.load()
        url = router.view.nodes["node-1"].admin_url
        ready = await asyncio.to_thread(read, f"{url}/readyz")
        assert json.loads(ready) == {"ready": True, "reasons": []}
        text = await asyncio.to_thread(read, f"{url}/metrics")
        assert "hubbub_node_writer_batches_total" in text
        assert "hubbub_node_fsync_seconds_bucket" in text
        code, errors = node.kill(signal.SIGTERM)
        assert code == 0, errors


async def test_a_higher_term_or_a_foreign_slot_is_redirected() -> None:
    async with running_node() as (_, router):
        body = command("channel.create", {"channel": ROOM}, "alice")
        for answer in (
            await router.ask(Kind.SUBMIT, ROOM, body, term=99),
            await router.ask(Kind.QUERY, ROOM, body, slot=999),
        ):
            assert answer.flags == Status.REDIRECT
        assert decode_pack(answer.body, Redirect).leader == ""


async def test_forwards_reach_other_slots_and_their_rows_go() -> None:
    """Creating a group tells each member's own stream."""
    async with running_node() as (_, router):
        await router.subscribe("#bob", user="bob")
        members = {"channel": ROOM, "members": ["bob", "carol"]}
        await router.submit(ROOM, "channel.create", members)
        event = await router.next_event("#bob", 1)
        assert ROOM.encode() in event.data


async def test_a_restart_keeps_everything_and_takes_a_new_term() -> None:
    node = NodeProcess()
    try:
        await node.prepare()
        terms = []
        for attempt in range(2):
            node.start()
            router = RouterPlayer(node.coordinator)
            await router.connect(str(node.config["listen"]))
            if not attempt:
                await router.submit(ROOM, "channel.create", {"channel": ROOM})
            sent = await router.submit(ROOM, "message.send", {"channel": ROOM, "text": "x"})
            assert sent.seq == 2 + attempt
            await router.view.load()
            terms.append(router.view.slot_map.term_of(router.slot_of(ROOM)))
            await router.close()
            code, errors = node.kill(signal.SIGKILL if not attempt else signal.SIGTERM)
            assert code == (-signal.SIGKILL if not attempt else 0), errors
        assert terms == [1, 2]
    finally:
        node.close()


@pytest.mark.parametrize("lost", ["database", "everything"])
async def test_a_database_that_is_gone_is_said_and_not_replaced(lost: str) -> None:
    node = NodeProcess()
    try:
        await node.prepare()
        node.start()
        router = RouterPlayer(node.coordinator)
        await router.connect(str(node.config["listen"]))
        await router.submit(ROOM, "channel.create", {"channel": ROOM})
        await router.close()
        node.kill()
        for path in (node.data / "db").iterdir():
            path.unlink()
        if lost == "everything":
            (node.data / "acked.map").unlink()
        node.start()
        assert node.process is not None
        assert node.process.wait(timeout=20) == 5
        assert "backup" in node.kill()[1]
    finally:
        node.close()
