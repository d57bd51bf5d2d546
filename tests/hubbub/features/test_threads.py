"""Threads: figures, pages, followers; against a fold of the events by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import (
    replace,
)

from hubbub.base.errors import BAD_REQUEST, CHANNEL_NOT_FOUND, MESSAGE_DELETED, NOT_FOUND, Rejected
from hubbub.base.units import (
    KIB,
)
from hubbub.features import (
    threads,
)
from hubbub.features.channels import (
    HistoryRule,
    UpdateChannel,
)
from hubbub.features.history import MessageRequest
from hubbub.features.members import (
    AddMembers,
)
from hubbub.features.messages import (
    DeleteMessage,
    EditMessage,
    MessageCreated,
    SendMessage,
    ThreadCreated,
)
from hubbub.features.revisions import (
    UndeleteMessage,
)
from hubbub.features.seq_bits import (
    seqs_in,
)
from hubbub.features.threads import (
    FOLLOWERS,
    REPLIES,
    FollowThread,
    Place,
    ThreadRequest,
    ThreadsRequest,
    UnfollowThread,
    reply_seqs,
)
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import (
    decode_json,
    encode_json,
)
from hubbub.wire.shapes import (
    Viewer,
)
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)
PEOPLE = ("ann", "bob", "cid", "dan", "eve", "fay", "gil")


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=PEOPLE[1:], settings=UNPACED)


def send(book: Playbook, user: str, text: str, thread: str = "", **more: Any) -> str:
    book.do(user, SendMessage(channel=X, text=text, thread=thread, **more))
    book.tick(1_000)
    return book.outcome.id


def page(book: Playbook, root: str, user: str = "ann", **place: Any) -> dict[str, Any]:
    return book.query(user, "thread.get", ThreadRequest(X, root, **place))


def texts(page: dict[str, Any]) -> list[str]:
    return [message.get("text", "-") for message in page["messages"]]


def test_the_first_reply_begins_a_thread(book: Playbook) -> None:
    root = send(book, "ann", "root")
    first, begun = book.do("bob", SendMessage(channel=X, text="1", thread=root))
    assert isinstance(first, MessageCreated)
    assert begun == ThreadCreated(id=root, message_seq=2)
    assert (book.outcome.seq, book.shown(3)["text"]) == (3, "1")
    assert book.shown(4)["t"] == "thread.created"
    assert len(book.do("cid", SendMessage(channel=X, text="2", thread=root))) == 1
    book.assert_replay_equal()


def test_figures_stand_with_the_root(book: Playbook) -> None:
    root = send(book, "ann", "root")
    for user in ("bob", "cid", "bob", "dan", "eve", "fay", "gil"):
        send(book, user, user, root)
    shown = book.query("ann", "message.get", MessageRequest(X, root))
    assert (shown["replies"], shown["last_reply_seq"]) == (7, book.tables.head_seq)
    assert shown["participants"] == ["gil", "fay", "eve", "dan", "bob"]
    assert shown["last_reply"] == "2026-01-31T12:00:07.000Z"
    assert shown["annotation_rev"] == 7
    (told,) = book.pulse()
    assert told == {
        "t": "thread.updated",
        "by": "",
        "ts": "2026-01-31T12:00:08.000Z",
        "id": root,
        "message_seq": 2,
        "annotation_rev": 7,
        "replies": 7,
        "last_reply": "2026-01-31T12:00:07.000Z",
        "last_reply_seq": book.tables.head_seq,
        "participants": ["gil", "fay", "eve", "dan", "bob"],
    }
    assert book.pulse() == []


def test_a_deleted_reply_is_a_tombstone_that_is_not_counted(book: Playbook) -> None:
    root = send(book, "ann", "root")
    reply = send(book, "bob", "oops", root)
    send(book, "cid", "kept", root)
    book.pulse()
    book.do("bob", DeleteMessage(channel=X, id=reply))
    assert texts(page(book, root)) == ["-", "kept"]
    assert page(book, root)["root"]["replies"] == 1
    assert [signal["replies"] for signal in book.pulse()] == [1]
    book.assert_replay_equal()


def test_a_deleted_root_keeps_its_thread_and_takes_no_reply(book: Playbook) -> None:
    root = send(book, "ann", "root")
    send(book, "bob", "1", root)
    book.do("ann", DeleteMessage(channel=X, id=root))
    shown = page(book, root)
    assert (shown["root"]["deleted"], shown["root"]["replies"], texts(shown)) == (True, 1, ["1"])
    assert book.refused("bob", SendMessage(channel=X, text="2", thread=root)) is MESSAGE_DELETED


def test_pages_from_both_ends(book: Playbook) -> None:
    root = send(book, "ann", "root")
    other = send(book, "ann", "other")
    for n in range(700):
        book.do("bob", SendMessage(channel=X, text=str(n), thread=root if n % 3 else other))
    wanted = [str(n) for n in range(700) if n % 3]
    assert texts(page(book, root)) == wanted[-50:]
    forward: list[str] = []
    after = 0
    while (found := page(book, root, after_seq=after, limit=37))["messages"]:
        forward += texts(found)
        after = found["messages"][-1]["seq"]
    assert forward == wanted
    backward: list[str] = []
    before = 10**9
    while (found := page(book, root, before_seq=before, limit=41))["messages"]:
        backward[:0] = texts(found)
        before = found["messages"][0]["seq"]
    assert backward == wanted
    reply = page(book, root)["messages"][0]["id"]
    assert page(book, reply)["root"]["id"] == root
    with pytest.raises(Rejected) as caught:
        page(book, root, limit=0)
    assert caught.value.error is BAD_REQUEST
    with pytest.raises(Rejected) as caught:
        page(book, root, user="zoe")
    assert caught.value.error is CHANNEL_NOT_FOUND
    with pytest.raises(Rejected) as caught:
        page(book, book.shown(1)["id"])
    assert caught.value.error is NOT_FOUND


def test_a_page_of_large_replies_is_bounded_by_bytes_and_says_so(book: Playbook) -> None:
    """Fifty of the largest were 3 MB in one frame, more than most client libraries take."""
    book.settings = replace(UNPACED, text_chars_max=20_000, history_page_bytes_max=64 * KIB)
    root = send(book, "ann", "r" * 20_000)
    texts_sent = [f"{n}" * 20_000 for n in range(7)]
    for text in texts_sent:
        send(book, "bob", text, root)
    newest = page(book, root)
    assert (texts(newest), newest["more"]) == (texts_sent[-2:], True)
    forward, after = list[str](), 0
    while (found := page(book, root, after_seq=after))["messages"]:
        forward += texts(found)
        after = found["messages"][-1]["seq"]
    backward, before = list[str](), 99
    while (found := page(book, root, before_seq=before))["messages"]:
        backward[:0] = texts(found)
        before = found["messages"][0]["seq"]
    assert forward == backward == texts_sent
    whole = page(book, root, after_seq=newest["messages"][0]["seq"])
    assert (len(whole["messages"]), "more" in whole) == (1, False)
    book.settings = replace(book.settings, history_page_bytes_max=1)
    assert texts(page(book, root)) == texts_sent[-1:], "at least one"


def test_a_page_of_threads_is_bounded_by_bytes(book: Playbook) -> None:
    book.settings = replace(UNPACED, text_chars_max=20_000, history_page_bytes_max=64 * KIB)
    for n in range(5):
        send(book, "bob", "re", send(book, "ann", f"{n}" * 20_000))
    found, request = list[str](), ThreadsRequest(X)
    while True:
        answer = book.query("cid", "thread.list", request)
        assert len(answer["threads"]) <= 3
        found += [line["root"]["text"][0] for line in answer["threads"]]
        if not answer["next"]:
            break
        request = ThreadsRequest(X, before=answer["next"])
    assert found == ["4", "3", "2", "1", "0"]


def test_threads_of_a_channel_by_their_last_reply(book: Playbook) -> None:
    roots = [send(book, "ann", f"r{n}") for n in range(5)]
    for n in (0, 1, 2, 3, 1):
        send(book, "bob", "re", roots[n])
    first = book.query("cid", "thread.list", ThreadsRequest(X, limit=3))
    assert [line["root"]["text"] for line in first["threads"]] == ["r1", "r3", "r2"]
    rest = book.query("cid", "thread.list", ThreadsRequest(X, before=first["next"], limit=3))
    assert [line["root"]["text"] for line in rest["threads"]] == ["r0"]
    assert rest["next"] == 0
    mine = book.query("cid", "thread.list", ThreadsRequest(X, followed=True))
    assert mine == {"threads": [], "next": 0}
    book.do("cid", FollowThread(channel=X, id=roots[2]))
    mine = book.query("cid", "thread.list", ThreadsRequest(X, followed=True))
    assert [line["root"]["text"] for line in mine["threads"]] == ["r2"]
    assert mine["threads"][0]["following"] is True


def test_who_follows(book: Playbook) -> None:
    root = send(book, "ann", "root")
    send(book, "bob", "re", root, mentions=("cid",))
    follows = {user: book.tables[FOLLOWERS].get((2, user)) for user in PEOPLE[:4]}
    assert follows == {"ann": 1, "bob": 1, "cid": 1, "dan": None}
    seq = book.tables.head_seq
    book.do("bob", UnfollowThread(channel=X, id=root))
    assert book.do("bob", UnfollowThread(channel=X, id=root)) == []
    book.do("cid", UnfollowThread(channel=X, id=root))
    assert book.tables.head_seq == seq, "it takes no offset"
    send(book, "dan", "re", root, mentions=("cid", "bob"))
    assert [book.tables[FOLLOWERS].get((2, user)) for user in ("bob", "cid")] == [0, 0]
    send(book, "bob", "again", root)
    assert book.tables[FOLLOWERS].get((2, "bob")) == 1
    book.assert_replay_equal()


# So many, so far from one another: of a few blocks, and of more than are read at once.
spread = st.tuples(st.integers(3, 300), st.integers(1, 300), st.integers(0, 60)).map(
    lambda of: set(range(of[0], of[0] + of[1] * of[2], of[1]))
)


@settings(max_examples=60)
@given(
    spread,
    st.integers(0, 9_500),
    st.integers(0, 19_000),
    st.integers(1, 70),
    st.booleans(),
)
def test_seqs_of_a_place_are_those_that_lie_in_it(
    seqs: set[int], after: int, before: int, limit: int, reverse: bool
) -> None:
    from hubbub.features.seq_bits import block_of, with_seq
    from hubbub.features.threads import RepliesRow

    book = Playbook(X)
    for root in (1, 2, 3):
        for seq in seqs:
            key = (root, block_of(seq))
            row = book.tables[REPLIES].get(key) or RepliesRow(b"")
            book.tables[REPLIES].put(key, RepliesRow(with_seq(row.all, seq)))
    wanted = sorted((s for s in seqs if after < s < before), reverse=reverse)[:limit]
    place = Place(after, before)
    assert reply_seqs(2, place, limit, book.tables, reverse=reverse) == wanted


steps = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(["root", "reply", "both", "delete"]),
        st.integers(0, 8),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps)
def test_figures_equal_a_fold_of_the_events(steps: list[tuple[str, str, int]]) -> None:
    book = Playbook(X, owner="ann", members=PEOPLE[1:], settings=UNPACED)
    ids: list[str] = []
    for user, what, n in steps:
        try:
            if what == "delete" and ids:
                book.do(user, DeleteMessage(channel=X, id=ids[n % len(ids)]))
            elif what == "root" or not ids:
                ids.append(send(book, user, "root"))
            else:
                thread = ids[n % len(ids)]
                ids.append(send(book, user, what, thread, also_in_channel=what == "both"))
        except Rejected:
            continue
    replies: dict[str, list[dict[str, Any]]] = {}
    for seq in range(1, book.tables.head_seq + 1):
        shown = book.shown(seq)
        if shown["t"] == "message.created" and shown.get("thread"):
            replies.setdefault(shown["thread"], []).append(shown)
    for root in ids:
        own = replies.get(root, [])
        message = book.query("ann", "message.get", MessageRequest(X, root))
        assert message.get("replies", 0) == sum(not m.get("deleted") for m in own)
        assert message.get("last_reply_seq", 0) == max((m["seq"] for m in own), default=0)
        newest = list(dict.fromkeys(m["by"] for m in reversed(own)))[:5]
        assert message.get("participants", []) == newest
        if own:
            assert [m["id"] for m in page(book, root, limit=200)["messages"]] == [
                m["id"] for m in own
            ]
    book.assert_replay_equal()


def test_pages_of_followed_threads_give_up_and_go_on(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "LOOKED_AT_MAX", 4)
    roots = [send(book, "ann", f"r{n}") for n in range(20)]
    for root in roots:
        send(book, "bob", "re", root)
    for n in (1, 2, 9, 19):
        book.do("cid", FollowThread(channel=X, id=roots[n]))
    book.tables.set_floor(4)  # the root r1 stands at 3
    found: list[str] = []
    request = ThreadsRequest(X, followed=True, limit=2)
    for _ in range(20):
        answer = book.query("cid", "thread.list", request)
        found += [line["root"]["text"] for line in answer["threads"]]
        if not answer["next"]:
            break
        request = ThreadsRequest(X, followed=True, limit=2, before=answer["next"])
    assert found == ["r19", "r9", "r2"]
    newest = book.query("cid", "thread.list", ThreadsRequest(X, limit=3))
    assert [line["root"]["text"] for line in newest["threads"]] == ["r19", "r18", "r17"]
    nobody = book.query("", "thread.list", ThreadsRequest(X, followed=True), authority="server")
    assert nobody["threads"] == []


def test_what_the_server_says_itself_has_no_participant(book: Playbook) -> None:
    root = send(book, "ann", "root")
    send(book, "bob", "1", root)
    for more in ({"kind": "system"}, {"silent": True}):
        book.do("", SendMessage(channel=X, text="2", thread=root, **more), authority="server")
    assert page(book, root)["root"]["participants"] == ["bob"]
    assert {user for (_, user), _ in book.tables[FOLLOWERS].scan()} == {"ann", "bob"}
    follow = FollowThread(channel=X, id=root)
    assert book.refused("", follow, authority="server") is BAD_REQUEST
    said = book.outcome.id
    book.do("", DeleteMessage(channel=X, id=said), authority="server")
    book.do("", UndeleteMessage(channel=X, id=said), authority="server")
    for seq in (3, 5):
        book.do("", DeleteMessage(channel=X, id=book.shown(seq)["id"]), authority="server")
        book.do("", UndeleteMessage(channel=X, id=book.shown(seq)["id"]), authority="server")
    (row,) = (row for _, row in book.tables[REPLIES].scan())
    assert (seqs_in(0, row.all), seqs_in(0, row.countable)) == ([3, 5, 6], [3])
    assert page(book, root)["root"]["replies"] == 3
    book.assert_replay_equal()


def test_who_is_mentioned_in_an_edit_follows(book: Playbook) -> None:
    root = send(book, "ann", "root")
    reply = send(book, "bob", "1", root)
    book.do("bob", EditMessage(channel=X, id=reply, mentions=("cid",)))
    book.do("ann", EditMessage(channel=X, id=root, mentions=("dan",)))
    assert {user for (_, user), _ in book.tables[FOLLOWERS].scan()} == {"ann", "bob", "cid"}


def test_of_what_is_gone_nothing_is_told(book: Playbook) -> None:
    root = send(book, "ann", "root")
    reply = send(book, "bob", "1", root)
    book.tables.set_floor(3)
    assert book.pulse() == []
    book.do("bob", DeleteMessage(channel=X, id=reply))
    assert book.pulse() == []


@pytest.mark.parametrize(
    ("name", "asked", "is_right"),
    [
        ("thread.get", {"after_seq": 1}, True),
        ("thread.get", {"before_seq": 1}, True),
        ("thread.get", {"after_seq": 1, "before_seq": 9}, False),
        ("thread.get", {"id": "x"}, False),
        ("thread.list", {}, True),
        ("thread.list", {"before": -1}, False),
        ("thread.list", {"before": 1 << 62}, False),
    ],
)
def test_what_is_asked(book: Playbook, name: str, asked: dict[str, Any], is_right: bool) -> None:
    verb = book.registry.verbs[name]
    fields = {"channel": X} | ({"id": send(book, "ann", "root")} if name == "thread.get" else {})
    request = decode_json(encode_json(fields | asked), verb.shape)
    try:
        verb.turn(request, book.edge_context(Viewer("ann")))
        assert is_right
    except Rejected:
        assert not is_right


def test_threads_from_before_his_time_are_not_listed(book: Playbook) -> None:
    book.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    old = send(book, "ann", "old")
    book.do("", AddMembers(channel=X, user="new"), authority="server")
    for root in (old, send(book, "ann", "young")):
        send(book, "bob", "re", root)
    for user, listed in (("new", ["young"]), ("cid", ["young", "old"])):
        found = book.query(user, "thread.list", ThreadsRequest(X))["threads"]
        assert [line["root"]["text"] for line in found] == listed
