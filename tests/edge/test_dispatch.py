"""Requests become commands and queries, and answers come back once."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from edge.dispatch import App, Dispatch, outcome_json, refusal_of
from edge.ignored import with_ignored
from hubbub.base.errors import RATE_LIMITED, Rejected
from hubbub.base.ids import uuid7_ms
from hubbub.features.contract import (
    Command,
    EdgeContext,
    Errand,
    Feature,
    Gather,
    Local,
    QueryCall,
    Reads,
    Registry,
    Route,
    Verb,
    as_command,
)
from hubbub.features.registry import REGISTRY
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import Kind, Outcome, Query, Refusal, Status, Submit, Viewer
from tests.support.clock import SeededEntropy

NOW_MS = 1_760_000_000_000
ANN = Viewer(user="ann", client="c1")
SERVER = Viewer(user="", authority="server")
APP = App("demo", AppSettings(envelope_bytes_max=2_048), b"secret")


class Say(Command, frozen=True):
    """A toy command whose checks are seen."""

    TAG = "toy.say"

    channel: str
    text: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class Look(msgspec.Struct, frozen=True):
    channel: str
    limit: int = 5


def check_first(cmd: Say, ctx: EdgeContext) -> Say:
    return msgspec.structs.replace(cmd, text=cmd.text + f" by {ctx.viewer.user}")


def check_second(cmd: Say, _: EdgeContext) -> Say:
    if cmd.text.startswith("bad"):
        raise Rejected(RATE_LIMITED, "slow down", retry_after_ms=5)
    return msgspec.structs.replace(cmd, text=cmd.text + ", checked")


def turn_look(request: Look, _: EdgeContext) -> QueryCall:
    return QueryCall(request.channel, "toy.look", request)


def turn_local(request: Look, _: EdgeContext) -> Local:
    return Local("toy.local", request)


GATHER = Gather(lambda _: Say(channel="x"), lambda _, __: {}, "says", users_max=2)
ROUTE = Route("POST", "/v1/toy/{channel}", Say, as_command, Say)
TOY = Registry(
    [
        Feature(
            name="one",
            check={Say: check_first},
            verbs=(
                Verb("toy.say", Say, as_command, Say),
                Verb("toy.look", Look, turn_look, Look),
                Verb("toy.local", Look, turn_local, Look),
            ),
        ),
        Feature(name="two", check={Say: check_second}, routes=(ROUTE,)),
    ]
)


class Stage:
    """A dispatch, what it sent and what it replied."""

    def __init__(self, registry: Registry = TOY) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.replies: list[tuple[Rejected | None, bytes]] = []
        self.dispatch = Dispatch(
            registry,
            lambda *request: self.sent.append(request),
            now_ms=lambda: NOW_MS,
            entropy=SeededEntropy(),
        )
        self.dispatch.local = self
        self.dispatch.errands = self
        self.dispatch.readings = self

    def start(self, asked: Errand | Reads, app: Any, viewer: Viewer, reply: Any) -> None:
        try:
            calls = asked.calls if isinstance(asked, Reads) else (next(asked.steps()),)
            self.sent.append(calls)
        except Rejected as refusal:
            reply(refusal, b"")

    def run(self, action: Local, app: App, viewer: Viewer) -> bytes:
        if action.args.limit > 5:  # type: ignore[attr-defined]
            raise Rejected(RATE_LIMITED)
        return b'{"local":true}'

    def reply(self, refusal: Rejected | None, data: bytes) -> None:
        self.replies.append((refusal, data))

    def verb(self, name: str, params: bytes, viewer: Viewer = ANN) -> None:
        self.dispatch.verb(name, params, APP, viewer, self.reply)

    def refused(self) -> Rejected:
        [(refusal, data)] = self.replies
        assert refusal is not None
        assert data == b""
        assert self.sent == []
        return refusal

    @property
    def submit(self) -> Submit:
        return decode_pack(self.sent[0][3], Submit)


def test_a_command_is_checked_in_order_and_submitted_to_its_stream() -> None:
    stage = Stage()
    stage.verb("toy.say", b'{"channel":"group:x","text":"hi"}')
    [(kind, app, key, _, _)] = stage.sent
    assert (kind, app, key) == (Kind.SUBMIT, "demo", "group:x")
    assert (stage.submit.tag, stage.submit.viewer) == ("toy.say", ANN)
    assert json.loads(stage.submit.body)["text"] == "hi by ann, checked"


def test_custom_data_stays_as_it_was_written() -> None:
    written = b'{"b":1.0,"a":[1e2,"\\u00e9"],"big":12345678901234567890123}'
    stage = Stage()
    stage.verb("toy.say", b'{"channel":"x","data":' + written + b"}")
    assert written in stage.submit.body
    routed = Stage()
    params = {"channel": "x", "data": msgspec.Raw(written)}
    routed.dispatch.route(ROUTE, params, APP, ANN, routed.reply)
    assert written in routed.submit.body


def test_a_command_without_a_cmid_gets_one_of_now() -> None:
    stage = Stage()
    stage.verb("toy.say", b'{"channel":"x"}')
    stage.verb("toy.say", b'{"channel":"x"}')
    ids = [decode_pack(request[3], Submit).cmid for request in stage.sent]
    assert [uuid7_ms(cmid) for cmid in ids] == [NOW_MS, NOW_MS]
    assert ids[0] != ids[1]
    assert json.loads(stage.submit.body)["cmid"] == ids[0]
    own = Stage()
    own.verb("toy.say", json.dumps({"channel": "x", "cmid": ids[1]}).encode())
    assert own.submit.cmid == ids[1]


def test_a_server_key_may_act_as_a_user_and_nobody_else() -> None:
    stage = Stage()
    stage.verb("toy.say", b'{"channel":"x","by":"bob"}', SERVER)
    assert (stage.submit.viewer.user, stage.submit.viewer.authority) == ("bob", "server")
    assert "by" not in json.loads(stage.submit.body)
    forged = Stage()
    forged.verb("toy.say", b'{"channel":"x","by":"bob"}')
    assert forged.refused().error.code == 103


def test_a_query_goes_to_its_stream_and_its_answer_comes_as_it_is() -> None:
    stage = Stage()
    stage.verb("toy.look", b'{"channel":"group:x"}')
    [(kind, _, key, body, done)] = stage.sent
    query = decode_pack(body, Query)
    assert (kind, key, query.name, query.viewer) == (Kind.QUERY, "group:x", "toy.look", ANN)
    assert json.loads(query.args) == {"channel": "group:x", "limit": 5}
    done(Status.OK, b'{"n":1.0}')
    assert stage.replies == [(None, b'{"n":1.0}')]


def test_a_field_that_nobody_understands_is_named_in_the_answer() -> None:
    """`member.ban` with `seconds` for `for_s` banned for ever, and nobody was told."""
    stage = Stage()
    stage.verb("toy.look", b'{"channel":"x","limt":5,"colour":{},"linear":true}')
    stage.sent[0][4](Status.OK, b'{"n":1}')
    stage.verb("toy.local", b'{"channel":"x","linear":true}')
    stage.verb("toy.say", b'{"channel":"x","text":"hi","seconds":5}')
    stage.sent[1][4](Status.OK, encode_pack(Outcome(1, NOW_MS, "mid")))
    stage.verb("toy.say", b'{"channel":"x","seconds":5}')
    stage.sent[2][4](Status.REJECTED, encode_pack(Refusal(111, "slow down")))
    looked, local, said, refused = stage.replies
    assert looked == (None, b'{"n":1,"ignored_fields":["colour","limt"]}')
    assert local == (None, b'{"local":true,"ignored_fields":["linear"]}')
    assert json.loads(said[1])["ignored_fields"] == ["seconds"]
    assert json.loads(said[1])["seq"] == 1
    assert refused[1] == b""


def test_names_that_are_told_are_bounded() -> None:
    assert with_ignored(b"{}", ["x" * 100] * 30) == (
        b'{"ignored_fields":[' + b",".join([b'"' + b"x" * 64 + b'"'] * 20) + b"]}"
    )
    assert with_ignored(b'{"a":1}', []) == b'{"a":1}'


def test_what_the_edge_does_itself() -> None:
    stage = Stage()
    stage.verb("toy.local", b'{"channel":"x"}')
    assert stage.replies == [(None, b'{"local":true}')]
    refused = Stage()
    refused.verb("toy.local", b'{"channel":"x","limit":6}')
    assert refused.refused().error.code == 111


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("no.such", b"{}", 108),
        ("toy.say", b"", 107),
        ("toy.say", b"[]", 107),
        ("toy.say", b"{", 107),
        ("toy.say", b'{"channel":7}', 107),
        ("toy.say", b'{"channel":"\xff"}', 107),
        ("toy.say", b'{"channel":"x","data":NaN}', 107),
        ("toy.say", b"[" * 10_000, 107),
        ("toy.say", b'{"channel":"x","text":"bad"}', 111),
    ],
)
def test_refusals_are_replies(name: str, params: bytes, code: int) -> None:
    stage = Stage()
    stage.verb(name, params)
    assert stage.refused().error.code == code


@pytest.mark.parametrize("name", ["channels.query", "Channel.Query", "channel.que_ry"])
def test_a_mistyped_method_is_told_the_nearest(name: str) -> None:
    stage = Stage(REGISTRY)
    stage.verb(name, b"{}")
    assert stage.refused().details == {"nearest": "channel.query"}


def test_a_refusal_names_every_field_that_is_wrong() -> None:
    """What breaks its shape, its pattern or its bound; also where the stream's leader refuses."""
    stage = Stage(REGISTRY)
    stage.verb("message.send", b'{"channel":"tea","text":7,"reply_to":"x","thread":""}')
    assert wrong_fields(stage) == {"#/channel", "#/text", "#/reply_to"}
    stage = Stage(REGISTRY)
    stage.verb("history.get", b'{"channel":"group:tea","by":"a b","limit":5}')
    assert wrong_fields(stage) == {"#/by"}
    stage = Stage(REGISTRY)
    stage.verb("history.get", b'{"channel":"group:tea","limit":5000}')
    [(*_, done)] = stage.sent
    done(Status.REJECTED, encode_pack(Refusal(107, "limit is 1 to 1000")))
    assert wrong_fields(stage) == {"#/limit"}
    stage = Stage(REGISTRY)
    stage.verb("history.get", b"[]")
    assert "errors" not in stage.refused().details


