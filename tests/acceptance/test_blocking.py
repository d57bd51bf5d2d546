"""A blocks B: on no surface does A see anything of B, and B's answers are what they were."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import random
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

        def has_read(client: Client) -> int:
            """How far Ben has read, as this client was told."""
            told = [pub["data"].get("read", {}) for pub in client.publications(channel)]
            return max((marks.get("bl-ben", 0) for marks in told), default=0)

        sent = await ben.rpc("message.send", channel=channel, text=SECRET, mentions=["bl-ann"])
        assert sent.keys() == before.keys()
        await ben.rpc("typing.start", channel=channel)
        await ben.rpc("reaction.add", channel=channel, id=sent["id"], emoji=":tea:")
        await cid.rpc("message.pin", channel=channel, id=sent["id"])
        await asyncio.to_thread(
            cluster.rest,
            "PATCH",
            f"/v1/channels/{channel}/messages/{sent['id']}",
            {"text": SECRET + ", milder"},
        )
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
            ("message.get", {"channel": channel, "id": sent["id"]}),
            ("message.edits", {"channel": channel, "id": sent["id"]}),
            ("message.locate", {"channel": channel, "id": sent["id"]}),
            ("thread.list", {"channel": channel}),
        ):
            answer: dict[str, Any] = await ann.rpc(verb, **params)
            text = json.dumps(answer)
            assert SECRET not in text, verb
            assert verb == "presence.get" or "bl-ben" not in text, verb
            if verb == "history.get":
                assert "message.hidden" in text
                assert SECRET in json.dumps(await cid.rpc(verb, **params))
            if verb == "presence.get":
                assert answer["users"]["bl-ben"] == {"state": "offline"}
        here = (await ann.command(presence={"channel": channel}))["presence"].values()
        assert {info["user"] for info in here} == {"bl-ann", "bl-cid"}, "who is connected"
        here = (await cid.command(presence={"channel": channel}))["presence"].values()
        assert "bl-ben" in {info["user"] for info in here}
        told = [push for push in ann.pushes if push.get("channel") == channel]
        assert "bl-ben" not in json.dumps(told), "nor is he in what came live"
        rude = await ben.rpc(
            "channel.create", channel=channel + "-rude", name=SECRET, members=["bl-ann"]
        )
        polite = await cid.rpc("channel.create", channel=channel + "-ok", members=["bl-ann"])
        assert rude.keys() == polite.keys()
        await ann.wait_until(lambda: hears(ann, channel + "-ok"), "both are listed")
        await ann.wait_until(lambda: hears(ann, channel + "-rude"), "hidden")
        shown = await ann.rpc("channel.query", limit=50)
        assert channel + "-rude" not in json.dumps(shown)
        assert SECRET not in json.dumps([shown, ann.pushes])
        await ben.rpc("mark.read", channel=channel, upto=last["seq"])
        await cid.wait_until(lambda: has_read(cid) == last["seq"], "others see how far he read")
        assert has_read(ann) == 0
        readers = {"channel": channel, "id": root["id"]}
        assert '"bl-ben"' in json.dumps(await cid.rpc("receipts.readers", **readers))
        assert '"bl-ben"' not in json.dumps(await ann.rpc("receipts.readers", **readers))
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
            assert "bl-ben" not in json.dumps(missed["data"]), "whose marks are shown"
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


async def test_sums_are_those_of_everybody_without_names(cluster: Cluster) -> None:
    """Reaction and vote counts (record 0034): without Ben, an anonymous vote of his would show."""
    ann, ben, cid = (Client(cluster.urls[0], cluster.token(f"bs-{u}")) for u in "abc")
    channel = "group:bs-tea"

    def told(kind: str, field: str) -> Any:
        """What Ann's device was pushed last of this type."""
        datas = [push["data"] for push in ann.publications(channel)]
        return next((data[field] for data in reversed(datas) if data["t"] == kind), None)

    async with ann, ben, cid:
        await cid.rpc("channel.create", channel=channel, members=["bs-a", "bs-b"])
        await ann.rpc("user.block", blocked="bs-b")
        sent = await cid.rpc("message.send", channel=channel, text="milk?")
        poll = await cid.rpc(
            "poll.create", channel=channel, question="sugar?", options=["1", "2"], anonymous=True
        )
        await ann.subscribe(channel)
        for client in (ben, cid):
            await client.rpc("reaction.add", channel=channel, id=sent["id"], emoji=":tea:")
            await client.rpc("poll.vote", channel=channel, id=poll["id"], options=[1])
        await ann.wait_until(lambda: told("poll.counted", "voters") == 2, "both votes")
        await ann.wait_until(lambda: told("reaction.added", "count") == 2, "her reaction")
        assert told("message.hidden", "seq"), "his"
        who = await ann.rpc("reaction.list", channel=channel, id=sent["id"])
        assert who["reactions"] == {":tea:": 2}
        assert [one["user"] for one in who["reactors"]] == ["bs-c"]
        got = await ann.rpc("poll.get", channel=channel, id=poll["id"])
        assert [one.get("votes", 0) for one in got["poll"]["options"]] == [2, 0]
        pushes = [push for push in ann.pushes if push.get("channel") == channel]
        assert "bs-b" not in json.dumps([pushes, who, got])


