"""Reads: by the leader, by a follower, by many at once, after a round to the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import INTERNAL, UNRECOVERABLE_POSITION
from hubbub.wire.codec import decode_json, decode_pack, encode_json, encode_pack
from hubbub.wire.search import Criteria, Search, SearchAnswer
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    LinesAsk,
    NewestAsk,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    QueryAsk,
    Refusal,
    Status,
    Viewer,
)
from node.store.api import StoreError
from tests.node.bench import ROOM, Bench
from tests.node.rig import APP


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


def test_lines_of_heads_are_told_of_what_is_led_here(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.create()
    bench.create("group:y")
    bench.create("group:z")
    del bench.led[bench.rig.engine.target_of(APP, "group:y")]
    names = (ROOM, "group:y", "group:z")
    slots = tuple(bench.rig.engine.target_of(APP, name) for name in names)
    body = encode_pack(HeadsQuery("edge-1.7", (), lines=(LinesAsk(APP, "alice", slots, names),)))

    def lines() -> tuple[tuple[int, ...], list[str]]:
        answer = decode_pack(bench.answer(bench.ask(Kind.HEADS, "", body)).body, HeadsAnswer)
        (told,) = answer.lines
        return told.seqs, list(decode_json(b"{%b}" % told.json, dict))

    assert lines() == ((1, -1, 1), [ROOM, "group:z"])
    line = bench.service.reads.line

    def damaged(slot: Any, app: str, key: str, user: str) -> Any:
        if key == ROOM:
            raise StoreError("Corruption: block checksum mismatch")
        return line(slot, app, key, user)

    monkeypatch.setattr(bench.service.reads, "line", damaged)
    assert lines() == ((-1, -1, 1), ["group:z"])


@pytest.mark.parametrize("user", ["", "alice"])
def test_one_slot_that_cannot_be_read_costs_the_newest_of_no_other(
    monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """The whole question was refused, and the slot in the message's head blamed for it."""
    bench = Bench()
    names = (ROOM, "group:y", "group:z")
    for name in names:
        bench.create(name)
        bench.command(name, "message.send", {"channel": name, "text": "hi"})
    bench.settle()
    reads, caches = bench.service.reads, bench.rig.context.caches
    reads.orders = caches.orders
    slots = tuple(bench.rig.engine.target_of(APP, name) for name in names)
    assert len(set(slots)) == 3
    bad = bench.led[slots[1]]
    record = bad.replica.record
    assert record is not None
    bad.replica.record = replace(record, members=(*record.members, "disk-2", "disk-3"))

    def newest(is_told: bool = False, **more: Any) -> HeadsAnswer:
        told = ((), ()) if is_told else (slots, names)
        ask = NewestAsk(APP, *told, 9, **more)
        body = encode_pack(HeadsQuery("edge-1.7", (), newest=ask))
        message = bench.answer(bench.ask(Kind.HEADS, "", body, slot=slots[0]))
        assert message.flags == Status.OK
        return decode_pack(message.body, HeadsAnswer)

    def break_it(name: str) -> None:
        real = getattr(type(bad.overlay), name)

        def read(overlay: Any, *args: Any) -> Any:
            if overlay is bad.overlay:
                raise StoreError("Corruption: block checksum mismatch")
            return real(overlay, *args)

        monkeypatch.setattr(type(bad.overlay), name, read)

    assert not newest(roll="r", number=1).unknown
    for name in ("stream", "places", "load"):
        break_it(name)
    caches.streams.clear()
    again = newest(is_told=True, roll="r", base=1, number=1, unread_of=user)
    assert again.unknown, "the edge tells all once more"
    assert bad.replica.failure == "Corruption: block checksum mismatch"
    for more in ({"roll": "r", "number": 1, "unread_of": user}, {}):
        answer = newest(**more)
        assert {row.key for row in answer.rows} == {ROOM, "group:z"}
        assert all(row.message_seq == 2 for row in answer.rows)
        assert answer.elsewhere == ("group:y",)
    others = [bench.led[slots[0]], bench.led[slots[2]]]
    assert not any(slot.replica.failure for slot in others)


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
    assert bench.service.intake.counts.copy_reads_total == 1


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
    assert bench.service.intake.counts.copy_reads_total == 0


def test_a_linear_read_of_a_lone_copy_is_answered_at_once() -> None:
    bench = Bench()
    bench.create()
    answer = bench.answer(bench.ask(Kind.QUERY, ROOM, history(linear=True)))
    assert answer.flags == Status.OK
    assert bench.service.intake.counts.linear_reads_total == 1


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
    assert bench.service.intake.counts.linear_reads_total == 1


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

    bench.service.questions.searches = Desk()  # type: ignore[assignment]
    search = Search(Viewer("alice"), (3,), (), Criteria("tea"), None, 5)
    number = bench.ask(Kind.SEARCH, "", encode_pack(search), slot=3)
    [(app, asked, done)] = started
    assert (app, asked) == (APP, search)
    found = SearchAnswer((), indexed_to_ms=9)
    done(found)
    answer = bench.answer(number)
    assert (answer.flags, decode_pack(answer.body, SearchAnswer)) == (Status.OK, found)


def test_what_finds_no_room_is_not_run() -> None:
    bench = Bench()
    bench.create()
    ask = query_ask(bench, ROOM, args=encode_json({"channel": ROOM}))
    rows = queries(bench, ask, ask, ask, bytes_max=1)
    assert [row.status for row in rows] == [Status.OK, Status.UNKNOWN, Status.UNKNOWN]
