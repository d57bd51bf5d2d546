"""The demo's sign-in: a token for one of the seeded people, without a password. Only with `demo:
true`, which the settings refuse on anything but loopback."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from edge.dispatch import App
from edge.web.api import TOKEN_TTL_S, Api
from hubbub.base.errors import NOT_FOUND, Rejected
from hubbub.model.demo_people import HUMANS
from hubbub.wire.codec import convert, dump_json, parse_json

PEOPLE: Final = {person.id: person.name for person in HUMANS}


class _SignIn(msgspec.Struct, frozen=True):
    user: str


def routes(api: Api, apps: dict[str, App], app: str) -> list[web.RouteDef]:
    """`GET /demo/people` and `POST /demo/token {"user"}`."""

    async def people(_: web.Request) -> web.StreamResponse:
        rows = [{"user": user, "name": name} for user, name in PEOPLE.items()]
        return web.Response(body=dump_json({"people": rows}), content_type="application/json")

    async def token(request: web.Request) -> web.StreamResponse:
        user = convert(parse_json(await request.read()), _SignIn).user
        if user not in PEOPLE:
            raise Rejected(NOT_FOUND, "not one of the demo's people")
        made, _ = await api.issue(apps[app], user, TOKEN_TTL_S)
        return web.Response(body=dump_json({"token": made}), content_type="application/json")

    return [
        web.get("/demo/people", api.guarded(people)),
        web.post("/demo/token", api.guarded(token)),
    ]
