"""Requests, interest and doubts of an edge over real links on a network in memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edge.hub import Repair
from edge.uplink import ANSWERS, HEADS_ASKS_MAX, LINGER_MS
from hubbub.base.errors import CHANNEL_NOT_FOUND, INTERNAL
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    NewestAsk,
    Refusal,
    SignalKind,
    Status,
    Subscribe,
    Subscribed,
)
from tests.edge.routers import ANSWER_MS, Router, Stage, heads


def asked(messages: list[Message]) -> list[set[str]]:
    """The streams of each HEADS question."""
    return [{ask.key for ask in decode_pack(m.body, HeadsQuery).asks} for m in messages]


def test_a_request_goes_to_its_slots_carrier_and_is_answered_once() -> None:
    stage = Stage("r1", "r2")
    router = stage.carrier("group:x")
    stage.ask("group:x", body=b"hello")
    [request] = router.requests
    assert (request.app, request.key, request.body) == ("demo", "group:x", b"hello")
    assert request.slot == stage.uplink.slot_of("demo", "group:x")
    assert 0 < request.ms_left <= ANSWER_MS
    router.result(request, Status.REJECTED, b"no")
    router.result(request, Status.OK, b"yes")
    stage.run(100)
    assert stage.answers == [(Status.REJECTED, b"no")]
    assert stage.uplink.waiting == 0


def test_a_request_whose_router_died_is_sent_again_under_the_same_id() -> None:
    stage = Stage("r1", "r2")
    first = stage.carrier("group:x")
    stage.ask("group:x")
    first.links.kill()
    stage.run(1_500)
    second = stage.carrier("group:x")
    assert second is not first
    again = second.of(Kind.SUBMIT)
    assert [m.request_id for m in again] == [first.requests[0].request_id]
    assert again[0].ms_left < first.requests[0].ms_left
    second.result(again[0], Status.OK, b"done")
    stage.run(100)
    assert stage.answers == [(Status.OK, b"done")]
    assert stage.uplink.resent >= 1


def test_a_request_without_a_router_waits_for_one() -> None:
    stage = Stage()
    assert not stage.uplink.ready
    stage.ask("group:x")
    stage.run(300)
    assert stage.answers == []
    stage.view.register("r9")
    late = stage.routers["r9"] = Router(stage.network, "r9")
    stage.uplink.cluster_changed("router", "r9")
    stage.run(1_200)
    assert stage.uplink.ready
    assert [m.key for m in late.of(Kind.SUBMIT)] == ["group:x"]


def test_a_request_that_nobody_answers_is_unknown_at_its_deadline() -> None:
    stage = Stage("r1")
    stage.ask("group:x")
    stage.run(ANSWER_MS - 300)
    assert stage.answers == []
    stage.run(400)
    assert stage.answers == [(Status.UNKNOWN, b"")]
    assert (stage.uplink.unknown, stage.uplink.waiting) == (1, 0)
    stage.routers["r1"].result(stage.routers["r1"].requests[0], Status.OK)
    stage.run(100)
    assert len(stage.answers) == 1, "a late answer is nobody's"


def test_beyond_the_bound_the_answer_is_unknown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.REQUESTS_MAX", 2)
    stage = Stage("r1")
    for _ in range(3):
        stage.ask("group:x")
    assert stage.answers == [(Status.UNKNOWN, b"")]
    assert stage.uplink.waiting == 2


# --- interest


def test_interest_reaches_the_carrier_before_the_request_that_needs_it() -> None:
    stage = Stage("r1", "r2")
    router = stage.carrier("group:x")
    seen: list[bool] = []
    router.answer = lambda message: seen.append(("demo", "group:x") in router.copy.keys)
    stage.uplink.interest(("demo", "group:x"), True)
    stage.ask("group:x", Kind.SUBSCRIBE)
    assert seen == [True]
    assert router.interest_kinds[-1] is Kind.INTEREST_DELTA


def test_interest_that_only_shrank_is_told_with_the_tick() -> None:
    stage = Stage("r1")
    router = stage.routers["r1"]
    for key in ("group:x", "group:y"):
        stage.uplink.interest(("demo", key), True)
    stage.run(100)
    stage.uplink.interest(("demo", "group:x"), False)
    stage.run(100)
    assert router.copy.keys == {("demo", "group:y")}


def test_interest_in_a_users_stream_outlives_a_short_absence() -> None:
    stage = Stage("r1")
    router, ann, bob = stage.routers["r1"], ("demo", "#ann"), ("demo", "#bob")
    for stream in (ann, bob):
        stage.uplink.interest(stream, True)
    stage.run(100)
    for stream in (ann, bob):
        stage.uplink.interest(stream, False)
    stage.run(LINGER_MS - 1_000)
    assert router.copy.keys == {ann, bob}
    told = len(router.interest_kinds)
    stage.uplink.interest(ann, True)
    stage.run(500)
    assert len(router.interest_kinds) == told, "who comes back costs nothing"
    stage.run(1_000)
    assert router.copy.keys == {ann}
    stage.uplink.interest(ann, False)
    stage.run(LINGER_MS + 200)
    assert router.copy.keys == set()


def test_interest_for_nobody_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.LINGERING_MAX", 2)
    stage = Stage("r1")
    streams = [("demo", f"#u{n}") for n in range(4)]
    for stream in streams:
        stage.uplink.interest(stream, True)
    for stream in streams:
        stage.uplink.interest(stream, False)
    stage.run(100)
    assert stage.routers["r1"].copy.keys == set(streams[2:])


def test_interest_for_nobody_moves_with_the_carrier_and_is_not_asked_about() -> None:
    stage = Stage("r1", "r2")
    streams = {("demo", f"#u{n}") for n in range(12)}
    for stream in streams:
        stage.uplink.interest(stream, True)
    stage.run(100)
    for stream in streams:
        stage.uplink.interest(stream, False)
    stage.arrivals.unasked = streams
    stage.routers["r1"].links.kill()
    stage.run(1_500)
    heir = stage.routers["r2"]
    assert heir.copy.keys == streams
    assert asked(heir.of(Kind.HEADS)) == []
    stage.run(LINGER_MS)
    assert heir.copy.keys == set()


def test_interest_moves_with_the_carrier_and_comes_back_as_full() -> None:
    stage = Stage("r1", "r2")
    streams = {("demo", f"group:{n}") for n in range(20)}
    for stream in streams:
        stage.uplink.interest(stream, True)
    stage.run(100)
    held = {name: set(router.copy.keys) for name, router in stage.routers.items()}
    assert all(held.values())
    assert held["r1"] | held["r2"] == streams
    assert not held["r1"] & held["r2"]
    stage.network.cut("edge-1", "r1")
    stage.run(1_000)
    assert stage.routers["r2"].copy.keys == streams
    stage.network.mend("edge-1", "r1")
    stage.run(2_000)
    assert {n: set(r.copy.keys) for n, r in stage.routers.items()} == held


def test_a_router_that_lost_the_set_pulls_it() -> None:
    stage = Stage("r1")
    stage.uplink.interest(("demo", "group:x"), True)
    stage.run(100)
    router = stage.routers["r1"]
    router.copy.keys.clear()
    router.send(encode_message(Kind.INTEREST_PULL, b""))
    stage.run(100)
    assert router.copy.keys == {("demo", "group:x")}
    assert router.interest_kinds[-1] is Kind.INTEREST_FULL


# --- doubts


def test_a_hole_asks_for_exactly_the_streams_of_that_router() -> None:
    stage = Stage("r1", "r2")
    mine, others = stage.keys_of("r1", 3), stage.keys_of("r2", 2)
    for key in mine + others:
        stage.uplink.interest(("demo", key), True)
    for router in stage.routers.values():
        router.answer = heads(5)
    stage.run(300)
    for router in stage.routers.values():
        router.requests.clear()
    stage.arrivals.rows.clear()
    stage.routers["r1"].links.note_hole("edge-1")
    stage.run(300)
    questions = [m for router in stage.routers.values() for m in router.of(Kind.HEADS)]
    assert asked(questions) == [set(mine)]
    assert {(row.key, row.seq) for row in stage.arrivals.rows} == {(key, 5) for key in mine}


def test_streams_that_moved_are_asked_for_after_their_interest() -> None:
    stage = Stage("r1", "r2")
    keys = stage.keys_of("r1", 3)
    for key in keys:
        stage.uplink.interest(("demo", key), True)
    stage.run(100)
    heir = stage.routers["r2"]
    known: list[set[str]] = []

    def answer(message: Message) -> None:
        known.append({key for _, key in heir.copy.keys})

    heir.answer = answer
    stage.routers["r1"].links.kill()
    stage.run(1_500)
    assert set(keys) in asked(heir.of(Kind.HEADS))
    assert all(set(keys) <= held for held in known)


def test_questions_are_one_for_each_leader() -> None:
    stage = Stage("r1")
    keys = [f"group:{n}" for n in range(40)]
    for slot in range(16):
        stage.view.lead(slot, "n1" if slot % 2 else "n2")
    by_leader: dict[int, set[str]] = {0: set(), 1: set()}
    for key in keys:
        by_leader[stage.uplink.slot_of("demo", key) % 2].add(key)
    stage.uplink.doubt(("demo", key) for key in keys)
    stage.run(100)
    questions = stage.routers["r1"].of(Kind.HEADS)
    assert sorted(map(sorted, asked(questions))) == sorted(map(sorted, by_leader.values()))
    for question in questions:
        asks = decode_pack(question.body, HeadsQuery).asks
        assert question.slot in {ask.slot for ask in asks}


def test_a_question_follows_the_interest_in_its_streams_on_their_own_router() -> None:
    """Else what is said between the answer and the interest is heard by nobody: one leader, two
    routers, and a question that took the road of its first stream alone."""
    stage = Stage("r1", "r2")
    known: dict[str, bool] = {}

    def note(router: Router) -> None:
        def answer(message: Message) -> None:
            for ask in decode_pack(message.body, HeadsQuery).asks:
                known[ask.key] = (ask.app, ask.key) in router.copy.keys

        router.answer = answer

    for router in stage.routers.values():
        note(router)
    keys = [*stage.keys_of("r1", 3), *stage.keys_of("r2", 3)]
    for key in keys:
        stage.uplink.interest(("demo", key), True)
    asks = [HeadAsk(stage.uplink.slot_of("demo", key), "demo", key) for key in keys]
    stage.uplink.ask_heads(asks, lambda _: None, lambda _: None)  # before any tick
    stage.network.advance(5)
    assert known == dict.fromkeys(keys, True)


def test_a_long_question_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.HEADS_ASKS_MAX", 10)
    stage = Stage("r1")
    stage.uplink.doubt(("demo", f"group:{n}") for n in range(25))
    stage.run(100)
    assert sorted(len(keys) for keys in asked(stage.routers["r1"].of(Kind.HEADS))) == [5, 10, 10]
    assert HEADS_ASKS_MAX == 1_000


def test_what_was_not_answered_is_asked_again() -> None:
    stage = Stage("r1")
    router = stage.routers["r1"]
    router.answer = heads(5, led=lambda ask: ask.key == "group:here")
    stage.uplink.doubt([("demo", "group:here"), ("demo", "group:moved")])
    stage.run(100)
    assert [row.key for row in stage.arrivals.rows] == ["group:here"]
    router.answer = heads(6)
    stage.run(300)
    assert asked(router.of(Kind.HEADS))[1:] == [{"group:moved"}]
    assert [(row.key, row.seq) for row in stage.arrivals.rows][1:] == [("group:moved", 6)]
    router.requests.clear()
    stage.run(300)
    assert router.requests == [], "what is known is not asked for"


def test_what_has_its_interest_is_asked_of_a_leader_by_one_router() -> None:
    stage = Stage("r1", "r2")
    for slot in range(16):
        stage.view.lead(slot, "n1" if slot % 2 else "n2")
    asks = [
        HeadAsk(stage.uplink.slot_of("demo", f"group:{n}"), "demo", f"group:{n}") for n in range(40)
    ]

    def questions(fresh: set[tuple[str, str]] | None) -> int:
        before = sum(len(router.of(Kind.HEADS)) for router in stage.routers.values())
        stage.uplink.ask_heads(asks, lambda _: None, lambda _: None, fresh)
        stage.run(100)
        return sum(len(router.of(Kind.HEADS)) for router in stage.routers.values()) - before

    assert questions(None) == questions({(ask.app, ask.key) for ask in asks}) == 4
    assert questions(set()) == 2


def test_the_newest_of_many_come_from_every_leader_or_not_at_all() -> None:
    stage = Stage("r1")
    keys = [f"group:{n}" for n in range(40)]
    for slot in range(16):
        stage.view.lead(slot, "n1" if slot % 2 else "n2")
    found: list[list[HeadRow] | None] = []
    router = stage.routers["r1"]

    def ask(elsewhere: tuple[str, ...] = (), status: Status = Status.OK) -> list[NewestAsk]:
        router.requests.clear()
        stage.uplink.ask_newest("demo", keys, 3, None, found.append)
        stage.run(100)
        asked = []
        for question in router.of(Kind.HEADS):
            newest = decode_pack(question.body, HeadsQuery).newest
            assert newest is not None
            asked.append(newest)
            rows = tuple(HeadRow("demo", key, True) for key in newest.keys[: newest.best])
            router.result(question, status, encode_pack(HeadsAnswer(rows, elsewhere)))
        stage.run(100)
        return asked

    questions = ask()
    assert sorted(key for newest in questions for key in newest.keys) == sorted(keys)
    assert len(questions) == 2
    for newest in questions:
        assert [stage.uplink.slot_of("demo", key) for key in newest.keys] == list(newest.slots)
    assert [len(rows) for rows in found if rows is not None] == [6]
    ask(elsewhere=("group:1",))
    ask(status=Status.UNKNOWN)
    assert found[1:] == [None, None]


def test_a_changed_slot_asks_for_its_streams_alone() -> None:
    stage = Stage("r1")
    keys = [f"group:{n}" for n in range(30)]
    for key in keys:
        stage.uplink.interest(("demo", key), True)
    stage.run(200)
    stage.routers["r1"].requests.clear()
    for slot in (3, 4):
        stage.uplink.cluster_changed("slot", str(slot))
    stage.run(100)
    wanted = {key for key in keys if stage.uplink.slot_of("demo", key) in (3, 4)}
    assert wanted
    assert asked(stage.routers["r1"].of(Kind.HEADS)) == [wanted]


def test_a_stream_that_nobody_needs_any_more_is_not_asked_for() -> None:
    stage = Stage("r1")
    stage.uplink.interest(("demo", "group:x"), True)
    stage.uplink.doubt([("demo", "group:x")])
    stage.uplink.interest(("demo", "group:x"), False)
    stage.run(200)
    assert stage.routers["r1"].of(Kind.HEADS) == []


# --- repairs


class Repaired:
    """What the hub hears."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def repaired(self, *answer: object) -> None:
        self.calls.append(answer)

    def repair_failed(self, *stream: object) -> None:
        self.calls.append(("failed", *stream))