def wrong_fields(stage: Stage) -> set[str]:
    [(refusal, _)] = stage.replies
    assert refusal is not None
    rows: Any = refusal.details["errors"]
    return {row["pointer"] for row in rows}


def test_no_method_is_near_to_rubbish() -> None:
    stage = Stage(REGISTRY)
    stage.verb("x" * 10_000, b"{}")
    assert stage.refused().details == {}


def test_a_command_that_is_too_large_says_the_limit() -> None:
    stage = Stage()
    stage.verb("toy.say", json.dumps({"channel": "group:x", "text": "y" * 2_048}).encode())
    refusal = stage.refused()
    assert (refusal.error.code, refusal.details) == (413, {"limit_bytes": 2_048})


def test_every_answer_becomes_one_reply() -> None:
    for status, body, code in (
        (Status.REJECTED, encode_pack(Refusal(111, "slow", b'{"retry_after_ms":7}')), 111),
        (Status.REJECTED, encode_pack(Refusal(77_777, "from a newer node")), 100),
        (Status.UNKNOWN, b"", 400),
        (Status.REDIRECT, b"", 400),
    ):
        stage = Stage()
        stage.verb("toy.say", b'{"channel":"x"}')
        stage.sent.pop()[4](status, body)
        assert stage.refused().error.code == code
    refusal = refusal_of(
        Status.REJECTED, encode_pack(Refusal(111, "slow", b'{"retry_after_ms":7}'))
    )
    assert (refusal.text, refusal.details) == ("slow", {"retry_after_ms": 7})


