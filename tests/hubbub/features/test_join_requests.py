"""Asked, accepted, declined, withdrawn; and who is told."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    BANNED,
    CHANNEL_NOT_FOUND,
    CONFLICT,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.features import (
    join_requests,
)
from hubbub.features.capabilities import (
    SetRoleCapabilities,
)
from hubbub.features.channels import CreateChannel
from hubbub.features.join_requests import (
    TEXT_CHARS_MAX,
    AcceptRequest,
    DeclineRequest,
    JoinRequested,
    NoteDeclined,
    RequestJoin,
    RequestsRequest,
    WithdrawRequest,
)
from hubbub.features.members import (
    InviteMembers,
    JoinChannel,
    MembersJoined,
)
from hubbub.features.sanctions import (
    BanMembers,
)
from hubbub.features.standing import MEMBERS
from hubbub.model.member import Role
from hubbub.settings.app import (
    AppSettings,
)
from hubbub.settings.profiles import (
    CENTRIFUGE_COMPAT,
)
from tests.support.playbook import Playbook

X = "group:x"


def club(**fields: bool) -> Playbook:
    book = Playbook(X)
    book.do("ann", CreateChannel(channel=X, members=("bob",), **fields))
    return book


def waiting(book: Playbook, user: str = "ann") -> list[str]:
    page = book.query(user, "join_requests.list", RequestsRequest(X))
    assert page["count"] == len(page["requests"])
    return [row["user"] for row in page["requests"]]


def test_a_request_waits_for_the_staff_who_read_its_words() -> None:
    book = club(public=True, approval=True)
    events = book.do("eve", RequestJoin(channel=X, text="please"))
    assert events[0] == JoinRequested(user="eve")
    assert "text" not in book.shown(2)
    assert book.do("eve", RequestJoin(channel=X)) == []
    [row] = book.query("ann", "join_requests.list", RequestsRequest(X))["requests"]
    assert (row["user"], row["text"]) == ("eve", "please")
    with pytest.raises(Rejected) as caught:
        waiting(book, "bob")
    assert caught.value.error is PERMISSION_DENIED
    assert book.refused("bob", AcceptRequest(channel=X, user="eve")) is PERMISSION_DENIED
    book.do("ann", AcceptRequest(channel=X, user="eve"))
    assert book.tables[MEMBERS].get("eve").role is Role.MEMBER
    assert waiting(book) == []
    book.assert_replay_equal()


def test_who_is_declined_is_told_and_may_ask_again() -> None:
    book = club(public=True, approval=True)
    book.do("eve", RequestJoin(channel=X))
    book.do("ann", DeclineRequest(channel=X, user="eve"))
    assert book.forwards[-1] == NoteDeclined(channel=X, user="eve")
    assert book.refused("ann", AcceptRequest(channel=X, user="eve")) is NOT_FOUND
    book.do("eve", RequestJoin(channel=X))
    book.do("eve", WithdrawRequest(channel=X))
    assert waiting(book) == []
    assert book.do("eve", WithdrawRequest(channel=X)) == []
    mine = Playbook("#eve")
    [event] = mine.do("", NoteDeclined(channel=X, user="eve"), authority="system")
    assert event.TAG == "channel.request_declined"
    assert mine.refused("eve", NoteDeclined(channel=X, user="eve")) is PERMISSION_DENIED


def test_a_private_group_is_not_there_to_be_asked() -> None:
    book = club()
    nowhere = Playbook("group:nowhere")
    for command in (RequestJoin, WithdrawRequest):
        assert book.refused("eve", command(channel=X)) is CHANNEL_NOT_FOUND
        assert nowhere.refused("eve", command(channel="group:nowhere")) is CHANNEL_NOT_FOUND
    book.do("eve", RequestJoin(channel=X), authority="server")  # with a link of the app's own
    assert waiting(book) == ["eve"]
    assert book.do("eve", WithdrawRequest(channel=X)) != []


def test_nobody_asks_where_he_may_join() -> None:
    free = club(public=True)
    assert free.refused("eve", RequestJoin(channel=X)) is CONFLICT
    asked = club(public=True, approval=True)
    assert asked.refused("eve", JoinChannel(channel=X)) is not None
    asked.do("eve", RequestJoin(channel=X))
    asked.do("ann", InviteMembers(channel=X, users=("eve",)))
    assert waiting(asked) == []
    assert asked.refused("eve", RequestJoin(channel=X)) is CONFLICT
    asked.do("eve", JoinChannel(channel=X))
    long = RequestJoin(channel=X, text="x" * (TEXT_CHARS_MAX + 1))
    assert asked.refused("eve", long) is TOO_LARGE
    asked.assert_replay_equal()


def test_who_answers_and_who_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    book = club(public=True, approval=True)
    assert book.refused("", RequestJoin(channel=X), authority="server") is BAD_REQUEST
    assert book.do("bob", RequestJoin(channel=X)) == [], "he is a member"
    assert book.refused("ann", DeclineRequest(channel=X, user="eve")) is NOT_FOUND
    for user in ("eve", "fay", "gil"):
        book.do(user, RequestJoin(channel=X))
    assert book.refused("bob", DeclineRequest(channel=X, user="eve")) is PERMISSION_DENIED
    monkeypatch.setattr(join_requests, "REQUESTS_MAX", 3)
    assert book.refused("hal", RequestJoin(channel=X)) is TOO_MANY
    page = book.query("ann", "join_requests.list", RequestsRequest(X, limit=2))
    assert ([row["user"] for row in page["requests"]], page["next"]) == (["eve", "fay"], "fay")
    page = book.query("ann", "join_requests.list", RequestsRequest(X, after="fay", limit=2))
    assert ([row["user"] for row in page["requests"]], page["next"]) == (["gil"], "")
    for limit, after in ((0, ""), (201, ""), (1, "a b")):
        with pytest.raises(Rejected) as caught:
            book.query("ann", "join_requests.list", RequestsRequest(X, after=after, limit=limit))
        assert caught.value.error is BAD_REQUEST
    book.settings = AppSettings(channel_members_max=2)
    assert book.refused("ann", AcceptRequest(channel=X, user="fay")) is TOO_MANY
    book.settings = AppSettings(channel_members_max=3)
    assert book.do("ann", AcceptRequest(channel=X, user="fay")) == [MembersJoined(users=("fay",))]
    book.do("ann", BanMembers(channel=X, user="eve"))
    assert book.refused("ann", AcceptRequest(channel=X, user="eve")) is BANNED
    book.do("ann", SetRoleCapabilities(channel=X, role=Role.NONE, deny=("request_join",)))
    assert book.refused("hal", RequestJoin(channel=X)) is PERMISSION_DENIED
    hall = Playbook("open:hall", owner="ann")
    assert hall.refused("eve", RequestJoin(channel="open:hall")) is CONFLICT
    raw = Playbook("#eve", settings=CENTRIFUGE_COMPAT)
    assert raw.do("", NoteDeclined(channel=X, user="eve"), authority="system") == []
