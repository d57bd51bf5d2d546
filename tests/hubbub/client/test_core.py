"""The client core: dialogues line by line, and any order of cuts and losses against a server."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbub.client.core import (
    COMMAND_MS,
    REQUESTS_MAX,
    RETRY_MS,
    SILENCE_MS,
    Core,
    State,
    socket_url,
)
from hubbub.client.events import (
    Answered,
    Closed,
    Connected,
    Cut,
    Dial,
    Ended,
    Event,
    Failed,
    HangUp,
    NoAnswer,
    Presence,
    Published,
    Refused,
    Renew,
    Reset,
    Stopped,
    Subscribed,
    Write,
)
from hubbub.client.requests import ANSWER_MS
from tests.hubbub.client.model_server import ROOM, ModelServer


def new_core(random: float = 0.0) -> Core:
    numbers = count(1)
    return Core(random=lambda: random, new_cmid=lambda: f"cmid-{next(numbers)}", name="test")


class Line:
    """A core whose socket is the test."""

    def __init__(self, random: float = 0.0) -> None:
        self.core = new_core(random)
        self.now_ms = 1_000
        self.core.start(self.now_ms)

    def take(self) -> list[Any]:
        """Outputs; what is written, as parsed commands."""
        outputs: list[Any] = []
        for output in self.core.take():
            if isinstance(output, Write):
                outputs += [json.loads(line) for line in output.text.split("\n")]
            else:
                outputs.append(output)
        return outputs

    def hear(self, *replies: dict[str, Any]) -> list[Any]:
        frame = "\n".join(json.dumps(reply) for reply in replies)
        self.core.received(frame.encode(), self.now_ms)
        return self.take()

    def after(self, ms: int) -> list[Any]:
        self.now_ms += ms
        self.core.tick(self.now_ms)
        return self.take()

    def open(self, **connect: Any) -> list[Any]:
        """From the dial to the connect's answer."""
        assert self.take()[-1] == Dial()
        self.core.opened("t", self.now_ms)
        [asked] = self.take()
        return self.hear({"id": asked["id"], "connect": {"client": "c", **connect}})

    def again(self, **connect: Any) -> list[Any]:
        """The next connection after a cut."""
        self.now_ms += RETRY_MS
        self.core.tick(self.now_ms)
        return self.open(**connect)

    def follow(self, **result: Any) -> int:
        """Subscribe to the room; the id of the command."""
        self.core.subscribe(ROOM, self.now_ms)
        [asked] = self.take()
        assert asked["subscribe"] == {"channel": ROOM}
        answer = {"recoverable": True, "epoch": "e", **result}
        [event] = self.hear({"id": asked["id"], "subscribe": answer})
        assert isinstance(event, Subscribed)
        return int(asked["id"])

    def request(self, **how: Any) -> int:
        return self.core.request("toy.say", {"text": "hi"}, self.now_ms, **how)


def push(offset: int, text: str = "") -> dict[str, Any]:
    return {"push": {"channel": ROOM, "pub": {"offset": offset, "data": {"text": text}}}}


def published(outputs: list[Any]) -> list[int]:
    return [output.offset for output in outputs if isinstance(output, Published)]


# --- connect


def test_the_first_words() -> None:
    line = Line()
    assert line.take() == [Dial()]
    line.core.opened("secret", line.now_ms)
    assert line.take() == [{"id": 1, "connect": {"token": "secret", "name": "test"}}]
    hello = {"id": 1, "connect": {"client": "c", "data": {"channels": []}, "ping": 25}}
    assert line.hear(hello) == [Connected("c", {"channels": []})]
    assert line.core.state is State.ONLINE


def test_a_ping_is_answered_and_silence_is_an_end() -> None:
    line = Line()
    line.open(ping=25, pong=True)
    assert line.hear({}) == [{}]
    assert line.core.next_ms() == line.now_ms + 25_000 + SILENCE_MS
    assert line.after(25_000 + SILENCE_MS - 1) == []
    assert line.after(1) == [HangUp(), Cut("the server is silent")]


