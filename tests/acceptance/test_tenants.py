"""Apps know nothing of one another: what names things of app B answers, in app A, exactly as what
names things that are nowhere. Neither does a stranger know of private channels in his own app.

(The routes of `/v1/apps`, which name apps themselves: test_apps.py.)

Every verb and every route of the registry is asked with ids of the other app and with invented
ones, by a user's token and by a server key; so are the protocol's own commands. A new field of a
request that may hold an id gets its two values in `names`, another one joins SAME or LEFT_OUT; the
test says so. There is no larger form.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Container, Iterable
from typing import Any

import aiohttp
import msgspec
import pytest

from hubbub.coordinator.cluster import AppRecord
from hubbub.features.registry import REGISTRY
from ops.api import Rest
from tests.support.apps import add_app, change_app
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import Cluster, wait_for

SECRET = "group:tenant-secret"
PUBLIC = "open:tenant-public"
NOWHERE = "group:tenant-nothing"
NOWHERE_OPEN = "open:tenant-no-such"
THEIRS, NOBODY = "tenant-eve", "tenant-zoe"
ME = "tenant-me"
PRIVATE, PRIVATE_TOO = "group:tenant-private", "group:tenant-private-too"

# Values that are the same on both sides: what a request needs besides ids.
SAME: dict[str, Any] = {
    "text": "hello",
    "name": "a name",
    "role": "member",
    "seconds": 0,
    "upto": 1,
    "data": {"a": 1},
    "for_s": 60,
    "kind": "group",
    "blocks": {"0": ""},
    "key": "a-key",
    "value": 1,
    "amount": 1,
    "schema": {},
    "retention_s": 86_400,
    "type": "tenant.note",
    "job": "tenant-job",
    "emoji": "👍",
    "seq": 1,
    "before_seq": 1,
    "seqs": [1],
    "since": 1,
    "marks": {},
    "question": "a question",
    "options": ["a", "b"],
    "option": 0,
    "at": int(time.time() * 1_000) + 3_600_000,
    "settings": {"a": 1},
    "device": "tenant-device",
    "url": "https://example.org/",
    "title": "a title",
    "note": "a note",
    "folder": "a folder",
    "q": "secret",
}
# Fields that need nothing here, or whose values are no ids.
LEFT_OUT = frozenset({
    "anonymous", "closes_at", "delivered", "followed", "idle", "keep", "last_seen", "presence",
    "may_add", "read", "rev", "seen",
    "typing", "until", "votes_max",
    "after", "after_seq", "also_in_channel", "approval", "archived", "around_seq", "as_of",
    "attachments", "avatar", "before", "by", "cmid", "cursor", "deny", "draft",
    "favourite", "grant", "hidden", "history", "if_rev", "jti", "kinds", "limit", "linear",
    "created_since", "created_until", "guest",
    "max", "member", "mention_all", "mention_here", "mentions", "min", "min_seq", "muted",
    "muted_until", "owner", "prefix", "public", "reason", "replace", "replies", "reply_to",
    "silent", "since", "sort", "state", "thread", "unread", "users", "version",
})  # fmt: skip


@pytest.fixture(scope="module")
def other(cluster: Cluster) -> AppRecord:
    """App B, with a channel, members, messages, a ban, and an open channel."""
    record = add_app(cluster, "tenant-b")
    rest = Rest(cluster.url, record.server_key)
    wait_for(lambda: _make(rest), 20.0, lambda: "app B does not take commands")
    return record


def _make(rest: Rest) -> bool:
    body = {"channel": SECRET, "owner": THEIRS, "members": [ME, "tenant-tom"], "name": "secret"}
    if rest.call("POST", "/v1/channels", body).status not in (200, 201, 409):
        return False
    rest.need("POST", "/v1/channels", {"channel": PUBLIC, "owner": THEIRS})
    rest.need("PUT", f"/v1/users/{THEIRS}", {"name": "Eve"})
    rest.need("PUT", f"/v1/channels/{SECRET}/bans/tenant-tom", {})
    return True


def names(message: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """By field: what is there in app B, and what is nowhere."""
    invented = message[:-4] + ("aaaa" if not message.endswith("aaaa") else "bbbb")
    theirs = {"channel": SECRET, "id": message, "user": THEIRS, "with": THEIRS, "blocked": THEIRS}
    nowhere = {
        "channel": NOWHERE,
        "id": invented,
        "user": NOBODY,
        "with": NOBODY,
        "blocked": NOBODY,
    }
    theirs |= {"ids": [message], "to": PUBLIC, "link": f"/m/{SECRET}/{message}"}
    nowhere |= {"ids": [invented], "to": NOWHERE_OPEN, "link": f"/m/{NOWHERE}/{invented}"}
    theirs |= {"message": message}
    nowhere |= {"message": invented}
    theirs |= {"channels": [SECRET, PUBLIC], "members": [ME, THEIRS]}
    nowhere |= {"channels": [NOWHERE, NOWHERE_OPEN], "members": [ME, NOBODY]}
    return theirs, nowhere


def filled(shape: type[msgspec.Struct], ids: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a request: every field that may hold an id does."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    unknown = set(fields) - set(ids) - set(SAME) - LEFT_OUT
    required = {name for name in unknown if fields[name].required}
    assert not unknown, f"{shape.__name__}: teach names, SAME or LEFT_OUT {sorted(unknown)}"
    assert not required & LEFT_OUT
    values = {**SAME, **ids}
    if shape.__name__ == "SyncRequest":
        values["channels"] = {name: ["", 0] for name in ids["channels"]}
    if shape.__name__ in ("CreateSchedule", "UpdateSchedule", "SetDraft"):
        values["message"] = {"text": "hello"}
    if shape.__name__ == "PresenceRequest":
        values["users"] = [ids["user"]]
    if shape.__name__ == "PresenceByText":
        values["users"] = ids["user"]
    if shape.__name__ == "SetPresence":
        values["state"] = "busy"
    return {name: values[name] for name in fields if name in values}


_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_ID = re.compile(r'"(id|cmid|epoch|request_id|cursor|next_cursor)":"[^"]*"')
_REQUEST = re.compile(r"#req_[0-9a-f]+")  # in `instance`
_COUNT = re.compile(r'"(seq|head|offset|ts_ms)":\d+')


def plain(answer: Any, ids: dict[str, Any]) -> str:
    """An answer without what differs between any two: the names themselves, times, new ids."""
    text = json.dumps(answer, sort_keys=True, separators=(",", ":"))
    for name in sorted({v for v in _flat(ids) if v not in (ME, "")}, key=len, reverse=True):
        text = text.replace(name, f"<{name.partition(':')[0]}>" if ":" in name else "<name>")
    text = re.sub(r"dm:[a-z0-9]+", "<dm>", text)
    text = _COUNT.sub(r'"\1":0', text)
    return _ID.sub(r'"\1":""', _REQUEST.sub("", _TIME.sub("<time>", text)))


def _flat(ids: dict[str, Any]) -> list[str]:
    return [
        one for value in ids.values() for one in (value if isinstance(value, list) else [value])
    ]


def test_verbs_and_routes_answer_as_if_the_other_app_were_not_there(
    cluster: Cluster, other: AppRecord
) -> None:
    message = Rest(cluster.url, other.server_key).need(
        "POST", f"/v1/channels/{SECRET}/messages", {"by": THEIRS, "text": "the secret text"}
    )["id"]
    asyncio.run(ask_everything(cluster, *names(message)))


async def ask_everything(cluster: Cluster, theirs: dict[str, Any], nowhere: dict[str, Any]) -> None:
    token = await asyncio.to_thread(cluster.token, ME)
    sides = (theirs, nowhere)
    pairs = ((SECRET, NOWHERE), (PUBLIC, NOWHERE_OPEN))
    async with (
        aiohttp.ClientSession() as http,
        Client(cluster.urls[0], token) as user,
        Client(cluster.urls[1], token) as second,
    ):
        different = [
            *await over_rpc((user, second), sides),
            *await over_rest(http, cluster.url, (token, token), sides),
            *await over_rest(http, cluster.url, (cluster.server_key, cluster.server_key), sides),
            *await by_protocol((user, second), pairs),
        ]
    assert not different, "\n".join(different)


Clients = tuple[Client, Client]
Sides = tuple[dict[str, Any], dict[str, Any]]


async def over_rpc(clients: Clients, sides: Sides, but: Container[str] = ()) -> list[str]:
    """Which verbs answer otherwise, of all but these."""
    different = []
    for verb in REGISTRY.verbs.values():
        if verb.name in but:
            continue
        answers = [
            plain(await rpc(client, verb.name, filled(verb.shape, ids)), ids)
            for client, ids in zip(clients, sides, strict=True)
        ]
        if answers[0] != answers[1]:
            different.append(f"rpc {verb.name}: {answers}")
        assert "secret text" not in answers[0]
    return different


async def over_rest(
    http: aiohttp.ClientSession,
    url: str,
    bearers: tuple[str, str],
    sides: Sides,
    but: Container[str] = (),
) -> list[str]:
    """Which routes answer otherwise, of all but these."""
    different = []
    for route in REGISTRY.routes:
        if (name := f"{route.method} {route.path}") in but:
            continue
        answers = []
        for bearer, ids in zip(bearers, sides, strict=True):
            params = filled(route.shape, ids)
            if "{by}" in route.path:
                params["by"] = ids.get("by", ids["user"])
            found = await rest(http, url, bearer, route.method, route.path, params)
            answers.append(plain(found, ids))
        if answers[0] != answers[1]:
            different.append(f"{name}: {answers}")
        assert "secret text" not in answers[0]
    return different


async def by_protocol(clients: Clients, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Which of the protocol's own commands answer otherwise."""
    different = []
    for command in ("subscribe", "history", "presence", "presence_stats", "publish"):
        for names_of_both in pairs:
            answers = []
            for client, name in zip(clients, names_of_both, strict=True):
                more = {"data": {}} if command == "publish" else {}
                try:
                    found = await client.command(**{command: {"channel": name, **more}})
                except ReplyError as error:
                    found = [error.code, error.message]
                answers.append(plain(found, {"channel": name}))
            if answers[0] != answers[1]:
                different.append(f"{command} {names_of_both[0]}: {answers}")
    return different


