"""The platform API over real processes: what is left of a limit on every answer, many requests in
one, tokens that end with their device. There is no larger form.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from tests.acceptance.test_devices import device, until
from tests.support.apps import add_app, change_app
from tests.support.client import Client
from tests.support.cluster import AT_ONCE_S, Cluster

ROOM, OTHER = "group:api-room", "group:api-other"


async def ask(
    http: aiohttp.ClientSession, bearer: str, method: str, url: str, body: Any = None
) -> tuple[aiohttp.ClientResponse, Any]:
    headers = {"Authorization": f"Bearer {bearer}", "X-Request-Id": "api-test-1"}
    async with http.request(method, url, json=body, headers=headers) as response:
        return response, await response.json(content_type=None)


async def test_every_answer_tells_what_is_left_and_a_429_when_to_come_back(
    cluster: Cluster,
) -> None:
    record = await asyncio.to_thread(add_app, cluster, "api-limits")
    changes = {"rest_per_user": {"per_s": 2, "burst": 3}}
    await asyncio.to_thread(change_app, cluster, record, changes)
    async with aiohttp.ClientSession() as http:
        url = cluster.urls[0]
        body = {"user": "api-lim"}
        _, made = await ask(http, record.server_key, "POST", f"{url}/v1/tokens", body)
        mine = f"{url}/v1/users/api-lim"

        async def limited() -> Any:
            response, _ = await ask(http, made["token"], "GET", mine)
            return response if "X-RateLimit-Limit" in response.headers else None

        response = await until(limited, "the edge heard of the new settings")
        assert response.headers["X-Request-Id"] == "api-test-1"
        assert response.headers["RateLimit-Policy"] == '"user-rest";q=3;w=2'
        assert response.headers["X-RateLimit-Scope"] == "user"
        for _ in range(50):  # tokens come back meanwhile, but not as fast as this asks
            response, body = await ask(http, made["token"], "GET", mine)
            if response.status == 429:
                break
        assert (response.status, body["code"], body["scope"]) == (429, "rate_limited", "user")
        assert response.headers["X-RateLimit-Remaining"] == "0"
        assert response.headers["Retry-After"] == "1"

        async def passes() -> bool:
            return (await ask(http, made["token"], "GET", mine))[0].status == 200

        await until(passes, "there is a token again")


async def test_a_batch_is_in_order_for_each_channel_and_may_be_sent_again(cluster: Cluster) -> None:
    for room in (ROOM, OTHER):
        cluster.rest("POST", "/v1/channels", {"channel": room, "members": ["api-ann"]})
    operations = [
        {
            "method": "POST",
            "path": f"/v1/channels/{room}/messages",
            "body": {"by": "api-ann", "text": f"number {number}"},
            "idempotency_key": f"api-batch-{room}-{number}",
        }
        for number in range(20)
        for room in (ROOM, OTHER)
    ]
    operations.append({"method": "GET", "path": f"/v1/channels/{ROOM}/messages?limit=20"})
    operations.append({"method": "GET", "path": "/v1/channels/group:api-nowhere"})
    async with (
        aiohttp.ClientSession() as http,
        Client(cluster.urls[1], cluster.token("api-ann")) as ann,
    ):
        await ann.subscribe(ROOM)
        url = f"{cluster.urls[0]}/v1/batch"
        body = {"operations": operations}
        _, first = await ask(http, cluster.server_key, "POST", url, body)
        sends = first["results"][:40]
        assert {row["status"] for row in sends} == {201}
        for start in (0, 1):
            seqs = [row["body"]["seq"] for row in sends[start::2]]
            assert seqs == list(range(seqs[0], seqs[0] + 20))
        read, nowhere = first["results"][40:]
        texts = [row["text"] for row in read["body"]["messages"]]
        assert sorted(texts) == sorted(f"number {n}" for n in range(20)), "read after the sends"
        assert (nowhere["status"], nowhere["body"]["code"]) == (404, "channel_not_found")
        assert nowhere["body"]["request_id"] == "api-test-1"
        await ann.wait_publications(ROOM, 20)
        _, again = await ask(http, cluster.server_key, "POST", url, body)
        for row, before in zip(again["results"][:40], sends, strict=True):
            assert row["body"]["dup"]
            assert row["body"]["seq"] == before["body"]["seq"]


async def test_a_users_token_may_in_a_batch_what_it_may_alone(cluster: Cluster) -> None:
    room = "group:api-private"
    cluster.rest("POST", "/v1/channels", {"channel": room, "members": ["api-eve"]})
    send = {"method": "POST", "path": f"/v1/channels/{room}/messages", "body": {"text": "hi"}}
    as_eve = {**send, "body": {"text": "hi", "by": "api-eve"}}
    token = cluster.token("api-zoe")
    async with aiohttp.ClientSession() as http:
        url = f"{cluster.urls[0]}/v1/batch"
        _, body = await ask(http, token, "POST", url, {"operations": [send, as_eve]})
        alone, _ = await ask(http, token, "POST", f"{cluster.urls[0]}{send['path']}", send["body"])
        assert [row["status"] for row in body["results"]] == [alone.status, 403]
    page = cluster.rest("GET", f"/v1/channels/{room}/messages")
    assert page["messages"] == []


async def test_the_token_of_a_removed_device_is_refused_over_rest(cluster: Cluster) -> None:
    user = "api-dev"
    token, other = cluster.token(user), cluster.token(user)
    async with aiohttp.ClientSession() as http:
        async with device(cluster, 0, token, "phone") as phone:

            async def known() -> bool:
                return len((await phone.rpc("devices.list"))["devices"]) == 1

            await until(known, "the device is listed")
        cluster.rest("DELETE", f"/v1/users/{user}/devices/phone", edge=1)
        began = time.monotonic()
        for url in cluster.urls:

            async def refused(url: str = url) -> bool:
                return (await ask(http, token, "GET", f"{url}/v1/users/{user}"))[0].status == 401

            await until(refused, "the token is refused", AT_ONCE_S)
            response, _ = await ask(http, other, "GET", f"{url}/v1/users/{user}")
            assert response.status == 200, "his other token is as good as before"
        assert time.monotonic() - began < AT_ONCE_S
