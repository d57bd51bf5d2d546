"""Marks and figures of threads against their definition; channel and threads share no message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features import thread_marks
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.contract import (
    PLURAL_IDS_MAX,
    QueryCall,
    Reads,
)
from hubbub.features.marks import MarkRead
from hubbub.features.members import AddMembers, LeaveChannel
from hubbub.features.mentions import (
    USER_BLOCKS,
)
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.promotion import PromoteChannel
from hubbub.features.seq_bits import (
    block_of,
    with_seq,
)
from hubbub.features.thread_marks import (
    ReadThread,
    ReadThreads,
    ReadThreadsMany,
    UnreadThreadsRequest,
)
from hubbub.features.threads import (
    REPLIES,
    FollowThread,
    RepliesRow,
    ThreadRequest,
    UnfollowThread,
)
from hubbub.model.channel import ChannelKind
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import (
    Viewer,
)
from tests.support.playbook import Playbook

X = "group:x"
PEOPLE = ("ann", "bob", "cid")


def room() -> Playbook:
    unpaced = AppSettings(send_per_channel=OFF)
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=unpaced)


@pytest.fixture
def book() -> Playbook:
    return room()


def send(book: Playbook, user: str, **more: object) -> str:
    book.do(user, SendMessage(channel=X, text="x", **more))  # type: ignore[arg-type]
    return book.outcome.id


def threads(book: Playbook, user: str) -> object:
    return book.head(user).get("threads")


def test_followers_have_replies_unread_and_others_have_not(book: Playbook) -> None:
    root = send(book, "ann")
    assert threads(book, "ann") is None
    send(book, "bob", thread=root)
    assert threads(book, "ann") == {"unread": 1, "mentions": 0}
    assert threads(book, "bob") == {"unread": 0, "mentions": 0}
    assert threads(book, "cid") is None
    send(book, "bob", thread=root, mentions=("cid",))
    assert threads(book, "cid") == {"unread": 1, "mentions": 1}, "from where he was named on"
    assert [book.head(user)["unread"] for user in PEOPLE] == [0, 1, 1], "the channel has the root"
    page = book.query("ann", "thread.unread", UnreadThreadsRequest(X))
    assert page["threads"] == [{"root_seq": 2, "id": root, "mark": 2, "unread": 2, "mentions": 0}]
    book.do("ann", ReadThread(channel=X, id=root, upto=99))
    assert book.reply == {"moved": 1}
    assert threads(book, "ann") == {"unread": 0, "mentions": 0}
    assert book.do("ann", ReadThread(channel=X, id=root, upto=1)) == []
    book.assert_replay_equal()


def test_a_reply_that_stands_in_the_channel_counts_there_alone(book: Playbook) -> None:
    root = send(book, "ann")
    before = book.head("ann")["unread"]
    send(book, "bob", thread=root, also_in_channel=True)
    assert book.head("ann")["unread"] == before + 1
    assert threads(book, "ann") == {"unread": 0, "mentions": 0}


def test_deleted_and_silent_replies_do_not_count(book: Playbook) -> None:
    root = send(book, "ann")
    gone = send(book, "bob", thread=root)
    send(book, "bob", thread=root, silent=True)
    assert threads(book, "ann") == {"unread": 1, "mentions": 0}
    book.do("bob", DeleteMessage(channel=X, id=gone))
    assert threads(book, "ann") == {"unread": 0, "mentions": 0}


def test_who_follows_later_starts_there_and_who_stops_has_no_figure(book: Playbook) -> None:
    root = send(book, "ann")
    send(book, "bob", thread=root)
    book.do("cid", FollowThread(channel=X, id=root))
    assert threads(book, "cid") == {"unread": 0, "mentions": 0}
    send(book, "bob", thread=root)
    assert threads(book, "cid") == {"unread": 1, "mentions": 0}
    book.do("cid", UnfollowThread(channel=X, id=root))
    assert threads(book, "cid") is None
    assert book.refused("cid", ReadThread(channel=X, id=root, upto=9)) is NOT_FOUND
    book.do("ann", MarkRead(channel=X, upto=9))
    assert threads(book, "ann") == {"unread": 2, "mentions": 0}, "the channel's mark is its own"


def test_all_threads_are_read_at_once_and_gone_with_their_reader(book: Playbook) -> None:
    roots = [send(book, "bob") for _ in range(3)]
    for root in roots:
        send(book, "cid", thread=root)
    assert threads(book, "bob") == {"unread": 3, "mentions": 0}
    book.do("bob", ReadThreads(channel=X, upto=7))
    assert threads(book, "bob") == {"unread": 1, "mentions": 0}
    book.do("bob", ReadThreads(channel=X, upto=99))
    assert (book.reply, threads(book, "bob")) == ({"moved": 3}, {"unread": 0, "mentions": 0})
    book.do("bob", LeaveChannel(channel=X))
    assert threads(book, "bob") is None
    book.do("", AddMembers(channel=X, user="bob"), authority="server")
    assert threads(book, "bob") is None
    book.assert_replay_equal()


def test_what_an_edge_gathers_is_answered_to_each(book: Playbook) -> None:
    root = send(book, "ann")
    send(book, "bob", thread=root)
    asked = {
        "ann": [ReadThread(channel=X, id=root, upto=3), ReadThread(channel=X, id=root, upto=2)],
        "bob": [ReadThread(channel=X, id=root, upto=3)],
        "eve": [ReadThread(channel=X, id=root, upto=3)],
    }
    many = thread_marks.merged(asked)
    assert many == ReadThreadsMany(channel=X, marks={u: {2: 3} for u in asked})
    assert book.refused("ann", many) is PERMISSION_DENIED
    book.do("", many, authority="edge")
    parts = thread_marks.split(encode_json(book.reply), asked)
    assert (parts["ann"], parts["bob"]) == (b'{"moved":1}', b'{"moved":0}')
    refusal = parts["eve"]
    assert isinstance(refusal, Rejected)
    assert refusal.error is CHANNEL_NOT_FOUND


def test_refusals(book: Playbook) -> None:
    root = send(book, "ann")
    assert book.refused("eve", ReadThread(channel=X, id=root, upto=1)) is CHANNEL_NOT_FOUND
    assert book.refused("ann", ReadThread(channel=X, id=root, upto=-1)) is BAD_REQUEST
    assert book.refused("ann", ReadThread(channel=X, id="no id", upto=1)) is BAD_REQUEST


@settings(max_examples=15)
@given(st.lists(st.integers(0, 99), min_size=10, max_size=60))
def test_every_message_counts_in_one_place_at_most(dice: list[int]) -> None:
    """Figures of channel and threads equal the definition, message by message."""
    book = room()
    roots = [send(book, user) for user in PEOPLE]
    rows: list[tuple[int, str, str, bool, bool]] = []  # seq, author, root, in channel, alive
    marks: dict[tuple[str, str], int] = {}
    ids: dict[int, str] = {}
    for number, die in enumerate(dice):
        user, root = PEOPLE[die % 3], roots[(die // 3) % 3]
        if die > 85 and rows:
            at = die % len(rows)
            if rows[at][4]:
                book.do(rows[at][1], DeleteMessage(channel=X, id=ids[rows[at][0]]))
                rows[at] = (*rows[at][:4], False)
        elif die > 70 and (user, root) in marks:
            upto = (number * 7) % (book.tables.head_seq + 1)
            book.do(user, ReadThread(channel=X, id=root, upto=upto))
            marks[user, root] = max(upto, marks[user, root])
        else:
            both = die % 7 == 0
            mid = send(book, user, thread=root, also_in_channel=both)
            seq = book.tables.head_seq
            if f"{mid}" not in ids.values():
                stored = [s for s in range(seq - 1, seq + 1) if book.shown(s).get("id") == mid]
                seq = stored[0]
            rows.append((seq, user, root, both, True))
            ids[seq] = mid
            owner = PEOPLE[roots.index(root)]
            for follower in (user, owner):
                marks.setdefault((follower, root), seq - (follower != user))
    for user in PEOPLE:
        expected = sum(
            alive and not both and author != user and seq > marks[user, root]
            for seq, author, root, both, alive in rows
            if (user, root) in marks
        )
        found = threads(book, user)
        assert (found or {"unread": 0})["unread"] == expected  # type: ignore[index]
    book.assert_replay_equal()


def test_who_is_named_by_an_edit_follows_from_that_reply_on(book: Playbook) -> None:
    root = send(book, "ann")
    send(book, "bob", thread=root)
    named = send(book, "bob", thread=root)
    assert threads(book, "cid") is None
    edit = EditMessage(channel=X, id=named, mentions=("cid", "bob"))
    book.do("bob", edit)
    assert threads(book, "cid") == {"unread": 1, "mentions": 1}, "not the reply before"
    assert threads(book, "bob") == {"unread": 0, "mentions": 0}
    book.do("cid", UnfollowThread(channel=X, id=root))
    book.do("bob", EditMessage(channel=X, id=named, text="y", mentions=("cid",)))
    assert threads(book, "cid") is None, "he said that he does not want it"
    book.do("ann", ReadThread(channel=X, id=root, upto=99))
    book.do("bob", EditMessage(channel=X, id=named, text="z", mentions=("ann",)))
    assert threads(book, "ann") == {"unread": 0, "mentions": 0}, "she has read it"
    book.do("ann", EditMessage(channel=X, id=root, mentions=("bob",)))
    book.assert_replay_equal()


def test_a_thread_from_before_his_time_is_not_unread_for_ever() -> None:
    settings = AppSettings(send_per_channel=OFF)
    book = Playbook.direct("ann", "bob", settings)
    book.do("ann", SendMessage(channel=book.key, text="old"))
    root = book.outcome.id
    book.do("ann", PromoteChannel(channel=book.key, kind=ChannelKind.GROUP))
    book.do("", AddMembers(channel=book.key, users=("cid",)), authority="server")
    book.do("bob", SendMessage(channel=book.key, text="re", thread=root, mentions=("cid",)))
    assert threads(book, "ann") == {"unread": 1, "mentions": 0}
    assert threads(book, "cid") is None
    page = book.query("cid", "thread.unread", UnreadThreadsRequest(book.key))
    assert page["threads"] == []
    book.assert_replay_equal()


def test_who_comes_back_follows_when_he_says_so(book: Playbook) -> None:
    """He was shown as one who follows, counted nothing, and to follow changed nothing."""
    root, other = send(book, "ann"), send(book, "ann")
    send(book, "bob", thread=root)
    book.do("bob", UnfollowThread(channel=X, id=other))
    book.do("bob", LeaveChannel(channel=X))
    book.do("", AddMembers(channel=X, user="bob"), authority="server")
    assert "following" not in book.query("bob", "thread.get", ThreadRequest(X, root))
    send(book, "ann", thread=root)
    assert threads(book, "bob") is None
    book.do("bob", FollowThread(channel=X, id=root))
    send(book, "ann", thread=root)
    assert threads(book, "bob") == {"unread": 1, "mentions": 0}
    send(book, "ann", thread=other, mentions=("bob",))
    assert threads(book, "bob") == {"unread": 1, "mentions": 0}, "this one he did not want"
    book.assert_replay_equal()


def test_what_names_all_names_followers_and_the_floor_is_where_figures_begin(
    book: Playbook,
) -> None:
    roots = [send(book, "bob") for _ in range(2)]
    for root in roots:
        send(book, "ann", thread=root, mention_all=True)
    assert threads(book, "bob") == {"unread": 2, "mentions": 2}
    book.tables.set_floor(3)
    assert threads(book, "bob") == {"unread": 1, "mentions": 1}, "a root is gone"


def test_unread_threads_come_in_pages(book: Playbook) -> None:
    roots = [send(book, "bob") for _ in range(5)]
    for root in roots:
        send(book, "ann", thread=root)
    found, request = [], UnreadThreadsRequest(X, limit=2)
    while True:
        page = book.query("bob", "thread.unread", request)
        found += [row["id"] for row in page["threads"]]
        if not page["next"]:
            break
        request = UnreadThreadsRequest(X, before=page["next"], limit=2)
    assert found == roots[::-1]
    for limit in (0, thread_marks.PAGE_MAX + 1):
        with pytest.raises(Rejected):
            book.query("bob", "thread.unread", UnreadThreadsRequest(X, limit=limit))


def test_of_many_only_those_are_marked_who_may(book: Playbook) -> None:
    root = send(book, "ann")
    send(book, "bob", thread=root)
    send(book, "cid", thread=root)
    book.do("ann", SetMemberCapabilities(channel=X, user="bob", deny=("mark",)))
    marks = {user: {2: 9} for user in PEOPLE}
    book.do("", ReadThreadsMany(channel=X, marks=marks), authority="edge")
    assert [threads(book, user) for user in PEOPLE] == [
        {"unread": 0, "mentions": 0},
        {"unread": 1, "mentions": 0},
        {"unread": 0, "mentions": 0},
    ]
    assert (
        book.refused("", ReadThread(channel=X, id=root, upto=3), authority="server") is BAD_REQUEST
    )
    for wrong in ({"a b": {2: 3}}, {"ann": {-1: 3}}, {"ann": {2: -3}}):
        many = ReadThreadsMany(channel=X, marks=wrong)
        assert book.refused("", many, authority="edge") is BAD_REQUEST
    full = {f"u{n}": {2: 3} for n in range(PLURAL_IDS_MAX)}
    assert book.do("", ReadThreadsMany(channel=X, marks=full), authority="edge") == []
    more = ReadThreadsMany(channel=X, marks=full | {"v": {2: 3}})
    assert book.refused("", more, authority="edge") is TOO_MANY


# So many, so far from one another: of a few blocks, and of more than are read at once.
seqs = st.tuples(st.integers(3, 400), st.integers(1, 400), st.integers(0, 95)).map(
    lambda of: set(range(of[0], of[0] + of[1] * of[2], of[1]))
)


@settings(max_examples=60)
@given(seqs, seqs, seqs, st.integers(2, 256 * 150), st.integers(1, 256 * 150))
def test_figures_of_a_thread_over_many_blocks(
    replies: set[int], own: set[int], named: set[int], mark: int, floor: int
) -> None:
    tables = Playbook("group:y").tables
    for root in (1, 2, 3):
        for seq in replies | own:
            key = (root, block_of(seq))
            row = tables[REPLIES].get(key) or RepliesRow(b"")
            counts = with_seq(row.countable, seq)
            tables[REPLIES].put(key, RepliesRow(with_seq(row.all, seq), counts))
    for table, of_user in ((thread_marks.AUTHOR_BLOCKS, own), (USER_BLOCKS, named)):
        for seq in of_user:
            bits = tables[table].get(("bob", block_of(seq))) or b""
            tables[table].put(("bob", block_of(seq)), with_seq(bits, seq))
    tables.set_floor(floor)
    for behind in (mark, *sorted(replies)[:2], *sorted(replies)[-2:]):
        unread = {seq for seq in replies - own if seq > behind and seq >= floor}
        found = thread_marks.count(2, "bob", behind, tables)
        assert found == (len(unread), len(unread & named))


def test_a_server_key_asks_for_a_user(book: Playbook) -> None:
    asked = UnreadThreadsRequest(X, by="bob")
    turned = thread_marks.turn_unread(asked, book.edge_context(Viewer("", "server")))
    assert isinstance(turned, Reads)
    assert turned.viewer == Viewer("bob"), "under his rights"
    own = thread_marks.turn_unread(UnreadThreadsRequest(X), book.edge_context(Viewer("bob")))
    assert isinstance(own, QueryCall)
    with pytest.raises(Rejected):
        thread_marks.turn_unread(asked, book.edge_context(Viewer("ann")))
    wrong = UnreadThreadsRequest(X, before=-1)
    with pytest.raises(Rejected):
        thread_marks.turn_unread(wrong, book.edge_context(Viewer("bob")))
