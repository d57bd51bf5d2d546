"""What a channel keeps, counts and forgets, on real processes: seats, own event types, metadata,
retention, thousands of members by a job, a list of many channels.

Whole form: HUBBUB_ADDED=10000 HUBBUB_CHANNELS=10000 HUBBUB_PAGES=20 pytest this file.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest

from hubbub.base.errors import COUNTER_BOUND
from tests.support import patience
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster
from tests.support.patience import batch
from tests.support.requirement import missing

CLIENTS, SEATS = 100, 10
ADDED = int(os.environ.get("HUBBUB_ADDED", "2500"))
CHANNELS = int(os.environ.get("HUBBUB_CHANNELS", "60"))
PAGES = int(os.environ.get("HUBBUB_PAGES", "5"))


async def test_a_hundred_clients_race_for_ten_seats(cluster: Cluster) -> None:
    hall = "open:seats"
    rest = cluster.rest
    await asyncio.to_thread(rest, "POST", "/v1/channels", {"channel": hall})
    path = f"/v1/channels/{hall}/counters/seats"
    await asyncio.to_thread(rest, "PUT", path, {"max": SEATS})
    won: dict[int, int] = {}
    lost: list[int] = []

    async def race(client: Client) -> None:
        wish = {"channel": hall, "name": "seats", "cmid": new_cmid()}
        try:
            answer = await client.rpc("counter.increment", **wish)
        except ReplyError as refused:
            lost.append(refused.code)
        else:
            again = await client.rpc("counter.increment", **wish)
            assert (again["value"], again["order"]) == (answer["value"], answer["order"])
            won[answer["order"]] = answer["value"]

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(cluster.urls[n % 2], await asyncio.to_thread(cluster.token, f"seat-{n}"))
            )
            for n in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(race(client))
    assert won == {n: n for n in range(1, SEATS + 1)}
    assert lost == [COUNTER_BOUND.code] * (CLIENTS - SEATS)
    counters = (await asyncio.to_thread(rest, "GET", f"/v1/channels/{hall}/counters"))["counters"]
    assert counters["seats"] == {"value": SEATS, "min": 0, "max": SEATS, "order": SEATS}


async def test_own_event_types_are_validated_and_metadata_compared(cluster: Cluster) -> None:
    if find_spec("jsonschema_rs") is None:
        missing("jsonschema-rs", "jsonschema-rs is not installed")
    group = "group:typed"
    await asyncio.to_thread(
        cluster.rest, "POST", "/v1/channels", {"channel": group, "owner": "type-ann"}
    )
    schema = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}
    registered = await asyncio.to_thread(
        cluster.rest, "PUT", "/v1/event_types/move.made", {"schema": schema}
    )
    ours = await asyncio.to_thread(
        cluster.rest_answer, "PUT", "/v1/event_types/message.created", {"schema": schema}
    )
    assert (ours.status, ours.body["code"]) == (422, "name_reserved")
    async with Client(cluster.urls[1], cluster.token("type-ann")) as ann:
        await ann.subscribe(group)
        sent = await ann.rpc("event.send", channel=group, type="move.made", data={"x": 3})
        [got] = await ann.wait_publications(group, 1)
        assert (got["offset"], got["data"]["data"]) == (sent["seq"], {"x": 3})
        assert got["data"]["version"] == registered["version"]
        with pytest.raises(ReplyError, match="schema_mismatch"):
            await ann.rpc("event.send", channel=group, type="move.made", data={"x": "3"})
        with pytest.raises(ReplyError, match="not_found"):
            await ann.rpc("event.send", channel=group, type="no.such", data={})
        first = await ann.rpc("metadata.set", channel=group, key="turn", value="ann", if_rev=0)
        with pytest.raises(ReplyError, match="conflict"):
            await ann.rpc("metadata.set", channel=group, key="turn", value="bob", if_rev=0)
        change = {"channel": group, "key": "turn", "value": "bob", "if_rev": first["rev"]}
        second = await ann.rpc("metadata.set", **change)
        found = (await ann.rpc("metadata.get", channel=group))["metadata"]
        assert found == {"turn": {"value": "bob", "rev": second["rev"]}}


async def test_what_is_too_old_goes_and_history_says_so(cluster: Cluster) -> None:
    group = "group:short"
    body = {"channel": group, "owner": "ret-ann"}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", body)
    async with Client(cluster.url, cluster.token("ret-ann")) as ann:
        for n in range(20):
            await ann.send(group, f"old {n}")
        lone = (await ann.send(group, "ends alone"))["id"]
        at = int(time.time() * 1_000) + 700
        await ann.rpc("message.expire", channel=group, id=lone, at=at)

        async def is_tombstone() -> bool:
            message = await ann.rpc("message.get", channel=group, id=lone)
            return bool(message.get("deleted"))

        await eventually(is_tombstone)
        await ann.rpc("channel.set_retention", channel=group, retention_s=2)

        async def is_empty() -> bool:
            return not (await ann.rpc("history.get", channel=group, after_seq=0))["messages"]

        await eventually(is_empty)
        await ann.rpc("channel.set_retention", channel=group, retention_s=0)
        new = await ann.send(group, "new")
        page = await ann.rpc("history.get", channel=group, after_seq=0)
        assert [m["text"] for m in page["messages"]] == ["new"]
        [gone] = page["removed"]
        assert (gone["from"], gone["why"]) == (1, "retention")
        assert 22 <= gone["to"] < new["seq"]
        truncated = await ann.rpc("channel.truncate", channel=group, before_seq=0)
        after = await ann.rpc("history.get", channel=group)
        assert after["messages"] == []
        assert after["head"] == truncated["seq"] > new["seq"]
        assert [r["why"] for r in after["removed"]] == ["retention", "truncated"]


async def test_thousands_of_members_are_added_by_a_job(cluster: Cluster) -> None:
    group = "group:job"
    await asyncio.to_thread(
        cluster.rest, "POST", "/v1/channels", {"channel": group, "owner": "job-ann"}
    )
    users = [f"job-{n}" for n in range(ADDED - 1)]
    path = f"/v1/channels/{group}/members/jobs"
    job = (await patience.rest(cluster, "POST", path, {"users": users}))["job"]

    async def is_done() -> Any:
        path = f"/v1/channels/{group}/jobs/{job}"
        answer = await asyncio.to_thread(cluster.rest_answer, "GET", path)
        if answer.status == 503:  # the node is busy: asked again
            return None
        shown: Any = answer.body
        assert shown["state"] in ("running", "done"), shown
        return shown if shown["state"] == "done" else None

    shown = await eventually(is_done, 60.0)
    assert shown["added"] == ADDED - 1
    info = await patience.rest(cluster, "GET", f"/v1/channels/{group}")
    assert info["members"] == ADDED
    async with Client(cluster.url, cluster.token(users[-1])) as last:
        cmid = new_cmid()
        await patience.rpc(lambda: last.send(group, "here", cmid=cmid))


async def test_a_long_list_is_paged_by_its_last_messages(cluster: Cluster) -> None:
    """Prints how long the first page takes, asked again and again, and at an edge that knows
    nothing of the list; and pages of what is unread or has custom data that no channel has."""
    user = "many-ann"

    await batch(
        cluster,
        [
            {
                "method": "POST",
                "path": "/v1/channels",
                "body": {"channel": f"group:many-{n}", "members": [user]},
            }
            for n in range(CHANNELS)
        ],
    )
    async with Client(cluster.url, cluster.token(user)) as ann:
        order = list(range(CHANNELS))[:: max(1, CHANNELS // 30)]
        for n in order:
            wish = {"channel": f"group:many-{n}", "text": f"message {n}", "cmid": new_cmid()}
            await patience.rpc(partial(ann.rpc, "message.send", **wish))

        async def all_there() -> bool:
            wish = {"sort": "name", "limit": 1, "prefix": "group:many"}
            page = await patience.rpc(partial(ann.rpc, "channel.query", **wish))
            return page["channels"] != [] and await _count(ann) == CHANNELS

        await eventually(all_there, 60.0)
        took_ms = []
        for _ in range(PAGES):
            began = time.perf_counter()
            first = await ann.rpc("channel.query", limit=20)
            took_ms.append((time.perf_counter() - began) * 1_000)
        newest = [f"group:many-{n}" for n in reversed(order)][:20]
        assert [row["channel"] for row in first["channels"]] == newest
        assert first["channels"][0]["head"]["preview"]["text"] == f"message {order[-1]}"
    token, began = cluster.token(user), time.perf_counter()
    async with Client(cluster.urls[1], token) as elsewhere:
        connected = time.perf_counter()
        again = await elsewhere.rpc("channel.query", limit=20)
        asked = time.perf_counter()
        filters = {"sort": "unread"}, {"unread": True}, {"data": {"no": "such"}}
        filtered = [await _page_ms(elsewhere, **wish) for wish in filters for _ in range(2)]
    by_unread, _, unread, _, with_data, _ = (channels for channels, _ in filtered)
    assert (by_unread, unread, with_data) == (newest, [], []), "all is his own"
    assert [row["channel"] for row in again["channels"]] == newest
    print(f"{CHANNELS} channels: first page in {[round(ms) for ms in took_ms]} ms")
    connect_ms, cold_ms = (connected - began) * 1_000, (asked - connected) * 1_000
    print(f"by unread, unread, custom data, each twice: {[round(ms) for _, ms in filtered]} ms")
    print(f"at another edge: connect and first screen {connect_ms:.0f} ms, then {cold_ms:.0f} ms")


async def _page_ms(client: Client, **wish: Any) -> tuple[list[str], float]:
    """The channels of a first page, and how long it took."""
    began = time.perf_counter()
    page = await patience.rpc(partial(client.rpc, "channel.query", limit=20, **wish))
    return [row["channel"] for row in page["channels"]], (time.perf_counter() - began) * 1_000


async def _count(client: Client) -> int:
    """How many channels are in the own list."""
    count, before = 0, 0
    while True:
        page = await patience.rpc(partial(client.rpc, "user.channels", before=before))
        count += len(page["channels"])
        before = page["next"]
        if not before:
            return count


async def eventually(look: Any, seconds: float = 15.0) -> Any:
    """What `look()` gives, once it is true."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110 - a cluster tells nobody
            await asyncio.sleep(0.05)
    return found
