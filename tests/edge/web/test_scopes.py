"""The table of docs/SCOPES.md, walked: every route with a key of every scope."""

from __future__ import annotations

import re

import pytest

from edge.web.app_rows import APP_ROWS, OWN_ROWS
from hubbub.docs.scope_tables import EDGE_ROUTES, ROOT, ROOT_OR_OWN
from hubbub.features.registry import REGISTRY
from hubbub.model.server_keys import (
    ADMIN,
    NO_SCOPE,
    READS,
    SCOPES,
    Scope,
    new_server_key,
    scope_of,
)
from tests.edge.stage import EdgeStage
from tests.edge.web.rest import Rest, api_of, serve


def key_of(rest: Rest, *scopes: Scope) -> dict[str, str]:
    """A header with a new key of the stage's app."""
    text, key = new_server_key(bytes(range(36)), scopes, "", 0)
    rest.stage.auth.set_app("demo", "", [], [key])
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("scope", SCOPES)
async def test_every_route_is_open_to_its_scope_alone(scope: Scope) -> None:
    routes = [(row.method, row.path) for row in REGISTRY.routes] + list(EDGE_ROUTES)
    wrong = []
    async with serve() as rest:
        headers = key_of(rest, scope)
        # What is behind the door is no matter here.
        rest.stage.dispatch.route = lambda *asked: asked[-1](None, b"{}")
        for method, template in routes:
            path = template.replace("{channel}", "group:tea")
            path = re.sub(r"{\w+}", "ann", path)
            body = None if method in ("GET", "DELETE") else {}
            _, said = await rest.call(method, path, json=body, headers=headers)
            refused = "scope" in said.get("detail", "") and said.get("code") == "permission_denied"
            if refused != (scope_of(method, template) not in (scope, None)):
                wrong.append((method, template, said))
    assert wrong == []


async def test_each_operation_of_a_batch_is_asked_for_by_itself() -> None:
    async with serve() as rest:
        headers = key_of(rest, "read")
        read = {"method": "GET", "path": "/v1/users/ann"}
        write = {"method": "PUT", "path": "/v1/users/ann", "body": {"name": "Ann"}}
        _, said = await rest.call(
            "POST", "/v1/batch", json={"operations": [read, write]}, headers=headers
        )
        assert [row["status"] for row in said["results"]] == [200, 403]
        assert said["results"][1]["body"]["scope"] == "write"


def test_the_lists_name_what_there_is() -> None:
    own = {(row.method, row.path) for row in api_of(EdgeStage()).own_rows()}
    assert own == {*EDGE_ROUTES, *ROOT, *ROOT_OR_OWN}
    assert {(row.method, row.path) for row in OWN_ROWS} == set(ROOT_OR_OWN)
    assert {(row.method, row.path) for row in APP_ROWS} == {*ROOT, *ROOT_OR_OWN}
    known = own | {(row.method, row.path) for row in REGISTRY.routes}
    assert known >= ADMIN | READS | NO_SCOPE


async def test_a_key_that_is_almost_right_is_nobodys() -> None:
    async with serve() as rest:
        good = key_of(rest, "read")["Authorization"]
        for wrong in (good[:-1] + ("A" if good[-1] != "A" else "B"), good[:-1], good + "A"):
            headers = {"Authorization": wrong}
            response, _ = await rest.call("GET", "/v1/limits", headers=headers)
            assert response.status == 401
        response, _ = await rest.call("GET", "/v1/limits", headers={"Authorization": good})
        assert response.status == 200
        rest.stage.auth.remove_app("demo")
        response, _ = await rest.call("GET", "/v1/limits", headers={"Authorization": good})
        assert response.status == 401
