"""Who gets a copy, who hears of a hole, and what is counted."""

from __future__ import annotations

from hubbub.ring.hashing import slot_of
from hubbub.transport.replicated_set import SetSource
from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.shapes import Kind, Status
from router.fanout import Fanout, lost_process
from router.interest import Interest
from router.leaders import Leaders

SEED, SLOTS = 7, 16


def decoded(raw: list[bytes]) -> list[Message]:
    return decode_frame(encode_frame(raw, generation=1, boot_id=1, n=1, ack=0))[1]


def event(key: str) -> Message:
    return decoded([encode_message(Kind.EVENT, b"body", app="demo", key=key)])[0]


def to_process(key: str) -> Message:
    return decoded([encode_message(Kind.TO_PROCESS, b"body", key=key, request_id=9)])[0]


class Book:
    """Slots are led by n0 and n1 in turn; `want` is an edge's set."""

    def __init__(self) -> None:
        self.leaders = Leaders(SLOTS)
        for slot in range(SLOTS):
            self.leaders.from_map(slot, 1, f"n{slot % 2}")
        self.interest = Interest(self.leaders, SEED)
        self.fanout = Fanout(self.interest, self.leaders)

    def want(self, edge: str, *keys: str) -> None:
        self.interest.edge_up(edge)
        source = SetSource()
        for key in keys:
            source.add(("demo", key))
        for message in decoded(source.fulls()):
            self.interest.receive(edge, message)


def slot(key: str) -> int:
    return slot_of("demo", key, SLOTS, SEED)


def test_an_event_goes_once_to_each_edge_that_wants_it() -> None:
    book = Book()
    book.want("e1", "group:x", "group:y")
    book.want("e2", "group:x")
    book.want("e3", "group:z")
    assert sorted(book.fanout.event(event("group:x"))) == ["e1", "e2"]
    assert book.fanout.event(event("group:y")) == ("e1",)
    assert book.fanout.event(event("group:nobody")) == ()
    counts = book.fanout.counts
    assert (counts.events_total, counts.copies_total, counts.unwanted_total) == (3, 3, 1)


def test_the_same_name_in_another_app_is_another_stream() -> None:
    book = Book()
    book.want("e1", "group:x")
    other = decoded([encode_message(Kind.EVENT, b"", app="other", key="group:x")])[0]
    assert book.fanout.event(other) == ()


def test_a_hole_is_told_to_those_who_may_have_lost_something() -> None:
    book = Book()
    keys = [f"group:{n}" for n in range(40)]
    even = next(key for key in keys if slot(key) % 2 == 0)
    odd = next(key for key in keys if slot(key) % 2 == 1)
    book.want("e1", even)
    book.want("e2", odd)
    book.want("e3", even, odd)
    book.want("e4")
    assert book.fanout.hole("n0") == {"e1", "e3"}
    assert book.fanout.hole("n1") == {"e2", "e3"}
    assert book.fanout.hole("n2") == set()
    assert book.fanout.hole_in([slot(odd)]) == {"e2", "e3"}
    assert book.fanout.counts.holes_passed_total == 6


def test_a_process_message_reaches_the_boot_that_it_names_or_nobody() -> None:
    book = Book()
    boots = {"edge-1": 77}

    def boot_of(name: str) -> int:
        return boots.get(name, 0)

    assert book.fanout.to_process(to_process("edge-1.77"), boot_of) == "edge-1"
    for key in ("edge-1.78", "edge-2.77", "edge-1", "edge-1.", ".77", "edge-1.x", ""):
        assert book.fanout.to_process(to_process(key), boot_of) == "", key
    assert book.fanout.counts.process_messages_total == 1
    assert book.fanout.counts.process_messages_lost_total == 7


def test_who_asked_for_a_lost_process_gets_an_answer() -> None:
    answer = decoded([lost_process(to_process("edge-1.78"))])[0]
    assert (answer.type, answer.flags, answer.request_id) == (Kind.RESULT, Status.UNKNOWN, 9)