def repair(stage: Stage) -> tuple[Repaired, Message]:
    hub = Repaired()
    stage.uplink.repair(Repair(("demo", "group:x"), 4, "e"), hub)  # type: ignore[arg-type]
    stage.network.advance(5)
    [message] = stage.routers["r1"].of(Kind.SUBSCRIBE)
    return hub, message


def test_a_gap_is_fetched_from_the_position() -> None:
    stage = Stage("r1")
    hub, message = repair(stage)
    ask = decode_pack(message.body, Subscribe)
    assert (ask.recover, ask.offset, ask.epoch) == (True, 4, "e")
    assert (ask.viewer.authority, ask.viewer.client) == ("system", "")
    answer = Subscribed("e", 6, True, (b"5", b"6"))
    stage.routers["r1"].result(message, Status.OK, encode_pack(answer))
    stage.run(100)
    assert hub.calls == [(("demo", "group:x"), "e", 6, True, (b"5", b"6"))]


def test_a_repair_that_fails_for_now_is_asked_for_again() -> None:
    stage = Stage("r1")
    hub, message = repair(stage)
    refusal = encode_pack(Refusal(INTERNAL.code, "later"))
    stage.routers["r1"].result(message, Status.REJECTED, refusal)
    stage.run(200)
    assert hub.calls == [("failed", ("demo", "group:x"))]
    assert asked(stage.routers["r1"].of(Kind.HEADS)) == [{"group:x"}]


