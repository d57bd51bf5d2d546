"""Send, edit, delete, and what a message carries."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    MESSAGE_DELETED,
    NOT_A_MEMBER,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TOO_LARGE,
    TOO_MANY,
    UNKNOWN_CHANNEL,
    ErrorCode,
)
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.history import HistoryRequest
from hubbub.features.members import RemoveMembers
from hubbub.features.messages import (
    CONTENTS_MAX,
    FOLDED,
    DeleteMessage,
    EditMessage,
    MessageCreated,
    MessageDeleted,
    MessageUpdated,
    SendMessage,
    SendRequest,
    turn_send,
)
from hubbub.features.revisions import UndeleteMessage
from hubbub.model.message import Attachment, AttachmentKind, Message, Quote, Thumbnail
from hubbub.settings.app import OFF, AppSettings, Rate
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import CHANGED, COUNTABLE, THREADED
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def send(book: Playbook, user: str, text: str) -> str:
    """Send and return the message's id."""
    book.do(user, SendMessage(channel=X, text=text))
    return book.outcome.id


# --- sending


def test_a_publication_is_flat_and_stamped(book: Playbook) -> None:
    sent = SendMessage(channel=X, cmid="c-1", text='hé "q" 🙂', data=Raw(b'{"n":1.50}'))
    assert book.do("ann", sent) == [MessageCreated(text='hé "q" 🙂', data=Raw(b'{"n":1.50}'))]
    stored = book.tables.published(2)
    assert stored is not None
    head = f'{{"t":"message.created","seq":2,"id":"{book.outcome.id}","cmid":"c-1","by":"ann",'
    tail = '"ts":"2026-01-31T12:00:00.000Z","text":"hé \\"q\\" 🙂","data":{"n":1.50}}'
    assert stored.data == (head + tail).encode()
    assert (book.outcome.seq, book.outcome.ts_ms) == (2, START_MS)


def test_who_may_send(book: Playbook) -> None:
    assert book.refused("eve", SendMessage(channel=X, text="hi")) is CHANNEL_NOT_FOUND
    assert book.do("bot", SendMessage(channel=X, text="hi"), authority="server") != []
    assert book.refused("x", SendMessage(channel=X, text="hi"), authority="analyst") is NOT_A_MEMBER
    hall = Playbook("open:hall", members=["mia"], settings=UNPACED)
    assert hall.do("anybody", SendMessage(channel="open:hall", text="hi")) != []
    nothing = Playbook("group:y")
    assert nothing.refused("ann", SendMessage(channel="group:y", text="hi")) is CHANNEL_NOT_FOUND


def test_sizes_and_emptiness(book: Playbook) -> None:
    for empty in ("", " \n\t"):
        assert book.refused("ann", SendMessage(channel=X, text=empty)) is BAD_REQUEST
        null = SendMessage(channel=X, text=empty, data=Raw(b"null"))
        assert book.refused("ann", null) is BAD_REQUEST
    assert book.do("ann", SendMessage(channel=X, data=Raw(b"[]"))) != []
    assert book.do("ann", SendMessage(channel=X, text="🙂" * 5_000)) != []
    refusal = book.refusal("ann", SendMessage(channel=X, text="x" * 5_001))
    assert refusal.error is TOO_LARGE
    assert refusal.details == {"limit": 5_000}
    big = SendMessage(channel=X, data=Raw(b'"' + b"x" * 65_536 + b'"'))
    assert book.refused("ann", big) is TOO_LARGE


def test_a_text_is_measured_as_json() -> None:
    """Escaped control characters take six bytes each."""
    settings = replace(UNPACED, text_chars_max=20_000)
    book = Playbook(X, owner="ann", settings=settings)
    assert book.refused("ann", SendMessage(channel=X, text="\x01" * 20_000)) is TOO_LARGE
    assert book.do("ann", SendMessage(channel=X, text="é" * 20_000)) != []


