"""Messages in, messages out: the service over real slots; the test plays links and writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    NOT_A_MEMBER,
    UNRECOVERABLE_POSITION,
)
from hubbub.features.contract import Registry
from hubbub.features.registry import REGISTRY
from hubbub.ring.map import SlotMap
from hubbub.settings.app import AppSettings, Namespace
from hubbub.transport.replicated_set import PULL, SetSource
from hubbub.wire.codec import decode_json, decode_pack, encode_json, encode_pack
from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.search import Criteria, Search, SearchAnswer
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    Outcome,
    Presence,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    QueryAsk,
    Redirect,
    Refusal,
    SignalKind,
    Status,
    Subscribe,
    Subscribed,
    Viewer,
)
from hubbub.wire.tracing import SLOW_MS, TRACED, with_trace
from node import keys, service
from node.copies import Copies
from node.engine import OutboxRow, QueuedForward
from node.held import HELD_MS
from node.outbox import Outbox
from node.ready import NOTHING, Record
from node.service import Service
from node.store.api import Family, StoreError
from tests.node import test_engine
from tests.node.rig import APP, SLOTS, START_MS, Rig, write_records
from tests.support.clock import FakeClock

ROOM = "group:x"
RAW = "raw:x"
ROUTER = "router-1"
SPACE = Namespace(
    publish="everyone", presence="everyone", history_size=9, history_ttl_s=60, join_leave=True
)
SETTINGS = AppSettings(namespaces={"raw": SPACE})


class Bench:
    """A service; `settle` is the disk, `out` what left towards the router."""

    def __init__(self, registry: Registry = REGISTRY, **led: Any) -> None:
        self.clock = FakeClock(START_MS)
        self.rig = Rig(settings=SETTINGS, registry=registry)
        self.rig.now_ms = self.clock.wall_ms()
        self.out: list[Message] = []
        self.waiting: list[Record] = []
        self.is_open = True
        self.led = dict(self.rig.slots)
        copies = Copies(self.rig.copy, self.led, {}, SlotMap(SLOTS), self.clock)
        self.service = Service(
            self.led,
            copies,
            self.rig.engine,
            Outbox(self._load),
            self.clock,
            lambda slot: (7, "node-2"),
            lambda: 0.0,
            lambda peer: False,
        )
        self.service.links = copies.links = self
        self.service.writer = self
        self.service.load_outbox = lambda slot: []
        copies.obey = self.service.obey
        self.interest = SetSource()
        self.service.peer_up(ROUTER, 1)
        self._receive(self.interest.fulls())
        self._next_id = 0

    def _load(self, source: int, target: int, above: int, limit: int) -> list[QueuedForward]:
        start, end = keys.outbox(source, target, above + 1), keys.outbox(source, target + 1, 0)
        rows = self.rig.store.iterate(Family.OUTBOX, start, end, limit=limit)
        return [
            QueuedForward(*keys.parse_outbox(key), decode_pack(row, OutboxRow)) for key, row in rows
        ]

    # --- links and writer

    def send(self, peer: str, message: bytes) -> bool:
        frame = encode_frame([message], generation=1, boot_id=1, n=1, ack=0)
        self.out += decode_frame(frame)[1]
        return self.is_open

    send_windowed = send

    def submit(self, records: Sequence[Record]) -> None:
        self.waiting += records

    def settle(self) -> None:
        while self.waiting:
            records, self.waiting = self.waiting, []
            self.service.persisted(write_records(self.rig.store, records))

    # --- requests

    def _receive(self, messages: list[bytes]) -> None:
        frame = encode_frame(messages, generation=1, boot_id=1, n=1, ack=0)
        self.service.receive(ROUTER, decode_frame(frame)[1])

    def want(self, key: str) -> None:
        self.interest.add((APP, key))
        self._receive(self.interest.deltas())

    def ask(self, kind: Kind, key: str, body: bytes, **more: int) -> int:
        self._next_id += 1
        slot = more.pop("slot", self.rig.engine.target_of(APP, key))
        self._receive(
            [
                encode_message(
                    kind, body, slot=slot, request_id=self._next_id, app=APP, key=key, **more
                )
            ]
        )
        return self._next_id

    def command(self, key: str, tag: str, body: Any, user: str = "alice", **more: int) -> int:
        submit = self.rig.command(tag, body, user=user)
        return self.ask(Kind.SUBMIT, key, encode_pack(submit), **more)

    def answers(self, request: int) -> list[Message]:
        return [m for m in self.out if m.type == Kind.RESULT and m.request_id == request]

    def answer(self, request: int) -> Message:
        (message,) = self.answers(request)
        return message

    def create(self, key: str = ROOM) -> None:
        request = self.command(key, "channel.create", {"channel": key})
        self.settle()
        assert self.answer(request).flags == Status.OK

    def subscribe(self, key: str, user: str = "alice", **more: Any) -> Message:
        viewer = Viewer(user, client=f"c-{user}", info=encode_json({"user": user}))
        return self.answer(
            self.ask(Kind.SUBSCRIBE, key, encode_pack(Subscribe(viewer, "edge-1.7", **more)))
        )


def test_an_event_leaves_before_the_answer_and_both_after_the_disk() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    bench.out.clear()
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    assert bench.out == []
    bench.settle()
    assert [m.type for m in bench.out] == [Kind.EVENT, Kind.RESULT]
    assert decode_pack(bench.answer(request).body, Outcome).seq == 2
    assert bench.service.counts.published_total == 1


def told_by(bench: Bench) -> list[dict[str, Any]]:
    return [decode_json(m.body, dict[str, Any]) for m in bench.out if m.type == Kind.SIGNAL]


def test_figures_that_changed_are_told_once_at_the_tick() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "root"})
    bench.settle()
    root = decode_pack(bench.answer(request).body, Outcome).id
    for _ in range(3):
        reply = {"channel": ROOM, "text": "re", "thread": root}
        bench.command(ROOM, "message.send", reply)
    bench.service.tick(())
    assert told_by(bench) == [], "nothing that is not committed"
    bench.settle()
    bench.service.tick(())
    (told,) = told_by(bench)
    assert (told["t"], told["id"], told["replies"]) == ("thread.updated", root, 3)
    bench.service.tick(())
    assert len(told_by(bench)) == 1


def test_a_pulse_that_breaks_silences_nobody_else() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    request = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "root"})
    bench.settle()
    root = decode_pack(bench.answer(request).body, Outcome).id
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "re", "thread": root})
    bench.settle()
    bench.service.pulses.note((APP, ROOM), [("nobody", 1), ("threads", 2)])
    bench.service.tick(())
    assert [told["t"] for told in told_by(bench)] == ["thread.updated"]


def test_nobody_who_did_not_ask_gets_an_event() -> None:
    bench = Bench()
    bench.create()
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    bench.settle()
    assert [m for m in bench.out if m.type == Kind.EVENT] == []


def test_what_the_link_drops_is_counted() -> None:
    bench = Bench()
    bench.create()
    bench.want(ROOM)
    bench.is_open = False
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "hi"})
    bench.settle()
    assert bench.service.counts.dropped_total == 1


@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.QUERY, Kind.SUBSCRIBE, Kind.PRESENCE])
def test_a_slot_that_is_not_led_here_is_redirected(kind: Kind) -> None:
    bench = Bench()
    nowhere, later = bench.ask(kind, ROOM, b"", slot=SLOTS), bench.ask(kind, ROOM, b"", term=2)
    assert bench.answers(later) == [], "the map may say so in a moment"
    bench.clock.advance(HELD_MS)
    bench.service.look_at_held()
    for request in (nowhere, later):
        answer = bench.answer(request)
        assert answer.flags == Status.REDIRECT
        assert decode_pack(answer.body, Redirect) == Redirect(7, "node-2")


def test_a_node_that_is_going_answers_what_it_took_and_redirects_the_rest() -> None:
    bench = Bench()
    taken = bench.command(ROOM, "channel.create", {"channel": ROOM})
    bench.service.stop_intake()
    late = bench.command("group:y", "channel.create", {"channel": "group:y"})
    bench.settle()
    assert bench.answer(taken).flags == Status.OK
    assert bench.answer(late).flags == Status.REDIRECT


def test_an_answer_after_its_deadline_is_not_sent() -> None:
    bench = Bench()
    late = bench.command(ROOM, "channel.create", {"channel": ROOM}, ms_left=100)
    bench.clock.advance(101)
    bench.settle()
    assert bench.answers(late) == []
    assert bench.service.counts.late_total == 1
    in_time = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "x"}, ms_left=100)
    bench.clock.advance(100)
    bench.settle()
    assert bench.answer(in_time).flags == Status.OK


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x93\x01\x02\x03", encode_pack({"a": 1})])
@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.QUERY, Kind.SUBSCRIBE, Kind.HEADS])
def test_a_malformed_body_is_answered(kind: Kind, body: bytes) -> None:
    bench = Bench()
    answer = bench.answer(bench.ask(kind, ROOM, body))
    assert answer.flags == Status.REJECTED
    assert decode_pack(answer.body, Refusal).code == BAD_REQUEST.code


def test_unknown_kinds_and_stray_results_are_counted_and_ignored() -> None:
    bench = Bench()
    bench._receive([encode_message(99, b""), encode_message(Kind.RESULT, b"", request_id=5)])
    assert bench.out == []
    assert bench.service.counts.malformed_total == 1


def test_a_refusal_carries_its_details() -> None:
    bench = Bench()
    bench.create()
    refused = bench.command(ROOM, "message.send", {"channel": ROOM, "text": "x"}, user="eve")
    refusal = decode_pack(bench.answer(refused).body, Refusal)
    assert refusal.code == NOT_A_MEMBER.code
    old = bench.rig.command("message.send", {"channel": ROOM, "text": "x"})
    bench.clock.advance(25 * 3_600_000)
    answer = bench.answer(bench.ask(Kind.SUBMIT, ROOM, encode_pack(old)))
    details = decode_pack(answer.body, Refusal).details
    assert details == encode_json({"server_time_ms": bench.clock.wall_ms()})


def test_a_feature_that_breaks_costs_one_request() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    broken = bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["break"]})
    fine = bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["n"]})
    bench.settle()
    assert decode_pack(bench.answer(broken).body, Refusal).code == INTERNAL.code
    assert bench.answer(fine).flags == Status.OK
    assert bench.service.counts.features_failed_total == 1


def test_a_read_that_fails_on_the_disk_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.create()

    def damaged(*_: Any, **__: Any) -> Any:
        raise StoreError("Corruption: block checksum mismatch")

    monkeypatch.setattr(bench.rig.store, "iterate", damaged)
    query = Query("history.get", Viewer("alice"), encode_json({"channel": ROOM}))
    answer = bench.answer(bench.ask(Kind.QUERY, ROOM, encode_pack(query)))
    assert decode_pack(answer.body, Refusal).code == INTERNAL.code


@pytest.mark.parametrize("kind", [Kind.QUERY, Kind.HEADS])
def test_a_read_that_fails_is_for_another_copy_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """It was answered as an error for as long as the damaged copy led."""
    bench = Bench()
    bench.create()
    slot = bench.led[bench.rig.engine.target_of(APP, ROOM)]
    record = slot.replica.record
    assert record is not None
    slot.replica.record = replace(record, members=(*record.members, "disk-2", "disk-3"))

    def damaged(*_: Any, **__: Any) -> Any:
        raise StoreError("Corruption: block checksum mismatch")

    monkeypatch.setattr(bench.service.reads, "query", damaged)
    monkeypatch.setattr(bench.service.reads, "head", damaged)
    query = Query("history.get", Viewer("alice"), encode_json({"channel": ROOM}))
    heads = HeadsQuery("edge-1.1", (HeadAsk(slot.number, APP, ROOM),))
    body = encode_pack(query if kind is Kind.QUERY else heads)
    answer = bench.answer(bench.ask(kind, ROOM, body))
    if kind is Kind.QUERY:
        assert answer.flags == Status.UNKNOWN
    else:
        assert not decode_pack(answer.body, HeadsAnswer).rows[0].led
    assert slot.replica.failure == "Corruption: block checksum mismatch"


def test_a_failed_disk_makes_what_waits_unknown() -> None:
    bench = Bench()
    waiting = bench.command(ROOM, "channel.create", {"channel": ROOM})
    bench.service.fail()
    assert bench.answer(waiting).flags == Status.UNKNOWN
    bench.settle()
    assert len(bench.answers(waiting)) == 1


def test_heads_tell_what_is_led_here() -> None:
    bench = Bench()
    bench.create()
    del bench.led[bench.rig.engine.target_of(APP, "group:y")]
    asks = tuple(
        HeadAsk(bench.rig.engine.target_of(APP, key), APP, key) for key in (ROOM, "group:y")
    )
    answer = bench.answer(bench.ask(Kind.HEADS, "", encode_pack(HeadsQuery("edge-1.7", asks))))
    here, elsewhere = decode_pack(answer.body, HeadsAnswer).rows
    assert (here.led, here.seq) == (True, 1)
    assert elsewhere == HeadRow(APP, "group:y", led=False)


def signals(bench: Bench) -> list[int]:
    return [m.flags for m in bench.out if m.type == Kind.SIGNAL]


def test_presence_follows_subscribe_leave_report_and_the_edges_death() -> None:
    bench = Bench()
    bench.want(RAW)
    assert decode_pack(bench.subscribe(RAW).body, Subscribed).presence
    assert signals(bench) == [SignalKind.JOIN]
    left = encode_pack(Presence("edge-1.7", ("c-alice",)))
    assert bench.answer(bench.ask(Kind.PRESENCE, RAW, left)).flags == Status.OK
    assert signals(bench) == [SignalKind.JOIN, SignalKind.LEAVE]
    bench.subscribe(RAW, "bob")
    ask = HeadAsk(bench.rig.engine.target_of(APP, RAW), APP, RAW, clients=())
    bench.ask(Kind.HEADS, "", encode_pack(HeadsQuery("edge-1.7", (ask,))))
    assert signals(bench)[2:] == [SignalKind.JOIN, SignalKind.LEAVE]
    bench.subscribe(RAW, "carol")
    for _ in range(12):
        bench.service.tick([])
        bench.clock.advance(1_000)
    assert signals(bench)[4:] == [SignalKind.JOIN, SignalKind.LEAVE]


def test_a_digest_that_disagrees_asks_for_everything() -> None:
    bench = Bench()
    bench.service.beat_received(ROUTER, bench.interest.beat())
    assert bench.out == []
    bench.interest.add((APP, ROOM))
    bench.interest.deltas()  # lost
    bench.service.beat_received(ROUTER, bench.interest.beat())
    assert [m.type for m in bench.out] == [Kind.INTEREST_PULL]
    assert bench.out[0].raw == PULL
    assert bench.service.beat(ROUTER) == b""


def tally(bench: Bench, *steps: str) -> None:
    bench.command(ROOM, "tally", {"channel": ROOM, "steps": steps})
    bench.settle()


def test_forwards_stay_here_when_the_target_is_led_here() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    for _ in range(100):  # each answered at once: no recursion may come of it
        bench.command(ROOM, "tally", {"channel": ROOM, "steps": ["n>#bob!x"] * 16})
    bench.settle()
    assert not bench.service.has_forwards
    tally(bench, "n>#bob!n", "n>#bob!n>#carol!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 3
    assert [m for m in bench.out if m.type == Kind.SUBMIT] == []
    bench.service.tick([])
    bench.settle()
    assert bench.rig.dump()[Family.OUTBOX] == []


def elsewhere(bench: Bench) -> list[Message]:
    return [m for m in bench.out if m.type == Kind.SUBMIT]


def test_forwards_to_another_node_go_through_a_router_until_they_are_answered() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    target = bench.rig.engine.target_of(APP, "#bob")
    assert target != bench.rig.engine.target_of(APP, ROOM)
    del bench.led[target]
    tally(bench, "n>#bob!n", "n>#bob!s")
    (first,) = elsewhere(bench)
    assert (first.slot, first.key) == (target, "#bob")
    for status in (Status.UNKNOWN, Status.REDIRECT):
        sent = elsewhere(bench)[-1]
        body = encode_pack(Redirect(1, "")) if status is Status.REDIRECT else b""
        bench._receive(
            [encode_message(Kind.RESULT, body, request_id=sent.request_id, flags=status)]
        )
        bench.clock.advance(100)
        bench.service.tick([])
    assert len({m.request_id for m in elsewhere(bench)}) == 3
    assert len({m.body for m in elsewhere(bench)}) == 1
    last = elsewhere(bench)[-1]
    done = encode_message(Kind.RESULT, encode_pack(Outcome(1, 1, "")), request_id=last.request_id)
    bench._receive([done])
    assert len(elsewhere(bench)) == 4, "the second one leaves after the first one's answer"
    refusal = encode_pack(Refusal(NOT_A_MEMBER.code, "no"))
    bench._receive(
        [
            encode_message(
                Kind.RESULT,
                refusal,
                request_id=elsewhere(bench)[-1].request_id,
                flags=Status.REJECTED,
            )
        ]
    )
    assert not bench.service.has_forwards


def test_without_a_router_forwards_wait() -> None:
    bench = Bench(registry=test_engine.REGISTRY)
    del bench.led[bench.rig.engine.target_of(APP, "#bob")]
    bench.service.peer_down(ROUTER)
    tally(bench, "n>#bob!n")
    assert elsewhere(bench) == []
    bench.service.peer_up(ROUTER, 2)
    bench.clock.advance(100)
    bench.service.tick([])
    assert len(elsewhere(bench)) == 1


def test_while_they_are_held_no_forward_leaves_and_none_is_forgotten() -> None:
    """The cut of a backup: forgotten by the source <= seen by the target <= sent by the source."""
    bench = Bench(registry=test_engine.REGISTRY)
    tally(bench, "n>#bob!n")
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 1
    bench.service.hold_forwards(True)
    tally(bench, "n>#bob!n")
    for _ in range(3):
        bench.clock.advance(10_000)
        bench.service.tick([])
        bench.settle()
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 1
    assert len(bench.rig.dump()[Family.OUTBOX]) == 2, "answered or not, they stay"
    bench.service.hold_forwards(False)
    bench.settle()
    assert bench.rig.slot("#bob").overlay.stream(APP, "#bob").committed.seq == 2
    bench.service.tick([])
    bench.settle()
    assert bench.rig.dump()[Family.OUTBOX] == []


def test_stepping_down_forgets_what_belongs_to_the_slot() -> None:
    bench = Bench()
    bench.want(RAW)
    bench.subscribe(RAW)
    waiting = bench.command(RAW, "event.publish", {"channel": RAW, "data": 1})
    slot = bench.led[bench.rig.engine.target_of(APP, RAW)]
    bench.service.obey(slot, slot.step_down())
    assert bench.answer(waiting).flags == Status.UNKNOWN
    assert bench.service.presence.streams() == []
    assert bench.answer(bench.ask(Kind.SUBSCRIBE, RAW, b"")).flags == Status.REDIRECT
    assert msgspec.structs.asdict(bench.service.presence.statistics())["clients"] == 0


def history(min_seq: int = 0, *, linear: bool = False) -> bytes:
    args = encode_json({"channel": ROOM})
    return encode_pack(Query("history.get", Viewer("alice"), args, min_seq, linear))


def follower(monkeypatch: pytest.MonkeyPatch, *, may_read: bool = True) -> Bench:
    """A bench whose copy of the room's slot has two events and follows."""
    bench = Bench()
    bench.create()
    bench.command(ROOM, "message.send", {"channel": ROOM, "text": "one"})
    bench.settle()
    slot = bench.led[bench.rig.engine.target_of(APP, ROOM)]
    bench.service.obey(slot, slot.step_down())
    monkeypatch.setattr(bench.service._copies, "may_read", lambda _: may_read)
    return bench