def test_a_repair_that_is_refused_for_good_ends_the_subscriptions() -> None:
    stage = Stage("r1")
    hub, message = repair(stage)
    refusal = encode_pack(Refusal(CHANNEL_NOT_FOUND.code, "gone"))
    stage.routers["r1"].result(message, Status.REJECTED, refusal)
    stage.run(300)
    assert hub.calls == [(("demo", "group:x"), "e", 4, False, ())]
    assert stage.routers["r1"].of(Kind.HEADS) == [], "asking again would go on for ever"


# --- what arrives


def test_one_bad_message_costs_nobody_else_his() -> None:
    stage = Stage("r1")
    router = stage.routers["r1"]

    def breaks(status: Status, body: bytes) -> None:
        raise KeyError("a bug of the asker")

    stage.uplink.request(Kind.QUERY, "demo", "group:x", b"", breaks)
    stage.ask("group:x")
    first, second = router.requests
    router.event("demo", "group:x", b"1")
    router.event("demo", "group:x", b"bad")
    router.send(encode_message(Kind.SIGNAL, b"{}", flags=99, key="group:x"))
    router.send(encode_message(Kind.RESULT, b"", flags=99, request_id=second.request_id))
    router.result(first, Status.OK)
    router.result(second, Status.OK, b"mine")
    router.event("demo", "group:x", b"2")
    stage.run(100)
    assert stage.arrivals.events == [("demo", "group:x", b"1"), ("demo", "group:x", b"2")]
    assert stage.answers == [(Status.UNKNOWN, b"")], "at once, not at its deadline"
    assert stage.uplink.broken == 3


