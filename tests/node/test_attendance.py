"""Who is there, through a service: from subscriptions and choices to signals, answers, entries."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.wire.codec import decode_json, decode_pack, encode_json, encode_pack
from hubbub.wire.presence import Looked
from hubbub.wire.shapes import (
    HeadAsk,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    Presence,
    Query,
    Subscribe,
    Viewer,
)
from node.leases import GRACE_MS
from tests.node.bench import Bench
from tests.node.rig import APP, START_MS

ANN = "#ann"
EDGE, OTHER = "edge-1.7", "edge-2.8"


class Stage(Bench):
    """A bench with ann's stream, which an edge watches."""

    def __init__(self) -> None:
        super().__init__()
        self.want(ANN)
        self.clock.advance(GRACE_MS)  # the term is no new one
        self.known: tuple[str, int] = ("offline", 0)

    def come(self, client: str = "c1", edge: str = EDGE) -> None:
        viewer = Viewer("ann", client=client, info=encode_json({"client": client}))
        self.ask(Kind.SUBSCRIBE, ANN, encode_pack(Subscribe(viewer, edge)))

    def say(self, *left: str, edge: str = EDGE, **more: Any) -> None:
        self.ask(Kind.PRESENCE, ANN, encode_pack(Presence(edge, left, **more)))

    def choose(self, state: str) -> None:
        self.command(ANN, "presence.set", {"user": "ann", "state": state}, user="ann")
        self.settle()

    def make(self, channel: str, **fields: str) -> None:
        self.decree("channel.create", {"channel": channel, **fields})

    def decree(self, verb: str, fields: dict[str, Any]) -> None:
        """A command of the app's own backend."""
        made = self.rig.command(verb, fields, user="", authority="server")
        self.ask(Kind.SUBMIT, fields["channel"], encode_pack(made))
        self.settle()

    def look(self) -> tuple[str, int]:
        query = Query("presence.look", Viewer("", "edge"), b"{}")
        answer = self.answer(self.ask(Kind.QUERY, ANN, encode_pack(query)))
        looked = decode_json(answer.body, Looked)
        return looked.state, looked.last_seen_ms

    def told(self, ms: int = 0, live: tuple[str, ...] = (EDGE, OTHER)) -> list[tuple[str, int]]:
        """Signals of presence that left after so long, but those that say nothing new."""
        self.out.clear()
        self.clock.advance(ms)
        self.service.tick(live)
        self.service.attendance.tick_leases()
        self.settle()
        found = [decode_json(m.body, dict[str, Any]) for m in self.out if m.type == Kind.SIGNAL]
        assert {one["t"] for one in found} <= {"presence.moved"}
        told = [(one["state"], one.get("last_seen_ms", 0)) for one in found]
        news = [one for one in told if one != self.known]
        self.known = told[-1] if told else self.known
        return news

    @property
    def entries(self) -> int:
        return sum(slot.last_index for slot in self.led.values())


def test_coming_and_going_is_told_and_going_is_one_entry() -> None:
    stage = Stage()
    before = stage.entries
    stage.come()
    assert stage.look() == ("online", 0)
    assert stage.told() == [("online", 0)]
    gone_ms = stage.clock.wall_ms()
    stage.say("c1")
    assert stage.told(GRACE_MS - 1) == []
    assert stage.entries == before
    assert stage.told(1) == [("offline", gone_ms)]
    assert stage.entries == before + 1
    assert stage.service.attendance.leases.users() == []
    assert stage.look() == ("offline", gone_ms)
    assert stage.told(GRACE_MS) == []
    assert stage.entries == before + 1


def test_two_devices_on_two_edges_are_one_user() -> None:
    stage = Stage()
    stage.come("c1", EDGE)
    stage.come("c2", OTHER)
    assert stage.told() == [("online", 0)]
    stage.say(changed=(("c1", encode_json({"client": "c1", "idle": True})),))
    assert stage.told() == []
    stage.say("c2", edge=OTHER)
    assert stage.told() == [("away", 0)]
    stage.come("c3", OTHER)
    stage.say("c1")
    assert stage.told() == [("online", 0)]
    assert stage.told(2 * GRACE_MS) == []


def test_a_dead_edge_ends_its_leases_after_the_grace() -> None:
    stage = Stage()
    stage.come("c1", EDGE)
    stage.told()
    assert stage.told(0, (OTHER,)) == []
    assert stage.told(1_000, (EDGE, OTHER)) == [], "it is back"
    assert stage.told(2 * GRACE_MS) == []
    stage.told(0, (OTHER,))
    [(state, _)] = stage.told(GRACE_MS, (OTHER,))
    assert state == "offline"
    stage.told(GRACE_MS, (OTHER,))
    assert stage.service.attendance.presence.streams() == [], "and no ghost is left"