def test_an_outcome_as_json() -> None:
    plain = json.loads(outcome_json(encode_pack(Outcome(9, 1_760_000_000_123, "mid"))))
    assert plain == {"seq": 9, "id": "mid", "ts": "2025-10-09T08:53:20.123Z", "dup": False}
    edited = Outcome(9, 0, "mid", dup=True, rev=2, reply=b'{"channel":"dm:x","created":true}')
    assert json.loads(outcome_json(encode_pack(edited))).items() >= {
        ("dup", True),
        ("rev", 2),
        ("channel", "dm:x"),
        ("created", True),
    }


def test_a_gathered_verb_is_checked_and_left_to_whoever_gathers() -> None:
    """A server key acts for others, and nobody knows an anonymous one: both go by themselves."""
    taken: list[tuple[str, str]] = []

    class Gathers:
        def add(self, gather: Gather, command: Command, app: App, user: str, reply: Any) -> None:
            assert gather is GATHER
            assert isinstance(command, Say)
            taken.append((user, command.text))

    registry = Registry(
        [
            Feature(
                name="one",
                check={Say: check_first},
                verbs=(Verb("toy.say", Say, as_command, Say, gather=GATHER),),
            ),
            Feature(name="two", check={Say: check_second}),
        ]
    )
    stage = Stage(registry)
    stage.dispatch.gathering = Gathers()
    stage.verb("toy.say", b'{"channel":"x","text":"hi"}')
    assert (taken, stage.sent) == ([("ann", "hi by ann, checked")], [])
    stage.verb("toy.say", b'{"channel":"x","text":"bad"}')
    assert stage.refused().error.code == 111
    stage.verb("toy.say", b'{"channel":"x","by":"bob"}')
    assert stage.replies[-1][0].error.code == 103  # type: ignore[union-attr]
    for viewer in (SERVER, Viewer(user="")):
        stage.verb("toy.say", b'{"channel":"x"}', viewer)
    assert (len(taken), len(stage.sent)) == (1, 2)


