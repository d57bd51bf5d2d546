"""The relay as a dialogue: what comes in, what goes out, what time does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.ring.hashing import slot_of
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.shapes import Kind, Redirect, Refusal, Status
from hubbub.wire.tracing import SLOW_MS, TRACED, with_trace, without_trace
from router.leaders import Leaders, Moved
from router.relay import BUCKET_MS, SILENCE_MS, Output, Relay, RelayLimits, Reply, Send, Told

SEED = 7
SLOTS = 16


def parse(raw: bytes) -> Message:
    return decode_frame(encode_frame([raw], generation=1, boot_id=1, n=1, ack=0))[1][0]


def slot(key: str) -> int:
    return slot_of("demo", key, SLOTS, SEED)


class Book:
    """A relay over two nodes; `n1` leads every slot in term 1, and both are linked."""

    def __init__(self, **limits: int) -> None:
        self.leaders = Leaders(SLOTS)
        for number in range(SLOTS):
            self.leaders.from_map(number, 1, "n1")
        self.relay = Relay(self.leaders, SEED, RelayLimits(**limits), first_id=100)
        self.now_ms = 10_000
        self.relay.node_up("n1", self.now_ms)
        self.relay.node_up("n2", self.now_ms)

    def ask(
        self,
        request_id: int = 5,
        *,
        kind: Kind = Kind.SUBMIT,
        ms_left: int = 0,
        key: str = "group:x",
    ) -> list[Output]:
        raw = encode_message(
            kind, b"body", request_id=request_id, ms_left=ms_left, app="demo", key=key
        )
        return self.relay.receive("edge-1", [parse(raw)], self.now_ms)

    def answer(
        self, node: str, request_id: int, status: Status = Status.OK, body: bytes = b"ok"
    ) -> list[Output]:
        raw = encode_message(Kind.RESULT, body, flags=status, request_id=request_id)
        return self.relay.receive(node, [parse(raw)], self.now_ms)

    def redirect(self, node: str, request_id: int, term: int, leader: str) -> list[Output]:
        body = encode_pack(Redirect(term, leader))
        return self.answer(node, request_id, Status.REDIRECT, body)

    def wait(self, ms: int) -> list[Output]:
        """Tick as the service does; everything that came out."""
        outputs: list[Output] = []
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms = min(self.now_ms + BUCKET_MS, end)
            outputs += self.relay.tick(self.now_ms)
        return outputs


def only_send(outputs: list[Output]) -> Send:
    (output,) = outputs
    assert isinstance(output, Send)
    return output


def only_reply(outputs: list[Output]) -> Message:
    (output,) = outputs
    assert isinstance(output, Reply)
    assert output.peer == "edge-1"
    return parse(output.message)


def test_a_request_goes_to_the_leader_and_its_result_back() -> None:
    book = Book()
    sent = only_send(book.ask(request_id=5, ms_left=900))
    message = parse(sent.message)
    assert sent.node == "n1"
    assert (message.type, message.body, message.key) == (Kind.SUBMIT, b"body", "group:x")
    assert (message.slot, message.term, message.ms_left) == (slot("group:x"), 1, 900)
    assert message.request_id == sent.request_id == 100
    result = only_reply(book.answer("n1", 100))
    assert (result.type, result.request_id, result.flags) == (Kind.RESULT, 5, Status.OK)
    assert result.body == b"ok"
    assert len(book.relay) == 0


def test_a_rejection_is_a_result_like_any_other() -> None:
    book = Book()
    book.ask()
    result = only_reply(book.answer("n1", 100, Status.REJECTED, b"why"))
    assert (result.flags, result.body) == (Status.REJECTED, b"why")


def test_a_second_result_is_dropped_and_counted() -> None:
    book = Book()
    book.ask()
    book.answer("n1", 100)
    assert book.answer("n1", 100) == []
    assert book.answer("n1", 4_242) == []
    assert book.relay.counts.late_total == 2


def test_heads_go_by_the_slot_in_the_header() -> None:
    book = Book()
    book.leaders.from_map(9, 2, "n2")
    raw = encode_message(Kind.HEADS, b"", slot=9, request_id=1, app="demo")
    assert only_send(book.relay.receive("edge-1", [parse(raw)], 0)).node == "n2"
    raw = encode_message(Kind.HEADS, b"", slot=SLOTS, request_id=2, app="demo")
    assert only_reply(book.relay.receive("edge-1", [parse(raw)], 0)).flags == Status.UNKNOWN


def test_a_redirect_moves_the_slot_then_the_request() -> None:
    book = Book()
    book.ask()
    moved, sent = book.redirect("n1", 100, term=2, leader="n2")
    assert moved == Moved(slot("group:x"), "n1", "n2")
    assert isinstance(sent, Send)
    assert (sent.node, sent.request_id, parse(sent.message).term) == ("n2", 100, 2)
    assert only_send(book.ask(6)).node == "n2"
    assert only_reply(book.answer("n2", 100)).request_id == 5


def test_a_redirect_that_knows_nothing_new_is_retried_soon_and_not_at_once() -> None:
    for term, leader in ((0, ""), (1, "n2"), (5, "")):
        book = Book()
        book.ask()
        assert book.redirect("n1", 100, term, leader) == []
        assert only_send(book.wait(250 + BUCKET_MS)).node == "n1"


def test_a_redirect_whose_body_is_none_is_a_retry() -> None:
    book = Book()
    book.ask()
    assert book.answer("n1", 100, Status.REDIRECT, b"\xff\xff") == []
    assert book.wait(250)


def test_two_nodes_that_name_each_other_cannot_make_a_storm() -> None:
    book = Book()
    book.ask()
    sends, at = 0, "n1"
    for _ in range(3_600 // BUCKET_MS):
        outputs = book.redirect(at, 100, 1, "n2" if at == "n1" else "n1") + book.wait(BUCKET_MS)
        sends += sum(isinstance(output, Send) for output in outputs)
    assert sends < 30


def test_silence_is_asked_again_then_unknown_when_the_time_is_up() -> None:
    book = Book()
    book.ask(ms_left=2_000)
    assert book.wait(SILENCE_MS - BUCKET_MS) == []
    again = only_send(book.wait(2 * BUCKET_MS))
    assert again.request_id == 100
    left_ms = parse(again.message).ms_left
    assert 2_000 - SILENCE_MS - 2 * BUCKET_MS <= left_ms <= 2_000 - SILENCE_MS
    *resent, last = book.wait(1_500 + BUCKET_MS)
    assert all(isinstance(output, Send) for output in resent)
    assert isinstance(last, Reply)
    assert parse(last.message).flags == Status.UNKNOWN
    assert len(book.relay) == 0
    assert book.answer("n1", 100) == []


def test_no_request_waits_longer_than_the_budget() -> None:
    book = Book(budget_ms=3_500)
    book.ask(ms_left=60_000)
    outputs = book.wait(3_500 + BUCKET_MS)
    assert isinstance(outputs[-1], Reply)


def test_without_a_live_leader_it_waits_and_goes_when_the_link_comes_up() -> None:
    book = Book()
    book.relay.node_down("n1")
    assert book.ask() == []
    assert book.wait(700) == []
    assert only_send(book.relay.node_up("n1", book.now_ms)).request_id == 100
    assert book.relay.counts.resent_total == 0


def test_without_any_leader_the_answer_is_unknown_in_time() -> None:
    book = Book()
    for number in range(SLOTS):
        book.leaders.from_map(number, 2, "")
    assert book.ask(ms_left=1_000) == []
    assert only_reply(book.wait(1_000 + BUCKET_MS)).flags == Status.UNKNOWN


def test_a_new_leader_gets_what_waits_at_once() -> None:
    book = Book()
    book.ask(5)
    book.ask(6, key="group:y")
    book.leaders.from_map(slot("group:x"), 2, "n2")
    sent = only_send(book.relay.moved({slot("group:x")}, book.now_ms))
    assert (sent.node, sent.request_id) == ("n2", 100)
    assert only_reply(book.answer("n2", 100)).request_id == 5


def test_a_new_boot_of_the_leader_gets_what_its_old_boot_had() -> None:
    book = Book()
    book.ask()
    book.relay.node_down("n1")
    book.now_ms += 50
    assert only_send(book.relay.node_up("n1", book.now_ms)).request_id == 100


def test_a_hole_on_the_leaders_link_asks_again_at_once() -> None:
    book = Book()
    book.ask(5)
    book.leaders.from_map(slot("group:y"), 2, "n2")
    book.ask(6, key="group:y")
    assert only_send(book.relay.node_hole("n1", book.now_ms)).request_id == 100
    assert book.relay.counts.resent_total == 1


def test_a_node_that_cannot_say_is_asked_again() -> None:
    book = Book()
    book.ask()
    assert book.answer("n1", 100, Status.UNKNOWN, b"") == []
    assert only_send(book.wait(250 + BUCKET_MS)).request_id == 100


def test_what_the_link_did_not_take_is_sent_again() -> None:
    book = Book()
    book.ask()
    book.relay.unsent(100, book.now_ms)
    book.relay.unsent(4_242, book.now_ms)
    assert only_send(book.wait(250)).request_id == 100
    assert book.relay.counts.resent_total == 0


def test_a_full_table_refuses_by_name() -> None:
    for limits in ({"requests_max": 2}, {"bytes_max": 60}):
        book = Book(**limits)
        book.ask(1)
        book.ask(2)
        refused = only_reply(book.ask(3))
        assert (refused.request_id, refused.flags) == (3, Status.REJECTED)
        assert decode_pack(refused.body, Refusal).code == 430
        book.answer("n1", 100)
        assert only_send(book.ask(4))


def test_a_peer_that_is_gone_gets_no_answer_in_its_next_life() -> None:
    book = Book()
    book.ask()
    book.relay.forget("edge-1")
    assert len(book.relay) == 0
    assert book.answer("n1", 100) == []


def test_what_is_no_request_is_counted() -> None:
    book = Book()
    for kind in (Kind.EVENT, Kind.INTEREST_PULL, 99):
        raw = encode_message(kind, b"", app="demo", key="group:x")
        assert book.relay.receive("edge-1", [parse(raw)], 0) == []
    assert book.relay.counts.malformed_total == 3


def test_buckets_do_not_grow_with_what_is_finished() -> None:
    book = Book()
    for n in range(2_000):
        book.ask(n)
        book.answer("n1", 100 + n)
        if n % 10 == 0:
            book.wait(BUCKET_MS)
    assert len(book.relay._buckets) <= 4_000 // BUCKET_MS
    book.wait(BUCKET_MS)
    assert book.relay._buckets == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 5), st.integers(0, 4_000)),
        st.tuples(st.just("answer"), st.integers(0, 20), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.integers(1, 700), st.just(0)),
        st.tuples(st.just("lead"), st.integers(0, SLOTS - 1), st.integers(0, 2)),
        st.tuples(st.just("down"), st.integers(1, 2), st.just(0)),
        st.tuples(st.just("up"), st.integers(1, 2), st.just(0)),
        st.tuples(st.just("hole"), st.integers(1, 2), st.just(0)),
    ),
    max_size=60,
)


def test_a_request_whose_time_is_up_is_not_sent_again_before_its_tick() -> None:
    """Story: a node came up in that moment, and the negative time left broke the link's handler."""
    book = Book()
    book.ask(1, ms_left=281)
    book.now_ms += 282
    assert book.relay.node_up("n1", book.now_ms) == []
    assert book.relay.moved({0, 1}, book.now_ms) == []
    assert book.relay.node_hole("n1", book.now_ms) == []
    [reply] = book.wait(2 * BUCKET_MS)
    assert isinstance(reply, Reply)
    assert parse(reply.message).flags == Status.UNKNOWN