def test_tries_are_spread_and_rarer() -> None:
    delays = []
    for random in (0.0, 0.5, 0.99):
        line = Line(random)
        for _ in range(12):
            line.core.lost(0, "nobody there", line.now_ms)
            due_ms = line.core.next_ms()
            assert due_ms is not None
            delays.append(due_ms - line.now_ms)
            assert line.after(due_ms - line.now_ms)[-1] == Dial()
    first, middle, last = delays[:12], delays[12:24], delays[24:]
    assert set(first) == {RETRY_MS}
    assert middle == sorted(middle)
    assert 1.5 * middle[0] > last[0] > middle[0]
    assert 9_000 < last[-1] <= 10_000


def test_a_dial_that_hangs_is_given_up_and_a_late_socket_is_not_taken() -> None:
    line = Line()
    assert line.take() == [Dial()]
    assert line.after(ANSWER_MS) == [HangUp()]
    line.core.opened("late", line.now_ms)
    assert line.take() == []
    assert line.after(RETRY_MS) == [Dial()]


def test_an_unanswered_connect_is_given_up() -> None:
    line = Line()
    line.core.opened("t", line.now_ms)
    line.take()
    assert line.after(ANSWER_MS) == [HangUp()]


@pytest.mark.parametrize(("code", "temporary", "ends"), [(101, False, True), (100, True, False),
                                                         (109, False, False)])  # fmt: skip
def test_a_refused_connect(code: int, temporary: bool, ends: bool) -> None:
    line = Line()
    line.core.opened("t", line.now_ms)
    [asked] = [row for row in line.take() if isinstance(row, dict)]
    error = {"code": code, "message": "no", "temporary": temporary}
    outputs = line.hear({"id": asked["id"], "error": error})
    assert outputs[0] == HangUp()
    assert (Stopped(code, "no") in outputs) is ends
    assert (line.after(RETRY_MS) == [Dial()]) is not ends


@pytest.mark.parametrize(("code", "ends"), [(3500, True), (4501, True), (3001, False), (0, False)])
def test_close_codes_decide_whether_to_come_back(code: int, ends: bool) -> None:
    line = Line()
    line.open()
    line.core.lost(code, "why", line.now_ms)
    outputs = line.take()
    assert (Stopped(code, "why") in outputs, Cut("why") in outputs) == (ends, not ends)


@pytest.mark.parametrize(
    ("reason", "waited_ms"),
    [
        ('shutdown {"retry_after_ms":7000}', 7_000),
        ('shutdown {"retry_after_ms":"7"}', 0),
        ('shutdown {"retry_after_ms":999999999}', 60_000),
        ("shutdown {", 0),
    ],
)
def test_a_server_that_closes_says_when_to_come_back(reason: str, waited_ms: int) -> None:
    line = Line()
    line.open()
    line.core.lost(3001, reason, line.now_ms)
    [cut] = line.take()
    assert isinstance(cut, Cut)
    assert cut.reason.startswith("shutdown")
    if waited_ms:
        assert line.after(waited_ms - 1) == []
        assert line.after(1) == [Dial()]
    else:
        assert line.after(RETRY_MS) == [Dial()]


def test_a_stopped_client_takes_nothing_and_fails_what_waits() -> None:
    line = Line()
    number = line.request(repeats=True)
    line.core.stop()
    line.core.stop()
    outputs = line.take()
    assert [type(output) for output in outputs] == [Dial, HangUp, Stopped, Failed]
    assert outputs[-1].number == number
    with pytest.raises(Closed):
        line.request()
    with pytest.raises(Closed):
        line.core.subscribe(ROOM, line.now_ms)
    line.core.lost(0, "", line.now_ms)
    assert line.after(60_000) == []
    assert line.core.next_ms() is None


@pytest.mark.parametrize("frame", [b"[", b"[]", b'{"id":"x"}', b'{"push":{"pub":{"offset":"1"}}}',
                                   b"\xff", b"[" * 9_999])  # fmt: skip
def test_what_makes_no_sense_ends_the_connection(frame: bytes) -> None:
    line = Line()
    line.open()
    line.core.received(frame, line.now_ms)
    outputs = line.take()
    assert outputs[0] == HangUp()
    assert isinstance(outputs[1], Cut)


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["id", "push", "connect", "subscribe", "pub", "offset", "data", "subs", "error", "code",
         "channel", "unsubscribe", "history", "publications"]), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_frame_is_survived(frame: bytes) -> None:
    line = Line()
    line.open(ping=25)
    line.follow()
    line.core.received(frame, line.now_ms)
    line.take()
    assert line.after(60_000), "it asks, dials or hangs up, but goes on"