@pytest.mark.parametrize("channel", ["room", "#ann", "@app", "members:x"])
def test_other_streams_take_no_messages(channel: str) -> None:
    refused = Playbook(channel).refused("ann", SendMessage(channel=channel, text="hi"))
    assert refused is UNKNOWN_CHANNEL


def test_a_server_key_sends_as_a_user(book: Playbook) -> None:
    ctx = book.edge_context(Viewer("", "server"))
    request = SendRequest(X, "hi", user="bob", cmid="c")
    assert turn_send(request, ctx) == SendMessage(channel=X, text="hi", by="bob", cmid="c")
    assert turn_send(SendRequest(X, "hi", by="ann"), ctx).by == "ann"


# --- flood


def test_a_burst_of_ten_then_five_a_second() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    for n in range(10):
        assert len(book.do("ann", SendMessage(channel=X, text=str(n)))) == 2
    refusal = book.refusal("ann", SendMessage(channel=X, text="11"))
    assert refusal.error is RATE_LIMITED
    assert refusal.details["retry_after_ms"] == 200
    assert book.do("bob", SendMessage(channel=X, text="another user")) != []
    book.tick(199)
    assert book.refusal("ann", SendMessage(channel=X, text="11")).details["retry_after_ms"] == 1
    book.tick(1)
    assert book.do("ann", SendMessage(channel=X, text="11")) != []
    assert book.refused("ann", SendMessage(channel=X, text="12")) is RATE_LIMITED
    book.tick(10_000)
    for n in range(10):
        book.do("ann", SendMessage(channel=X, text=str(n)))
    assert book.refused("ann", SendMessage(channel=X, text="full")) is RATE_LIMITED
    book.assert_replay_equal()


def test_a_rate_with_a_fraction() -> None:
    settings = AppSettings(send_per_channel=Rate(0.5, 1))
    book = Playbook(X, owner="ann", settings=settings)
    book.do("ann", SendMessage(channel=X, text="1"))
    assert book.refusal("ann", SendMessage(channel=X, text="2")).details["retry_after_ms"] == 2_000


def test_nothing_is_written_for_the_limit_while_it_is_off(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="the first one sets when to look for what is old"))
    before = book.tables.write_count
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert book.tables.write_count - before == 2, "the two counters of unread figures"


def test_server_keys_are_not_paced() -> None:
    book = Playbook(X, owner="ann")
    for _ in range(30):
        assert len(book.do("ann", SendMessage(channel=X, text="x"), authority="server")) == 1


# --- editing and deleting


def test_an_edit_shows_at_every_offset_but_the_last(book: Playbook) -> None:
    mid = send(book, "ann", "one")
    assert book.do("ann", EditMessage(channel=X, id=mid, text="two")) == [
        MessageUpdated(id=mid, message_seq=2, rev=1, text="two")
    ]
    assert (book.outcome.seq, book.outcome.id, book.outcome.rev) == (3, mid, 1)
    book.do("ann", EditMessage(channel=X, id=mid, data=Raw(b'{"a":1}')))
    flags = [book.tables.published(seq).head.flags & CHANGED for seq in (2, 3, 4)]  # type: ignore[union-attr]
    assert flags == [CHANGED, CHANGED, 0]
    for seq in (2, 3, 4):
        shown = book.shown(seq)
        assert (shown["text"], shown["data"], shown["rev"]) == ("two", {"a": 1}, 2)
        assert (shown["id"], shown["seq"]) == (mid, seq)
    assert book.shown(2)["t"] == "message.created"
    assert book.shown(3)["t"] == "message.updated"
    book.assert_replay_equal()


