"""Read marks, and unread figures against their brute-force definition."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features import marks
from hubbub.features.contract import Command, Event, EventKind
from hubbub.features.mark_rows import MARKS, WATERMARKS, MarkRow
from hubbub.features.marks import (
    DeliveredRequest,
    MarkDelivered,
    MarkMany,
    MarkRead,
    MarksMoved,
    MarksStirred,
    MarkUnread,
    ReceiptsMoved,
)
from hubbub.features.members import AddMembers, LeaveChannel, RemoveMembers
from hubbub.features.messages import DeleteMessage, SendMessage
from hubbub.features.receipts import HideReceipts
from hubbub.features.sanctions import BanMembers
from hubbub.features.watermarks import CountsRow, Key
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def unread_by_definition(book: Playbook, user: str, mark: int) -> int:
    """Count alive messages of others behind the mark, one by one."""
    count = 0
    for seq in range(mark + 1, book.tables.head_seq + 1):
        stored = book.tables.published(seq)
        assert stored is not None
        if stored.head.type == "message.created" and stored.head.by != user:
            count += not book.shown(seq).get("deleted", False)
    return count


def figures(book: Playbook, user: str) -> tuple[object, object]:
    """(unread, mark) as the user's next heads say."""
    head = book.head(user)
    return head["unread"], head["mark"]


def moved(book: Playbook, user: str, command: Command, **more: str) -> Event:
    """What is logged of a mark, beside what is told."""
    (event,) = (e for e in book.do(user, command, **more) if e.KIND is EventKind.SILENT)
    return event