def test_invisible_is_told_answered_and_kept_as_gone() -> None:
    hides, leaves = Stage(), Stage()
    for stage in (hides, leaves):
        stage.come()
        stage.told()
    hides.choose("invisible")
    leaves.say("c1")
    looks = []
    for stage in (hides, leaves):
        mine = [(stage.told(ms), stage.look()) for ms in (0, GRACE_MS - 1, 1, 1, GRACE_MS)]
        looks.append(mine)
    assert looks[0] == looks[1]
    assert looks[0][2][0][0][0] == "offline"
    hides.come("c2")
    assert hides.told() == []
    hides.choose("busy")
    assert hides.told() == [("busy", 0)]
    hides.choose("online")
    assert hides.told() == [("online", 0)]


@pytest.mark.parametrize("told", [{"deactivated": True}, {"banned_ms": START_MS + 3_600_000}])
def test_who_is_put_out_of_the_app_is_gone_at_once(told: dict[str, Any]) -> None:
    stage = Stage()

    def tell(**state: Any) -> None:
        stage.rig.now_ms = stage.clock.wall_ms()
        made = stage.rig.command(
            "user.tell_exclusion", {"user": "ann", **state}, user="", authority="system"
        )
        stage.ask(Kind.SUBMIT, ANN, encode_pack(made))
        stage.settle()

    stage.come()
    assert stage.told() == [("online", 0)]
    tell(**told)
    gone_ms = stage.clock.wall_ms()
    assert stage.told() == [("offline", gone_ms)], "before an edge closed anything"
    stage.say("c1")
    assert stage.told(2 * GRACE_MS) == []
    assert stage.look() == ("offline", gone_ms)
    tell()
    stage.come("c2")
    assert stage.told() == [("online", 0)]


def test_a_new_leader_learns_it_from_what_edges_tell_anew() -> None:
    stage = Stage()
    slot = stage.led[stage.rig.engine.target_of(APP, ANN)]
    asks = (HeadAsk(slot.number, APP, ANN, clients=(("c1", b'{"client":"c1"}'),)),)
    request = stage.ask(Kind.HEADS, "", encode_pack(HeadsQuery(EDGE, asks)), slot=slot.number)
    assert decode_pack(stage.answer(request).body, HeadsAnswer).rows[0].led
    assert stage.look() == ("online", 0)
    asks = (HeadAsk(slot.number, APP, ANN, clients=()),)
    stage.ask(Kind.HEADS, "", encode_pack(HeadsQuery(EDGE, asks)), slot=slot.number)
    stage.told()
    assert [state for state, _ in stage.told(GRACE_MS)] == ["offline"]


def test_a_number_of_an_edge_reaches_the_channel() -> None:
    stage = Stage()
    hall = "open:hall"
    stage.make(hall)
    stage.want(hall)
    stage.ask(Kind.PRESENCE, hall, encode_pack(Presence(EDGE, (), watchers=3)))
    stage.ask(Kind.PRESENCE, hall, encode_pack(Presence(OTHER, (), watchers=2)))
    stage.out.clear()
    stage.clock.advance(2_000)
    stage.service.tick((EDGE, OTHER))
    [signal] = [decode_json(m.body, dict[str, Any]) for m in stage.out if m.type == Kind.SIGNAL]
    assert (signal["t"], signal["watchers"]) == ("presence.counted", 5)


@pytest.mark.parametrize("denied", ["none", "owner", "bob", "guest"])
def test_a_number_that_somebody_there_may_not_see_is_told_to_nobody(denied: str) -> None:
    """Queries refused it, the signal came all the same. Guests are the edges' matter."""
    stage = Stage()
    hall = "open:hall"
    stage.make(hall, owner="ann")
    stage.want(hall)
    fields = {"channel": hall, "deny": ["see_presence"]}
    if denied in ("none", "owner"):
        stage.decree("channel.set_capabilities", {**fields, "role": denied})
    elif denied == "bob":
        stage.decree("member.set_capabilities", {**fields, "user": "bob"})
    stage.ask(Kind.PRESENCE, hall, encode_pack(Presence(EDGE, (), watchers=3)))
    stage.out.clear()
    stage.clock.advance(2_000)
    stage.service.tick((EDGE, OTHER))
    signals = [decode_json(m.body, dict[str, Any]) for m in stage.out if m.type == Kind.SIGNAL]
    assert [one["watchers"] for one in signals] == ([3] if denied == "guest" else [])


def test_who_types_in_an_open_channel_is_counted_and_told_once_a_second() -> None:
    stage, hall = Stage(), "open:hall"
    stage.make(hall)
    stage.want(hall)

    def counted(ms: int) -> list[int]:
        stage.out.clear()
        stage.clock.advance(ms)
        stage.service.tick((EDGE,))
        found = [decode_json(m.body, dict[str, Any]) for m in stage.out if m.type == Kind.SIGNAL]
        return [one["count"] for one in found if one["t"] == "typing.counted"]

    for user in ("ann", "ben", "ann"):
        stage.command(hall, "typing.start", {"channel": hall}, user=user)
    assert counted(1_000) == [2]
    stage.command(hall, "typing.stop", {"channel": hall}, user="ben")
    assert counted(1_000) == [1]
    slot = stage.rig.slot(hall)
    stage.service.obey(slot, slot.step_down())
    assert counted(60_000) == [], "the next leader counts anew"
    assert stage.service.attendance.tallies.streams() == []