def test_a_deleted_message_is_a_tombstone_at_every_offset(book: Playbook) -> None:
    mid = send(book, "bob", "secret")
    book.do("bob", EditMessage(channel=X, id=mid, text="secret too", data=Raw(b'"secret"')))
    assert book.refused("eve", DeleteMessage(channel=X, id=mid)) is CHANNEL_NOT_FOUND
    assert book.do("ann", DeleteMessage(channel=X, id=mid)) == [
        MessageDeleted(id=mid, message_seq=2, rev=2, author="bob", reason="moderation")
    ]
    for seq in (2, 3, 4):
        shown = book.shown(seq)
        assert "secret" not in str(shown)
        assert shown["rev"] == 2
    assert book.shown(2)["deleted"] is book.shown(3)["deleted"] is True
    assert (book.shown(4)["t"], book.shown(4)["by"]) == ("message.deleted", "ann")
    page = book.query("bob", "history.get", HistoryRequest(X))
    assert page["messages"] == [book.shown(2)]
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="back")) is MESSAGE_DELETED
    assert book.do("bob", DeleteMessage(channel=X, id=mid)) == []
    assert book.reply == {"seq": 4, "id": mid, "rev": 2, "ts": "2026-01-31T12:00:00.000Z"}
    book.assert_replay_equal()


def test_only_the_author_edits_and_members_delete_only_their_own(book: Playbook) -> None:
    mid = send(book, "ann", "mine")
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="x")) is PERMISSION_DENIED
    assert book.refused("bob", DeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED
    other = send(book, "bob", "his")
    assert book.refused("ann", EditMessage(channel=X, id=other, text="x")) is PERMISSION_DENIED
    assert book.do("", EditMessage(channel=X, id=other, text="x"), authority="server") != []
    assert book.do("", DeleteMessage(channel=X, id=other), authority="moderator") != []


def test_who_was_removed_changes_nothing_any_more(book: Playbook) -> None:
    mid = send(book, "bob", "mine")
    book.do("ann", RemoveMembers(channel=X, user="bob"))
    assert book.refused("bob", EditMessage(channel=X, id=mid, text="x")) is CHANNEL_NOT_FOUND
    assert book.refused("bob", DeleteMessage(channel=X, id=mid)) is CHANNEL_NOT_FOUND


def test_an_edit_may_not_empty_or_overfill(book: Playbook) -> None:
    mid = send(book, "ann", "text")
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="")) is BAD_REQUEST
    assert book.refused("ann", EditMessage(channel=X, id=mid)) is BAD_REQUEST
    big = Raw(b'"' + b"x" * 65_500 + b'"')
    book.do("ann", EditMessage(channel=X, id=mid, data=big))
    assert book.refused("ann", EditMessage(channel=X, id=mid, text="y" * 100)) is TOO_LARGE
    book.do("ann", EditMessage(channel=X, id=mid, text="", data=Raw(b"1")))
    book.do("ann", EditMessage(channel=X, id=mid, text="back", data=Raw(b"null")))
    assert "data" not in book.shown(2)
    book.assert_replay_equal()


def test_ids_of_other_things(book: Playbook) -> None:
    mid = send(book, "ann", "hi")
    foreign = Playbook("group:y", owner="ann", settings=UNPACED)
    foreign.do("ann", SendMessage(channel="group:y", text="hi"))
    created = book.tables.published(1)
    assert created is not None
    for wrong in (
        foreign.outcome.id,
        book.shown(1)["id"],
        mid[:-1] + ("a" if mid[-1] != "a" else "b"),
    ):
        assert book.refused("ann", EditMessage(channel=X, id=wrong, text="x")) is NOT_FOUND
        assert book.refused("ann", DeleteMessage(channel=X, id=wrong)) is NOT_FOUND
    for wrong in ("", "x", mid.upper()[:-1] + "!", "é" * 26):
        assert book.refused("ann", DeleteMessage(channel=X, id=wrong)) is BAD_REQUEST


# --- what else a message carries


