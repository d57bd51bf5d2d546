"""Mention figures against their definition, over edits, deletions and marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import (
    replace,
)

from hubbub.base.errors import (
    CONFLICT,
)
from hubbub.features.contract import (
    Meta,
)
from hubbub.features.here import (
    NameHere,
)
from hubbub.features.marks import MarkRead, MarkUnread
from hubbub.features.mentions import (
    ALL_BLOCKS,
    NAMED,
    USER_BLOCKS,
    apply_created,
    mentions_of,
    naming,
)
from hubbub.features.messages import (
    DeleteMessage,
    EditMessage,
    MessageCreated,
    SendMessage,
)
from hubbub.settings.app import OFF, AppSettings
from tests.support.playbook import Playbook

X = "group:x"
PEOPLE = ("ann", "bob", "cid")


@pytest.fixture
def book() -> Playbook:
    return room()


def room() -> Playbook:
    unpaced = AppSettings(send_per_channel=OFF)
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=unpaced)


def mentions(book: Playbook, user: str) -> object:
    return book.head(user)["mentions"]


def send(book: Playbook, user: str, *named: str, everybody: bool = False) -> str:
    book.do(user, SendMessage(channel=X, text="hi", mentions=named, mention_all=everybody))
    return book.outcome.id


def test_whom_a_message_names_has_a_mention_until_he_has_read_it(book: Playbook) -> None:
    send(book, "ann", "bob")
    send(book, "ann", everybody=True)
    send(book, "ann", "bob", everybody=True)
    send(book, "ann")
    assert [mentions(book, user) for user in PEOPLE] == [0, 3, 2]
    book.do("bob", MarkRead(channel=X, upto=3))
    assert mentions(book, "bob") == 1
    book.do("bob", MarkUnread(channel=X, since=2))
    assert mentions(book, "bob") == 3
    assert book.snapshot("bob")["mentions"] == 3
    book.assert_replay_equal()


def test_who_names_himself_or_is_named_silently_has_none(book: Playbook) -> None:
    send(book, "bob", "bob", everybody=True)
    book.do("ann", SendMessage(channel=X, text="hi", mentions=("bob",), silent=True))
    assert [mentions(book, user) for user in PEOPLE] == [1, 0, 1]


def test_a_mention_goes_with_its_message_and_follows_edits(book: Playbook) -> None:
    first, second = send(book, "ann", "bob"), send(book, "ann", "bob")
    book.do("ann", DeleteMessage(channel=X, id=first))
    assert mentions(book, "bob") == 1
    book.do("ann", EditMessage(channel=X, id=second, text="you", mentions=("cid",)))
    assert [mentions(book, user) for user in PEOPLE] == [0, 0, 1]
    book.do("ann", EditMessage(channel=X, id=second, text="nobody", mentions=()))
    assert mentions(book, "cid") == 0
    assert [seq for seq, _ in book.tables[NAMED].scan()] == [2], "the deleted one may come back"
    third = send(book, "ann", everybody=True)
    book.do("ann", EditMessage(channel=X, id=third, text="not all", mention_all=False))
    assert [mentions(book, user) for user in PEOPLE] == [0, 0, 0]
    assert book.tables[ALL_BLOCKS].scan() == [], "no empty rows are left"
    assert [user for (user, _), _ in book.tables[USER_BLOCKS].scan()] == ["bob"]


def test_mentions_below_the_floor_are_gone(book: Playbook) -> None:
    for _ in range(3):
        send(book, "ann", "bob")
    book.tables.set_floor(3)
    assert mentions_of(book.tables, "bob", 0) == 2


def test_who_is_here_is_named_besides_and_goes_with_the_words(book: Playbook) -> None:
    named = SendMessage(channel=X, text="hi", mentions=("bob",), mention_here=True)
    here = NameHere(channel=X, id="", users=("cid",))
    book.do("ann", named)
    book.do("ann", replace(here, id=book.outcome.id))
    assert [mentions(book, user) for user in PEOPLE] == [0, 1, 1]
    book.do("ann", EditMessage(channel=X, id=book.shown(2)["id"], text="ho", mentions=()))
    assert [mentions(book, user) for user in PEOPLE] == [0, 0, 1]
    book.do("ann", EditMessage(channel=X, id=book.shown(2)["id"], mention_here=False))
    assert [mentions(book, user) for user in PEOPLE] == [0, 0, 0]
    book.do("ann", named)
    gone = book.outcome.id
    book.do("ann", DeleteMessage(channel=X, id=gone))
    assert book.refused("ann", replace(here, id=gone)) is CONFLICT
    book.assert_replay_equal()


def test_a_message_without_mentions_writes_no_row(book: Playbook) -> None:
    send(book, "ann")
    assert not any(
        name.startswith("mentions.") and rows.packed for name, rows in book.tables.rows.items()
    )


@settings(max_examples=10)
@given(st.lists(st.integers(0, 30), min_size=5, max_size=40), st.integers(0, 700))
def test_figures_equal_the_definition_over_many_blocks(kinds: list[int], probe: int) -> None:
    book, alive = room(), dict[int, tuple[str, tuple[str, ...], bool]]()
    ids: dict[int, str] = {}
    for n in range(600):
        kind, user = kinds[n % len(kinds)], PEOPLE[(n * 7 + n // 5) % 3]
        named = tuple(p for at, p in enumerate(PEOPLE) if kind >> at & 1)
        if kind == 30 and alive:
            seq = sorted(alive)[(n * 13) % len(alive)]
            book.do(alive[seq][0], DeleteMessage(channel=X, id=ids[seq]))
            del alive[seq]
        elif kind == 29 and alive:
            seq = sorted(alive)[(n * 11) % len(alive)]
            author = alive[seq][0]
            edit = EditMessage(channel=X, id=ids[seq], text="new", mentions=("bob",))
            book.do(author, edit)
            alive[seq] = (author, ("bob",), alive[seq][2])
        else:
            ids_of = send(book, user, *named, everybody=kind % 11 == 0)
            alive[book.tables.head_seq] = (user, named, kind % 11 == 0)
            ids[book.tables.head_seq] = ids_of
    for user in PEOPLE:
        for mark in {0, 255, 256, 511, 512, probe}:
            expected = sum(
                seq > mark and author != user and (user in named or to_all)
                for seq, (author, named, to_all) in alive.items()
            )
            assert mentions_of(book.tables, user, mark) == expected


# So many, so far from one another: of a few blocks, and of more than are read at once.
seqs = st.tuples(st.integers(1, 400), st.integers(1, 400), st.integers(0, 95)).map(
    lambda of: set(range(of[0], of[0] + of[1] * of[2], of[1]))
)


@settings(max_examples=60)
@given(seqs, seqs, seqs, st.integers(0, 256 * 150), st.sampled_from([0, 1, 255, 256, 511]))
def test_what_names_somebody_is_found_in_few_and_in_many_blocks(
    of_bob: set[int], of_all: set[int], of_others: set[int], head: int, mark: int
) -> None:
    book = Playbook("group:y")
    for seq in of_bob | of_all | of_others:
        users = ("bob",) * (seq in of_bob) + ("ann", "cid") * (seq in of_others)
        if seq <= head:
            created = MessageCreated(mentions=users, mention_all=seq in of_all)
            apply_created(created, Meta("demo", "group:y", seq, 0, "x", "", ""), book.tables)
    book.tables.head_seq = head
    for behind in (mark, head, max(0, head - mark), max(0, head - 2_000), head // 2):
        found = {
            block * 256 + bit
            for block, bits in naming(book.tables, "bob", behind).items()
            for bit in range(256)
            if bits >> bit & 1
        }
        assert found == {seq for seq in of_bob | of_all if behind < seq <= head}
