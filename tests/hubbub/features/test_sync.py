"""Sync as the edge makes it, and the hashes with which a device proves its cache."""

from __future__ import annotations

import json
from typing import Any

import mmh3
import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    INTERNAL,
    NOT_A_MEMBER,
    PERMISSION_DENIED,
    TOO_MANY,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.features.contract import EdgeContext, Reads
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.reactions import AddReaction, RemoveReaction
from hubbub.features.revisions import UndeleteMessage
from hubbub.features.sync import (
    BLOCK_SEQS,
    BYTES_MAX,
    CHANNELS_MAX,
    VERIFIED_BLOCKS_MAX,
    SyncRequest,
    VerifyRequest,
    turn_sync,
    turn_verify,
)
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.reads import (
    SyncFrom,
)
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"
ANN = Viewer("ann")


def context(viewer: Viewer = ANN) -> EdgeContext:
    return EdgeContext("demo", viewer, 0, b"", b"", AppSettings())


def turned(request: SyncRequest, viewer: Viewer = ANN) -> Reads:
    return turn_sync(request, context(viewer))


def stream(state: str, **more: Any) -> bytes:
    return json.dumps({"state": state, "epoch": "e", "seq": 7, **more}).encode()


def answer(given: object) -> dict[str, Any]:
    assert isinstance(given, bytes)
    found: dict[str, Any] = json.loads(given)
    return found


def test_every_stream_is_asked_from_its_position() -> None:
    reads = turned(SyncRequest(user=("e", 4), channels={X: ("e", 9), "open:hall": ("", 0)}))
    assert [(call.key, call.name) for call in reads.calls] == [
        ("#ann", "stream.sync"),
        (X, "stream.sync"),
        ("open:hall", "stream.sync"),
    ]
    assert reads.viewer == ANN
    assert turned(SyncRequest()).calls == ()


def test_answers_stand_under_their_names_and_the_rest_is_named() -> None:
    names = [X, "group:left", "group:late", "group:full"]
    reads = turned(SyncRequest(channels=dict.fromkeys(names, ("e", 1))))
    delta = stream("delta")
    found = answer(reads.then([delta, Rejected(NOT_A_MEMBER), Rejected(INTERNAL), None]))
    assert found == {
        "channels": {
            X: json.loads(delta),
            "group:left": {"state": "gone", "reason": "not_a_member"},
        },
        "more": ["group:late", "group:full"],
    }


def test_channels_that_joined_the_list_follow_in_a_second_round() -> None:
    reads = turned(SyncRequest(user=("e", 1), channels={X: ("e", 1)}))
    own = stream("delta", listed=[X, "group:new", "group:newer"])
    following = reads.then([own, stream("delta")])
    assert isinstance(following, Reads)
    assert [call.key for call in following.calls] == ["group:new", "group:newer"]
    assert {call.args for call in following.calls} == {SyncFrom("", 0)}
    assert following.bytes_max == BYTES_MAX - len(own) - len(stream("delta"))
    none_left = reads.then([own, b" " * BYTES_MAX])
    assert isinstance(none_left, Reads)
    assert none_left.bytes_max == 0
    found = answer(following.then([stream("head"), None]))
    assert list(found["channels"]) == [X, "group:new"]
    assert found["more"] == ["group:newer"]
    assert found["user"]["state"] == "delta"


def test_without_the_own_stream_there_is_no_answer() -> None:
    reads = turned(SyncRequest(user=("e", 1)))
    with pytest.raises(Rejected) as refused:
        reads.then([Rejected(INTERNAL)])
    assert refused.value.error is INTERNAL
    with pytest.raises(Rejected) as refused:
        reads.then([None])
    assert refused.value.error is BAD_REQUEST


def test_who_may_ask_for_whom() -> None:
    server = Viewer("", "server")
    assert turned(SyncRequest(user=("", 0), by="bob"), server).calls[0].key == "#bob"
    assert turned(SyncRequest(by="bob"), server).viewer == Viewer("bob"), "with bob's own rights"
    for viewer, request, error in (
        (ANN, SyncRequest(by="bob"), PERMISSION_DENIED),
        (server, SyncRequest(), BAD_REQUEST),
        (ANN, SyncRequest(channels={"#bob": ("", 0)}), UNKNOWN_CHANNEL),
        (ANN, SyncRequest(channels={X: ("", -1)}), BAD_REQUEST),
        (ANN, SyncRequest(channels={f"group:{n}": ("", 0) for n in range(1_001)}), TOO_MANY),
    ):
        with pytest.raises(Rejected) as refused:
            turned(request, viewer)
        assert refused.value.error is error
    full = {f"group:{n}": ("", 0) for n in range(CHANNELS_MAX)}
    assert len(turned(SyncRequest(channels=full)).calls) == CHANNELS_MAX == 1_000


# --- proof of a cache


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=AppSettings(send_per_channel=OFF))


