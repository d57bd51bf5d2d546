"""Polls through real processes: votes, figures, secrecy, the end at its time.

Small: 60 voters of 120 members. HUBBUB_POLL_VOTERS is the larger form: twice as many members.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster

VOTERS = int(os.environ.get("HUBBUB_POLL_VOTERS", "60"))


def seen(client: Client, channel: str, kind: str) -> list[dict[str, Any]]:
    rows = [pub["data"] for pub in client.publications(channel)]
    return [row for row in rows if row.get("t") == kind]


def counts(poll: dict[str, Any]) -> list[int]:
    return [option.get("votes", 0) for option in poll["options"]]


async def test_a_small_group_votes_and_the_time_ends_it(cluster: Cluster) -> None:
    room = "group:polls-small"
    people = ["polls-ann", "polls-ben", "polls-cid"]
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": people})
    one, two = cluster.urls
    async with (
        Client(one, cluster.token("polls-ann")) as ann,
        Client(two, cluster.token("polls-ben")) as ben,
    ):
        await ann.subscribe(room)
        await ben.subscribe(room)
        made = await ann.rpc(
            "poll.create",
            channel=room,
            question="Tea?",
            options=["yes", "no"],
            may_add=True,
            votes_max=2,
            closes_at=int(time.time() * 1_000) + 4_000,
            cmid=new_cmid(),
        )
        place = {"channel": room, "id": made["id"]}
        await ben.wait_until(lambda: seen(ben, room, "message.created"), "the poll")
        (message,) = seen(ben, room, "message.created")
        assert (message["text"], len(message["poll"]["options"])) == ("Tea?", 2)
        added = await ben.rpc("poll.add_option", **place, text="later", cmid=new_cmid())
        assert added["id"] == made["id"]
        first = await ben.rpc("poll.vote", **place, options=[1, 3], cmid=new_cmid())
        assert first["votes"] == [1, 0, 1]
        path = f"/v1/channels/{room}/polls/{made['id']}"
        cluster.rest("PUT", f"{path}/vote", {"by": "polls-cid", "options": [3]}, edge=1)
        await ben.rpc("poll.vote", **place, options=[2], cmid=new_cmid())
        await ann.wait_until(lambda: len(seen(ann, room, "poll.voted")) >= 3, "the votes")
        votes = seen(ann, room, "poll.voted")
        assert [(row["by"], row["options"]) for row in votes] == [
            ("polls-ben", [1, 3]),
            ("polls-cid", [3]),
            ("polls-ben", [2]),
        ]
        assert votes[-1]["votes"] == [0, 1, 1]
        page = cluster.rest("GET", f"{path}/voters?option=3")
        assert [voter["user"] for voter in page["voters"]] == ["polls-cid"]
        assert (await ben.rpc("poll.get", **place))["own"] == [2]

        await ben.wait_until(lambda: seen(ben, room, "poll.closed"), "the end")
        (closed,) = seen(ben, room, "poll.closed")
        assert (closed["timed"], closed["votes"], closed["voters"]) == (True, [0, 1, 1], 2)
        with pytest.raises(ReplyError) as caught:
            await ben.rpc("poll.vote", **place, options=[1], cmid=new_cmid())
        assert caught.value.code == 409
        history = cluster.rest("GET", f"/v1/channels/{room}/messages?linear=true")["messages"]
        assert counts(history[0]["poll"]) == [0, 1, 1]
        assert history[0]["poll"]["closed_at"] >= history[0]["poll"]["closes_at"]


async def test_many_vote_without_offsets_and_the_figures_are_told(cluster: Cluster) -> None:
    room = "group:polls-large"
    people = [f"polls-v{n}" for n in range(2 * VOTERS)]
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": people})
    sent = cluster.rest(
        "POST",
        f"/v1/channels/{room}/polls",
        {"by": people[0], "question": "Which?", "options": ["a", "b", "c"]},
    )
    path = f"/v1/channels/{room}/polls/{sent['id']}"
    random, chosen = Random(7), dict[str, int]()
    async with Client(cluster.urls[1], cluster.token(people[0])) as reader:
        await reader.subscribe(room)
        began = time.monotonic()
        for n in range(VOTERS + VOTERS // 4):
            user = people[n % VOTERS]
            chosen[user] = random.randint(1, 3)
            body = {"by": user, "options": [chosen[user]]}
            cluster.rest("PUT", f"{path}/vote", body, edge=n % 2)
        lasted = time.monotonic() - began
        tally = Counter(chosen.values())
        by_hand = [tally[option] for option in (1, 2, 3)]
        await reader.wait_until(
            lambda: [row["votes"] for row in seen(reader, room, "poll.counted")][-1:] == [by_hand],
            "the last figures",
        )
        told = seen(reader, room, "poll.counted")
        assert len(told) <= lasted + 3, "at most once a second"
        assert [row["rev"] for row in told] == sorted(row["rev"] for row in told)
        assert seen(reader, room, "poll.voted") == []
        page = await reader.rpc("poll.get", channel=room, id=sent["id"])
        assert counts(page["poll"]) == by_hand
        assert page["poll"]["voters"] == VOTERS
    for option in (1, 2, 3):
        found, after = [], ""
        while True:
            page = cluster.rest("GET", f"{path}/voters?option={option}&limit=9&after={after}")
            found += [voter["user"] for voter in page["voters"]]
            after = page["next"]
            if not after:
                break
        assert found == sorted(user for user, choice in chosen.items() if choice == option)
    head = cluster.rest("GET", f"/v1/channels/{room}/messages?linear=true")["head"]
    assert head == sent["seq"], "votes take no offset"


async def test_of_an_anonymous_poll_nobody_learns_who_chose_what(cluster: Cluster) -> None:
    room, people = "group:polls-secret", ["polls-kim", "polls-lea", "polls-max"]
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": people})
    async with Client(cluster.url, cluster.token("polls-kim")) as kim:
        await kim.subscribe(room)
        made = await kim.rpc(
            "poll.create",
            channel=room,
            question="Who stays?",
            options=["me", "you"],
            anonymous=True,
            cmid=new_cmid(),
        )
        path = f"/v1/channels/{room}/polls/{made['id']}"
        for user, option in (("polls-lea", 1), ("polls-max", 1), ("polls-lea", 2)):
            cluster.rest("PUT", f"{path}/vote", {"by": user, "options": [option]})
        own = cluster.rest("GET", f"{path}?linear=true")
        assert (counts(own["poll"]), own.get("own")) == ([1, 1], None)
        async with Client(cluster.url, cluster.token("polls-lea")) as lea:
            page = await lea.rpc("poll.get", channel=room, id=made["id"])
            assert page["own"] == [2]
        assert cluster.rest_answer("GET", f"{path}/voters?option=1").status == 403
        await kim.wait_until(
            lambda: any(row["votes"] == [1, 1] for row in seen(kim, room, "poll.counted")),
            "the figures",
        )
        pushed = str([push for push in kim.pushes if "polls-lea" in str(push.get("pub"))])
        assert "poll" not in pushed, "no event bears a voter's name"