@given(STEPS)
def test_every_request_gets_exactly_one_result(steps: list[tuple[str, int, int]]) -> None:
    book = Book()
    asked = 0
    outputs: list[Output] = []
    for what, a, b in steps:
        if what == "ask":
            asked += 1
            outputs += book.ask(asked, key=f"group:{a}", ms_left=b)
        elif what == "answer" and b == Status.REDIRECT:
            outputs += book.redirect("n1", 100 + a, book.leaders.term(0) + 1, "n2")
        elif what == "answer":
            outputs += book.answer("n1", 100 + a, Status(b))
        elif what == "wait":
            outputs += book.wait(a)
        elif what == "lead":
            term = book.leaders.term(a) + 1
            moved = book.leaders.from_map(a, term, ("", "n1", "n2")[b])
            assert moved is not None
            outputs += book.relay.moved({a}, book.now_ms)
        elif what == "down":
            book.relay.node_down(f"n{a}")
        elif what == "up":
            outputs += book.relay.node_up(f"n{a}", book.now_ms)
        else:
            outputs += book.relay.node_hole(f"n{a}", book.now_ms)
    outputs += book.wait(3_500 + 2 * BUCKET_MS)
    answered = [parse(out.message).request_id for out in outputs if isinstance(out, Reply)]
    assert sorted(answered) == list(range(1, asked + 1))
    assert (len(book.relay), book.relay._bytes) == (0, 0)


