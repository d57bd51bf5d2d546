"""Apps over real processes: made by the root key, a key rotated, scopes, quotas, and one deleted
under an official client, which is thrown out. There is no larger form.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import jwt

from ops.api import Rest, call
from tests.support.client import Client, ReplyError, new_cmid
from tests.support.cluster import AT_ONCE_S, Cluster, wait_for
from tests.support.official import centrifuge

RUN = os.urandom(3).hex()  # a name is used once, also on a cluster that lived before
ROOM = "group:apps-room"


def name(word: str) -> str:
    return f"apps-{word}-{RUN}"


def root(cluster: Cluster, edge: int = 0) -> Rest:
    return Rest(cluster.urls[edge], cluster.file.root_key)


def make(cluster: Cluster, app: str, **more: Any) -> dict[str, Any]:
    """A new app, served by every edge and known to the nodes of its first users."""
    made: dict[str, Any] = root(cluster).need("POST", "/v1/apps", {"app": app, **more})
    for url in cluster.urls:
        rest = Rest(url, made["server_key"])
        wait_for(
            lambda rest=rest: all(
                rest.call("POST", "/v1/tokens", {"user": f"known-{n}"}).status == 200
                for n in range(12)
            ),
            15.0,
            lambda: f"{app} is not served",
        )
    return made


def within(story: str, condition: Any) -> None:
    began = time.monotonic()
    wait_for(condition, 10.0, lambda: story)
    assert time.monotonic() - began < AT_ONCE_S, story


def test_two_apps_with_one_channel_name_know_nothing_of_one_another(cluster: Cluster) -> None:
    shop, bank = make(cluster, name("shop")), make(cluster, name("bank"))
    a, b = Rest(cluster.urls[0], shop["server_key"]), Rest(cluster.urls[1], bank["server_key"])
    for rest, text in ((a, "of the shop"), (b, "of the bank")):
        rest.need("POST", "/v1/channels", {"channel": ROOM, "owner": "ann", "members": ["ben"]})
        rest.need("POST", f"/v1/channels/{ROOM}/messages", {"by": "ann", "text": text})
    for rest, text in ((a, "of the shop"), (b, "of the bank")):
        page = rest.need("GET", f"/v1/channels/{ROOM}/messages")
        assert [row["text"] for row in page["messages"]] == [text]
    members = f"/v1/channels/{ROOM}/members?limit=1"
    cursor = a.need("GET", members)["next_cursor"]
    assert a.need("GET", f"{members}&cursor={cursor}")["members"][0]["user"] == "ben"
    refused = b.call("GET", f"{members}&cursor={cursor}")
    assert (refused.status, refused.body["code"]) == (400, "cursor_invalid")
    listed = root(cluster, 1).need("GET", "/v1/apps?limit=200")["apps"]
    assert {name("shop"), name("bank")} <= {row["app"] for row in listed}
    said = [
        [
            a.call(method, f"/v1/apps/{app}{path}", {} if method in ("POST", "PATCH") else None)
            for method, path in (
                ("GET", ""),
                ("PATCH", ""),
                ("DELETE", ""),
                ("GET", "/keys"),
                ("POST", "/keys"),
                ("DELETE", "/keys/first"),
            )
        ]
        for app in (name("bank"), name("nowhere"))
    ]
    for there, nowhere in zip(*said, strict=True):
        assert (there.status, there.body["code"]) == (403, "permission_denied")
        assert there.body["detail"] == nowhere.body["detail"]


def test_a_key_is_rotated_without_a_moment_in_which_none_is_good(cluster: Cluster) -> None:
    app = name("rotate")
    made = make(cluster, app)
    old = made["server_key"]
    ours = Rest(cluster.urls[0], old)  # an app's own admin key makes its keys
    ours.need("POST", "/v1/channels", {"channel": ROOM, "owner": "ann", "members": ["ben"]})
    members = f"/v1/channels/{ROOM}/members?limit=1"
    cursor = ours.need("GET", members)["next_cursor"]
    new = ours.need("POST", f"/v1/apps/{app}/keys", {"label": "second", "scopes": ["read"]})
    reader = new["server_key"]
    full = ours.call("POST", f"/v1/apps/{app}/keys", {})
    assert (full.status, full.body["code"]) == (422, "limit_exceeded")
    for url in cluster.urls:
        rest = Rest(url, reader)
        within("the new key opens", lambda rest=rest: rest.call("GET", "/v1/limits").status == 200)
        assert Rest(url, old).call("GET", "/v1/limits").status == 200
        assert rest.call("GET", "/v1/users/known-1").status == 200
        for path, body in (("/v1/tokens", {"user": "x"}), ("/v1/tokens/revoke", {"user": "x"})):
            refused = rest.call("POST", path, body)
            assert (refused.status, refused.body["code"]) == (403, "permission_denied")
    root(cluster, 1).need("DELETE", f"/v1/apps/{app}/keys/{made['app']['keys'][0]['id']}")
    for url in cluster.urls:
        rest = Rest(url, old)
        within(
            "the old key is shut", lambda rest=rest: rest.call("GET", "/v1/limits").status == 401
        )
        assert Rest(url, reader).call("GET", "/v1/limits").status == 200
        page = Rest(url, reader).need("GET", f"{members}&cursor={cursor}")
        assert page["members"][0]["user"] == "ben", "a cursor outlives the key that asked for it"
    [left] = root(cluster).need("GET", f"/v1/apps/{app}/keys")["keys"]
    assert (left["label"], left["last"], left["scopes"]) == ("second", reader[-4:], ["read"])


async def test_a_secret_is_rotated_under_connected_clients(cluster: Cluster) -> None:
    app = name("secret")
    made = await asyncio.to_thread(make, cluster, app)
    rest = Rest(cluster.urls[0], made["server_key"])
    path = f"/v1/apps/{app}/token_secrets"
    new = rest.need("POST", path, {})["token_secret"]
    full = rest.call("POST", path, {})
    assert (full.status, full.body["code"]) == (422, "limit_exceeded")
    old, new = (
        jwt.encode({"sub": "ann"}, secret, algorithm="HS256", headers={"kid": app})
        for secret in (made["token_secret"], new)
    )

    def status(url: str, token: str) -> int:
        return Rest(url, token).call("GET", "/v1/limits").status

    for url in cluster.urls:
        within("the new one opens", lambda url=url: status(url, new) == 200)
        assert status(url, old) == 200
    async with Client(cluster.urls[1], old) as thrown, Client(cluster.urls[1], new) as stays:
        began = time.monotonic()
        rest.need("DELETE", f"{path}/first")
        async with asyncio.timeout(10.0):
            assert (await thrown.wait_closed()).code == 4501
        assert time.monotonic() - began < AT_ONCE_S
        for url in cluster.urls:
            within("the old one is shut", lambda url=url: status(url, old) == 401)
            assert status(url, new) == 200
        assert (await stays.rpc("unread.total"))["unread"] == 0
    assert rest.need("POST", "/v1/tokens", {"user": "ann"})["token"]
    [left] = rest.need("GET", path)["secrets"]
    assert left["last"] != made["token_secret"][-4:]


async def test_a_deleted_app_throws_its_clients_out_and_answers_nobody(cluster: Cluster) -> None:
    sdk, app = centrifuge(), name("gone")
    made = await asyncio.to_thread(make, cluster, app)
    rest = Rest(cluster.urls[0], made["server_key"])
    token = rest.need("POST", "/v1/tokens", {"user": "ann"})["token"]
    rest.need("POST", "/v1/channels", {"channel": ROOM, "owner": "ann"})
    rest.need("POST", f"/v1/channels/{ROOM}/messages", {"by": "ann", "text": "hello"})
    out: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    class Watch(sdk.ClientEventHandler):  # type: ignore[misc, name-defined]
        async def on_disconnected(self, ctx: Any) -> None:
            if not out.done():
                out.set_result((ctx.code, ctx.reason))

    async with Client(cluster.urls[1], token) as ours:
        address = cluster.urls[0].replace("http://", "ws://") + "/connection/websocket"
        official = sdk.Client(address, token=token, events=Watch())
        await official.connect()
        await official.ready()
        socket = official._conn
        began = time.monotonic()
        await asyncio.to_thread(root(cluster, 1).need, "DELETE", f"/v1/apps/{app}")
        async with asyncio.timeout(10.0):
            assert await out == (4504, "app deleted")
            assert (await ours.wait_closed()).code == 4504
        assert time.monotonic() - began < AT_ONCE_S
        await socket.wait_closed()
    for url in cluster.urls:
        for bearer in (made["server_key"], token):
            found = await asyncio.to_thread(Rest(url, bearer).call, "GET", f"/v1/channels/{ROOM}")
            assert (found.status, found.body["code"]) == (401, "unauthorized")
    for body in ({"app": app}, {"app": app, "profile": "bench"}):
        again = await asyncio.to_thread(root(cluster).call, "POST", "/v1/apps", body)
        assert (again.status, again.body["code"]) == (409, "app_exists"), "nobody reads old data"
    assert (await asyncio.to_thread(root(cluster).call, "GET", f"/v1/apps/{app}")).status == 404
    assert cluster.rest("POST", "/v1/tokens", {"user": "apps-other"})["token"], "others go on"


async def test_quotas_hold_over_all_edges_and_the_operator_sees_it(cluster: Cluster) -> None:
    app = name("small")
    quotas = {"connections_max": 3, "messages_per_s": 4}
    made = await asyncio.to_thread(make, cluster, app, quotas=quotas, profile="bench")
    rest = Rest(cluster.urls[0], made["server_key"])
    rest.need("POST", "/v1/channels", {"channel": ROOM, "owner": "ann"})
    token = rest.need("POST", "/v1/tokens", {"user": "ann"})["token"]
    inside: list[Client] = []
    said: list[tuple[int, str]] = []
    try:
        for url in cluster.urls:
            while True:
                client = Client(url, token)
                try:
                    await client.__aenter__()
                except ReplyError as refused:
                    said.append((refused.code, refused.message))
                    break
                inside.append(client)
        assert len(inside) == 3
        assert {code for code, _ in said} == {444}
        assert all('"quota":"connections_max","limit":3' in words for _, words in said)
        said.clear()
        began, sent = time.monotonic(), 0
        for n in range(60):
            try:
                body = {"channel": ROOM, "text": "hi", "cmid": new_cmid()}
                await inside[n % 3].rpc("message.send", **body)
                sent += 1
            except ReplyError as refused:
                said.append((refused.code, refused.message))
        assert {code for code, _ in said} == {444}
        assert all("retry_after_ms" in words for _, words in said)
        assert sent <= 4 + 4 * (time.monotonic() - began)
    finally:
        for client in inside:
            await client.__aexit__(None, None, None)
    seen = [call("GET", f"{entry.admin_url}/statistics").body for entry in cluster.edges]
    counts = [one["quotas"]["exceeded"].get(app, {}) for one in seen]
    assert all(count["connections_max"] == 1 for count in counts)
    assert sum(count.get("messages_per_s", 0) for count in counts) == len(said)
    metrics = call("GET", f"{cluster.edges[0].admin_url}/metrics").body
    assert "hubbub_edge_quota_exceeded_connections_total" in metrics


def test_rows_of_a_deleted_app_are_cleared(cluster: Cluster) -> None:
    app = name("rows")
    made = make(cluster, app)
    rest = Rest(cluster.urls[0], made["server_key"])
    rest.need("POST", "/v1/channels", {"channel": ROOM, "owner": "ann"})
    rest.need("POST", f"/v1/channels/{ROOM}/messages", {"by": "ann", "text": "hello"})

    def cleared() -> str:
        logs = (cluster.dir / "run" / "logs").glob("node-*")
        return "".join(log.read_text(errors="replace") for log in logs)

    def is_cleared() -> bool:
        lines = [line for line in cleared().splitlines() if "app.cleared" in line and app in line]
        return bool(lines)

    root(cluster).need("DELETE", f"/v1/apps/{app}")
    wait_for(is_cleared, 20.0, lambda: f"no rows of {app} were cleared")
    assert cluster.rest("POST", "/v1/tokens", {"user": "apps-other"})["token"], "others go on"


def test_the_command_makes_lists_and_deletes(cluster: Cluster) -> None:
    def hubbub(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "ops", "apps", *words, "--dir", str(cluster.dir), "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["data"]
        return found

    app = name("cli")
    made = hubbub("create", app, "--connections", "9")
    assert made["app"]["quotas"]["connections_max"] == 9
    assert app in [row["app"] for row in hubbub("list")["apps"]]
    keys = hubbub("keys", app, "--create", "till", "--scope", "write")
    assert [row["scopes"] for row in keys["keys"]][1:] == [["write"]]
    assert len(hubbub("keys", app, "--revoke", keys["keys"][0]["id"])["keys"]) == 1
    assert len(hubbub("secrets", app, "--create")["secrets"]) == 2
    [secret] = hubbub("secrets", app, "--revoke", "first")["secrets"]
    assert secret["id"] != "first"
    assert hubbub("delete", app, "--yes")["app"] == app
    assert app not in [row["app"] for row in hubbub("list")["apps"]]
