"""Scheduled messages through real processes: sent once, at their time, by their author's rights.

Small: 20 messages of one moment. There is no larger form; what kills a leader stands in test_due.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest

from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster, wait_for

ROOM = "group:sched-room"
COUNT = 20


def soon(ms: int) -> int:
    return int(time.time() * 1_000) + ms


def ms_of(ts: str) -> int:
    return int(datetime.fromisoformat(ts).timestamp() * 1_000)


def seen(client: Client, channel: str, kind: str) -> list[dict[str, Any]]:
    """Events of one kind, as they came."""
    rows = [pub["data"] for pub in client.publications(channel)]
    return [row for row in rows if row.get("t") == kind]


async def test_a_message_is_sent_at_its_time_and_all_devices_agree(cluster: Cluster) -> None:
    one, two = cluster.urls
    async with (
        Client(one, cluster.token("sched-ann")) as ann,
        Client(one, cluster.token("sched-ben")) as ben,
        Client(two, cluster.token("sched-ben")) as phone,
    ):
        cluster.rest(
            "POST", "/v1/channels", {"channel": ROOM, "members": ["sched-ann", "sched-ben"]}
        )
        await ann.subscribe(ROOM)
        at, cmid = soon(1_500), new_cmid()
        made = await ben.rpc(
            "schedule.create", channel=ROOM, at=at, cmid=cmid, message={"text": "good morning"}
        )
        mine = "#sched-ben"
        await phone.wait_until(lambda: seen(phone, mine, "message.scheduled"), "the other device")
        (told,) = seen(phone, mine, "message.scheduled")
        assert (told["schedule"], told["message"]) == (made["schedule"], {"text": "good morning"})
        listed = await phone.rpc("schedule.list", channel=ROOM)
        assert [row["schedule"] for row in listed["schedules"]] == [made["schedule"]]
        everywhere = await phone.rpc("schedule.list")
        assert [row["channel"] for row in everywhere["schedules"]] == [ROOM]
        assert seen(ann, ROOM, "message.created") == []

        await ann.wait_until(lambda: seen(ann, ROOM, "message.created"), "the message")
        (message,) = seen(ann, ROOM, "message.created")
        assert (message["by"], message["text"]) == ("sched-ben", "good morning")
        assert message["cmid"] == cmid
        assert ms_of(message["ts"]) >= at
        await phone.wait_until(lambda: seen(phone, mine, "message.unscheduled"), "the end")
        assert seen(phone, mine, "message.unscheduled")[0]["sent"] is True
        assert (await ben.rpc("schedule.list", channel=ROOM))["schedules"] == []
        assert seen(ann, "#sched-ann", "message.scheduled") == [], "his own affair"


async def test_over_rest_it_is_changed_taken_back_and_sent_at_once(cluster: Cluster) -> None:
    room, user = "group:sched-rest", "sched-cid"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user]})
    path = f"/v1/channels/{room}/schedules"

    def create(text: str) -> str:
        body = {"by": user, "at": soon(3_600_000), "message": {"text": text}}
        schedule: str = cluster.rest("POST", path, body)["schedule"]
        return schedule

    keep, drop, send = create("keep"), create("drop"), create("send")
    changed = cluster.rest(
        "PATCH", f"{path}/{keep}", {"by": user, "at": soon(7_200_000), "message": {"text": "kept"}}
    )
    assert changed["rev"] == 2
    cluster.rest("DELETE", f"{path}/{drop}?by={user}")
    sent = cluster.rest("POST", f"{path}/{send}/send", {"by": user}, edge=1)
    page = cluster.rest("GET", f"/v1/channels/{room}/messages?min_seq={sent['seq']}")
    assert [(m["by"], m["text"]) for m in page["messages"]] == [(user, "send")]
    listed = cluster.rest("GET", f"{path}?user={user}")["schedules"]
    assert [(row["schedule"], row["message"]) for row in listed] == [(keep, {"text": "kept"})]
    answer = cluster.rest_answer("DELETE", f"{path}/{drop}?by={user}")
    assert answer.status == 404
    late = cluster.rest_answer("POST", path, {"by": user, "at": 5, "message": {"text": "x"}})
    assert late.status == 400
    async with Client(cluster.url, cluster.token("sched-eve")) as eve:
        for params in ({"channel": room, "user": user}, {"user": user}):
            with pytest.raises(ReplyError) as caught:
                await eve.rpc("schedule.list", **params)
            assert caught.value.code == 103


async def test_who_was_removed_is_told_that_nothing_was_sent(cluster: Cluster) -> None:
    room, user = "group:sched-gone", "sched-dan"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user]})
    async with Client(cluster.url, cluster.token(user)) as dan:
        await dan.rpc(
            "schedule.create",
            channel=room,
            at=soon(1_500),
            cmid=new_cmid(),
            message={"text": "bye"},
        )
        cluster.rest("DELETE", f"/v1/channels/{room}/members/{user}")
        kind = "message.schedule_failed"
        await dan.wait_until(lambda: seen(dan, f"#{user}", kind), "the refusal")
        (failed,) = seen(dan, f"#{user}", kind)
        assert failed["error"]["name"] == "channel_not_found"
        assert failed["message"] == {"text": "bye"}
    page = cluster.rest("GET", f"/v1/channels/{room}/messages?linear=true")
    assert page["messages"] == []


async def test_who_is_out_of_the_app_sends_nothing_and_is_told_later(cluster: Cluster) -> None:
    room, user = "group:sched-out", "sched-out"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user]})
    mine = ("POST", f"/v1/channels/{room}/schedules")
    for text, ms in (("while out", 3_000), ("back again", 600_000)):
        body = {"by": user, "at": soon(ms), "message": {"text": text}}
        cluster.rest(*mine, body)
    cluster.rest("POST", f"/v1/users/{user}/deactivate")

    def is_over() -> bool:
        rows = cluster.rest("GET", f"/v1/users/{user}/schedules")["schedules"]
        return [row["message"]["text"] for row in rows] == ["back again"]

    await asyncio.to_thread(wait_for, is_over, 15.0, lambda: "it still waits")
    page = cluster.rest("GET", f"/v1/channels/{room}/messages")
    assert [row for row in page["messages"] if row.get("text")] == []
    cluster.rest("POST", f"/v1/users/{user}/reactivate")
    async with Client(cluster.urls[0], cluster.token(user)) as client:
        listed = await client.rpc("schedule.list", channel=room)
        (row,) = listed["schedules"]
        await client.rpc("schedule.send_now", channel=room, id=row["schedule"], cmid=new_cmid())
    page = cluster.rest("GET", f"/v1/channels/{room}/messages")
    assert [row["text"] for row in page["messages"] if row.get("text")] == ["back again"]


async def test_many_of_one_moment_come_in_the_order_of_their_times(cluster: Cluster) -> None:
    room, user = "group:sched-many", "sched-fay"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": [user]})
    async with Client(cluster.url, cluster.token(user)) as fay:
        await fay.subscribe(room)
        base = soon(2_000)
        for n in reversed(range(COUNT)):
            await fay.rpc(
                "schedule.create",
                channel=room,
                at=base + n,
                cmid=new_cmid(),
                message={"text": str(n)},
            )
        await fay.wait_until(
            lambda: len(seen(fay, room, "message.created")) >= COUNT, "all of them"
        )
        assert [row["text"] for row in seen(fay, room, "message.created")] == [
            str(n) for n in range(COUNT)
        ]
    raw = cluster.rest("GET", f"/v1/channels/{room}/messages?linear=true&limit=100")
    assert len(raw["messages"]) == COUNT