def any_copy(book: Book, *names: str) -> None:
    book.relay._copies_of = lambda _: names


def test_a_read_of_any_copy_goes_to_each_in_its_turn() -> None:
    book = Book()
    any_copy(book, "n1", "n2")
    nodes = [only_send(book.ask(n, kind=Kind.QUERY_ANY)).node for n in range(4)]
    assert sorted(nodes) == ["n1", "n1", "n2", "n2"]
    assert only_send(book.ask(9, kind=Kind.QUERY)).node == "n1"


def test_a_copy_that_is_behind_sends_the_read_on_to_the_leader_at_once() -> None:
    book = Book()
    any_copy(book, "n2")
    sent = only_send(book.ask(kind=Kind.QUERY_ANY))
    assert sent.node == "n2"
    again = only_send(book.redirect("n2", sent.request_id, 1, "n1"))
    assert (again.node, again.request_id) == ("n1", sent.request_id)
    assert only_reply(book.answer("n1", sent.request_id)).flags == Status.OK


def test_a_copy_that_says_nothing_is_asked_once() -> None:
    book = Book()
    any_copy(book, "n2")
    sent = only_send(book.ask(kind=Kind.QUERY_ANY))
    assert sent.node == "n2"
    again = [output for output in book.wait(SILENCE_MS + BUCKET_MS) if isinstance(output, Send)]
    assert [one.node for one in again] == ["n1"]


