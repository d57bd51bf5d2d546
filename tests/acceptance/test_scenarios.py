"""Four customers' chats, each configured in at most 20 lines (scenarios/), and played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from hubbub.client.chat import Chat, connect
from hubbub.client.events import Json, Published, Refused
from tests.support.cluster import Cluster
from tests.support.requirement import missing

FOLDER = Path(__file__).with_name("scenarios")
LINES_MAX = 20
SCENARIOS = ("broadcast", "lobby", "order", "support")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_configuration_has_at_most_20_lines(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= 120
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(SCENARIOS)


async def test_a_three_party_order(cluster: Cluster) -> None:
    """The seller moves the order, the buyer only talks, nobody slips out; the end freezes it."""
    if find_spec("jsonschema_rs") is None:
        missing("jsonschema-rs", "jsonschema-rs is not installed")
    await configure(cluster, "order")
    order = "group:order-17"
    async with people(cluster, "platform", "buyer", "seller", "stranger") as who:
        buyer, seller = who["buyer"].channel(order), who["seller"].channel(order)
        async with buyer.subscribe() as events:
            await buyer.send("Is it on its way?")
            await seller.call("event.send", type="order.moved", data={"to": "shipped"})
            await seller.call("metadata.set", key="status", value="shipped", if_rev=0)
            seen = await kinds(events, 3)
        assert seen[0] == "message.created"
        assert seen[2] == "metadata.changed"
        assert await refusal(buyer.call("event.send", type="order.moved", data={"to": "paid"})) == (
            "permission_denied"
        )
        assert await refusal(
            seller.call("event.send", type="order.moved", data={"to": "lost"})
        ) == ("schema_mismatch")
        assert await refusal(buyer.call("metadata.set", key="status", value="paid")) == (
            "permission_denied"
        )
        assert await refusal(buyer.call("member.leave")) == "permission_denied"
        assert await refusal(who["stranger"].channel(order).history()) == "channel_not_found"
        await who["platform"].channel(order).call("channel.freeze")
        assert await refusal(seller.send("One more thing")) == "channel_frozen"
        await who["platform"].channel(order).send("Thank you both.")
        assert len((await buyer.history())["messages"]) == 2


async def test_support_assigns_transfers_and_closes(cluster: Cluster) -> None:
    """Two agents reach for one ticket and one gets it; he hands it on; the end closes it."""
    await configure(cluster, "support")
    ticket = "group:ticket-9"
    async with people(cluster, "customer", "agent-1", "agent-2") as who:
        customer = who["customer"].channel(ticket)
        agents = {name: who[name].channel(ticket) for name in ("agent-1", "agent-2")}
        await customer.send("Where is my parcel?")
        taken = {}
        for name, agent in agents.items():
            wish = {"key": "assignee", "value": name, "if_rev": 0}
            taken[name] = await refusal(agent.call("metadata.set", **wish))
        assert taken == {"agent-1": "", "agent-2": "conflict"}
        assert await refusal(customer.call("metadata.set", key="assignee", value="me")) == (
            "permission_denied"
        )
        found = (await agents["agent-1"].call("metadata.get"))["metadata"]["assignee"]
        handed = {"key": "assignee", "value": "agent-2", "if_rev": found["rev"]}
        await agents["agent-1"].call("metadata.set", **handed)
        found = (await customer.call("metadata.get"))["metadata"]["assignee"]
        assert found["value"] == "agent-2"
        await agents["agent-2"].send("It comes tomorrow.")
        await agents["agent-2"].call("channel.archive")
        assert await refusal(customer.send("Thanks")) != ""
        assert len((await customer.history())["messages"]) == 2


async def test_hosts_broadcast_and_the_audience_reacts(cluster: Cluster) -> None:
    """Whoever comes reads, reacts and votes; only hosts write."""
    await configure(cluster, "broadcast")
    show = "open:show"
    async with people(cluster, "host-1", "fan-1", "fan-2") as who:
        host = who["host-1"].channel(show)
        fans = [who[name].channel(show) for name in ("fan-1", "fan-2")]
        for fan in fans:
            await fan.call("member.join")
        async with fans[0].subscribe() as events:
            hello = await host.send("Good evening")
            assert (await kinds(events, 1)) == ["message.created"]
        assert [(await fan.react(hello["id"], "👏"))["count"] for fan in fans] == [1, 2]
        for verb, data in (
            ("message.send", {"text": "Hi!"}),
            ("message.send", {"text": "Hi!", "reply_to": hello["id"]}),
            ("poll.create", {"question": "?", "options": ["a", "b"]}),
        ):
            assert await refusal(fans[0].call(verb, **data)) == "permission_denied", verb
        poll = await host.call("poll.create", question="Encore?", options=["Yes", "No"])
        options = (await host.call("poll.get", id=poll["id"]))["poll"]["options"]
        for fan in fans:
            found = await fan.call("poll.vote", id=poll["id"], options=[options[0]["id"]])
        assert found["voters"] == 2
        await host.call("member.ban", user="scene-fan-2", for_s=60)
        assert await refusal(fans[1].react(hello["id"], "👎")) == "banned"


async def test_a_lobby_fills_a_party(cluster: Cluster) -> None:
    """Five want four seats; who sits says that he is ready; two friends' dm becomes a party too."""
    await configure(cluster, "lobby")
    names = [f"player-{n}" for n in range(1, 6)]
    async with people(cluster, *names) as who:
        party = {name: who[name].channel("group:party-1") for name in names}
        sat = {n: await refusal(party[n].call("counter.increment", name="seats")) for n in names}
        assert list(sat.values()) == ["", "", "", "", "counter_bound"]
        for name in names[:4]:
            mine = {"key": "ready", "value": True, "user": f"scene-{name}"}
            await party[name].call("metadata.set", **mine)
        assert await refusal(party[names[1]].call("channel.delete")) == "permission_denied"
        lobby = who[names[0]].channel("open:lobby")
        await lobby.call("member.join")
        await lobby.send("Party 1 is full")
        assert (await lobby.call("channel.get"))["slow_mode_s"] == 5
        dm = (await who[names[0]].call("channel.open", **{"with": "scene-player-2"}))["channel"]
        duo = who[names[0]].channel(dm)
        await duo.send("Shall we?")
        await duo.call("channel.promote", kind="group", history="all")
        await duo.call("member.invite", users=["scene-player-3"])
        third = who[names[2]].channel(dm)
        await third.call("member.join")
        assert [m["text"] for m in (await third.history())["messages"]] == ["Shall we?"]