def test_a_follower_answers_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = follower(monkeypatch)
    answer = bench.answer(bench.ask(Kind.QUERY_ANY, ROOM, history(2)))
    assert answer.flags == Status.OK
    assert b'"one"' in answer.body
    assert bench.service.counts.copy_reads_total == 1


@pytest.mark.parametrize(
    ("kind", "body", "may_read"),
    [
        (Kind.QUERY_ANY, history(3), True),  # more than it has
        (Kind.QUERY_ANY, history(0), True),  # as new as can be
        (Kind.QUERY_ANY, history(2), False),  # it lost touch with the leader
        (Kind.QUERY_ANY, history(2, linear=True), True),
        (Kind.QUERY, history(2), True),
    ],
)
def test_a_follower_sends_on_what_it_may_not_answer(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, body: bytes, may_read: bool
) -> None:
    bench = follower(monkeypatch, may_read=may_read)
    assert bench.answer(bench.ask(kind, ROOM, body)).flags == Status.REDIRECT
    assert bench.service.counts.copy_reads_total == 0


def test_a_linear_read_of_a_lone_copy_is_answered_at_once() -> None:
    bench = Bench()
    bench.create()
    answer = bench.answer(bench.ask(Kind.QUERY, ROOM, history(linear=True)))
    assert answer.flags == Status.OK
    assert bench.service.counts.linear_reads_total == 1


