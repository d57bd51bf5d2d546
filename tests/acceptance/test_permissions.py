"""The matrix of docs/PERMISSIONS.md, walked: the real request for every role, state and action.

Each goes through real processes twice, as rpc on the user's socket and as REST with the user's
token; allowed or refused, with its code, must be what the table says. The requests stand in
`walk.py`. Some 20 columns × 40 actions × 2, in all of its cells: there is no larger form.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from hubbub.base.errors import error_by_code
from hubbub.features.registry import REGISTRY
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import APP_CAPABILITIES, SPEAKING, Action, of_role
from tests.acceptance.walk import COLUMNS, ELSEWHERE, HALL, NO_VERB, WALK, Call, Column
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster

AT_ONCE = 6  # columns: the cluster's two cores are the bound
OWNER = "perm-root"
_numbers = itertools.count()


def expected(column: Column, actions: tuple[Action, ...]) -> str:
    """The name of the refusal, empty where all of it is allowed: the table, read anew."""
    rights = of_role(column.kind, column.role)
    if column.state == "banned":
        return "banned"
    if column.role is Role.NONE and column.kind is not ChannelKind.OPEN and not column.state:
        return "channel_not_found"
    silenced = column.state == "muted" or (
        column.state == "frozen" and Action.SEND_FROZEN not in rights
    )
    for action in actions:
        if action in rights:
            if silenced and action in SPEAKING:
                return {"muted": "muted", "frozen": "channel_frozen"}[column.state]
        elif column.role.rank < Role.MEMBER.rank and action in of_role(column.kind, Role.MEMBER):
            return "not_a_member"
        else:
            return "permission_denied"
    return ""


def test_every_action_and_every_verb_has_its_row() -> None:
    """Whoever adds a capability or a verb adds a line to walk.py."""
    assert set(WALK).isdisjoint(NO_VERB)
    assert set(WALK) | NO_VERB == APP_CAPABILITIES
    walked = {call.verb for call in WALK.values()}
    unknown = set(REGISTRY.verbs) - walked - set(ELSEWHERE)
    assert not unknown, f"add a line to WALK or ELSEWHERE in walk.py for {sorted(unknown)}"
    assert walked <= set(REGISTRY.verbs)
    routes = {f"{route.method} {route.path}" for route in REGISTRY.routes}
    assert {call.route for call in WALK.values() if call.route} <= routes
    unwalked = {action for action, call in WALK.items() if not call.route}
    assert unwalked <= {Action.MARK}, "every action has a route"


def test_the_whole_matrix(cluster: Cluster) -> None:
    cells = asyncio.run(walk(cluster))
    wrong = [cell for cell in cells if cell.found != cell.wanted]
    assert not wrong, "\n".join(map(str, wrong))
    assert len(cells) > 1_200
    assert {cell.wanted for cell in cells} == {
        "",
        "banned",
        "muted",
        "channel_frozen",
        "channel_not_found",
        "not_a_member",
        "permission_denied",
    }


@dataclass(frozen=True)
class Cell:
    """What one request answered: the name of its refusal, or nothing."""

    column: str
    action: Action
    transport: str
    wanted: str
    found: str


@dataclass(frozen=True)
class Room:
    """A channel as a column needs it."""

    channel: str
    own: str
    other: str
    target: str


async def walk(cluster: Cluster) -> list[Cell]:
    """Every cell."""
    await asyncio.to_thread(cluster.rest, "PUT", "/v1/event_types/perm.note", {"schema": {}})
    hall = {"channel": HALL, "owner": OWNER}
    await asyncio.to_thread(cluster.rest, "POST", "/v1/channels", hall)
    gate = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def column_cells(number: int, column: Column) -> list[Cell]:
            async with gate:
                url = cluster.urls[number % len(cluster.urls)]
                return await Asker(cluster, http, url, column).cells()

        columns = enumerate(COLUMNS)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(column_cells(*column)) for column in columns]
    return [cell for task in tasks for cell in task.result()]


class Asker:
    """One column's user, on a socket and with a token."""

    def __init__(
        self, cluster: Cluster, http: aiohttp.ClientSession, url: str, column: Column
    ) -> None:
        self.column = column
        self.user = f"perm-{column.name}"
        self._http = http
        self._url = url
        self._key = cluster.server_key
        self._token = ""

    async def cells(self) -> list[Cell]:
        """All actions of this column."""
        answer = await self._server("POST", "/v1/tokens", {"user": self.user})
        self._token = answer["token"]
        base = await self._room()
        found = []
        async with Client(self._url, self._token) as client:
            for action, call in WALK.items():
                if call.only and (self.column.kind, self.column.role) not in call.only:
                    continue
                asked: tuple[tuple[str, Callable[..., Any]], ...] = (
                    ("rpc", lambda call, room: self._rpc(client, call, room)),
                    ("rest", self._rest),
                )
                wanted = self._wanted(action, call)
                for transport, ask in asked:
                    if transport == "rest" and not call.route:
                        continue
                    is_own = call.fresh and not wanted
                    room = await self._room(call) if is_own else base
                    answer = await ask(call, room)
                    found.append(Cell(self.column.name, action, transport, wanted, answer))
        return found

    def _wanted(self, action: Action, call: Call) -> str:
        if self.column.role in call.idle and self.column.state != "banned":
            return ""
        if action is Action.CREATE or action is Action.OPEN_DIRECT:
            # Of no channel, so that nothing about this one matters.
            rights = of_role(self.column.kind, self.column.role)
            return "" if action in rights else "permission_denied"
        return expected(self.column, (*call.first, action))

    # --- both ways

    async def _rpc(self, client: Client, call: Call, room: Room) -> str:
        try:
            await client.rpc(call.verb, **self._params(call.params, room))
        except ReplyError as error:
            return error_by_code(error.code).name
        return ""

    async def _rest(self, call: Call, room: Room) -> str:
        method, _, path = call.route.partition(" ")
        given = call.params if call.rest_params is None else call.rest_params
        params = self._params(given, room)
        for name in list(params):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(params.pop(name)))
        takes_body = method in ("POST", "PUT", "PATCH")
        query = {name: str(value) for name, value in params.items()}
        async with self._http.request(
            method,
            self._url + path,
            json=params if takes_body else None,
            params=None if takes_body else query,
            headers={"Authorization": f"Bearer {self._token}"},
        ) as response:
            body = await response.json(content_type=None)
            if response.status < 300:
                return ""
            assert response.content_type == "application/problem+json"
            return str(body["code"])

    def _params(self, params: dict[str, Any], room: Room) -> dict[str, Any]:
        number = next(_numbers)
        kind = self.column.kind
        values = {
            "own": room.own,
            "other": room.other,
            "target": room.target,
            "user": self.user,
            "guest": f"perm-guest-{number}",
            "new": f"{'open' if kind is ChannelKind.OPEN else 'group'}:perm-new-{number}",
            "next_kind": "group" if kind is ChannelKind.DM else "open",
        }

        def filled(value: Any) -> Any:
            if isinstance(value, list):
                return [filled(one) for one in value]
            return value.format(**values) if isinstance(value, str) else value

        return {"channel": room.channel} | {name: filled(value) for name, value in params.items()}

    # --- setting the scene, with the server key

    async def _room(self, call: Call | None = None) -> Room:
        """A new channel in which the user stands as the column says, with what the call needs."""
        number, kind, role = next(_numbers), self.column.kind, self.column.role
        target = f"perm-target-{number}"
        body: dict[str, Any]
        if kind is ChannelKind.DM:
            pair = [self.user if role is Role.MEMBER else OWNER, target]
            body = {"kind": "dm", "members": pair}
        else:
            members = [target] if kind is ChannelKind.GROUP else []
            members += [self.user] if role.rank >= Role.MEMBER.rank else []
            body = {"channel": f"{kind}:perm-{number}", "owner": OWNER, "members": members}
            body |= {"public": True, "approval": True} if self.column.state == "public" else {}
        channel = (await self._server("POST", "/v1/channels", body))["channel"]
        at = f"/v1/channels/{channel}"
        if role is Role.INVITED:
            await self._server("POST", f"{at}/invites", {"user": self.user})
        if role.rank > Role.MEMBER.rank:
            await self._server("PUT", f"{at}/members/{self.user}", {"role": role})
        sent = {"own": "", "other": ""}
        for which, user in (("own", self.user), ("other", target)):
            if call is None or f"{{{which}}}" in call.params.values():
                message = {"by": user, "text": user}
                sent[which] = (await self._server("POST", f"{at}/messages", message))["id"]
        if call is None:
            await self._server("PUT", f"{at}/counters/seats", {"value": 0})
        if self.column.state not in ("", "public"):
            sanction = {
                "banned": f"{at}/bans/{self.user}",
                "muted": f"{at}/mutes/{self.user}",
                "frozen": f"{at}/frozen",
            }[self.column.state]
            await self._server("PUT", sanction, {})
        return Room(channel, sent["own"], sent["other"], target)

    async def _server(self, method: str, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._key}"}
        async with self._http.request(
            method, self._url + path, json=body, headers=headers
        ) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, (path, body, answer)
            return answer