# --- channels


def test_a_cut_resumes_where_it_was_left() -> None:
    line = Line()
    line.open()
    line.follow(offset=4)
    assert published(line.hear(push(5), push(6))) == [5, 6]
    line.core.lost(0, "cut", line.now_ms)
    [*_, subscribe] = line.again()
    assert subscribe["subscribe"] == {
        "channel": ROOM,
        "recover": True,
        "offset": 6,
        "epoch": "e",
    }
    missed = [{"offset": 7, "data": "a"}, {"offset": 8, "data": "b"}]
    result = {"recoverable": True, "epoch": "e", "offset": 6, "recovered": True}
    outputs = line.hear(
        {"id": subscribe["id"], "subscribe": {**result, "publications": missed}}, push(9)
    )
    assert outputs[0] == Subscribed(ROOM, 6, None, True)
    assert published(outputs) == [7, 8, 9]


def test_what_recovery_cannot_give_is_read_in_pages() -> None:
    line = Line()
    line.open()
    line.follow(offset=1)
    line.core.lost(0, "cut", line.now_ms)
    [*_, subscribe] = line.again()
    result = {"recoverable": True, "epoch": "e", "offset": 4}
    [event, history] = line.hear({"id": subscribe["id"], "subscribe": result})
    assert event == Subscribed(ROOM, 1, None, True)
    assert history["history"] == {
        "channel": ROOM, "since": {"offset": 1, "epoch": "e"}, "limit": 300
    }  # fmt: skip
    assert line.hear(push(5)) == [], "ahead: the pages reach it"
    page = {"publications": [{"offset": n, "data": n} for n in (2, 3, 4)], "offset": 4}
    [*outputs, more] = line.hear({"id": history["id"], "history": page})
    assert published(outputs) == [2, 3, 4]
    page = {"publications": [{"offset": 5, "data": 5}], "offset": 5}
    assert published(line.hear({"id": more["id"], "history": page}, push(6))) == [5, 6]


@pytest.mark.parametrize(
    "answer",
    [{"history": {"publications": [], "offset": 9}}, {"error": {"code": 112, "message": "gone"}}],
)
def test_what_no_page_gives_is_a_reset(answer: dict[str, Any]) -> None:
    line = Line()
    line.open()
    line.follow(offset=1)
    line.core.lost(0, "cut", line.now_ms)
    [*_, subscribe] = line.again()
    result = {"recoverable": True, "epoch": "e", "offset": 9}
    [_, history] = line.hear({"id": subscribe["id"], "subscribe": result})
    assert line.hear({"id": history["id"], **answer}) == [Reset(ROOM, 9)]
    assert published(line.hear(push(10))) == [10]


def test_a_page_above_the_floor_resets_to_it() -> None:
    line = Line()
    line.open()
    line.follow(offset=1)
    line.core.lost(0, "cut", line.now_ms)
    [*_, subscribe] = line.again()
    result = {"recoverable": True, "epoch": "e", "offset": 6}
    [_, history] = line.hear({"id": subscribe["id"], "subscribe": result})
    page = {"publications": [{"offset": n, "data": n} for n in (5, 6)], "offset": 6}
    outputs = line.hear({"id": history["id"], "history": page})
    assert outputs[0] == Reset(ROOM, 4)
    assert published(outputs) == [5, 6]


def test_another_epoch_is_a_reset() -> None:
    line = Line()
    line.open()
    line.follow(offset=7)
    line.core.lost(0, "cut", line.now_ms)
    [*_, subscribe] = line.again()
    result = {"recoverable": True, "epoch": "new", "offset": 2}
    outputs = line.hear({"id": subscribe["id"], "subscribe": result})
    assert outputs == [Subscribed(ROOM, 2, None, False), Reset(ROOM, 2)]
    assert published(line.hear(push(3))) == [3]


def test_a_gap_ends_the_connection_and_a_double_is_dropped() -> None:
    line = Line()
    line.open()
    line.follow(offset=4)
    assert published(line.hear(push(5), push(5), push(4))) == [5]
    outputs = line.hear(push(7), push(8))
    assert outputs == [HangUp(), Cut(f"a publication of {ROOM} is missing")]