async def configure(cluster: Cluster, name: str) -> None:
    """All calls of a configuration, in order."""
    for method, path, body in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")):
        await asyncio.to_thread(cluster.rest, method, path, body)


@asynccontextmanager
async def people(cluster: Cluster, *names: str) -> AsyncIterator[dict[str, Chat]]:
    """Connected, by name."""
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()
        chats: dict[str, Chat] = {}
        ready = asyncio.Semaphore(0)

        async def stay(name: str) -> None:
            token = await asyncio.to_thread(cluster.token, f"scene-{name}")
            async with connect(cluster.urls[len(name) % 2], token, name=name) as chat:
                chats[name] = chat
                ready.release()
                await over.wait()

        for name in names:
            group.create_task(stay(name))
        for _ in names:
            await ready.acquire()
        try:
            yield chats
        finally:
            over.set()


async def refusal(call: Json) -> str:
    """The name of the refusal, empty when it was done."""
    try:
        await call
    except Refused as refused:
        return refused.reason
    return ""


async def kinds(events: Json, count: int) -> list[str]:
    """What the next publications are."""
    found: list[str] = []
    async with asyncio.timeout(10):
        async for event in events:
            if isinstance(event, Published) and event.offset:
                found.append(event.data["t"])
            if len(found) >= count:
                break
    return found