def test_a_message_with_everything(book: Playbook) -> None:
    first = send(book, "ann", "first " * 60)
    picture = Attachment(
        kind=AttachmentKind.IMAGE,
        url="https://example.org/a.png",
        name="a.png",
        mime="image/png",
        bytes=1_234,
        width=640,
        height=480,
        blurhash="LEHV6nWB2yk8",
        thumbnails=(Thumbnail(file="f-1", width=64, height=48),),
        data=Raw(b'{"alt":"a"}'),
    )
    command = SendMessage(
        channel=X,
        text="look",
        attachments=(picture,),
        mentions=("bob", "ann", "bob"),
        mention_all=True,
        reply_to=first,
        thread=first,
        also_in_channel=True,
        silent=True,
        type="photo",
    )
    created, _ = book.do("bob", command)
    assert isinstance(created, MessageCreated)
    assert created.mentions == ("bob", "ann")
    assert created.thread == first
    quote = created.quote
    assert isinstance(quote, Quote)
    assert (quote.id, quote.seq, quote.by) == (first, 2, "ann")
    assert quote.text == ("first " * 60)[:199] + "…"
    shown = decode_json(encode_json(book.shown(3)), Message)
    assert (shown.text, shown.attachments, shown.quote) == ("look", (picture,), quote)
    assert (shown.silent, shown.type, shown.also_in_channel) == (True, "photo", True)
    book.assert_replay_equal()


def test_what_counts_as_unread(book: Playbook) -> None:
    root = send(book, "ann", "root")
    assert book.head("bob")["unread"] == 1
    for quiet in (
        SendMessage(channel=X, text="psst", silent=True),
        SendMessage(channel=X, text="reply", thread=root),
        SendMessage(channel=X, text="reply", thread=root, also_in_channel=True, silent=True),
    ):
        book.do("ann", quiet)
    book.do("", SendMessage(channel=X, text="system", kind="system"), authority="server")
    assert book.head("bob")["unread"] == 1
    book.do("ann", SendMessage(channel=X, text="both", thread=root, also_in_channel=True))
    assert book.head("bob")["unread"] == 2
    flags = [book.tables.published(seq).head.flags for seq in range(2, 9)]  # type: ignore[union-attr]
    assert flags == [COUNTABLE, 0, THREADED, 0, 0, 0, COUNTABLE]