def client_hash(text: str) -> str:
    """As an SDK computes it, from the definition."""
    parts = [mmh3.hash(text.encode(), seed, signed=False) for seed in (0, 1)]
    return "".join(f"{part:08x}" for part in parts)


def lines(messages: list[dict[str, Any]]) -> str:
    return "".join(
        f"{m['id']}:{m.get('rev', 0)}:{1 if m.get('deleted') else 0}:{m.get('annotation_rev', 0)}\n"
        for m in messages
    )


def cached(book: Playbook, number: int) -> list[dict[str, Any]]:
    """The block's messages as a device has them."""
    last = book.tables.head_seq
    seqs = [seq for seq in range(1, last + 1) if seq // BLOCK_SEQS == number]
    shown = [book.shown(seq) for seq in seqs]
    return [message for message in shown if message["t"] == "message.created"]


def differing(book: Playbook, user: str = "ann", **blocks: str) -> dict[str, str]:
    asked = {int(name[1:]): given for name, given in blocks.items()}
    found = book.query(user, "sync.verify", VerifyRequest(X, asked))
    assert found["head"] == book.tables.head_seq
    hashes: dict[str, str] = found["differing"]
    return hashes


def test_a_device_computes_the_same_hash(book: Playbook) -> None:
    sent = []
    for number in range(BLOCK_SEQS + 10):
        book.do("ann", SendMessage(channel=X, text=f"m{number}"))
        sent.append(book.outcome.id)
    book.do("ann", EditMessage(channel=X, id=sent[3], text="new"))
    book.do("ann", DeleteMessage(channel=X, id=sent[5]))
    for at in (BLOCK_SEQS - 3, BLOCK_SEQS - 2):  # the last one of a block, the first of another
        book.do("ann", EditMessage(channel=X, id=sent[at], text="new"))
    for number in (0, 1):
        text = lines(cached(book, number))
        assert (":1:0:0\n" in text and ":1:1:0\n" in text) is (number == 0)
        right = client_hash(text)
        assert differing(book, **{f"b{number}": right}) == {}
        assert differing(book, **{f"b{number}": ""}) == {str(number): right}
    assert differing(book, b7="") == {"7": client_hash("")}
    assert client_hash("") == "00000000514e28b7"


def test_what_is_hidden_from_a_reader_has_no_line_for_him(book: Playbook) -> None:
    """His device has a stub, which says nothing of edits; the block differed for ever."""
    book.do("ann", SendMessage(channel=X, text="one"))
    book.do("bob", SendMessage(channel=X, text="two"))
    theirs = book.outcome.id
    book.do("ann", SendMessage(channel=X, text="three"))
    asked = VerifyRequest(X, {0: ""})

    def hash_of(**more: Any) -> str:
        return str(book.query("ann", "sync.verify", asked, **more)["differing"]["0"])

    own = [message for message in cached(book, 0) if message["by"] == "ann"]
    assert hash_of(blocks=("bob",)) == client_hash(lines(own))
    book.do("bob", EditMessage(channel=X, id=theirs, text="2"))
    assert hash_of(blocks=("bob",)) == client_hash(lines(own))
    assert hash_of() == client_hash(lines(cached(book, 0)))


def test_every_change_shows_in_its_block_alone(book: Playbook) -> None:
    sent = []
    for _ in range(BLOCK_SEQS + 10):
        book.do("ann", SendMessage(channel=X, text="m"))
        sent.append(book.outcome.id)
    for command in (
        EditMessage(channel=X, id=sent[2], text="1"),
        EditMessage(channel=X, id=sent[2], text="2"),
        AddReaction(channel=X, id=sent[2], emoji=":x:"),
        RemoveReaction(channel=X, id=sent[2], emoji=":x:"),
        DeleteMessage(channel=X, id=sent[2]),
        UndeleteMessage(channel=X, id=sent[2]),
    ):
        before = differing(book, b0="", b1="")
        book.do("ann", command)
        after = differing(book, b0="", b1="")
        assert after["0"] != before["0"]
        assert after["1"] == before["1"]
    book.assert_replay_equal()


def test_verify_refuses(book: Playbook) -> None:
    with pytest.raises(Rejected) as refused:
        differing(book, "eve", b0="")
    assert refused.value.error is CHANNEL_NOT_FOUND
    for blocks, error in (
        ({-1: ""}, BAD_REQUEST),
        (dict.fromkeys(range(VERIFIED_BLOCKS_MAX + 1), ""), TOO_MANY),
    ):
        with pytest.raises(Rejected) as refused:
            turn_verify(VerifyRequest(X, blocks), context())
        assert refused.value.error is error
    most = dict.fromkeys(range(VERIFIED_BLOCKS_MAX), "")
    reads = turn_verify(VerifyRequest(X, most), context())
    assert reads.then([b"{}"]) == b"{}"
    with pytest.raises(Rejected):
        reads.then([Rejected(NOT_A_MEMBER)])
