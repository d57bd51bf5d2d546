"""Earlier contents, and deletions that are undone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import CHANNEL_NOT_FOUND, MUTED, NOT_FOUND, PERMISSION_DENIED, Rejected
from hubbub.features.bulk_delete import DeleteMessages
from hubbub.features.contract import Command
from hubbub.features.forward import SendForwarded
from hubbub.features.history import MessageRequest
from hubbub.features.messages import (
    DeleteMessage,
    EditMessage,
    MessageCreated,
    MessageUndeleted,
    SendMessage,
)
from hubbub.features.polls import CreatePoll, Vote
from hubbub.features.reactions import AddReaction
from hubbub.features.revisions import UndeleteMessage
from hubbub.features.sanctions import MuteMembers
from hubbub.model.message import Forwarded
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import decode_json
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)


@pytest.fixture
def mid(book: Playbook) -> str:
    book.do("bob", SendMessage(channel=X, text="one", data=Raw(b'{"n":1}')))
    return book.outcome.id


def edits(book: Playbook, user: str, mid: str, **more: Any) -> Any:
    return book.query(user, "message.edits", MessageRequest(X, mid), **more)


def test_what_a_message_said_before(book: Playbook, mid: str) -> None:
    assert [row["text"] for row in edits(book, "cid", mid)["revisions"]] == ["one"]
    for text in ("two", "three"):
        book.tick(1_000)
        book.do("bob", EditMessage(channel=X, id=mid, text=text))
    page = edits(book, "cid", mid)
    assert page["rev"] == 2
    assert [row["text"] for row in page["revisions"]] == ["one", "two", "three"]
    assert [row["seq"] for row in page["revisions"]] == [2, 3, 4]
    assert page["revisions"][0]["data"] == {"n": 1}
    assert [row["ts"][17:19] for row in page["revisions"]] == ["00", "01", "02"]
    with pytest.raises(Rejected) as caught:
        edits(book, "zoe", mid)
    assert caught.value.error is CHANNEL_NOT_FOUND


def test_who_blocks_its_author_sees_no_edit_of_it_whoever_made_it(book: Playbook, mid: str) -> None:
    book.do("", EditMessage(channel=X, id=mid, text="milder"), authority="server")
    assert edits(book, "cid", mid, blocks=("bob",)) == {"revisions": [], "rev": 1}
    assert len(edits(book, "cid", mid, blocks=("dan",))["revisions"]) == 2


def test_how_many_are_shown_is_a_setting(book: Playbook, mid: str) -> None:
    for n in range(120):
        book.do("bob", EditMessage(channel=X, id=mid, text=str(n)))
    assert len(edits(book, "cid", mid)["revisions"]) == 51
    book.settings = replace(UNPACED, edits_shown_max=0)
    assert [row["text"] for row in edits(book, "cid", mid)["revisions"]] == ["119"]
    book.settings = replace(UNPACED, edits_shown_max=99)
    assert len(edits(book, "cid", mid)["revisions"]) == 100
    book.assert_replay_equal()


def test_a_deleted_message_is_read_by_staff_alone(book: Playbook, mid: str) -> None:
    book.do("bob", DeleteMessage(channel=X, id=mid))
    for user in ("bob", "cid"):
        with pytest.raises(Rejected) as caught:
            edits(book, user, mid)
        assert caught.value.error is PERMISSION_DENIED
    assert edits(book, "ann", mid)["deleted"] is True
    assert edits(book, "", mid, authority="server")["revisions"][0]["text"] == "one"


def test_an_author_undoes_his_own_deletion_for_a_while(book: Playbook, mid: str) -> None:
    book.do("bob", EditMessage(channel=X, id=mid, text="two"))
    book.do("cid", AddReaction(channel=X, id=mid, emoji="👍"))
    book.do("bob", DeleteMessage(channel=X, id=mid))
    assert book.head("ann")["unread"] == 0
    assert book.refused("cid", UndeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED
    book.tick(3_600_000)
    (back,) = book.do("bob", UndeleteMessage(channel=X, id=mid))
    assert isinstance(back, MessageUndeleted)
    assert (back.text, back.author, back.rev, back.edited) == ("two", "bob", 3, True)
    assert book.head("ann")["unread"] == 1
    shown = book.query("ann", "message.get", MessageRequest(X, mid))
    assert (shown["text"], shown["data"], shown["rev"]) == ("two", {"n": 1}, 3)
    assert shown["reactions"] == {"👍": {"count": 1}}
    assert "deleted" not in shown
    assert book.do("bob", UndeleteMessage(channel=X, id=mid)) == []
    for seq in (2, 3, 6):
        assert book.shown(seq)["text"] == "two"
    book.do("bob", DeleteMessage(channel=X, id=mid))
    for seq in (2, 3, 6):
        assert "text" not in book.shown(seq)
    book.tick(3_600_001)
    refusal = book.refusal("bob", UndeleteMessage(channel=X, id=mid))
    assert (refusal.error, refusal.details) == (PERMISSION_DENIED, {"limit_s": 3_600})
    book.do("ann", UndeleteMessage(channel=X, id=mid))
    book.do("bob", EditMessage(channel=X, id=mid, text="three"))
    assert [row["text"] for row in edits(book, "cid", mid)["revisions"]] == ["one", "two", "three"]
    book.assert_replay_equal()


def test_who_is_muted_brings_nothing_back(book: Playbook, mid: str) -> None:
    book.do("bob", DeleteMessage(channel=X, id=mid))
    book.do("ann", MuteMembers(channel=X, user="bob"))
    assert book.refused("bob", UndeleteMessage(channel=X, id=mid)) is MUTED


def test_what_was_never_edited_does_not_come_back_edited(book: Playbook, mid: str) -> None:
    book.do("bob", DeleteMessage(channel=X, id=mid))
    book.do("bob", UndeleteMessage(channel=X, id=mid))
    assert "edited" not in book.shown(2)
    assert book.shown(2)["text"] == "one"


def test_what_a_moderator_deleted_its_author_does_not_bring_back(book: Playbook, mid: str) -> None:
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert book.shown(2)["reason"] == "moderation"
    assert book.refused("bob", UndeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED
    book.do("ann", UndeleteMessage(channel=X, id=mid))
    assert book.shown(2)["text"] == "one"
    assert book.refused("bob", UndeleteMessage(channel=X, id=book.shown(1)["id"])) is NOT_FOUND


steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "quote", "edit", "delete", "moderate", "undelete", "bulk"]),
        st.integers(0, 5),
        st.text(min_size=1, max_size=3),
    ),
    max_size=30,
)


def play(book: Playbook, what: str, mid: str, text: str) -> None:
    """One step; what is refused changes nothing."""
    who = "ann" if what in ("moderate", "bulk") else "bob"
    commands: dict[str, Command] = {
        "send": SendMessage(channel=X, text=text),
        "quote": SendMessage(channel=X, text=text, reply_to=mid),
        "edit": EditMessage(channel=X, id=mid, text=text),
        "delete": DeleteMessage(channel=X, id=mid),
        "moderate": DeleteMessage(channel=X, id=mid),
        "undelete": UndeleteMessage(channel=X, id=mid),
        "bulk": DeleteMessages(channel=X, ids=(mid, mid)),
    }
    with suppress(Rejected):
        book.do(who, commands[what])


def folded(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each message is after these events, by their words alone."""
    now: dict[str, dict[str, Any]] = {}
    for event in events:
        kind = event["t"].removeprefix("message.")
        if kind == "created":
            now[event["id"]] = {"text": event["text"], "rev": 0, "quotes": event.get("reply_to")}
        elif kind in ("updated", "undeleted"):
            now[event["id"]] |= {"text": event["text"], "rev": event["rev"]}
        elif kind == "deleted":
            now[event["id"]] |= {"text": None, "rev": event["rev"]}
        elif kind == "bulk_deleted":
            for one in event["messages"]:
                now[one["id"]] |= {"text": None, "rev": one["rev"]}
    return now