def test_signals_joins_and_channels_without_positions() -> None:
    line = Line()
    line.open()
    line.core.subscribe(ROOM, line.now_ms)
    [asked] = line.take()
    line.hear({"id": asked["id"], "subscribe": {}})
    assert published(line.hear(push(0), push(7), push(3))) == [0, 7, 3]
    joined = {"push": {"channel": ROOM, "join": {"info": {"user": "ann"}}}}
    left = {"push": {"channel": ROOM, "leave": {"info": {"user": "ann"}}}}
    assert line.hear(joined, left) == [
        Presence(ROOM, True, {"user": "ann"}),
        Presence(ROOM, False, {"user": "ann"}),
    ]
    assert line.hear({"push": {"channel": "group:other", "pub": {"offset": 1}}}) == []


def test_the_servers_own_subscriptions_resume_with_the_connect() -> None:
    line = Line()
    own = {"recoverable": True, "epoch": "e", "offset": 3}
    [_, first, second] = line.open(subs={"#ann": own, "#gone": own})
    assert (first.channel, second) == ("#ann", Subscribed("#gone", 3, None, False))
    event = {"push": {"channel": "#ann", "pub": {"offset": 4, "data": 1}}}
    assert published(line.hear(event)) == [4]
    line.core.lost(0, "cut", line.now_ms)
    line.take()
    assert line.after(RETRY_MS) == [Dial()]
    line.core.opened("t", line.now_ms)
    [asked] = line.take()
    assert asked["connect"]["subs"]["#ann"] == {"recover": True, "offset": 4, "epoch": "e"}
    again = {**own, "offset": 4, "recovered": True, "publications": [{"offset": 5, "data": 2}]}
    outputs = line.hear({"id": asked["id"], "connect": {"subs": {"#ann": again}}})
    assert published(outputs) == [5]
    line.core.lost(0, "cut", line.now_ms)
    outputs = line.again(subs={"#ann": {**own, "offset": 900}})
    assert outputs[-1] == Reset("#ann", 900), "its pages are not ours to read"


@pytest.mark.parametrize("code", [2000, 2500])
def test_an_ended_subscription(code: int) -> None:
    line = Line()
    line.open(subs={"#ann": {"recoverable": True, "epoch": "e"}})
    line.follow(offset=4)
    ended = {"unsubscribe": {"code": code, "reason": "why"}}
    outputs = line.hear({"push": {"channel": ROOM, **ended}})
    if code < 2500:
        [event] = outputs
        assert isinstance(event, Ended)
        assert (event.channel, event.error.code) == (ROOM, code)
        assert line.after(60_000) == []
    else:
        [asked] = line.after(RETRY_MS)
        assert asked["subscribe"]["offset"] == 4
        assert HangUp() in line.hear({"push": {"channel": "#ann", **ended}})


def test_a_refused_subscribe_ends_and_a_temporary_error_is_tried_again() -> None:
    line = Line()
    line.open()
    line.core.subscribe(ROOM, line.now_ms)
    line.core.subscribe(ROOM, line.now_ms)
    [asked] = line.take()
    temporary = {"code": 100, "message": "later", "temporary": True}
    assert line.hear({"id": asked["id"], "error": temporary}) == []
    [asked] = line.after(RETRY_MS)
    [event] = line.hear({"id": asked["id"], "error": {"code": 103, "message": "no"}})
    assert isinstance(event, Ended)
    assert event.error.code == 103


def test_an_unsubscribe_is_told_and_late_answers_go_nowhere() -> None:
    line = Line()
    line.open()
    line.core.subscribe(ROOM, line.now_ms)
    [asked] = line.take()
    line.core.unsubscribe(ROOM, line.now_ms)
    [told] = line.take()
    assert told["unsubscribe"] == {"channel": ROOM}
    assert line.hear({"id": asked["id"], "subscribe": {"epoch": "e"}}, push(1)) == []
    line.core.unsubscribe(ROOM, line.now_ms)
    assert line.take() == []


# --- requests