def test_a_message_is_unread_for_the_others(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert marks.figures(book.tables, "bob") == {"unread": 1, "mark": 1, "delivered": 1, "rev": 0}
    assert marks.figures(book.tables, "ann") == {"unread": 0, "mark": 1, "delivered": 1, "rev": 0}
    assert book.head("eve") == {}


def test_a_mark_rises_silently_and_stays_below_the_head(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    head = book.tables.head_seq
    assert moved(book, "bob", MarkRead(channel=X, upto=99)) == MarksMoved(read={"bob": 2})
    assert book.reply == {"upto": 2}
    assert book.tables.head_seq == head
    assert marks.figures(book.tables, "bob") == {"unread": 0, "mark": 2, "delivered": 2, "rev": 0}
    for upto in (2, 1, 0):
        assert book.do("bob", MarkRead(channel=X, upto=upto)) == []
        assert book.reply == {"upto": 2}
    book.assert_replay_equal()


def test_a_deletion_lowers_the_figure(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("ann", DeleteMessage(channel=X, id=book.outcome.id))
    assert book.head("bob")["unread"] == 0


def test_who_joins_has_read_what_was_before(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="before"))
    book.do("", AddMembers(channel=X, user="cid"), authority="server")
    book.do("ann", SendMessage(channel=X, text="after"))
    assert figures(book, "cid") == (1, 3)
    book.do("cid", MarkRead(channel=X, upto=4))
    book.do("cid", LeaveChannel(channel=X))
    assert book.head("cid") == {}
    book.do("ann", SendMessage(channel=X, text="away"))
    book.do("", AddMembers(channel=X, user="cid"), authority="server")
    assert book.head("cid")["unread"] == 0
    book.assert_replay_equal()


def test_a_mark_in_an_open_channel_makes_a_row() -> None:
    hall = Playbook("open:hall", members=["mia"], settings=UNPACED)
    hall.do("mia", SendMessage(channel="open:hall", text="1"))
    assert hall.head("eve") == {}
    hall.do("eve", MarkRead(channel="open:hall", upto=1))
    assert figures(hall, "eve") == (1, 1)


def test_marks_of_many_come_from_edges(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    many = MarkMany(channel=X, read={"ann": 2, "bob": 0, "eve": 2})
    assert book.refused("ann", many) is PERMISSION_DENIED
    assert moved(book, "", many, authority="edge") == MarksMoved(read={"ann": 2})
    assert book.reply == {"elsewhere": {"bob": [1, 0]}, "refused": {"eve": CHANNEL_NOT_FOUND.code}}
    assert book.do("", many, authority="edge") == []


def test_whose_mark_moves_is_told_and_whose_stands_is_not() -> None:
    """Others hear how far members are; edges, whose own figures are others now. Reading moves both,
    delivery what others hear alone; in an open channel nobody without a membership is counted."""
    book = Playbook(X, owner="ann", members=["bob", "cid", "dan"], settings=UNPACED)
    for _ in range(2):
        book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("cid", MarkRead(channel=X, upto=2))
    many = MarkMany(channel=X, read={"bob": 3, "cid": 2}, delivered={"dan": 3})
    told = [e for e in book.do("", many, authority="edge") if not isinstance(e, MarksMoved)]
    assert told == [
        ReceiptsMoved(read={"bob": 3}, delivered={"bob": 3, "dan": 3}),
        MarksStirred(edge="", users=("bob",), counts=False),
    ]
    hall = Playbook("open:hall", members=["mia"], settings=UNPACED)
    hall.do("mia", SendMessage(channel="open:hall", text="1"))
    (_, stirred) = hall.do("eve", MarkRead(channel="open:hall", upto=1))
    assert stirred == MarksStirred(edge="", users=("eve",), counts=False)


def test_what_an_edge_gathers_is_answered_to_each(book: Playbook) -> None:
    """The merged command and its answer, split again, say what each command alone would."""
    for _ in range(3):
        book.do("ann", SendMessage(channel=X, text="hi"))
    asked = {
        "ann": [MarkRead(channel=X, upto=2), MarkRead(channel=X, upto=3)],
        "bob": [MarkRead(channel=X, upto=99)],
        "eve": [MarkRead(channel=X, upto=1)],
    }
    many = marks.merged(asked)
    assert many == MarkMany(channel=X, read={"ann": 3, "bob": 99, "eve": 1})
    book.do("", many, authority="edge")
    parts = marks.split(encode_json(book.reply), asked)
    assert (parts["ann"], parts["bob"]) == (b'{"upto":3}', b'{"upto":4}')
    refusal = parts["eve"]
    assert isinstance(refusal, Rejected)
    assert refusal.error is CHANNEL_NOT_FOUND
    assert (book.head("ann")["mark"], book.head("bob")["unread"]) == (3, 0)


PEOPLE = ("ann", "bob", "cid", "dan", "eve", "out")
SEQS = st.integers(0, 12)
ASKED = st.one_of(
    st.builds(MarkRead, channel=st.just(X), upto=SEQS, rev=st.integers(-1, 2)),
    st.builds(MarkDelivered, channel=st.just(X), upto=SEQS),
    st.builds(MarkUnread, channel=st.just(X), since=SEQS),
)
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from(["", "send", "hide", "out", "in", "ban", "policy"]),
        st.sampled_from(PEOPLE),
        st.integers(0, 63),
        st.dictionaries(st.sampled_from(PEOPLE), ASKED, min_size=1),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("key", [X, "open:x"])
@settings(max_examples=60)
@given(rounds=ROUNDS)
def test_marks_of_many_are_the_marks_of_each(
    key: str, rounds: list[tuple[str, str, int, dict[str, marks.Mark]]]
) -> None:
    """Rows, histograms, answers and what is told: as if each had marked alone, while people come,
    go, hide what they read, and are banned."""
    alone, together = (
        Playbook(key, owner="ann", members=["bob", "cid", "dan"], settings=UNPACED)
        for _ in range(2)
    )
    for what, user, number, asked in rounds:
        for book in (alone, together):
            happen(book, what, user, number)
        asked = {user: replace(cmd, channel=key) for user, cmd in asked.items()}
        answers: dict[str, object] = {}
        told: set[str] = set()
        for user, cmd in asked.items():
            try:
                events = alone.do(user, cmd)
            except Rejected as refusal:
                answers[user] = refusal.error
            else:
                answers[user] = alone.reply
                told |= {u for e in events if isinstance(e, MarksStirred) for u in e.users}
        each = {user: [cmd] for user, cmd in asked.items()}
        events = together.do("", marks.merged(each), authority="edge")
        parts = marks.split(encode_json(together.reply), each)
        for user, cmd in asked.items():
            part = parts[user]
            if isinstance(part, Rejected):
                assert part.error is answers[user]
            elif not isinstance(cmd, MarkDelivered):  # where that stands, nobody asks
                assert decode_json(part, dict[str, int]) == answers[user]
        assert told == {u for e in events if isinstance(e, MarksStirred) for u in e.users}
        assert state(together) == state(alone)
    together.assert_replay_equal()


def state(book: Playbook) -> tuple[dict[str, MarkRow], dict[Key, CountsRow]]:
    return dict(book.tables[MARKS].scan()), dict(book.tables[WATERMARKS].scan())


def happen(book: Playbook, what: str, user: str, number: int) -> None:
    """Something that marks hang on, where it may happen."""
    commands: dict[str, Command] = {
        "send": SendMessage(channel=book.key, text="hi"),
        "hide": HideReceipts(channel=book.key, user=user, hidden=number),
        "out": RemoveMembers(channel=book.key, user=user),
        "in": AddMembers(channel=book.key, user=user),
        "ban": BanMembers(channel=book.key, user=user),
    }
    if what == "policy":
        kind = ("off", "optional", "required")[number % 3]
        book.settings = replace(UNPACED, read_receipts=kind)
    elif what:
        authority = {"send": "client", "hide": "system"}.get(what, "server")
        with suppress(Rejected):
            book.do("ann" if what == "send" else "", commands[what], authority=authority)


def test_marks_of_many_cost_three_rows_read_and_one_written_for_each() -> None:
    """Rights by the member's row, what he asks for by his marks, which apply reads once more."""
    people = tuple(f"u{n:03d}" for n in range(500))
    book = Playbook(X, owner="ann", settings=UNPACED)
    book.do("", AddMembers(channel=X, users=people), authority="server")
    for text in "123":
        book.do("ann", SendMessage(channel=X, text=text))
        many = MarkMany(channel=X, read=dict.fromkeys(people, book.tables.head_seq))
        reads, writes = book.tables.read_count, book.tables.write_count
        book.do("", many, authority="edge")
    assert book.tables.read_count - reads < 3 * len(people) + 20
    assert book.tables.write_count - writes < len(people) + 5


def test_commands_of_one_user_keep_their_order_when_gathered() -> None:
    """What was read before the mark was moved back is late, what came after it counts."""

    def fold(*asked: marks.Mark) -> MarkMany:
        return marks.merged({"ann": asked})

    read, based = MarkRead(channel=X, upto=9), MarkRead(channel=X, upto=8, rev=2)
    back = MarkUnread(channel=X, since=5)
    assert fold(read, back) == MarkMany(channel=X, late={"ann": 9}, back={"ann": 4})
    assert fold(back, read) == MarkMany(channel=X, read={"ann": 9}, back={"ann": 4})
    assert fold(based, back) == MarkMany(channel=X, late={"ann": 8}, back={"ann": 4})
    assert fold(back, based) == MarkMany(channel=X, late={"ann": 8}, back={"ann": 4})
    older = MarkRead(channel=X, upto=7, rev=1)
    for pair in ((older, based), (based, older)):
        assert fold(*pair) == MarkMany(channel=X, late={"ann": 7}, based={"ann": (8, 2)})
    got = MarkDelivered(channel=X, upto=9)
    assert fold(read, got) == fold(read)
    assert fold(based, got) == MarkMany(channel=X, based={"ann": (8, 2)}, delivered={"ann": 9})


def test_a_mark_moves_back_only_by_itself_and_offline_marks_do_not_undo_it(book: Playbook) -> None:
    for _ in range(5):
        book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("bob", MarkRead(channel=X, upto=6))
    assert moved(book, "bob", MarkUnread(channel=X, since=4)) == MarksMoved(back={"bob": 3})
    assert book.reply == {"upto": 3, "rev": 1}
    assert figures(book, "bob") == (3, 3)
    book.do("bob", MarkRead(channel=X, upto=5, rev=0))
    assert figures(book, "bob") == (3, 3)
    book.do("bob", MarkRead(channel=X, upto=5, rev=1))
    assert figures(book, "bob") == (1, 5)
    book.do("bob", MarkUnread(channel=X, since=0))
    assert figures(book, "bob") == (5, 1)
    assert book.head("bob")["rev"] == 2
    book.do("bob", MarkRead(channel=X, upto=6))
    assert figures(book, "bob") == (0, 6)
    book.assert_replay_equal()


def test_delivered_is_apart_and_read_implies_it(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert moved(book, "bob", MarkDelivered(channel=X, upto=9)) == MarksMoved(delivered={"bob": 3})
    assert book.reply == {"upto": 3}
    assert marks.figures(book.tables, "bob") == {"unread": 2, "mark": 1, "delivered": 3, "rev": 0}
    assert book.do("bob", MarkDelivered(channel=X, upto=2)) == []
    book.do("ann", MarkRead(channel=X, upto=2))
    assert book.head("ann")["delivered"] == 2
    off = Playbook(X, owner="ann", settings=AppSettings(delivery_receipts="off"))
    assert off.refused("ann", MarkDelivered(channel=X, upto=1)) is NOT_AVAILABLE


def test_one_acknowledgement_names_many_channels(book: Playbook) -> None:
    ctx = book.edge_context(Viewer("bob"))
    several = marks.turn_delivered(DeliveredRequest({X: 2, "group:y": 3}), ctx)
    assert [(c.channel, c.upto) for c in several.commands] == [(X, 2), ("group:y", 3)]
    for wrong in ({}, {f"group:{n}": 1 for n in range(101)}):
        with pytest.raises(Rejected):
            marks.turn_delivered(DeliveredRequest(wrong), ctx)


def test_refusals(book: Playbook) -> None:
    assert book.refused("eve", MarkRead(channel=X, upto=1)) is CHANNEL_NOT_FOUND
    assert book.refused("bob", MarkRead(channel=X, upto=-1)) is BAD_REQUEST
    assert book.refused("", MarkRead(channel=X, upto=1), authority="server") is BAD_REQUEST
    wrong = MarkMany(channel=X, read={"ann": -1})
    assert book.refused("", wrong, authority="edge") is BAD_REQUEST
    many = MarkMany(channel=X, read={f"u{n}": 1 for n in range(1_001)})
    assert book.refused("", many, authority="edge") is TOO_MANY


def test_snapshot_carries_mark_and_figure(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    snapshot = decode_json(book.access("bob").data, dict[str, object])
    assert (snapshot["mark"], snapshot["unread"]) == (1, 1)


@settings(max_examples=6)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 1_100))
def test_figures_equal_the_definition_over_many_blocks(kinds: list[int], probe: int) -> None:
    """Sends, deletions and marks over more than four blocks of 256 seqs."""
    book = Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)
    people = ("ann", "bob", "cid")
    ids: list[tuple[str, str]] = []
    for n in range(1_100):
        kind = kinds[n % len(kinds)]
        user = people[(n * 7 + kind) % 3]
        if kind == 0 and ids:
            author, mid = ids[(n * 13) % len(ids)]
            book.do(author, DeleteMessage(channel=X, id=mid))
        else:
            book.do(user, SendMessage(channel=X, text="x"))
            ids.append((user, book.outcome.id))
    for user in people:
        for mark in {0, 255, 256, 257, 511, 512, 1_023, probe, book.tables.head_seq}:
            expected = unread_by_definition(book, user, mark)
            assert marks.unread_of(book.tables, user, mark) == expected