def test_an_answer_that_cannot_be_read_fails_its_request_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It used to wait for the deadline of whoever had asked, 4 s; a repair for ever."""
    logged: list[str] = []
    log = SimpleNamespace(error=lambda what, **_: logged.append(what))
    monkeypatch.setattr("edge.uplink._log", log)
    stage = Stage("r1")
    router = stage.routers["r1"]
    answers: list[tuple[Status, bytes]] = []
    for kind, shape in ANSWERS.items():

        def done(status: Status, body: bytes, shape: type = shape) -> None:
            if status is Status.OK:
                decode_pack(body, shape)
            elif status is Status.REJECTED:
                decode_pack(body, Refusal)
            answers.append((status, body))

        for status, body in (
            (Status.OK, b"\xc1"),
            (Status.OK, encode_pack("another shape")),
            (Status.REJECTED, b""),
        ):
            stage.uplink.request(kind, "demo", "group:x", b"", done)
            stage.network.advance(5)
            router.result(router.of(kind)[-1], status, body)
            stage.network.advance(5)
            told, body = answers.pop()
            assert not answers
            if status is Status.OK and kind in (Kind.SUBMIT, Kind.SUBMITS):
                assert (told, body) == (Status.UNKNOWN, b""), "it may have been done"
            else:
                assert told is Status.REJECTED
                assert decode_pack(body, Refusal).code == INTERNAL.code
    assert stage.uplink.waiting == stage.uplink.broken == 0
    assert stage.uplink.unreadable.answers_total == 3 * len(ANSWERS)
    assert logged == ["link.answer_unreadable"], "once a second at most"


def test_a_repair_whose_answer_cannot_be_read_is_asked_for_again() -> None:
    stage = Stage("r1")
    hub, message = repair(stage)
    stage.routers["r1"].result(message, Status.OK, b"\xc1")
    stage.run(300)
    assert hub.calls == [("failed", ("demo", "group:x"))]


def test_an_answer_that_breaks_at_its_deadline_does_not_stop_the_others() -> None:
    stage = Stage("r1")

    def breaks(status: Status, body: bytes) -> None:
        raise KeyError("a bug of the asker")

    stage.uplink.request(Kind.QUERY, "demo", "group:x", b"", breaks)
    stage.ask("group:x")
    stage.run(ANSWER_MS + 200)
    assert stage.answers == [(Status.UNKNOWN, b"")]


def test_signals_and_forwarded_commands_are_handed_over() -> None:
    stage = Stage("r1")
    router = stage.routers["r1"]
    router.send(
        encode_message(Kind.SIGNAL, b'{"a":1}', flags=SignalKind.JOIN, app="demo", key="group:x"),
        encode_message(Kind.TO_PROCESS, b"post", key="edge-1.1"),
    )
    stage.run(100)
    assert stage.arrivals.signals == [("group:x", SignalKind.JOIN, b'{"a":1}')]
    assert stage.arrivals.processed == [b"post"]


def test_bytes_for_another_process_leave_through_one_live_router() -> None:
    stage = Stage("r1", "r2")
    assert stage.uplink.to_process("edge-2.9", b"post")
    stage.run(100)
    got = [row for router in stage.routers.values() for row in router.to_process]
    assert got == [("edge-2.9", b"post")]
    alone = Stage()
    assert not alone.uplink.to_process("edge-2.9", b"post")
