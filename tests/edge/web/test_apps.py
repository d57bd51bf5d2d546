"""`/v1/apps` over HTTP, with a real coordinator and the edge's own picture of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubbub.coordinator.records import AppRecord, app_key
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.model.server_keys import hash_of, new_root_key
from hubbub.wire.codec import decode_json
from tests.edge.stage import SERVER_KEY
from tests.edge.web.rest import Rest, serve

ROOT = new_root_key(b"r" * 32)
Asked = Callable[..., Awaitable[tuple[int, Any]]]


class Operator:
    """The root key's calls; `follow` gives the edge an app's record as its view would."""

    def __init__(self, rest: Rest, coordinator: SoloCoordinator) -> None:
        self.rest = rest
        self.coordinator = coordinator

    async def ask(self, method: str, path: str, body: Any = None, key: str = ROOT) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        response, answer = await self.rest.call(method, path, json=body, headers=headers)
        return response.status, answer

    async def need(self, method: str, path: str, body: Any = None, key: str = ROOT) -> Any:
        status, answer = await self.ask(method, path, body, key)
        assert status < 300, answer
        return answer

    async def record(self, app: str) -> AppRecord:
        found = await self.coordinator.get(app_key(app))
        assert found is not None
        return decode_json(found.value, AppRecord)


@asynccontextmanager
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    coordinator = SoloCoordinator(tmp_path / "c.sqlite")
    try:
        async with serve(coordinator) as rest:
            rest.stage.auth.root_key_hash = hash_of(ROOT)
            yield Operator(rest, coordinator)
    finally:
        await coordinator.close()


async def test_an_app_is_made_listed_changed_and_deleted(tmp_path: Path) -> None:
    async with operator(tmp_path) as op:
        body = {"app": "shop", "settings": {"text_chars_max": 90}, "quotas": {"messages_per_s": 7}}
        status, made = await op.ask("POST", "/v1/apps", body | {"label": "till"})
        assert status == 201
        record = await op.record("shop")
        assert made["server_key"] not in str(record)
        assert record.server_keys[0].hash == hash_of(made["server_key"])
        assert record.token_secret == made["token_secret"]
        [key] = made["app"]["keys"]
        assert (key["label"], key["last"]) == ("till", made["server_key"][-4:])
        assert key["scopes"] == ["read", "write", "admin"]
        assert (await op.ask("POST", "/v1/apps", body))[0] == 409
        shown = await op.need("GET", "/v1/apps/shop")
        assert shown == made["app"]
        unset = {"connections_max": 0, "users_max": 0, "channels_max": 0}
        assert shown["quotas"] == {**unset, "messages_per_s": 7}
        change = {"settings": {"text_chars_max": None, "undelete_own_s": 5}, "odd": 1}
        changed = await op.need("PATCH", "/v1/apps/shop", change)
        assert (changed["settings"], changed["ignored_fields"]) == ({"undelete_own_s": 5}, ["odd"])
        assert changed["quotas"]["messages_per_s"] == 7, "what is not named stays"
        gone = await op.need("DELETE", "/v1/apps/shop")
        assert gone["app"] == "shop"
        tomb = await op.record("shop")
        assert tomb.is_deleted
        assert (tomb.server_keys, tomb.token_secret, tomb.server_key) == ((), "", "")
        assert tomb.id_secret == record.id_secret, "its log is still applied"
        for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/keys")):
            sent = {} if method == "PATCH" else None
            status, said = await op.ask(method, f"/v1/apps/shop{path}", sent)
            assert (status, said["code"]) == (404, "app_not_found")
        status, said = await op.ask("POST", "/v1/apps", body)
        assert (status, said["code"]) == (409, "app_exists"), "a name is used once"


async def test_pages_are_by_name(tmp_path: Path) -> None:
    async with operator(tmp_path) as op:
        for name in ("b", "d", "a", "c", "e"):
            await op.need("POST", "/v1/apps", {"app": name})
        await op.need("DELETE", "/v1/apps/d")
        seen, cursor = [], ""
        while True:
            page = await op.need("GET", f"/v1/apps?limit=2&cursor={cursor}")
            seen.append([row["app"] for row in page["apps"]])
            cursor = page["next"]
            if not cursor:
                break
        assert seen == [["a", "b"], ["c", "e"]]
        for wrong in ("limit=0", "limit=201", "limit=x", "limit=%D9%A3", "limit=1_0", "cursor=x"):
            assert (await op.ask("GET", f"/v1/apps?{wrong}"))[0] == 400, wrong


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"app": "Shop"},
        {"app": "a/b"},
        {"app": "x", "profile": "centrifuge-compat"},
        {"app": "x", "profile": "none"},
        {"app": "x", "settings": {"no_such": 1}},
        {"app": "x", "settings": {"token_secret_bytes_min": 1}},
        {"app": "x", "quotas": {"no_such": 1}},
        {"app": "x", "quotas": {"connections_max": -1}},
        {"app": "x", "scopes": []},
        {"app": "x", "scopes": ["all"]},
        {"app": "x", "label": "a\nb"},
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, body: Any) -> None:
    async with operator(tmp_path) as op:
        status, told = await op.ask("POST", "/v1/apps", body)
        assert status == 400
        [named] = told["errors"]
        assert named["pointer"].split("/")[1] == list(body or {"app": ""})[-1], told


async def test_two_keys_are_active_and_one_is_revoked(tmp_path: Path) -> None:
    async with operator(tmp_path) as op:
        first = (await op.need("POST", "/v1/apps", {"app": "shop"}))["app"]["keys"][0]["id"]
        body = {"scopes": ["write", "read"], "label": "new till"}
        made = await op.need("POST", "/v1/apps/shop/keys", body)
        assert made["key"]["scopes"] == ["read", "write"]
        status, said = await op.ask("POST", "/v1/apps/shop/keys", {})
        assert (status, said["code"], said["limit"]) == (422, "limit_exceeded", 2)
        await op.need("DELETE", f"/v1/apps/shop/keys/{first}")
        assert (await op.ask("DELETE", f"/v1/apps/shop/keys/{first}"))[0] == 404
        [left] = (await op.need("GET", "/v1/apps/shop/keys"))["keys"]
        assert left == made["key"]
        await op.need("POST", "/v1/apps/shop/keys", {})


async def test_only_the_root_key_and_an_apps_own_admin_key_are_heard(tmp_path: Path) -> None:
    """To all others every route says 403, of an app that exists as of one that does not."""
    async with operator(tmp_path) as op:
        await op.need("POST", "/v1/apps", {"app": "there"})
        token = (await op.rest.call("POST", "/v1/tokens", json={"user": "ann"}))[1]["token"]
        for key in (SERVER_KEY, token):
            for app in ("there", "nowhere"):
                for method, path in (
                    ("GET", f"/v1/apps/{app}"),
                    ("PATCH", f"/v1/apps/{app}"),
                    ("DELETE", f"/v1/apps/{app}"),
                    ("GET", f"/v1/apps/{app}/keys"),
                    ("POST", f"/v1/apps/{app}/keys"),
                    ("DELETE", f"/v1/apps/{app}/keys/x"),
                    ("GET", "/v1/apps"),
                ):
                    body = {} if method in ("PATCH", "POST") else None
                    status, said = await op.ask(method, path, body, key)
                    assert (status, said["code"]) == (403, "permission_denied"), path
            assert (await op.ask("POST", "/v1/apps", {"app": "x"}, key))[0] == 403
        assert (await op.ask("GET", "/v1/apps", None, "wrong"))[0] == 401
        assert (await op.ask("GET", "/v1/apps", None, "a.b.c"))[0] == 401
        assert (await op.ask("GET", "/v1/users/ann"))[0] == 403, "the root key is for apps only"
        own = op.rest.stage.auth
        made = await op.need("POST", "/v1/apps", {"app": "own"})
        record = await op.record("own")
        own.set_app("demo", SERVER_KEY, [], record.server_keys)  # as if it were demo's
        key = made["server_key"]
        assert (await op.ask("GET", "/v1/apps/demo", None, key))[0] == 404, "it has no record here"
        assert (await op.ask("GET", "/v1/apps/own", None, key))[0] == 403


async def test_without_its_coordinator_an_edge_says_so() -> None:
    async with serve() as rest:
        rest.stage.auth.root_key_hash = hash_of(ROOT)
        headers = {"Authorization": f"Bearer {ROOT}"}
        response, body = await rest.call("GET", "/v1/apps", headers=headers)
        assert (response.status, body["code"], body["retryable"]) == (503, "internal", True)


async def test_what_counts_is_told_with_who_said_so(tmp_path: Path) -> None:
    async with operator(tmp_path) as op:
        body = {"app": "mall", "profile": "bench", "settings": {"text_chars_max": 90}}
        await op.need("POST", "/v1/apps", body)
        found = await op.need("GET", "/v1/apps/mall?effective=true")
        counts = found["effective"]
        assert counts["text_chars_max"] == {"value": 90, "source": "app"}
        assert counts["send_per_user"] == {"value": {"per_s": 0, "burst": 0}, "source": "profile"}
        assert counts["history_page_max"] == {"value": 200, "source": "default"}
        assert not [name for name in counts if "initial" in name]  # secrets
        await op.need("PATCH", "/v1/apps/mall", {"settings": {"text_chars_max": None}})
        found = await op.need("GET", "/v1/apps/mall?effective=true")
        assert found["effective"]["text_chars_max"] == {"value": 5_000, "source": "default"}
        assert "effective" not in await op.need("GET", "/v1/apps/mall")
        status, refused = await op.ask("GET", "/v1/apps/mall?effective=perhaps")
        assert (status, refused["code"]) == (400, "bad_request")
