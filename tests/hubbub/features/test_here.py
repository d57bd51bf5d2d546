"""`@here` names who is online when it is said, once, and nobody where they are too many."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import (
    CONFLICT,
    NOT_AVAILABLE,
    OVERLOADED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features import here
from hubbub.features.contract import Errand, HeadsCall, QueryCall
from hubbub.features.here import (
    HERE_MAX,
    HereRequest,
    Members,
    NameHere,
)
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage, turn_message
from hubbub.features.revisions import UndeleteMessage
from hubbub.settings.profiles import BENCH
from hubbub.wire.codec import encode_json
from hubbub.wire.presence import Looked
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import Playbook

X = "group:x"
SAID = SendMessage(channel=X, text="lunch?", mention_here=True)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid", "dan"], settings=BENCH)


def mentions(book: Playbook, user: str) -> object:
    return book.head(user)["mentions"]


def said(book: Playbook, *users: str) -> str:
    book.do("ann", SAID)
    mid = book.outcome.id
    book.do("ann", NameHere(channel=X, id=mid, users=users))
    return mid


def looked(user: str, state: Any) -> HeadRow:
    return HeadRow("demo", f"#{user}", True, "e", 1, 0, b"", answer=encode_json(Looked(state)))


def steps_of(book: Playbook, answers: list[Any]) -> list[Any]:
    """What the edge asks, each answered in turn; an answer that is a refusal is thrown in."""
    errand = turn_message(SAID, book.edge_context(Viewer("ann")))
    assert isinstance(errand, Errand)
    steps, asked = errand.steps(), list[Any]()
    try:
        asked.append(next(steps))
        for answer in answers:
            if isinstance(answer, Rejected):
                asked.append(steps.throw(answer))
            else:
                asked.append(steps.send(answer))
    except StopIteration as end:
        asked.append(end.value)
    return asked


def test_who_is_online_is_named_behind_the_message(book: Playbook) -> None:
    members = encode_json(book.query("", "mention.members", HereRequest(), authority="system"))
    states = {"ann": "online", "bob": "away", "cid": "offline", "dan": "busy"}
    rows = {f"#{user}": looked(user, state) for user, state in states.items()}
    first, second, third, fourth, answer = steps_of(
        book, [b'{"seq":2,"id":"m2"}', members, rows, b"{}"]
    )
    assert first == SAID
    assert isinstance(second, QueryCall)
    assert isinstance(third, HeadsCall)
    assert set(third.keys) == set(rows)
    assert fourth == NameHere(channel=X, id="m2", users=("ann", "bob", "dan"))
    assert answer == b'{"seq":2,"id":"m2"}'


def test_where_nobody_can_be_asked_the_message_is_sent_all_the_same(book: Playbook) -> None:
    sent, _, answer = steps_of(book, [b'{"id":"m2"}', Rejected(NOT_AVAILABLE)])
    assert (sent, answer) == (SAID, b'{"id":"m2"}')


def test_a_message_that_is_refused_costs_no_look(book: Playbook) -> None:
    errand = turn_message(SAID, book.edge_context(Viewer("eve")))
    assert isinstance(errand, Errand)
    steps = errand.steps()
    assert next(steps) == SAID
    with pytest.raises(Rejected):
        steps.throw(Rejected(NOT_AVAILABLE))


def test_figures_count_it_for_those_and_while_it_is_said(book: Playbook) -> None:
    mid = said(book, "bob", "ann")
    assert [mentions(book, user) for user in ("ann", "bob", "cid")] == [0, 1, 0]
    assert book.do("ann", NameHere(channel=X, id=mid, users=("cid",))) == [], "named once"
    book.do("ann", DeleteMessage(channel=X, id=mid))
    assert mentions(book, "bob") == 0
    book.do("ann", UndeleteMessage(channel=X, id=mid))
    book.do("ann", EditMessage(channel=X, id=mid, text="lunch now?", mentions=("cid",)))
    assert [mentions(book, user) for user in ("bob", "cid")] == [1, 1]
    book.do("ann", EditMessage(channel=X, id=mid, mention_here=False))
    assert [mentions(book, user) for user in ("bob", "cid")] == [0, 1]
    assert book.refused("ann", NameHere(channel=X, id=mid, users=("bob",))) is CONFLICT
    book.assert_replay_equal()


def test_an_edit_that_begins_to_say_it_names_nobody(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="lunch?"))
    book.do("ann", EditMessage(channel=X, id=book.outcome.id, mention_here=True))
    assert mentions(book, "bob") == 0


def test_only_its_author_names_and_not_too_many(book: Playbook) -> None:
    book.do("ann", SAID)
    name = NameHere(channel=X, id=book.outcome.id, users=("cid",))
    assert book.refused("bob", name) is CONFLICT
    many = NameHere(channel=X, id=name.id, users=("u",) * (HERE_MAX + 1))
    assert book.refused("ann", many) is TOO_LARGE
    most = NameHere(channel=X, id=name.id, users=("u",) * HERE_MAX)
    assert book.do("ann", most) != []


def test_of_too_many_members_nobody_is_asked(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "HERE_MAX", 4)
    found = book.query("", "mention.members", HereRequest(), authority="system")
    assert found == {"users": ["ann", "bob", "cid", "dan"]}
    monkeypatch.setattr(here, "HERE_MAX", 3)
    found = book.query("", "mention.members", HereRequest(), authority="system")
    assert found == {"users": []}


def test_of_whom_nothing_is_known_is_not_here(book: Playbook) -> None:
    sent, nobody = b'{"seq":2,"id":"m2"}', encode_json(Members(()))
    assert steps_of(book, [sent, nobody])[2:] == [sent], "nobody is asked"
    three = encode_json(Members(("ann", "bob", "cid")))
    silent = HeadRow("demo", "#bob", True, "e", 1, 0, b"")
    asked = steps_of(book, [sent, three, {"#ann": looked("ann", "online"), "#bob": silent}])
    assert asked[-1] == NameHere(channel=X, id="m2", users=("ann",))


def test_what_can_be_asked_again_is_told_and_what_came_too_late_is_not(book: Playbook) -> None:
    sent, one = b'{"seq":2,"id":"m2"}', encode_json(Members(("bob",)))
    before = [sent, one, {"#bob": looked("bob", "online")}]
    assert steps_of(book, [*before, Rejected(CONFLICT)])[-1] == sent
    with pytest.raises(Rejected) as refused:
        steps_of(book, [*before, Rejected(OVERLOADED)])
    assert refused.value.error is OVERLOADED