ANN, BEN, CID = "bc-ann", "bc-ben", "bc-cid"
ROOMS = [f"group:bc-{n}" for n in range(3)]
Counts = dict[str, tuple[int, int]]  # channel → (unread, mentions)


def seen_of(page: dict[str, Any], thread: str = "") -> tuple[int, int]:
    """Unread and mentions by hand: of what Ann is shown, and has not written."""
    shown = [
        m
        for m in page["messages"]
        if "text" in m and m["by"] != ANN and m.get("thread", "") == thread
    ]
    return len(shown), sum(ANN in m.get("mentions", ()) for m in shown)


def told_of(device: Client, channels: list[str]) -> Counts:
    """What a device was told last by heads."""
    found: Counts = {}
    for push in device.publications(f"#{ANN}"):
        for channel, row in push["data"].get("heads", {}).items():
            if channel in channels and "unread" in row:
                found[channel] = row["unread"], row["mentions"]
    return found


async def compare(cluster: Cluster, devices: list[Client], channels: list[str], root: str) -> int:
    """Every surface with figures says what a look at each message says. The unread in all."""
    ann = devices[0]
    expected: Counts = {}
    for channel in channels:
        page = await ann.rpc("history.get", channel=channel, limit=100)
        assert "next" not in page or not page["next"]
        expected[channel] = seen_of(page)
    page = await ann.rpc("thread.get", channel=channels[0], id=root)
    threads = seen_of(page, root)
    unread, mentions = (sum(part) for part in zip(*expected.values(), strict=True))
    total = {
        "unread": unread,
        "mentions": mentions,
        "threads_unread": threads[0],
        "threads_mentions": threads[1],
        "channels": sum(count > 0 for count, _ in expected.values()),
    }
    for device in devices:
        assert await device.rpc("unread.total") == total
        await device.wait_until(
            lambda device=device: told_of(device, channels) == expected, "heads say the same"
        )
    assert cluster.rest("GET", f"/v1/users/{ANN}/unread") == total, "a server key's answer"
    asked = {"channels": {channel: ["", 0] for channel in channels}}
    answers = [
        await ann.rpc("channel.query", limit=50),
        (await ann.rpc("thread.unread", channel=channels[0])),
        (await ann.rpc("sync", **asked)),
    ]
    of_ann, of_server = (cluster.token(ANN), ""), (cluster.server_key, f"?by={ANN}")
    for url, (key, by) in itertools.product(cluster.urls, (of_ann, of_server)):
        rest = Rest(url, key)
        need = functools.partial(asyncio.to_thread, rest.need)
        assert await need("GET", f"/v1/users/{ANN}/unread") == total
        rows = answers[0]["channels"]
        if not by:
            rows = (await need("POST", "/v1/channels/query", {"limit": 50}))["channels"]
        page = await need("GET", f"/v1/channels/{channels[0]}/threads/unread{by}")
        synced = await need("POST", f"/v1/users/{ANN}/sync", asked)
        for one, two, three in ((rows, page, synced), (answers[0]["channels"], *answers[1:])):
            heads = {row["channel"]: row["head"] for row in one}
            assert {c: (heads[c]["unread"], heads[c]["mentions"]) for c in channels} == expected
            figures = {c: three["channels"][c]["figures"] for c in channels}
            assert {c: (f["unread"], f["mentions"]) for c, f in figures.items()} == expected
            [thread] = two["threads"]
            assert (thread["unread"], thread["mentions"]) == threads
    for channel in channels:
        async with Client(cluster.urls[1], cluster.token(ANN)) as late:
            own = (await late.subscribe(channel))["data"]
            assert (own.get("unread", 0), own.get("mentions", 0)) == expected[channel]
        why = cluster.rest("GET", f"/v1/channels/{channel}/unread/{ANN}")
        assert (why["unread"], why["mentions"]) == expected[channel]
        assert sum(message["counts"] for message in why["messages"]) == expected[channel][0]
    return unread