def test_system_messages_are_the_servers(book: Playbook) -> None:
    system = SendMessage(channel=X, text="hi", kind="system")
    assert book.refused("ann", system) is PERMISSION_DENIED
    assert book.refused("ann", system, authority="moderator") is PERMISSION_DENIED
    book.do("bob", system, authority="server")
    mid = book.outcome.id
    forged = EditMessage(channel=X, id=mid, text="ann pays")
    assert book.refused("bob", forged) is PERMISSION_DENIED
    assert book.refused("bob", DeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED
    book.do("bob", forged, authority="server")
    assert book.shown(2)["text"] == "ann pays"
    book.do("bob", DeleteMessage(channel=X, id=mid), authority="server")
    assert book.refused("bob", UndeleteMessage(channel=X, id=mid)) is PERMISSION_DENIED


def test_a_quote_shows_what_it_quotes_as_it_stands(book: Playbook) -> None:
    first = send(book, "ann", "one")
    book.do("bob", SendMessage(channel=X, text="so?", reply_to=first))
    assert book.shown(3)["quote"] == {"id": first, "seq": 2, "by": "ann", "text": "one"}
    book.do("ann", EditMessage(channel=X, id=first, text="two"))
    assert book.shown(3)["quote"]["text"] == "two"
    book.do("bob", EditMessage(channel=X, id=book.shown(3)["id"], text="so!"))
    assert (book.shown(3)["quote"]["text"], book.shown(3)["text"]) == ("two", "so!")
    book.do("ann", DeleteMessage(channel=X, id=first))
    assert book.shown(3)["quote"] == {"id": first, "seq": 2, "deleted": True}
    again = SendMessage(channel=X, text="again", reply_to=first)
    assert book.refused("bob", again) is MESSAGE_DELETED
    assert book.refused("bob", SendMessage(channel=X, text="x", thread=first)) is MESSAGE_DELETED
    book.assert_replay_equal()


def test_a_quote_of_what_retention_took_shows_nothing(book: Playbook) -> None:
    first = send(book, "ann", "one")
    book.do("bob", SendMessage(channel=X, text="so?", reply_to=first))
    book.tables.set_floor(3)
    assert book.shown(3)["quote"] == {"id": first, "seq": 2, "deleted": True}


def test_what_retention_left_is_there(book: Playbook) -> None:
    first = send(book, "ann", "one")
    book.do("bob", SendMessage(channel=X, text="so?", reply_to=first))
    book.tables.set_floor(2)
    book.do("ann", EditMessage(channel=X, id=first, text="two"))
    assert book.shown(3)["quote"]["text"] == "two"


@pytest.mark.parametrize(
    ("denied", "more"),
    [
        ("mention_all", {"mention_all": True}),
        ("mention_all", {"mention_here": True}),
        ("attach", {"attachments": (Attachment(kind=AttachmentKind.FILE, file="f"),)}),
    ],
)
def test_an_edit_brings_nothing_in_that_he_may_not_send(
    book: Playbook, denied: str, more: dict[str, Any]
) -> None:
    mid = send(book, "bob", "hi")
    edit = EditMessage(channel=X, id=mid, text="ho", **more)
    book.do("", SetMemberCapabilities(channel=X, user="bob", deny=(denied,)), authority="server")
    assert book.refused("bob", SendMessage(channel=X, text="hi", **more)) is PERMISSION_DENIED
    assert book.refused("bob", edit) is PERMISSION_DENIED
    assert book.do("bob", EditMessage(channel=X, id=mid, text="ho")) != []


def test_of_many_turns_the_oldest_pairs_are_forgotten(book: Playbook) -> None:
    mid, turns = send(book, "ann", "hi"), []
    for _ in range(CONTENTS_MAX // 2 + 2):
        for command in (DeleteMessage(channel=X, id=mid), UndeleteMessage(channel=X, id=mid)):
            book.do("ann", command)
            turns.append(book.outcome.seq)
            row = book.tables[FOLDED].get(2)
            forgotten = len(turns) - len(row.turns)
            assert row.turns == tuple(turns[forgotten:])
            assert forgotten % 2 == 0, "a deletion is the first one that is known"
            assert min(len(turns), CONTENTS_MAX - 1) <= len(row.turns) <= CONTENTS_MAX


def test_a_reply_to_a_reply_stands_in_the_same_thread(book: Playbook) -> None:
    root = send(book, "ann", "root")
    book.do("bob", SendMessage(channel=X, text="1", thread=root))
    (second,) = book.do("ann", SendMessage(channel=X, text="2", thread=book.outcome.id))
    assert isinstance(second, MessageCreated)
    assert second.thread == root


def test_edits_of_the_rest(book: Playbook) -> None:
    link = Attachment(kind=AttachmentKind.LINK, url="http://example.org")
    book.do("ann", SendMessage(channel=X, attachments=(link,), mentions=("bob",), type="t"))
    mid = book.outcome.id
    empty = EditMessage(channel=X, id=mid, attachments=())
    assert book.refused("ann", empty) is BAD_REQUEST
    book.do("ann", EditMessage(channel=X, id=mid, text=""))
    script = Attachment(kind=AttachmentKind.LINK, url="javascript:alert(1)")
    wrong = EditMessage(channel=X, id=mid, attachments=(script,))
    assert book.refused("ann", wrong) is BAD_REQUEST
    many = (Attachment(kind=AttachmentKind.LINK, url="https://e.org/" + "x" * 2_000),) * 30
    book.do("ann", EditMessage(channel=X, id=mid, attachments=many))
    large = EditMessage(channel=X, id=mid, data=Raw(b'"' + b"x" * 9_000 + b'"'))
    assert book.refused("ann", large) is TOO_LARGE, "together"
    book.do("ann", EditMessage(channel=X, id=mid, text="see", attachments=(), mention_all=True))
    shown = book.shown(2)
    assert (shown["text"], shown["mentions"], shown["mention_all"]) == ("see", ["bob"], True)
    assert ("attachments" in shown, shown["type"]) == (False, "t")
    book.do("ann", EditMessage(channel=X, id=mid, mentions=()))
    assert "mentions" not in book.shown(2)
    assert book.refused("ann", EditMessage(channel=X, id=mid, mentions=("eve",))) is BAD_REQUEST
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert {"text", "mentions", "attachments", "reason"}.isdisjoint(book.shown(2))
    book.assert_replay_equal()


def test_who_may_be_mentioned(book: Playbook) -> None:
    stranger = SendMessage(channel=X, text="hi", mentions=("bob", "eve"))
    assert book.refusal("ann", stranger).details == {"mentions": ["eve"]}
    hall = Playbook("open:hall", members=["mia"], settings=UNPACED)
    assert hall.do("ann", SendMessage(channel="open:hall", text="hi", mentions=("eve",))) != []


def refused(book: Playbook, **fields: Any) -> ErrorCode:
    return book.refused("ann", SendMessage(channel=X, text="hi", **fields))


def test_bounds_of_what_a_message_carries(book: Playbook) -> None:
    file = Attachment(kind=AttachmentKind.FILE, file="f")
    assert book.do("ann", SendMessage(channel=X, attachments=(file,) * 30)) != []
    assert refused(book, attachments=(file,) * 31) is TOO_MANY
    assert refused(book, mentions=tuple(f"u{n}" for n in range(101))) is TOO_MANY
    assert refused(book, mentions=("a b",)) is BAD_REQUEST
    assert refused(book, type="t" * 65) is TOO_LARGE
    assert refused(book, also_in_channel=True) is BAD_REQUEST
    for named in ("reply_to", "thread"):
        assert refused(book, **{named: "x"}) is BAD_REQUEST
        assert refused(book, **{named: book.shown(1)["id"]}) is NOT_FOUND
    for url in ("javascript:alert(1)", "ftp://x", "https://", "https://a b", "data:,x", "//x"):
        bad = Attachment(kind=AttachmentKind.LINK, url=url)
        assert refused(book, attachments=(bad,)) is BAD_REQUEST, url
        small = Attachment(kind=AttachmentKind.FILE, file="f", thumbnails=(Thumbnail(url=url),))
        assert refused(book, attachments=(small,)) is BAD_REQUEST, url
    assert refused(book, attachments=(Attachment(kind=AttachmentKind.FILE),)) is BAD_REQUEST
    place = Attachment(kind=AttachmentKind.LOCATION, data=Raw(b'{"lat":1,"lon":2}'))
    assert book.do("ann", SendMessage(channel=X, attachments=(place,))) != []
    long = Attachment(kind=AttachmentKind.FILE, file="f", title="t" * 256)
    assert refused(book, attachments=(long,)) is TOO_LARGE
    far = Attachment(kind=AttachmentKind.LINK, url="https://e.org/" + "x" * 2_048)
    assert refused(book, attachments=(far,)) is TOO_LARGE
    many = Attachment(kind=AttachmentKind.FILE, file="f", thumbnails=(Thumbnail(file="f"),) * 4)
    assert refused(book, attachments=(many,)) is TOO_MANY


def test_a_plain_message_is_no_larger_than_it_was(book: Playbook) -> None:
    assert encode_json(SendMessage(channel=X, text="hi")) == b'{"channel":"group:x","text":"hi"}'
    assert encode_json(MessageCreated(text="hi")) == b'{"text":"hi"}'


def test_who_saves_what_he_did_not_change_edits_nothing(book: Playbook) -> None:
    mid = send(book, "ann", "as it is")
    assert book.do("ann", EditMessage(channel=X, id=mid, text="as it is")) == []
    assert (book.reply["rev"], book.reply["id"]) == (0, mid)
    assert book.do("ann", EditMessage(channel=X, id=mid, text="otherwise")) != []
    assert book.do("ann", EditMessage(channel=X, id=mid, text="otherwise", mentions=())) == []
    assert book.reply["rev"] == 1
    assert book.do("ann", EditMessage(channel=X, id=mid, text="as it is")) != [], "that is a change"