def test_a_linear_read_that_is_refused_is_refused_once() -> None:
    bench = Bench()
    bench.create()
    query = Query("no.such", Viewer("alice"), b"{}", 0, True)
    answer = bench.answer(bench.ask(Kind.QUERY, ROOM, encode_pack(query)))
    assert answer.flags == Status.REJECTED


def test_a_leader_asks_whether_it_leads_before_it_denies_what_a_caller_has_seen() -> None:
    """Refused at once by one that lost its lead, a true position would be taken for a lie."""
    bench = Bench()
    bench.create()
    answer = bench.answer(bench.ask(Kind.QUERY_ANY, ROOM, history(99)))
    assert answer.flags == Status.REJECTED
    assert decode_pack(answer.body, Refusal).code == UNRECOVERABLE_POSITION.code
    assert bench.service.counts.linear_reads_total == 1


def query_ask(bench: Bench, key: str, name: str = "channel.get", args: bytes = b"{}") -> QueryAsk:
    return QueryAsk(bench.rig.engine.target_of(APP, key), key, name, args)


def queries(bench: Bench, *asks: QueryAsk, bytes_max: int = 10_000) -> list[QueryAnswer]:
    body = encode_pack(Queries(Viewer("alice"), asks, bytes_max))
    answer = bench.answer(bench.ask(Kind.QUERIES, "", body, slot=asks[0].slot))
    assert answer.flags == Status.OK
    return list(decode_pack(answer.body, QueriesAnswer).rows)