async def test_figures_are_those_of_what_the_blocker_can_see(cluster: Cluster) -> None:
    rng = random.Random(5)
    phone, laptop = (Client(cluster.urls[n % 2], cluster.token(ANN)) for n in range(2))
    ben, cid = (Client(cluster.urls[0], cluster.token(user)) for user in (BEN, CID))
    async with ben, cid:
        for room in ROOMS:
            await cid.rpc("channel.create", channel=room, members=[ANN, BEN])
        dm = (await ben.rpc("channel.open", **{"with": ANN}))["channel"]
        channels = [*ROOMS, dm]
        root = (await cid.rpc("message.send", channel=ROOMS[0], text="root"))["id"]
        await wait_listed(cluster, channels)
        async with phone, laptop:
            await phone.rpc("thread.follow", channel=ROOMS[0], id=root)
            for device in (phone, laptop):
                await device.rpc("screen.set", channels=channels)
            answers: list[set[str]] = []

            async def talk() -> None:
                for _ in range(12):
                    who = rng.choice((ben, cid))
                    named = rng.choice(([], [], [ANN]))
                    where = rng.choice(channels if who is ben else ROOMS)
                    more: dict[str, Any] = {"mentions": named} if where != dm else {}
                    if where == ROOMS[0] and rng.random() < 0.5:
                        more["thread"] = root
                    sent = await who.rpc("message.send", channel=where, text="hi", **more)
                    answers.append(set(sent))

            await talk()
            await ben.rpc("message.send", channel=dm, text="psst")
            everybody = await compare(cluster, [phone, laptop], channels, root)
            await phone.rpc("user.block", blocked=BEN)
            await phone.wait_until(lambda: hears(phone, "user.blocked"), "one edge knows")
            await laptop.wait_until(lambda: hears(laptop, "user.blocked"), "the other, too")
            assert await compare(cluster, [phone, laptop], channels, root) < everybody
            await talk()
            async with Client(cluster.urls[1], cluster.token(ANN)) as late:
                await late.subscribe(ROOMS[1])
                rude = await ben.rpc("message.send", channel=ROOMS[1], text=SECRET, mentions=[ANN])
                path = f"/v1/channels/{ROOMS[1]}/messages/{rude['id']}"
                cluster.rest("PATCH", path, {"text": SECRET + ", milder"})
                live = await late.wait_publications(ROOMS[1], 2)
                assert {pub["data"]["t"] for pub in live} == {"message.hidden"}, "and its edit"
            few = await compare(cluster, [phone, laptop], channels, root)
            query = json.dumps(await phone.rpc("channel.query", limit=50))
            edits = await phone.rpc("history.get", channel=ROOMS[1], limit=100)
            assert SECRET not in query + json.dumps([edits, phone.pushes, laptop.pushes])
            await laptop.rpc("user.unblock", blocked=BEN)
            for device in (phone, laptop):
                await device.wait_until(lambda d=device: hears(d, "user.unblocked"), "both know")
            assert await compare(cluster, [phone, laptop], channels, root) > few
            assert len({frozenset(keys) for keys in answers}) == 1, "his answers say nothing"


async def wait_listed(cluster: Cluster, channels: list[str]) -> None:
    async with asyncio.timeout(10):
        async with Client(cluster.urls[0], cluster.token(ANN)) as ann:
            while True:
                page = await ann.rpc("channel.query", limit=50)
                if {row["channel"] for row in page["channels"]} >= {*channels}:
                    return
                await asyncio.sleep(0.05)