def test_every_row_of_the_registry_refuses_rubbish_without_breaking() -> None:
    for name in REGISTRY.verbs:
        for params in (b"{}", b'{"channel":1}', b'{"channel":"","user":"","cmid":"no"}', b"null"):
            stage = Stage(REGISTRY)
            stage.verb(name, params)
            assert len(stage.sent) + len(stage.replies) == 1, (name, params)
    for row in REGISTRY.routes:
        stage = Stage(REGISTRY)
        stage.dispatch.route(row, {"channel": "@app", "user": "a b"}, APP, ANN, stage.reply)
        assert len(stage.sent) + len(stage.replies) == 1, row.path


@pytest.mark.parametrize(
    ("more", "kind", "min_seq", "linear"),
    [
        (b"", Kind.QUERY, 0, False),
        (b',"min_seq":7', Kind.QUERY_ANY, 7, False),
        (b',"linear":true', Kind.QUERY, 0, True),
        (b',"linear":true,"min_seq":7', Kind.QUERY, 7, True),
    ],
)
def test_a_caller_says_how_new_a_read_must_be(
    more: bytes, kind: Kind, min_seq: int, linear: bool
) -> None:
    stage = Stage()
    stage.verb("toy.look", b'{"channel":"group:x"' + more + b"}")
    [(asked, _, _, body, _)] = stage.sent
    query = decode_pack(body, Query)
    assert (asked, query.min_seq, query.linear) == (kind, min_seq, linear)


def test_a_query_string_says_it_as_well() -> None:
    stage, route = Stage(), Route("GET", "/v1/toy/{channel}", Look, turn_look, Look)
    words = {"channel": "x", "min_seq": "12", "linear": "false"}
    stage.dispatch.route(route, words, APP, ANN, stage.reply)
    [(kind, _, _, body, _)] = stage.sent
    assert (kind, decode_pack(body, Query).min_seq) == (Kind.QUERY_ANY, 12)
    with pytest.raises(Rejected, match="min_seq"):
        stage.dispatch.route(
            route, {"channel": "x", "min_seq": "soon"}, APP, ANN, lambda e, _: _raise(e)
        )


def _raise(refusal: Rejected | None) -> None:
    assert refusal is not None
    raise refusal


def test_signs_are_paced_before_they_leave() -> None:
    stage = Stage(REGISTRY)
    for _ in range(2):
        stage.verb("typing.start", b'{"channel":"group:x"}')
    assert len(stage.sent) == 1
    [(refusal, _)] = stage.replies
    assert refusal is not None
    assert refusal.error is RATE_LIMITED
    assert 0 < int(str(refusal.details["retry_after_ms"])) <= 3_001
    stage.verb("typing.stop", b'{"channel":"group:x"}')
    assert len(stage.sent) == 2


def test_who_is_put_out_types_no_more() -> None:
    stage = Stage(REGISTRY)
    for channel in ("group:x", "group:y"):
        stage.verb("typing.start", b'{"channel":"%b"}' % channel.encode())
    stage.verb("typing.start", b'{"channel":"group:x"}', viewer=Viewer("bob", client="c2"))
    stage.verb("typing.stop", b'{"channel":"group:y"}')
    stage.sent.clear()
    for _ in range(2):
        stage.dispatch.end_signs(APP, "ann")
    assert [(sent[0], sent[2]) for sent in stage.sent] == [(Kind.SUBMIT, "group:x")]
    assert (stage.submit.tag, stage.submit.viewer) == ("typing.stop", ANN)


def test_messages_of_a_user_are_counted_over_all_channels() -> None:
    """The bucket had no caller: one user over many channels was bounded by nothing but the sum."""
    stage = Stage(REGISTRY)
    burst = AppSettings().send_per_user.burst
    for n in range(burst + 1):
        stage.verb("message.send", b'{"channel":"group:x-%d","text":"hi"}' % n)
    assert len(stage.sent) == burst
    [(refusal, _)] = stage.replies
    assert refusal is not None
    assert refusal.error is RATE_LIMITED
    assert refusal.details["scope"] == "user"
    stage.verb("message.send", b'{"channel":"group:x","text":"hi"}', viewer=SERVER)
    assert len(stage.sent) == burst + 1