def test_each_of_many_queries_is_answered_for_itself() -> None:
    bench = Bench()
    bench.create()
    args = encode_json({"channel": ROOM})
    del bench.led[bench.rig.engine.target_of(APP, "group:y")]
    rows = queries(
        bench,
        query_ask(bench, ROOM, args=args),
        query_ask(bench, "group:y", args=args),
        query_ask(bench, ROOM, "no.such"),
        query_ask(bench, ROOM, args=args),
    )
    assert [row.status for row in rows] == [
        Status.OK,
        Status.REDIRECT,
        Status.REJECTED,
        Status.OK,
    ]
    assert rows[0].body == rows[3].body
    assert b'"channel":"group:x"' in rows[0].body


def test_a_search_is_answered_once_its_places_are_known() -> None:
    bench = Bench()
    bench.create()
    started: list[tuple[str, Search, Callable[[SearchAnswer], None]]] = []

    class Desk:
        def start(self, app: str, search: Search, done: Callable[[SearchAnswer], None]) -> None:
            started.append((app, search, done))

    bench.service.searches = Desk()  # type: ignore[assignment]
    search = Search(Viewer("alice"), (3,), (), Criteria("tea"), None, 5)
    number = bench.ask(Kind.SEARCH, "", encode_pack(search), slot=3)
    [(app, asked, done)] = started
    assert (app, asked) == (APP, search)
    found = SearchAnswer((), indexed_to_ms=9)
    done(found)
    answer = bench.answer(number)
    assert (answer.flags, decode_pack(answer.body, SearchAnswer)) == (Status.OK, found)


