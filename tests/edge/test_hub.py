"""The hub as a dialogue: events in, pushes out; gaps, newcomers and evictions."""

from __future__ import annotations

import random

from edge.framing import WEBSOCKET_JSON
from edge.hub import Channel, Hub, Repair
from edge.outgoing import Outgoing
from edge.variants import DELTA_CHAINED, DELTA_FRESH, Variant
from hubbub.base.errors import CloseCode
from hubbub.wire.codec import dump_json
from hubbub.wire.event import EVICTS, StoredEvent, encode_event_body, encode_row
from hubbub.wire.shapes import SignalKind
from tests.edge.test_outgoing import Loop, Wire

STREAM = ("demo", "group:x")
JSON = Variant("json", 0, 0)
GUEST = Variant("json", 0, 0, guest=True)
LOOP = Loop()  # turned by whoever looks at what a person got
FLUSHER = LOOP.flusher(tick_ms=0)  # nothing waits beyond the turn


class Texts:
    """An encoder whose pushes can be read."""

    def publication(
        self, channel: str, variant: Variant, event: StoredEvent, previous: StoredEvent | None
    ) -> bytes:
        base = f" on {previous.seq}" if previous else ""
        what = "hidden " if event.data == b"hidden" else ""
        return f"{variant.encoding} {what}{event.seq}{base}".encode()

    def signal(self, channel: str, variant: Variant, kind: SignalKind, data: bytes) -> bytes:
        return f"{kind.name} ".encode() + data

    def hidden(self, event: StoredEvent) -> StoredEvent:
        return event._replace(data=b"hidden")


class Person:
    def __init__(self, user: str, variant: Variant = JSON) -> None:
        self.user = user
        self.variant = variant
        self.history_from = 0
        self.held: list[tuple[int, bytes]] = []
        self.ended: list[int] = []
        self._wire = Wire()
        self.outgoing = Outgoing(self._wire, WEBSOCKET_JSON, FLUSHER)

    @property
    def got(self) -> list[bytes]:
        """What was written to this connection by the end of the turn."""
        LOOP.turn()
        return self._wire.messages

    def hold(self, message: bytes, seq: int, ref_seq: int = 0) -> None:
        self.held.append((seq, message))

    def end(self, close: CloseCode) -> None:
        self.ended.append(close.code)


class Stage:
    """A hub with everything it asks for written down."""

    def __init__(self, *, guests_see: bool = True) -> None:
        self.repairs: list[Repair] = []
        self.interest: list[tuple[tuple[str, str], bool]] = []
        self.heads: list[int] = []
        self.hub = Hub(
            Texts(),
            FLUSHER,
            repair=self.repairs.append,
            interest=lambda stream, wanted: self.interest.append((stream, wanted)),
            head=lambda channel, event: self.heads.append(event.seq),
            listed=lambda channel, event: None,
            guests_see=lambda _, __: guests_see,
        )

    def event(self, seq: int, flags: int = 0, info: bytes = b"") -> None:
        self.hub.event(*STREAM, body(seq, flags, info))

    def enter(self, person: Person, head: int = 0, epoch: str = "e") -> Channel:
        channel = self.hub.join(STREAM, person)
        self.hub.answer(channel, head, epoch, lambda: self.hub.admitted(channel, person))
        return channel


def body(seq: int, flags: int = 0, info: bytes = b"") -> bytes:
    row = encode_row(flags, 1_000 + seq, 0, "message.created", "ann", b'{"n":%d}' % seq, info)
    return encode_event_body(seq, row)


def test_events_reach_members_in_order_and_once() -> None:
    stage = Stage()
    ann, bob = Person("ann"), Person("bob", Variant("protobuf", 0, 0))
    stage.enter(ann)
    stage.enter(bob)
    for seq in (1, 2, 2, 1, 3):
        stage.event(seq)
    assert ann.got == [b"json 1", b"json 2", b"json 3"]
    assert bob.got == [b"protobuf 1", b"protobuf 2", b"protobuf 3"]
    assert stage.hub.skipped == 2
    assert stage.interest == [(STREAM, True)]


def test_a_change_of_what_a_newcomer_may_not_read_is_hidden_from_him_alone() -> None:
    stage = Stage()
    ann, bob, cat = Person("ann"), Person("bob"), Person("cat")
    bob.history_from, cat.history_from = 5, 3
    for person in (ann, bob, cat):
        stage.enter(person)
    for seq, ref_seq in ((1, 0), (2, 4), (3, 5), (4, 2)):
        row = encode_row(0, 1_000, ref_seq, "message.updated", "ann", b"{}")
        stage.hub.event(*STREAM, encode_event_body(seq, row))
    assert ann.got == [b"json 1", b"json 2", b"json 3", b"json 4"]
    assert bob.got == [b"json 1", b"json hidden 2", b"json 3", b"json hidden 4"]
    assert cat.got == [b"json 1", b"json 2", b"json 3", b"json hidden 4"]


def test_a_gap_is_repaired_before_anything_later() -> None:
    stage = Stage()
    ann = Person("ann")
    stage.enter(ann, head=4)
    stage.event(7)
    stage.event(8)
    assert ann.got == []
    assert stage.repairs == [Repair(STREAM, 4, "e")]
    stage.hub.repaired(STREAM, "e", 6, True, (body(5), body(6)))
    assert ann.got == [b"json 5", b"json 6", b"json 7", b"json 8"]


def test_a_head_from_the_leader_shows_a_loss_on_an_idle_stream() -> None:
    stage = Stage()
    ann = Person("ann")
    stage.enter(ann, head=4)
    stage.hub.head_is(STREAM, 4, "e")
    assert stage.repairs == []
    stage.hub.head_is(STREAM, 6, "e")
    assert stage.repairs == [Repair(STREAM, 4, "e")]
    stage.hub.repair_failed(STREAM)
    stage.hub.head_is(STREAM, 6, "e")
    assert len(stage.repairs) == 2


