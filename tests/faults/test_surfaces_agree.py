"""Users do what comes to their minds while processes are killed; afterwards all surfaces agree.

A user's list and the members of a channel, a figure and the rows that it counts, history forwards,
backwards, at either edge and by id, threads, reactions, pins and search: each is kept or computed
apart from the other, and what a crash or a retry does to one of them shows as a difference.

HUBBUB_WALK_OPERATIONS=50000 is the whole form, HUBBUB_WALK_SEED another walk.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

import aiohttp
import pytest

from tests.support.cluster import Cluster

OPERATIONS: Final = int(os.environ.get("HUBBUB_WALK_OPERATIONS", "2500"))
SEED: Final = int(os.environ.get("HUBBUB_WALK_SEED", "1"))
USERS, GROUPS, MEMBERS, AT_ONCE = 12, 5, 7, 12
KILL_EVERY = 300  # operations
ANSWER_S, AGREE_S = 60.0, 40.0
WORD = "zebra"
EMOJIS = "👍❤🎉"
SEQS = 60  # marks are set below it: around the messages of a short walk
OUTSIDER = 0.1  # of all operations are anybody's

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240 + OPERATIONS // 50)]


class Turn(NamedTuple):
    """What an operation picks from."""

    random: Random
    users: list[str]
    channels: list[str]
    said: list[str]  # in its channel, ids of messages; never empty

    @property
    def user(self) -> str:
        return self.random.choice(self.users)

    @property
    def message(self) -> str:
        return self.random.choice(self.said)

    @property
    def seq(self) -> int:
        return self.random.randint(1, SEQS)

    @property
    def text(self) -> str:
        return f"{WORD} {self.random.randrange(1_000)}"


class Likely(NamedTuple):
    """An operation. Its path names `{channel}`, `{user}` who acts, `{mine}` (his settings of the
    channel), any `{other}` user, a `{message}` of the channel and an `{emoji}`."""

    weight: int
    method: str
    path: str
    body: Callable[[Turn], dict[str, Any]] | None = None
    by_key: bool = False  # the app's own server does it


def _to_any_channel(turn: Turn) -> dict[str, Any]:
    return {"to": turn.random.choice(turn.channels)}


class Walk:
    """What the users know, and a way to ask in their names."""

    def __init__(self, cluster: Cluster, http: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self.urls = cluster.urls  # edges come back at their addresses
        self.random = Random(SEED)
        self.users = [f"walk-{number}" for number in range(USERS)]
        self.tokens: dict[str, str] = {}
        self.insiders: dict[str, list[str]] = {}  # channel → who began in it
        self.messages: dict[str, list[str]] = {}  # channel → ids of all that was ever said
        self.statuses: Counter[int] = Counter()
        self._http = http

    async def begin(self) -> None:
        for user in self.users:
            self.tokens[user] = (await self.need("POST", "/v1/tokens", {"user": user}))["token"]
        for number in range(GROUPS):
            members = self.random.sample(self.users, MEMBERS)
            body = {"channel": f"group:walk-{number}", "members": members, "owner": members[0]}
            await self._create({**body, "public": number == 0}, members)
        owner, *audience = self.users
        await self._create({"channel": "open:walk", "kind": "open", "owner": owner}, audience)
        pair = self.users[:2]
        await self._create({"kind": "dm", "members": pair}, pair)

    async def _create(self, body: dict[str, Any], insiders: list[str]) -> None:
        channel = (await self.need("POST", "/v1/channels", body))["channel"]
        owner = body.get("owner", insiders[0])
        self.insiders[channel] = [*insiders, *[owner] * 5]
        first = {"by": owner, "text": WORD}
        path = f"/v1/channels/{quote(channel)}/messages"
        self.messages[channel] = [(await self.need("POST", path, first))["id"]]

    async def step(self) -> None:
        """One operation of somebody; what he may not do is refused, which is all right."""
        pick = self.random
        channel = pick.choice(list(self.messages))
        said = self.messages[channel]
        user = pick.choice(self.users if pick.random() < OUTSIDER else self.insiders[channel])
        (operation,) = pick.choices(LIKELY, [one.weight for one in LIKELY])
        turn = Turn(pick, self.users, list(self.messages), said)
        path = operation.path.format(
            channel=f"/v1/channels/{quote(channel)}",
            user=f"/v1/users/{user}",
            mine=f"/v1/users/{user}/channels/{quote(channel)}",
            other=turn.user,
            message=turn.message,
            emoji=quote(pick.choice(EMOJIS)),
        )
        body = operation.body(turn) if operation.body is not None else None
        status, answer = await self.ask(
            operation.method, path, body, "" if operation.by_key else user
        )
        self.statuses[status] += 1
        if status == 201 and path.endswith(("/messages", "/polls")):
            said.append(answer["id"])

    # --- asking

    async def ask(
        self, method: str, path: str, body: object = None, user: str = "", edge: int | None = None
    ) -> tuple[int, Any]:
        """The answer, asked for under one key until there is one, at any edge or at that one."""
        key = str(UUID(int=self.random.getrandbits(128), version=4))
        bearer = self.tokens[user] if user else self.cluster.server_key
        headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": key}
        ends_at = time.monotonic() + ANSWER_S
        while True:
            url = self.urls[edge] if edge is not None else self.random.choice(self.urls)
            try:
                async with self._http.request(
                    method, url + path, json=body, headers=headers
                ) as got:
                    answer = await got.json(content_type=None)
                    if got.status not in (429, 503):
                        assert got.status < 500, (method, path, body, answer)
                        return got.status, answer
            except (aiohttp.ClientError, TimeoutError) as error:
                answer = error
            assert time.monotonic() < ends_at, (method, path, body, answer)
            await asyncio.sleep(0.2)

    async def need(
        self, method: str, path: str, body: object = None, user: str = "", edge: int | None = None
    ) -> Any:
        """The body of a 2xx answer."""
        status, answer = await self.ask(method, path, body, user, edge)
        assert status < 300, (method, path, body, answer)
        return answer

    async def rows(
        self, path: str, name: str, user: str = "", edge: int | None = None
    ) -> list[dict[str, Any]]:
        """All pages of a list, from one edge or from whichever answers."""
        found: list[dict[str, Any]] = []
        mark = "&" if "?" in path else "?"
        page = await self.need("GET", f"{path}{mark}limit=20", None, user, edge)
        while True:
            found += page[name]
            if not page["has_more"]:
                return found
            next_page = f"{path}{mark}limit=20&cursor={page['next_cursor']}"
            page = await self.need("GET", next_page, None, user, edge)


LIKELY: Final = (
    Likely(24, "POST", "{channel}/messages", lambda t: {"text": t.text}),
    Likely(8, "POST", "{channel}/messages", lambda t: {"text": t.text, "thread": t.message}),
    Likely(3, "POST", "{channel}/polls", lambda _: {"question": WORD, "options": ["a", "b"]}),
    Likely(2, "PUT", "{channel}/polls/{message}/vote", lambda _: {"options": [1]}),
    Likely(2, "POST", "{channel}/messages/{message}/forward", _to_any_channel),
    Likely(8, "PATCH", "{channel}/messages/{message}", lambda t: {"text": t.text}),
    Likely(6, "DELETE", "{channel}/messages/{message}"),
    Likely(2, "POST", "{channel}/messages/delete", lambda t: {"ids": t.said[-2:]}),
    Likely(1, "DELETE", "{channel}/authors/{other}/messages"),
    Likely(4, "POST", "{channel}/messages/{message}/undelete"),
    Likely(1, "POST", "{channel}/truncate", lambda t: {"before_seq": t.seq // 4}),
    Likely(10, "PUT", "{channel}/messages/{message}/reactions/{emoji}"),
    Likely(4, "DELETE", "{channel}/messages/{message}/reactions/{emoji}"),
    Likely(3, "PUT", "{channel}/messages/{message}/pin"),
    Likely(2, "DELETE", "{channel}/messages/{message}/pin"),
    Likely(10, "POST", "{channel}/read", lambda t: {"upto": t.seq}),
    Likely(4, "POST", "{channel}/unread", lambda t: {"since": t.seq}),
    Likely(3, "POST", "{channel}/delivered", lambda t: {"upto": t.seq}),
    Likely(2, "POST", "{user}/read_all"),
    Likely(5, "POST", "{channel}/join"),
    Likely(2, "POST", "{channel}/leave"),
    Likely(2, "POST", "{channel}/members", lambda t: {"users": [t.user, t.user]}),
    Likely(8, "POST", "{channel}/members", lambda t: {"users": [t.user, t.user]}, by_key=True),
    Likely(3, "POST", "{channel}/invites", lambda t: {"users": [t.user]}),
    Likely(2, "DELETE", "{channel}/members/{other}"),
    Likely(2, "PUT", "{channel}/members/{other}", lambda _: {"role": "moderator"}),
    Likely(1, "PUT", "{channel}/members/{other}", lambda _: {"role": "owner"}),
    Likely(1, "POST", "{channel}/bans", lambda t: {"user": t.user, "for_s": 600}),
    Likely(1, "DELETE", "{channel}/bans/{other}"),
    Likely(3, "DELETE", "{channel}/bans/{other}", by_key=True),
    Likely(1, "POST", "{channel}/mutes", lambda t: {"user": t.user, "for_s": 600}),
    Likely(3, "DELETE", "{channel}/mutes/{other}", by_key=True),
    Likely(1, "PUT", "{channel}/frozen"),
    Likely(8, "DELETE", "{channel}/frozen", by_key=True),
    Likely(1, "PUT", "{channel}/archived"),
    Likely(8, "DELETE", "{channel}/archived", by_key=True),
    Likely(1, "POST", "{channel}/promote", lambda _: {"kind": "group"}),
    Likely(2, "PUT", "{user}/blocks/{other}"),
    Likely(4, "DELETE", "{user}/blocks/{other}"),
    Likely(2, "PATCH", "{mine}", lambda _: {"hidden": "until_message"}),
    Likely(1, "PATCH", "{mine}", lambda _: {"hidden": "for_good"}),
    Likely(3, "PATCH", "{mine}", lambda _: {"hidden": "no"}),
)


# --- what has to agree


async def lists_agree(walk: Walk) -> None:
    """Who is a member has the channel in his list, at each edge, and nobody else has."""
    joined: dict[str, set[str]] = {}
    for user in walk.users:
        views = [
            await walk.rows(f"/v1/users/{user}/channels", "channels", user, edge)
            for edge in range(len(walk.urls))
        ]
        assert views[0] == views[1], user
        names = [row["channel"] for row in views[0]]
        assert len(names) == len(set(names)), names
        joined[user] = {row["channel"] for row in views[0] if row["state"] == "joined"}
    for channel in walk.messages:
        path = f"/v1/channels/{quote(channel)}"
        members = [row["user"] for row in await walk.rows(f"{path}/members", "members")]
        assert len(members) == len(set(members)), channel
        assert (await walk.need("GET", path))["members"] == len(members), channel
        assert set(members) == {user for user in walk.users if channel in joined[user]}, channel


async def history_agrees(walk: Walk) -> None:
    """The same messages forwards, backwards, at either edge, and each by its id."""
    for channel in walk.messages:
        path = f"/v1/channels/{quote(channel)}/messages"
        first, second = [await walk.rows(path, "messages", edge=edge) for edge in (0, 1)]
        assert first == second, channel
        forwards = await walk.rows(f"{path}?after_seq=0", "messages")
        assert sorted(first, key=_seq) == sorted(forwards, key=_seq), channel
        for row in first:
            found = await walk.need("POST", f"{path}/get", {"ids": [row["id"]]})
            assert found["messages"] == [row]


def _seq(row: dict[str, Any]) -> int:
    seq: int = row["seq"]
    return seq


async def figures_agree(walk: Walk) -> None:
    """Replies, reactions and pins are as many as there are, and unread is what is counted."""
    for channel in walk.messages:
        path = f"/v1/channels/{quote(channel)}"
        rows = await walk.rows(f"{path}/messages", "messages")
        for row in (row for row in rows if not row.get("deleted")):
            mine = f"{path}/messages/{row['id']}"
            for emoji, figure in row.get("reactions", {}).items():
                who = await walk.rows(f"{mine}/reactions?emoji={quote(emoji)}", "reactors")
                assert figure["count"] == len({one["user"] for one in who}) == len(who), row
            if not row.get("thread"):
                replies = await walk.rows(f"{mine}/thread", "messages")
                alive = [reply for reply in replies if not reply.get("deleted")]
                assert row.get("replies", 0) == len(alive), row
        pinned = [pin["message"] for pin in (await walk.need("GET", f"{path}/pins"))["pins"]]
        assert not [message for message in pinned if message.get("deleted")], channel
        for member in await walk.rows(f"{path}/members", "members"):
            unread = f"{path}/unread/{member['user']}"
            figures = [await walk.need("GET", unread, edge=edge) for edge in (0, 1)]
            assert figures[0] == figures[1], unread
            counted = [row for row in await walk.rows(unread, "messages") if row["counts"]]
            assert figures[0]["unread"] == len(counted), unread


async def search_agrees(walk: Walk) -> None:
    """The index finds what is alive and says the word, once, and nothing else."""
    for channel in walk.messages:
        path = f"/v1/channels/{quote(channel)}/messages?replies=true"
        alive = {
            row["id"]
            for row in await walk.rows(path, "messages")
            if not row.get("deleted") and WORD in row.get("text", "")
        }
        hits = await walk.rows(f"/v1/search/messages?q={WORD}&channel={quote(channel)}", "hits")
        assert sorted(hit["message"]["id"] for hit in hits) == sorted(alive), channel


# --- the test


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", nodes=3, routers=2, edges=2, copies=3) as running:
        yield running


@pytest.fixture
async def walk(cluster: Cluster) -> AsyncIterator[Walk]:
    patience = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(timeout=patience) as http:
        made = Walk(cluster, http)
        await made.begin()
        yield made


async def test_all_surfaces_agree(cluster: Cluster, walk: Walk) -> None:
    killed: Counter[str] = Counter()

    async def walk_on(steps: Iterator[int]) -> None:
        for number in steps:
            if number % KILL_EVERY == KILL_EVERY // 2:
                role, _, _ = (name := walk.random.choice(names)).partition("-")
                cluster.kill(name)
                killed[role] += 1
            await walk.step()

    names = [entry.name for entry in cluster.file.processes]
    steps = iter(range(OPERATIONS))
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(walk_on(steps))
    print(f"seed {SEED}", dict(killed), dict(walk.statuses))
    assert walk.statuses[200] + walk.statuses[201] > OPERATIONS // 3
    for check in (lists_agree, history_agrees, figures_agree, search_agrees):
        await agreed(check, walk)


async def agreed(check: Callable[[Walk], Awaitable[None]], walk: Walk) -> None:
    """Until they do: lists are behind a channel, and the index behind the log, for a moment."""
    ends_at = time.monotonic() + AGREE_S
    while True:
        try:
            return await check(walk)
        except AssertionError:
            if time.monotonic() > ends_at:
                raise
            await asyncio.sleep(0.5)
