"""Devices and sessions: listed over edges, signed out from afar; settings reach every device."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hubbub.base.errors import INVALID_TOKEN, REVOKED, UNAUTHORIZED
from ops.answer import Failure
from tests.support.client import Client, Closed, ReplyError
from tests.support.cluster import AT_ONCE_S, Cluster


def device(cluster: Cluster, edge: int, token: str, id: str, **more: Any) -> Client:
    data = {"device": id, "device_name": f"{id} of the test"} if id else {}
    return Client(cluster.urls[edge], token, data=data, version="1.0", **more)


async def until(condition: Any, what: str, seconds: float = 5.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < ends, what
        await asyncio.sleep(0.05)
    return found


async def test_devices_and_sessions_are_listed_over_edges(cluster: Cluster) -> None:
    user = "dev-ann"
    token = cluster.token(user)
    async with device(cluster, 0, token, "phone") as phone, device(cluster, 1, token, "desk"):

        async def both() -> Any:
            devices = (await phone.rpc("devices.list"))["devices"]
            return devices if len(devices) == 2 else None

        devices = {d["device"]: d for d in await until(both, "two devices")}
        assert devices["phone"]["current"]
        assert devices["phone"]["name"] == "phone of the test"
        assert not devices["desk"].get("current")
        assert [len(d["sessions"]) for d in devices.values()] == [1, 1]
        sessions = (await phone.rpc("sessions.list"))["sessions"]
        assert {s["device"] for s in sessions} == {"phone", "desk"}
        assert [s["client"] for s in sessions if s.get("current")] == [phone.connected["client"]]
    shown = cluster.rest("GET", f"/v1/users/{user}/devices")["devices"]
    assert {d["device"] for d in shown} == {"phone", "desk"}

    async def nobody() -> bool:
        return cluster.rest("GET", f"/v1/users/{user}/sessions")["sessions"] == []

    await until(nobody, "sessions that ended are gone")


async def test_a_removed_device_is_out_on_every_edge(cluster: Cluster) -> None:
    user = "dev-bob"
    token, other = cluster.token(user), cluster.token(user)
    phone = device(cluster, 0, token, "phone")
    async with phone, device(cluster, 1, other, "desk") as desk:

        async def known() -> bool:
            return len((await desk.rpc("devices.list"))["devices"]) == 2

        await until(known, "two devices")
        began = time.monotonic()
        await desk.rpc("devices.remove", device="phone")
        closed = await phone.wait_closed()
        assert closed.code == REVOKED.code
        assert time.monotonic() - began < AT_ONCE_S
        assert desk.closed is None
        for edge in (0, 1):
            with pytest.raises((ReplyError, Closed)) as refused:
                async with device(cluster, edge, token, "phone"):
                    pass
            # Refused, or closed in the middle of its connect when the revocation comes there.
            refusals = (UNAUTHORIZED.code, INVALID_TOKEN.code, REVOKED.code)
            assert getattr(refused.value, "code", 0) in refusals
        removed = await desk.wait_publications(f"#{user}", 1)
        assert removed[-1]["data"]["t"] in ("device.removed", "device.added")
        assert len((await desk.rpc("devices.list"))["devices"]) == 1
    async with device(cluster, 0, cluster.token(user), "phone"):
        pass
    with pytest.raises(Failure):
        cluster.rest("DELETE", f"/v1/users/{user}/devices/nothing")


async def test_signing_out_everywhere_else(cluster: Cluster) -> None:
    user = "dev-eve"
    tokens = [cluster.token(user) for _ in range(3)]
    phone, desk = device(cluster, 0, tokens[0], "phone"), device(cluster, 1, tokens[1], "desk")
    plain = device(cluster, 1, tokens[2], "")
    async with phone, desk, plain:

        async def known() -> bool:
            return len((await desk.rpc("devices.list"))["devices"]) == 2

        await until(known, "two devices")
        await desk.rpc("sessions.sign_out", keep="desk")
        for client in (phone, plain):
            assert (await client.wait_closed()).code == REVOKED.code
        assert (await desk.rpc("sessions.list"))["sessions"]
        assert desk.closed is None
    async with device(cluster, 0, tokens[1], "desk"):
        pass
    for token, id in ((tokens[0], "phone"), (tokens[2], "")):
        with pytest.raises((ReplyError, Closed)):
            async with device(cluster, 0, token, id):
                pass


async def test_settings_reach_every_device(cluster: Cluster) -> None:
    user = "dev-dan"
    token = cluster.token(user)
    async with device(cluster, 0, token, "phone") as phone, device(cluster, 1, token, "") as desk:
        await phone.rpc("settings.set", settings={"theme": "dark", "size": 3})

        def told() -> list[Any]:
            pubs = [p["data"] for p in desk.publications(f"#{user}")]
            return [data for data in pubs if data["t"] == "settings.changed"]

        await desk.wait_until(told, "settings.changed")
        assert told()[0]["settings"] == {"theme": "dark", "size": 3}
        answer = await desk.rpc("settings.get")
        assert answer == {"settings": {"size": 3, "theme": "dark"}}
    cluster.rest("PATCH", f"/v1/users/{user}/settings", {"settings": {"size": None}})
    assert cluster.rest("GET", f"/v1/users/{user}/settings") == {"settings": {"theme": "dark"}}


async def test_a_connect_costs_no_entry_a_second_time(cluster: Cluster) -> None:
    user = "dev-fay"
    token = cluster.token(user)
    offsets = []
    for edge in (0, 1, 0, 1):
        async with device(cluster, edge, token, "phone") as phone:

            async def known(phone: Client = phone) -> bool:
                return len((await phone.rpc("devices.list"))["devices"]) == 1

            await until(known, "the device")
            offsets.append((await phone.rpc("sync", user=["", 0]))["user"]["seq"])
    assert len(set(offsets)) == 1, offsets