def test_a_newcomer_ahead_of_the_channel_waits_for_the_repair() -> None:
    stage = Stage()
    ann, bob = Person("ann"), Person("bob")
    stage.enter(ann, head=4)
    channel = stage.enter(bob, head=6)
    assert bob in (channel.joining or {})
    stage.hub.repaired(STREAM, "e", 6, True, (body(5), body(6)))
    assert not channel.joining
    assert [seq for seq, _ in bob.held] == [5, 6]
    stage.event(7)
    assert ann.got == [b"json 5", b"json 6", b"json 7"]
    assert bob.got == [b"json 7"]


def test_events_between_question_and_answer_are_held_for_the_newcomer() -> None:
    stage = Stage()
    ann, bob = Person("ann"), Person("bob")
    stage.enter(ann, head=4)
    channel = stage.hub.join(STREAM, bob)
    stage.event(5)
    stage.hub.answer(channel, 4, "e", lambda: stage.hub.admitted(channel, bob))
    assert bob.held == [(5, b"json 5")]
    stage.event(6)
    assert bob.got == [b"json 6"]


def test_the_first_member_starts_at_the_leaders_head() -> None:
    stage = Stage()
    ann = Person("ann")
    channel = stage.hub.join(STREAM, ann)
    stage.event(9)  # overtakes the answer
    stage.hub.answer(channel, 8, "e", lambda: stage.hub.admitted(channel, ann))
    assert channel.position == 9
    assert ann.held == [(9, b"json 9")]


def test_a_new_epoch_ends_subscriptions_that_must_recover() -> None:
    stage = Stage()
    ann = Person("ann")
    stage.enter(ann, head=4)
    stage.hub.head_is(STREAM, 2, "other")
    assert ann.ended == [2500]


def test_an_eviction_ends_only_those_it_names() -> None:
    stage = Stage()
    ann, bob = Person("ann"), Person("bob")
    stage.enter(ann)
    stage.enter(bob)
    stage.event(1, EVICTS, dump_json(["bob"]))
    assert (ann.ended, bob.ended) == ([], [2100])
    assert bob.got == [b"json 1"]


def test_deltas_begin_with_a_full_publication() -> None:
    stage = Stage()
    ann = Person("ann", Variant("json", 0, DELTA_FRESH))
    bob = Person("bob", Variant("json", 0, DELTA_FRESH))
    stage.enter(ann)
    stage.event(1)
    stage.enter(bob, head=1)
    stage.event(2)
    stage.event(3)
    assert ann.got == [b"json 1", b"json 2 on 1", b"json 3 on 2"]
    assert bob.got == [b"json 2", b"json 3 on 2"]
    assert ann.variant.delta == DELTA_CHAINED


def test_the_last_member_takes_the_interest_away() -> None:
    stage = Stage()
    ann = Person("ann")
    channel = stage.enter(ann)
    stage.hub.leave(channel, ann)
    assert stage.interest == [(STREAM, True), (STREAM, False)]
    stage.event(1)
    assert ann.got == []


def test_any_order_and_loss_ends_in_the_same_sequence() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        stage = Stage()
        ann = Person("ann")
        stage.enter(ann)
        log = list(range(1, 40))
        arrivals = [seq for seq in log if rng.random() < 0.7] * 2
        rng.shuffle(arrivals)
        for seq in arrivals:
            stage.event(seq)
        for _ in range(10):
            stage.hub.head_is(STREAM, 39, "e")
            while stage.repairs:
                position = stage.repairs.pop().position
                lost = position + rng.randint(1, 40)
                answer = tuple(body(s) for s in log if position < s <= lost)
                stage.hub.repaired(STREAM, "e", 39, True, answer)
        assert ann.got == [f"json {seq}".encode() for seq in log], seed


def test_what_the_app_does_not_let_guests_see_passes_them_by() -> None:
    moved = b'{"t":"receipts.moved","by":"","read":{"bob":3}}'
    here = b'{"t":"presence.counted","by":"","watchers":7}'
    typing = b'{"t":"typing.started","by":"bob"}'
    for guests_see in (False, True):
        stage = Stage(guests_see=guests_see)
        ann, gil, new = Person("ann"), Person("gil", GUEST), Person("new", GUEST)
        stage.enter(ann)
        stage.enter(gil)
        stage.hub.join(STREAM, new)
        for data in (moved, here, typing):
            stage.hub.signal(*STREAM, SignalKind.PUBLICATION, data)
        all_of_it = [b"PUBLICATION " + data for data in (moved, here, typing)]
        assert ann.got == all_of_it
        assert gil.got == (all_of_it if guests_see else all_of_it[2:])
        assert [push for _, push in new.held] == gil.got


def test_the_edge_may_follow_a_channel_for_a_while() -> None:
    class Ear:
        def __init__(self) -> None:
            self.heard: list[int] = []

        def event(self, event: StoredEvent) -> None:
            self.heard.append(event.seq)

        def reset(self) -> None:
            raise AssertionError

    stage, ear, ann = Stage(), Ear(), Person("ann")
    stage.enter(ann)
    stage.hub.listen(STREAM, ear)
    stage.event(1)
    stage.hub.unlisten(STREAM, ear)
    stage.hub.unlisten(STREAM, ear)
    stage.event(2)
    assert ear.heard == [1]
    stage.hub.leave(stage.hub.channels[STREAM], ann)
    assert stage.interest == [(STREAM, True), (STREAM, False)]