def test_a_command_is_sent_again_under_its_cmid_until_it_is_answered() -> None:
    line = Line()
    line.open()
    number = line.request(repeats=True)
    [first] = line.take()
    assert first["rpc"] == {"method": "toy.say", "data": {"text": "hi", "cmid": "cmid-1"}}
    line.core.lost(0, "cut", line.now_ms)
    [*_, second] = line.again()
    error = {"code": 400, "message": "unknown_outcome: no answer yet", "temporary": True}
    assert line.hear({"id": second["id"], "error": error}) == []
    [third] = line.after(50)
    assert first["rpc"] == second["rpc"] == third["rpc"]
    assert line.hear({"id": third["id"], "rpc": {"data": {"seq": 7}}}) == [
        Answered(number, {"seq": 7})
    ]
    assert line.hear({"id": third["id"], "rpc": {"data": {"seq": 7}}}) == []
    assert line.after(60_000) == []


def test_a_silent_server_is_asked_again_until_the_deadline() -> None:
    line = Line()
    line.open()
    number = line.request(repeats=True)
    asked = line.take()
    for _ in range(200):
        outputs = line.after(100)
        asked += [row for row in outputs if isinstance(row, dict)]
        if ends := [row for row in outputs if isinstance(row, Failed)]:
            break
    [end] = ends
    assert (end.number, type(end.error)) == (number, NoAnswer)
    assert line.now_ms == 1_000 + COMMAND_MS
    assert len(asked) == 3
    assert len({row["id"] for row in asked}) == 3
    assert line.hear({"id": asked[0]["id"], "rpc": {"data": 1}}) == [], "too late"


def test_a_question_is_asked_once() -> None:
    line = Line()
    lost, late = line.request(), line.request(deadline_ms=900)
    [*_, asked, other] = line.open()
    assert "cmid" not in asked["rpc"]["data"]
    [end] = line.after(900)
    assert (end.number, asked["id"] < other["id"]) == (late, True)
    line.core.lost(0, "cut", line.now_ms)
    [end] = [row for row in line.take() if isinstance(row, Failed)]
    assert (end.number, type(end.error)) == (lost, NoAnswer)


def test_a_refusal_is_final_and_says_its_details() -> None:
    line = Line()
    line.open()
    line.request(repeats=True)
    [asked] = line.take()
    message = 'cmid_clock: too old {"now_ms":5}'
    [end] = line.hear({"id": asked["id"], "error": {"code": 411, "message": message}})
    assert isinstance(end.error, Refused)
    assert (end.error.code, end.error.text, end.error.details) == (
        411, "cmid_clock: too old", {"now_ms": 5}
    )  # fmt: skip


def test_a_limit_is_waited_for_unless_the_caller_is_impatient() -> None:
    line = Line()
    line.open()
    line.request(repeats=True)
    impatient = line.request(repeats=True, is_patient=False)
    [asked, other] = line.take()
    limit = {
        "code": 111,
        "message": 'rate_limited: slow down {"retry_after_ms":1600}',
        "temporary": True,
    }
    [end] = line.hear({"id": asked["id"], "error": limit}, {"id": other["id"], "error": limit})
    assert end.number == impatient
    assert line.after(1_599) == []
    [again] = line.after(1)
    assert again["rpc"] == asked["rpc"]


def test_what_nobody_waits_for_is_not_sent_again() -> None:
    line = Line()
    line.open()
    number = line.request(repeats=True)
    line.take()
    line.core.forget(number)
    line.core.forget(number)
    line.core.lost(0, "cut", line.now_ms)
    assert [row for row in line.again() if isinstance(row, dict)] == []


def test_too_many_unanswered_requests_are_refused() -> None:
    line = Line()
    for _ in range(REQUESTS_MAX):
        line.request()
    with pytest.raises(Refused, match="overloaded"):
        line.request()


# --- any order