def test_a_read_whose_copies_are_all_away_goes_to_the_leader() -> None:
    book = Book()
    any_copy(book, "n8", "n9")
    assert only_send(book.ask(kind=Kind.QUERY_ANY)).node == "n1"


def traced(book: Book, ms_left: int = 3_000) -> int:
    message = encode_message(
        Kind.QUERY,
        with_trace(b"what", b"req_1"),
        flags=TRACED,
        request_id=7,
        app="demo",
        key="group:x",
        ms_left=ms_left,
    )
    outputs = book.relay.receive("edge", [parse(message)], book.now_ms)
    sent = only_send(outputs)
    assert without_trace(parse(sent.message).body) == (b"what", "req_1"), "it is passed on as it is"
    return sent.request_id


def told(outputs: list[Output]) -> list[Told]:
    return [output for output in outputs if isinstance(output, Told)]


def test_a_traced_request_that_took_long_is_told_once() -> None:
    book = Book()
    quick = traced(book)
    assert told(book.answer("n1", quick)) == []
    slow = traced(book)
    book.wait(SLOW_MS)
    [line] = told(book.answer("n1", slow))
    assert (line.trace, line.took_ms, line.is_answered) == ("req_1", SLOW_MS, True)
    traced(book)
    [line] = told(book.wait(5_000))
    assert (line.trace, line.is_answered) == ("req_1", False)
