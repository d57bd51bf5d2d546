"""The table of `/docs/limits.md`, route by route: what a route counts in lets so many pass and
refuses the next one with its headers; once `Retry-After` is over the next one passes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edge.web.documents import buckets_of
from hubbub.base.errors import NOT_FOUND
from hubbub.features.contract import Route
from hubbub.features.registry import REGISTRY
from hubbub.model.server_keys import APPS_PATH
from hubbub.settings.app import OFF, Rate
from tests.edge.stage import Ask, EdgeStage
from tests.edge.web.rest import BY_KEY, Rest, api_of, serve

BURST = 2
RATE = Rate(0.5, BURST)
ROUTES = [*REGISTRY.routes, *api_of(EdgeStage()).own_rows()]
NAMES = {"channel": "group:x", "id": "06h281b3so00000004ajub2bgk", "emoji": "%F0%9F%91%8D"}
# What a send must have to be looked at: without it nothing is sent, and nothing counted.
SENDS: dict[str, dict[str, Any]] = {
    "/v1/channels/{channel}/messages": {"text": "hi"},
    "/v1/channels/{channel}/polls": {"question": "?", "options": ["a", "b"]},
}


# These look something up first, and count when it is there.
LATER = {
    "/v1/channels/{channel}/custom_events",
    "/v1/channels/{channel}/messages/{id}/forward",
}


def refuse(ask: Ask) -> None:
    """Nothing is there: what a limit lets through ends here."""
    ask.rejected(NOT_FOUND)


def path_of(row: Route, user: str) -> str:
    names = {**NAMES, "user": user, "by": user}
    return re.sub(r"{(\w+)}", lambda found: names.get(found[1], "one"), row.path)


async def spend(rest: Rest, row: Route, headers: dict[str, str], user: str, name: str) -> None:
    """So many pass, the next one waits as long as it is told, and one passes again."""
    path, body = path_of(row, user), SENDS.get(row.path)

    async def ask() -> Any:
        response, _ = await rest.call(row.method, path, headers=headers, json=body)
        return response

    for _ in range(BURST):
        response = await ask()
        assert response.status != 429, path
    response, problem = await rest.call(row.method, path, headers=headers, json=body)
    assert (response.status, problem["code"]) == (429, "rate_limited"), path
    assert response.headers["RateLimit-Policy"].startswith(f'"{name}";q={BURST};'), path
    assert response.headers["RateLimit"].startswith(f'"{name}";r=0;t='), path
    wait_s = int(response.headers["Retry-After"])
    assert wait_s * 1_000 >= problem["retry_after_ms"] > (wait_s - 1) * 1_000
    rest.stage.clock.advance(wait_s * 1_000)
    assert (await ask()).status != 429, path


@pytest.mark.parametrize("is_key", [False, True])
async def test_every_route_counts_in_what_its_caller_has(is_key: bool) -> None:
    rows = [row for row in ROUTES if not row.path.startswith(APPS_PATH)]
    assert len(rows) > 150
    others = {"send_per_user": OFF, "typing_per_channel": OFF}
    async with serve(rest_per_user=RATE, rest_per_key=RATE, **others) as rest:
        rest.answer = refuse
        for number, row in enumerate(rows[:: 10 if is_key else 1]):  # of a key some will do
            user = f"u{number}"
            headers = BY_KEY if is_key else by(rest, user)
            rest.stage.clock.advance(10_000)  # a full bucket: all routes share the key's
            await spend(rest, row, headers, user, "key-rest" if is_key else "user-rest")


async def test_what_a_route_counts_in_beside_that_is_what_the_table_says() -> None:
    """`channel-send` is counted where the channel is (tests/hubbub/features/test_messages.py)."""
    async with serve(send_per_user=RATE, typing_per_channel=RATE, rest_per_user=OFF) as rest:
        rest.answer = refuse
        counted = [row for row in ROUTES if set(buckets_of(row)) & {"user", "sign"}]
        assert {row.path for row in counted if row.sends} == set(SENDS) | LATER
        for number, row in enumerate(row for row in counted if row.path not in LATER):
            name = "user" if row.sends else "sign"
            await spend(rest, row, by(rest, f"s{number}"), f"s{number}", name)


def by(rest: Rest, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {rest.stage.token(user)}"}