# A name that is taken is told to be: the one thing that a stranger may find out.
TAKEN = frozenset({"channel.create", "POST /v1/channels"})


def test_a_stranger_is_told_nothing_of_a_private_channel(cluster: Cluster) -> None:
    """Whatever he asks, over the socket and over REST, also with the ids of its messages."""
    for channel in (PRIVATE, PRIVATE_TOO):
        body = {"channel": channel, "owner": THEIRS, "members": ["tenant-tom"], "name": "secret"}
        cluster.rest("POST", "/v1/channels", body)
    poll = {"by": THEIRS, "question": "the secret text", "options": ["a", "b"]}
    message = cluster.rest("POST", f"/v1/channels/{PRIVATE}/polls", poll)["id"]
    cluster.rest("PUT", f"/v1/channels/{PRIVATE}/counters/a-key", {"value": 1})
    asyncio.run(ask_as_strangers(cluster, message))


async def ask_as_strangers(cluster: Cluster, message: str) -> None:
    """Two a transport, so that nobody's own rows make the difference."""
    users = [f"tenant-stranger-{n}" for n in range(4)]
    tokens = [await asyncio.to_thread(cluster.token, user) for user in users]
    async with (
        aiohttp.ClientSession() as http,
        Client(cluster.urls[0], tokens[0]) as first,
        Client(cluster.urls[0], tokens[1]) as second,
    ):
        pairs = [(PRIVATE, NOWHERE)]
        async with asyncio.TaskGroup() as group:
            asked = (
                over_rpc((first, second), as_strangers(message, users[0], users[1]), TAKEN),
                over_rest(
                    http,
                    cluster.urls[1],
                    (tokens[2], tokens[3]),
                    as_strangers(message, users[2], users[3]),
                    TAKEN,
                ),
                by_protocol((first, second), pairs),
            )
            tasks = [group.create_task(one) for one in asked]
    different = [line for task in tasks for line in task.result()]
    assert not different, "\n".join(different)