@settings(max_examples=80)
@given(steps)
def test_every_event_reads_as_a_fold_of_all_says(steps: list[tuple[str, int, str]]) -> None:
    book = Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)
    book.do("bob", SendMessage(channel=X, text="0"))
    ids = [book.outcome.id]
    for what, n, text in steps:
        play(book, what, ids[n % len(ids)], text)
        stored = book.tables.published(book.tables.head_seq)
        if stored is not None and stored.head.type == MessageCreated.TAG:
            ids.append(book.shown(stored.seq)["id"])
    rows = [book.tables.published(seq) for seq in range(2, book.tables.head_seq + 1)]
    raw = [decode_json(row.data, dict[str, Any]) for row in rows if row is not None]
    now = folded(raw)
    for seq, event in enumerate(raw, start=2):
        if event["t"] not in ("message.created", "message.updated", "message.undeleted"):
            continue
        shown, wanted = book.shown(seq), now[event["id"]]
        assert shown.get("rev", 0) == wanted["rev"]
        assert shown.get("text") == wanted["text"]
        assert shown.get("deleted", False) == (wanted["text"] is None)
        if "quote" in shown:
            quoted = now[wanted["quotes"]]["text"]
            assert shown["quote"].get("text") == quoted
            assert shown["quote"].get("deleted", False) == (quoted is None)
        else:
            assert event["t"] != "message.created" or not wanted["quotes"] or not wanted["text"]
    alive = sum(message["text"] is not None for message in now.values())
    assert book.head("cid")["unread"] == alive
    book.assert_replay_equal()


def test_what_comes_back_has_its_quote_its_origin_and_its_poll_again(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one"))
    first = book.outcome.id
    book.do("bob", SendMessage(channel=X, text="so?", reply_to=first))
    quoting, seq = book.outcome.id, book.outcome.seq
    book.do("bob", DeleteMessage(channel=X, id=quoting))
    book.do("ann", EditMessage(channel=X, id=first, text="two"))
    book.do("bob", UndeleteMessage(channel=X, id=quoting))
    back = book.shown(book.outcome.seq)
    assert back["quote"] == book.shown(seq)["quote"] == {
        "id": first, "seq": 2, "by": "ann", "text": "two",
    }  # fmt: skip
    book.do("ann", DeleteMessage(channel=X, id=first))
    assert book.shown(back["seq"])["quote"] == {"id": first, "seq": 2, "deleted": True}

    origin = Forwarded(channel="group:y", id=first, by="eve")
    book.do("bob", SendForwarded(channel=X, forwarded=origin, text="hi"))
    copy = book.outcome.id
    book.do("bob", DeleteMessage(channel=X, id=copy))
    book.do("bob", UndeleteMessage(channel=X, id=copy))
    assert book.shown(book.outcome.seq)["forwarded"]["by"] == "eve"

    book.do("bob", CreatePoll(channel=X, question="?", options=("a", "b")))
    poll = book.outcome.id
    book.do("ann", Vote(channel=X, id=poll, options=(2,)))
    book.do("bob", DeleteMessage(channel=X, id=poll))
    book.do("bob", UndeleteMessage(channel=X, id=poll))
    again = book.outcome.seq
    assert book.shown(again)["poll"]["voters"] == 1
    book.do("bob", Vote(channel=X, id=poll, options=(1,)))
    assert [option.get("votes", 0) for option in book.shown(again)["poll"]["options"]] == [1, 1]
    book.assert_replay_equal()
