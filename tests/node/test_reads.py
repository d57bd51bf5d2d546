"""Recovery, the protocol's history, presence and heads over committed rows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    UNRECOVERABLE_POSITION,
    Rejected,
)
from hubbub.features.head_lines import line_json
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.codec import decode_json, dump_json
from hubbub.wire.event import EVICTS, decode_event_body
from hubbub.wire.shapes import HeadAsk, HeadsAnswer, NewestAsk, Query, Subscribe, Subscribed, Viewer
from node.presence import PresenceLists
from node.reads import RECOVERED_EVENTS_MAX, Reads
from tests.node.rig import APP, Rig

ROOM = "group:x"
RAW = "raw:x"
SPACE = Namespace(
    publish="everyone", history="everyone", presence="everyone", history_size=5, history_ttl_s=60
)
SETTINGS = AppSettings(namespaces={"raw": SPACE, "bare": Namespace(publish="everyone")})


class Reader:
    """Reads of one rig."""

    def __init__(self, **more: Any) -> None:
        self.rig = Rig(**more)
        self.presence = PresenceLists()
        self.reads = Reads(self.rig.engine, self.presence)

    def room(self, messages: int) -> list[Any]:
        self.rig.create(ROOM, members=("bob",))
        return [self.rig.send(ROOM, f"m{i}") for i in range(messages)]

    def sorted_keys(self, keys: list[str]) -> list[str]:
        """By their last messages, as every head says."""
        slots = tuple(self.rig.engine.target_of(APP, key) for key in keys)
        ask = NewestAsk(APP, slots, tuple(keys), len(keys))
        return [row.key for row in self.reads.newest(ask, self.rig.slots.get).rows]

    def raw(self, count: int, key: str = RAW) -> None:
        for number in range(count):
            body = {"channel": key, "data": {"n": number}}
            self.rig.do(key, "event.publish", body, info=b'{"user":"alice"}')

    def query(self, name: str, args: Any, key: str = ROOM, user: str = "alice", **more: Any) -> Any:
        query = Query(name, Viewer(user), dump_json(args), **more)
        slot = self.rig.slot(key)
        return decode_json(self.reads.query(slot, APP, key, query, self.rig.now_ms), dict)

    def subscribe(self, key: str = ROOM, user: str = "alice", **more: Any) -> Subscribed:
        ask = Subscribe(Viewer(user), "edge-1.7", **more)
        return self.reads.subscribe(self.rig.slot(key), APP, key, ask, self.rig.now_ms)[0]

    def refused(self, *args: Any, **more: Any) -> Any:
        with pytest.raises(Rejected) as refused:
            self.query(*args, **more)
        return refused.value.error

    def epoch(self, key: str = ROOM) -> str:
        return self.rig.slot(key).epoch


def seqs(answer: Subscribed) -> list[int]:
    return [decode_event_body(body).seq for body in answer.events]


def test_who_was_put_out_is_not_told_to_readers() -> None:
    """`info` of an event that evicts is for edges (decision record 0007)."""
    reader = Reader()
    reader.room(1)
    reader.rig.do(ROOM, "member.remove", {"channel": ROOM, "users": ["bob"]})
    stored = decode_event_body(reader.subscribe(recover=True, offset=2).events[0])
    assert (stored.seq, stored.head.flags & EVICTS, stored.info) == (3, EVICTS, b'["bob"]')
    page = reader.query("stream.history", {"limit": -1})
    assert page["publications"][-1]["offset"] == 3
    assert all("info" not in publication for publication in page["publications"])


def test_subscribe_tells_position_and_snapshot() -> None:
    reader = Reader()
    reader.room(3)
    answer = reader.subscribe()
    assert (answer.head, answer.epoch, answer.recovered) == (4, reader.epoch(), False)
    assert (answer.positioned, answer.recoverable, answer.events) == (True, True, ())
    assert b'"channel"' in answer.data


@pytest.mark.parametrize("epoch", ["", "own"])
@pytest.mark.parametrize("offset", [0, 1, 3, 4])
def test_recovery_brings_exactly_what_was_missed(epoch: str, offset: int) -> None:
    reader = Reader()
    reader.room(3)
    epoch = epoch and reader.epoch()
    answer = reader.subscribe(recover=True, offset=offset, epoch=epoch)
    assert answer.recovered
    assert seqs(answer) == list(range(offset + 1, 5))


def test_recovery_of_another_incarnation_fails() -> None:
    reader = Reader()
    reader.room(3)
    answer = reader.subscribe(recover=True, offset=2, epoch="another")
    assert (answer.recovered, answer.events, answer.head) == (False, (), 4)


def test_a_position_above_the_commit_is_temporary() -> None:
    reader = Reader()
    reader.room(1)
    command = reader.rig.command("message.send", {"channel": ROOM, "text": "pending"})
    reader.rig.submit(ROOM, command)
    assert reader.subscribe().head == 2  # what is pending is not seen
    with pytest.raises(Rejected) as refused:
        reader.subscribe(recover=True, offset=3, epoch=reader.epoch())
    assert refused.value.error is INTERNAL
    assert refused.value.error.temporary


def test_recovery_shows_the_current_state_at_the_old_offsets() -> None:
    reader = Reader()
    sent = reader.room(2)
    reader.rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent[0].id})
    answer = reader.subscribe(recover=True, offset=1)
    first, second, third = (decode_event_body(body) for body in answer.events)
    assert [first.seq, second.seq, third.seq] == [2, 3, 4]
    assert b'"deleted":true' in first.data
    assert b'"m0"' not in first.data
    assert b'"m1"' in second.data


def test_too_much_is_not_recovered_at_all() -> None:
    reader = Reader()
    reader.room(0)
    for number in range(RECOVERED_EVENTS_MAX + 1):
        body = {"channel": ROOM, "text": str(number)}
        reader.rig.submit(ROOM, reader.rig.command("message.send", body))
        if number % 500 == 0:
            reader.rig.settle()
    reader.rig.settle()
    assert not reader.subscribe(recover=True, offset=1).recovered
    assert len(reader.subscribe(recover=True, offset=2).events) == RECOVERED_EVENTS_MAX


def test_too_many_bytes_are_not_recovered() -> None:
    reader = Reader()
    reader.room(0)
    for _ in range(40):
        reader.rig.send(ROOM, "x" * 5_000)
    assert reader.subscribe(recover=True, offset=1).recovered
    for _ in range(80):
        reader.rig.send(ROOM, "x" * 5_000)
    assert not reader.subscribe(recover=True, offset=1).recovered


def test_who_may_not_read_gets_nothing() -> None:
    reader = Reader()
    reader.room(1)
    with pytest.raises(Rejected) as refused:
        reader.subscribe(user="eve", recover=True)
    assert refused.value.error is CHANNEL_NOT_FOUND
    assert reader.refused("stream.history", {"limit": 5}, user="eve") is CHANNEL_NOT_FOUND
    assert reader.refused("stream.presence", {}, user="eve") is CHANNEL_NOT_FOUND


def test_a_raw_channel_trims_by_size_at_read() -> None:
    reader = Reader(settings=SETTINGS)
    reader.raw(8)
    assert seqs(reader.subscribe(RAW, recover=True, offset=3)) == [4, 5, 6, 7, 8]
    assert not reader.subscribe(RAW, recover=True, offset=2).recovered
    page = reader.query("stream.history", {"limit": -1}, key=RAW)
    assert [p["offset"] for p in page["publications"]] == [4, 5, 6, 7, 8]
    assert page["publications"][0] == {
        "offset": 4,
        "data": {"n": 3},
        "info": {"user": "alice"},
    }
    assert (page["offset"], page["epoch"]) == (8, reader.epoch(RAW))


def test_a_raw_channel_trims_by_age_at_read() -> None:
    reader = Reader(settings=SETTINGS)
    reader.raw(3)
    reader.rig.now_ms += 40_000
    reader.raw(2)
    reader.rig.now_ms += 30_000
    page = reader.query("stream.history", {"limit": 10}, key=RAW)
    assert [p["offset"] for p in page["publications"]] == [4, 5]
    assert not reader.subscribe(RAW, recover=True, offset=2).recovered
    assert seqs(reader.subscribe(RAW, recover=True, offset=3)) == [4, 5]
    reader.rig.now_ms += 60_000
    page = reader.query("stream.history", {"limit": 10}, key=RAW)
    assert (page["publications"], page["offset"]) == ([], 5)
    assert reader.subscribe(RAW, recover=True, offset=5).recovered


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"limit": 0}, []),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "reverse": True}, [4, 3]),
        ({"limit": -1, "since": {"offset": 2}}, [3, 4]),
        ({"limit": 1, "since": {"offset": 2}}, [3]),
        ({"limit": -1, "since": {"offset": 3}, "reverse": True}, [2, 1]),
        ({"limit": 1, "since": {"offset": 9}}, []),
        ({"limit": 1, "since": {"offset": 99}, "reverse": True}, [4]),
    ],
)
def test_the_protocols_history(args: Any, expected: list[int]) -> None:
    reader = Reader()
    reader.room(3)
    page = reader.query("stream.history", args)
    assert [p["offset"] for p in page["publications"]] == expected
    assert page["offset"] == 4


def test_the_protocols_history_refuses() -> None:
    reader = Reader(settings=SETTINGS)
    reader.room(1)
    since = {"offset": 1, "epoch": "another"}
    assert reader.refused("stream.history", {"since": since}) is UNRECOVERABLE_POSITION
    backwards = {"limit": 1, "reverse": True, "since": {"offset": 0}}
    assert reader.refused("stream.history", backwards) is BAD_REQUEST
    assert reader.refused("stream.history", {"limit": "x"}) is BAD_REQUEST
    assert reader.refused("stream.history", {}, key="bare:x") is NOT_AVAILABLE
    assert reader.refused("no.such", {}) is METHOD_NOT_FOUND
    assert reader.refused("history.get", {"channel": ROOM}, min_seq=99) is UNRECOVERABLE_POSITION


def test_how_far_a_stream_reaches_is_not_told_to_strangers() -> None:
    reader = Reader(settings=SETTINGS)
    reader.room(1)
    for min_seq in (0, 1, 99):
        args = "history.get", {"channel": ROOM}
        assert reader.refused(*args, user="zoe", min_seq=min_seq) is CHANNEL_NOT_FOUND


def test_a_feature_query_gets_the_epoch() -> None:
    reader = Reader()
    reader.room(2)
    page = reader.query("history.get", {"channel": ROOM})
    assert [m["text"] for m in page["messages"]] == ["m0", "m1"]
    assert (page["head"], page["epoch"]) == (3, reader.epoch())


def test_presence_is_answered_from_the_lists() -> None:
    reader = Reader(settings=SETTINGS)
    for client, user in (("a", "u"), ("b", "u")):
        reader.presence.join(
            APP, RAW, "edge-1.7", client, dump_json({"user": user}), is_announced=False
        )
    assert reader.query("stream.presence", {}, key=RAW) == {
        "presence": {"a": {"user": "u"}, "b": {"user": "u"}}
    }
    assert reader.query("stream.presence_stats", {}, key=RAW) == {"num_clients": 2, "num_users": 1}
    assert reader.refused("stream.presence", {}, key="bare:x") is NOT_AVAILABLE


def test_a_head_has_position_figures_and_the_newest_message() -> None:
    reader = Reader()
    sent = reader.room(3)
    reader.rig.do(ROOM, "message.edit", {"channel": ROOM, "id": sent[2].id, "text": "edited"})
    ask = HeadAsk(0, APP, ROOM, users=("bob", "eve"), preview=True)
    row = reader.reads.head(reader.rig.slot(ROOM), ask)
    assert (row.seq, row.led, row.epoch) == (5, True, reader.epoch())
    assert decode_json(row.preview, dict)["text"] == "edited"
    assert decode_json(row.fields[0], dict)["unread"] == 3
    assert decode_json(row.fields[1], dict) == {}
    plain = reader.reads.head(reader.rig.slot(ROOM), HeadAsk(0, APP, ROOM))
    assert (plain.preview, plain.fields) == (b"", ())


def test_a_head_that_was_asked_for_before_is_as_new_as_its_rows() -> None:
    """Kept figures and previews: whatever changes a row of the stream, with a seq or without,
    makes them anew, also where more users ask than are kept."""
    reader, people = Reader(), [f"u{n}" for n in range(20)]
    reader.rig.create(ROOM, members=("bob", *people))
    sent = [reader.rig.send(ROOM, f"m{n}") for n in range(3)]

    def head(user: str = "bob") -> tuple[int, str]:
        ask = HeadAsk(0, APP, ROOM, users=(user,), preview=True)
        row = reader.reads.head(reader.rig.slot(ROOM), ask)
        line = line_json(ROOM, row.seq, row.ts_ms, row.preview, row.fields[0])
        assert reader.reads.line(reader.rig.slot(ROOM), APP, ROOM, user) == (row.seq, line)
        assert reader.reads.line(reader.rig.slot(ROOM), APP, ROOM, user) == (row.seq, line)
        message = decode_json(row.preview, dict)
        return decode_json(row.fields[0], dict)["unread"], message.get("text", "")

    assert [head() for _ in range(2)] == [(3, "m2")] * 2
    reader.rig.do(ROOM, "mark.read", {"channel": ROOM, "upto": sent[0].seq}, user="bob")
    assert [head() for _ in range(2)] == [(2, "m2")] * 2
    assert {head(user) for user in people for _ in range(2)} == {(3, "m2")}
    reader.rig.do(ROOM, "message.edit", {"channel": ROOM, "id": sent[2].id, "text": "new"})
    assert head() == (2, "new")
    reader.rig.do(ROOM, "message.delete", {"channel": ROOM, "id": sent[2].id})
    assert head() == (1, "")
    assert {head(user) for user in people} == {(2, "")}


def test_the_newest_of_many_streams() -> None:
    reader = Reader()
    keys = [f"group:n{n}" for n in range(5)]
    for n, key in enumerate(keys):
        reader.rig.now_ms += 10
        reader.rig.create(key)
        if n != 3:
            reader.rig.send(key, "hi")
    reader.rig.now_ms += 10
    reader.rig.send(keys[1], "again")
    slots = tuple(reader.rig.engine.target_of(APP, key) for key in keys)

    def newest(best: int, after: tuple[int, str] | None = None) -> list[str]:
        ask = NewestAsk(APP, slots, tuple(keys), best, after)
        answer = reader.reads.newest(ask, reader.rig.slots.get)
        assert answer.elsewhere == ()
        assert all(row.led and row.epoch for row in answer.rows)
        return [row.key[-1] for row in answer.rows]

    assert newest(9) == ["1", "4", "3", "2", "0"]
    assert newest(2) == ["1", "4"]
    two = NewestAsk(APP, slots, tuple(keys), 2)
    _, last = reader.reads.newest(two, reader.rig.slots.get).rows
    assert newest(2, (-last.message_ms, last.key)) == ["3", "2"]
    assert reader.reads.newest(two, lambda _: None) == HeadsAnswer((), tuple(keys))


@pytest.mark.parametrize("seed", range(4))
def test_a_kept_order_has_no_gap_and_no_repeat_whatever_is_said_meanwhile(seed: int) -> None:
    """Pages of a roll are those of all heads sorted anew: with heads in memory, in the store alone,
    and with entries that are not committed."""
    reader, random = Reader(), Random(seed)
    rig, caches = reader.rig, reader.rig.context.caches
    reader.reads.orders = caches.orders
    keys = [f"group:n{n}" for n in range(30)]
    for key in keys:
        rig.now_ms += 1
        rig.create(key)
    slots = tuple(rig.engine.target_of(APP, key) for key in keys)
    for name in range(6):
        caches.streams.clear()
        base, told, after, walked = 0, keys, None, list[str]()
        before, moved = reader.sorted_keys(keys), set[str]()
        while True:
            if random.random() < 0.5:
                caches.streams.clear()
            part = tuple(told), slots if told else ()
            ask = NewestAsk(APP, part[1], part[0], 7, after, f"r{name}", base, 1)
            rows = reader.reads.newest(ask, rig.slots.get).rows
            plain = NewestAsk(APP, slots, tuple(keys), 7, after)
            assert rows == reader.reads.newest(plain, rig.slots.get).rows
            walked += [row.key for row in rows]
            if len(rows) < 7:
                break
            base, told, after = 1, [], (-(rows[-1].message_ms or rows[-1].ts_ms), rows[-1].key)
            for key in random.sample(keys, 3):
                rig.now_ms += 1
                moved.add(key)
                if random.random() < 0.7:
                    rig.send(key, "hi")
                else:  # committed with the next one that settles
                    rig.submit(key, rig.command("message.send", {"channel": key, "text": "wait"}))
        assert len(walked) == len(set(walked))
        still = [key for key in before if key not in moved]
        assert [key for key in walked if key not in moved] == still
        rig.settle()


@pytest.mark.parametrize("blocked", [(), ("eve",)])
def test_what_waits_for_a_user_is_what_his_figures_say(blocked: tuple[str, ...]) -> None:
    """Asked of a whole roll, at each step: cold, kept, and after whatever moves his marks."""
    reader, random = Reader(), Random(5)
    rig, caches = reader.rig, reader.rig.context.caches
    reader.reads.orders = caches.orders
    keys = [f"group:n{n}" for n in range(12)]
    for key in keys:
        rig.create(key, members=("bob", "eve"))
    slots = tuple(rig.engine.target_of(APP, key) for key in keys)
    sent: list[tuple[str, Any]] = []
    counts = set[int]()
    for turn in range(100):
        key = random.choice(keys)
        match random.choice(("send", "own", "eve", "read", "unread", "delete", "leave")):
            case "send":
                sent.append((key, rig.send(key, "hi")))
            case "own":
                rig.send(key, "mine", user="bob")
            case "eve":
                rig.send(key, "hey", user="eve")
            case "read":
                upto = rig.slot(key).overlay.stream(APP, key).committed.seq
                rig.do(key, "mark.read", {"channel": key, "upto": upto}, user="bob")
            case "unread":
                rig.do(key, "mark.unread", {"channel": key, "seq": 2}, user="bob")
            case "delete" if sent:
                key, message = sent.pop()
                rig.do(key, "message.delete", {"channel": key, "id": message.id})
            case _ if turn % 5 == 0:
                rig.do(key, "member.leave", {"channel": key}, user="bob")
        if turn % 3 == 0:
            caches.streams.clear()
        told = (slots, tuple(keys)) if turn == 0 else ((), ())
        base = 0 if turn == 0 else 1
        ask = NewestAsk(APP, *told, 0, None, "r", base, 1, (), "bob", blocked)
        found = {row.key: row.unread for row in reader.reads.newest(ask, rig.slots.get).rows}
        hidden = (blocked,) if blocked else ()
        expected = {}
        for key in keys:
            row = reader.reads.head(rig.slot(key), HeadAsk(0, APP, key, ("bob",), blocked=hidden))
            expected[key] = decode_json(row.fields[0], dict).get("unread", 0)
        assert found == {key: unread for key, unread in expected.items() if unread}
        counts |= set(found.values())
    assert len(counts) > 1


def test_a_streams_last_message_is_found_behind_other_events() -> None:
    reader = Reader()
    reader.room(2)
    for n in range(20):
        name = {"channel": ROOM, "name": f"n{n}"}
        reader.rig.do(ROOM, "channel.update", name)
    again = Reader(store=reader.rig.store)
    for known in (reader, again):
        row = known.reads.head(known.rig.slot(ROOM), HeadAsk(0, APP, ROOM))
        assert (row.seq, row.message_seq) == (23, 3)