def as_strangers(message: str, one: str, two: str) -> Sides:
    """What is in private channels, and what is nowhere; people are the same on both sides."""
    there, nowhere = names(message)
    there |= {"channel": PRIVATE, "to": PRIVATE_TOO, "channels": [PRIVATE, PRIVATE_TOO]}
    there |= {"link": f"/m/{PRIVATE}/{message}"}
    nowhere |= {"to": NOWHERE, "channels": [NOWHERE, "group:tenant-no-such"]}
    same = {"user": THEIRS, "with": THEIRS, "blocked": THEIRS}
    return there | same | {"by": one}, nowhere | same | {"by": two}


async def rpc(client: Client, verb: str, params: dict[str, Any]) -> Any:
    try:
        return await client.rpc(verb, **params)
    except ReplyError as error:
        return [error.code, error.message]


async def rest(
    http: aiohttp.ClientSession,
    url: str,
    bearer: str,
    method: str,
    path: str,
    params: dict[str, Any],
) -> Any:
    """(status, body) of a request with parameters where they belong."""
    for name in list(params):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", str(params.pop(name)))
    has_body = method in ("POST", "PUT", "PATCH")
    query = {k: v for k, v in params.items() if isinstance(v, str | int)}
    async with http.request(
        method,
        url + path,
        json=params if has_body else None,
        params=None if has_body else query,
        headers={"Authorization": f"Bearer {bearer}"},
    ) as response:
        return [response.status, await response.json(content_type=None)]