def test_whoever_reads_the_log_later_hears_of_each_slot_that_moved_on() -> None:
    bench = Bench()
    noted: list[int] = []
    bench.service.applied = noted.append
    bench.create()
    slot = bench.rig.engine.target_of(APP, ROOM)
    assert noted[0] == slot
    before = list(noted)  # the room's, and what it forwarded
    bench.service.obey(bench.rig.slots[slot], NOTHING)
    assert noted == before


def test_what_finds_no_room_is_not_run() -> None:
    bench = Bench()
    bench.create()
    ask = query_ask(bench, ROOM, args=encode_json({"channel": ROOM}))
    rows = queries(bench, ask, ask, ask, bytes_max=1)
    assert [row.status for row in rows] == [Status.OK, Status.UNKNOWN, Status.UNKNOWN]


class Noted:
    """A log that is looked at."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(fields)

    error = warning


def test_a_traced_request_is_answered_like_any_other_and_told_if_it_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(service, "_log", Noted(lines))
    bench = Bench()
    bench.create()
    submit = bench.rig.command("message.send", {"channel": ROOM, "text": "hi"})
    body = with_trace(encode_pack(submit), b"req_1")
    request = bench.ask(Kind.SUBMIT, ROOM, body, flags=TRACED)
    bench.settle()
    assert bench.answer(request).flags == Status.OK
    assert lines == [], "nobody hears of what is quick"
    again = bench.rig.command("message.send", {"channel": ROOM, "text": "ho"})
    body = with_trace(encode_pack(again), b"req_2")
    request = bench.ask(Kind.SUBMIT, ROOM, body, flags=TRACED)
    bench.clock.advance(SLOW_MS)
    bench.settle()
    assert bench.answer(request).flags == Status.OK
    assert lines == [{"request_id": "req_2", "status": "OK", "took_ms": SLOW_MS}]


def test_what_breaks_is_told_with_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(service, "_log", Noted(lines))
    bench = Bench()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench.service._handlers[Kind.QUERY] = broken
    request = bench.ask(Kind.QUERY, ROOM, with_trace(b"", b"req_3"), flags=TRACED)
    assert bench.answer(request).flags == Status.REJECTED
    assert [line["request_id"] for line in lines] == ["req_3"]
    assert bench.service._traces == {}
