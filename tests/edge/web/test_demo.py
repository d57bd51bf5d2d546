"""The demo's sign-in: its own people and nobody else get a token that works."""

from __future__ import annotations

import json

import pytest

from edge.web.demo import PEOPLE
from hubbub.model.demo_people import HUMANS
from tests.edge.web.rest import serve
from tests.edge.web.test_api import check_problem


async def test_the_people_are_those_that_are_seeded_without_the_bot() -> None:
    async with serve() as rest:
        response, body = await rest.call("GET", "/demo/people", headers={})
        assert response.status == 200
        assert body == {"people": [{"user": p.id, "name": p.name} for p in HUMANS]}


async def test_a_token_is_for_the_one_who_was_chosen() -> None:
    async with serve() as rest:
        for user in PEOPLE:
            data = json.dumps({"user": user}).encode()
            response, body = await rest.call("POST", "/demo/token", data=data, headers={})
            assert response.status == 200
            identity = rest.stage.auth.connection(body["token"])
            assert (identity.app, identity.user) == ("demo", user)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b'{"user":"mallory"}', 404, "not_found"),
        (b'{"user":"Alice"}', 404, "not_found"),
        (b'{"user":7}', 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"", 400, "bad_request"),
    ],
)
async def test_nobody_else_gets_one(data: bytes, status: int, code: str) -> None:
    async with serve() as rest:
        response, body = await rest.call("POST", "/demo/token", data=data, headers={})
        check_problem(response, body, status, code)
        assert rest.asked == []