def test_the_same_name_in_two_apps_is_two_channels(cluster: Cluster, other: AppRecord) -> None:
    """Also live: what is said in one is heard in that one alone."""
    b = Rest(cluster.url, other.server_key)
    room = "open:tenant-twice"
    cluster.rest("POST", "/v1/channels", {"channel": room, "owner": "tenant-a-owner"})
    b.need("POST", "/v1/channels", {"channel": room, "owner": THEIRS})
    tokens = (cluster.token(ME), b.need("POST", "/v1/tokens", {"user": ME})["token"])

    def logged(client: Client) -> list[dict[str, Any]]:
        """Figures of the room are signals, without an offset, and come when they are due."""
        return [pub for pub in client.publications(room) if "offset" in pub]

    async def talk() -> tuple[list[str], list[str]]:
        async with (
            Client(cluster.urls[0], tokens[0]) as ours,
            Client(cluster.urls[0], tokens[1]) as theirs,
        ):
            for client in (ours, theirs):
                await client.subscribe(room)
            for n in range(5):
                await ours.rpc("message.send", channel=room, text=f"A{n}", cmid=new_cmid())
                await theirs.rpc("message.send", channel=room, text=f"B{n}", cmid=new_cmid())
            heard = []
            for client in (ours, theirs):
                await client.wait_until(lambda c=client: len(logged(c)) >= 5, "five messages")
                heard.append([pub["data"]["text"] for pub in logged(client)])
            return heard[0], heard[1]

    ours, theirs = asyncio.run(talk())
    assert ours == [f"A{n}" for n in range(5)]
    assert theirs == [f"B{n}" for n in range(5)]


def test_keys_and_tokens_open_their_own_app_only(cluster: Cluster, other: AppRecord) -> None:
    b = Rest(cluster.url, other.server_key)
    assert b.call("GET", f"/v1/channels/{SECRET}").status == 200
    assert cluster.rest_answer("GET", "/v1/channels/group:tenant-never").status == 404
    user = Rest(cluster.url, b.need("POST", "/v1/tokens", {"user": ME})["token"])
    assert user.call("GET", f"/v1/channels/{SECRET}").status == 200
    for url in cluster.urls:
        wrong = Rest(url, other.server_key[:-1] + "x")
        assert wrong.call("GET", f"/v1/channels/{SECRET}").status == 401


def test_an_apps_own_capabilities_are_live(cluster: Cluster, other: AppRecord) -> None:
    """Its settings stand in its record: nodes hear of a change while they run; other apps are as
    they were."""
    b = Rest(cluster.url, other.server_key)
    user = Rest(cluster.url, b.need("POST", "/v1/tokens", {"user": ME})["token"])
    send = ("POST", f"/v1/channels/{SECRET}/messages", {"text": "may I?"})
    assert user.call(*send).status == 201
    denied = {"capabilities": {"group": {"member": {"deny": ["send"]}}}}
    change_app(cluster, other, denied)
    wait_for(lambda: user.call(*send).status == 403, 10.0, lambda: "the denial is not felt")
    seen = user.need("GET", f"/v1/channels/{SECRET}/capabilities")["capabilities"]["send"]
    assert seen == {"allowed": False, "from": "app"}
    room = "group:tenant-other-room"
    cluster.rest("POST", "/v1/channels", {"channel": room, "owner": "x", "members": [ME]})
    ours = Rest(cluster.url, cluster.token(ME))
    assert ours.call("POST", f"/v1/channels/{room}/messages", {"text": "hi"}).status == 201
    change_app(cluster, other, {})
    wait_for(lambda: user.call(*send).status == 201, 10.0, lambda: "the denial stays")