ACTIONS = ("send", "foreign", "up", "down", "down", "up", "cut", "lose_up", "lose_down", "time")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(ACTIONS), max_size=60))
@example(["cut", "time", "time", "up", "down", "up", "lose_down"])  # the subscribe's answer is lost
def test_whatever_is_cut_or_lost_every_message_is_stored_and_read_once(actions: list[str]) -> None:
    """Frames are lost with and without the connection, in both directions, at any point."""
    server = ModelServer(new_core())
    server.append("from before")
    server.core.start(server.now_ms)
    server.core.subscribe(ROOM, server.now_ms)
    server.obey()
    server.to_server()
    server.to_client()
    server.to_server()
    server.to_client()
    sent: dict[int, str] = {}
    for n, action in enumerate(actions):
        if action == "send":
            data = {"text": f"own {n}"}
            number = server.core.request(
                "message.send", data, server.now_ms, repeats=True, deadline_ms=3_600_000
            )
            sent[number] = f"own {n}"
            server.obey()
        elif action == "foreign":
            server.append(f"foreign {n}")
        elif action == "up":
            server.to_server()
        elif action == "down":
            server.to_client()
        elif action == "cut":
            server.cut()
        elif action == "lose_up" and server.up:
            server.up.pop(0)
        elif action == "lose_down" and server.down:
            server.down.pop(0)
        elif action == "time":
            server.pass_time(70)
    server.settle()
    server.append("the last one shows a gap before it")
    server.settle()
    answers: list[Event] = [e for e in server.events if isinstance(e, Answered | Failed)]
    assert all(isinstance(answer, Answered) for answer in answers)
    stored = {e.number: server.log[e.data["seq"] - 1] for e in answers if isinstance(e, Answered)}
    assert stored == sent
    assert len(answers) == len(sent)
    assert sorted(text for text in server.log if text.startswith("own")) == sorted(sent.values())
    read = [e for e in server.events if isinstance(e, Published)]
    assert [e.offset for e in read] == list(range(2, len(server.log) + 1))
    assert [e.data["text"] for e in read] == server.log[1:]
    assert not any(isinstance(e, Reset) for e in server.events)


def test_a_token_that_runs_out_is_replaced_on_the_living_connection() -> None:
    line = Line()
    line.open(expires=True, ttl=60)
    assert line.core.next_ms() == line.now_ms + 60_000
    assert line.after(59_999) == []
    assert line.after(1) == [Renew()]
    line.core.not_renewed(line.now_ms)  # the backend is away
    assert line.after(ANSWER_MS) == [Renew()]
    line.core.renewed("second", line.now_ms)
    [asked] = line.take()
    assert asked == {"id": asked["id"], "refresh": {"token": "second"}}
    assert line.hear({"id": asked["id"], "refresh": {"expires": True, "ttl": 30}}) == []
    assert line.after(30_000) == [Renew()]
    line.core.renewed("third", line.now_ms)
    [asked] = line.take()
    refused = {"code": 109, "message": "token_expired: no"}
    assert line.hear({"id": asked["id"], "error": refused}) == []  # its close follows
    assert line.core.next_ms() is None


def test_a_token_of_a_connection_that_is_gone_is_not_renewed() -> None:
    line = Line()
    line.open(expires=True, ttl=60)
    line.core.lost(0, "gone", line.now_ms)
    line.take()
    assert Renew() not in line.after(120_000)
    line.core.renewed("late", line.now_ms)
    assert not [o for o in line.take() if isinstance(o, dict) and "refresh" in o]


def test_what_waits_for_a_connection_in_vain_says_why_there_is_none() -> None:
    line = Line()
    assert line.take() == [Dial()]
    line.core.lost(0, "ClientError: nobody listens", line.now_ms)
    number = line.request()
    outputs = line.after(ANSWER_MS)
    [failed] = [o for o in outputs if isinstance(o, Failed)]
    assert failed.number == number
    assert str(failed.error) == "not connected: ClientError: nobody listens"


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/connection/websocket"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/connection/websocket"),  # as `up` prints it
        ("https://http.example.org", "wss://http.example.org/connection/websocket"),
        ("wss://chat.example.org", "wss://chat.example.org/connection/websocket"),
        ("https://example.org/chat/socket", "wss://example.org/chat/socket"),
        ("http://[::1]:8080/", "ws://[::1]:8080/connection/websocket"),
    ],
)
def test_an_edges_address_is_that_of_its_socket(url: str, socket: str) -> None:
    assert socket_url(url) == socket
    assert socket_url(socket) == socket


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "localhost", "", "ftp://x", "http://", "http:/x"]
)
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="begins with http:// or https://"):
        socket_url(url)
