"""Sync over devices: one call brings a device to the present, over several leaders."""

from __future__ import annotations

from typing import Any

from tests.support.client import Client
from tests.support.cluster import Cluster

DELTA_EVENTS_MAX = 300


async def test_one_call_brings_each_channel_to_the_present(cluster: Cluster) -> None:
    """Delta, head with a gap, gone, and a channel that is new; 20 channels lie on three leaders."""
    ann, bob = "sync-ann", "sync-bob"
    channels = [f"group:sync-{number}" for number in range(20)]
    loud, left, fresh = channels[0], channels[1], "group:sync-fresh"
    token = cluster.token(bob)
    async with Client(cluster.urls[0], cluster.token(ann)) as a:
        for channel in channels:
            await a.rpc("channel.create", channel=channel, members=[bob])
            await a.send(channel, "first")
        async with Client(cluster.urls[1], token) as b:
            asked: dict[str, Any] = dict.fromkeys(channels, ("", 0))
            known = await b.rpc("sync", user=["", 0], channels=asked)
            assert known["more"] == []
            assert {c["state"] for c in known["channels"].values()} == {"head"}
            assert [e["t"] for e in known["channels"][loud]["events"]][-1] == "message.created"
        for channel in channels[2:]:
            await a.send(channel, f"news in {channel}")
        for number in range(DELTA_EVENTS_MAX + 1):
            await a.send(loud, f"loud {number}")
        await a.rpc("member.remove", channel=left, users=[bob])
        await a.rpc("channel.create", channel=fresh, members=[bob])
        await a.send(fresh, "come in")
    positions = {name: (c["epoch"], c["seq"]) for name, c in known["channels"].items()}
    own = (known["user"]["epoch"], known["user"]["seq"])
    body = {"user": own, "channels": positions}
    async with Client(cluster.urls[1], token) as b:
        now = await b.rpc("sync", **body)
        assert now["more"] == []
        found = now["channels"]
        assert found[left] == {"state": "gone", "reason": "not_a_member"}
        assert found[loud]["state"] == "head"
        assert found[loud]["gap"] == [positions[loud][1] + 1, found[loud]["seq"] - 50]
        assert found[loud]["figures"]["unread"] == DELTA_EVENTS_MAX + 2
        for channel in channels[2:]:
            assert found[channel]["state"] == "delta"
            assert [e["text"] for e in found[channel]["events"]] == [f"news in {channel}"]
        assert now["user"]["state"] == "delta"
        assert now["user"]["listed"] == [fresh]
        assert found[fresh]["state"] == "head"
        assert found[fresh]["events"][-1]["text"] == "come in"
    # the same by REST, for a server key that asks for bob
    again = cluster.rest("POST", f"/v1/users/{bob}/sync", body)
    assert again["channels"][channels[2]] == found[channels[2]]
    assert again["channels"][left]["state"] == "gone"
