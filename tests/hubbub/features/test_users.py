"""Profiles in the user's own stream."""

from __future__ import annotations

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features.contract import QueryCall
from hubbub.features.users import (
    EnsureUser,
    UpdateUser,
    UserCreated,
    UserRequest,
    UserUpdated,
    turn_get,
    turn_put,
    turn_update,
)
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook


@pytest.fixture
def book() -> Playbook:
    return Playbook("#bob")


def test_ensure_creates_once(book: Playbook) -> None:
    assert book.do("", EnsureUser(user="bob"), authority="server") == [UserCreated()]
    assert book.do("", EnsureUser(user="bob", name="B"), authority="server") == []
    assert book.query("ann", "user.get", UserRequest("bob")) == {
        "user": "bob",
        "created": "2026-01-31T12:00:00.000Z",
    }
    book.assert_replay_equal()


def test_an_update_changes_what_is_given_and_null_clears(book: Playbook) -> None:
    data = Raw(b'{"team": "x"}')
    assert book.do("bob", UpdateUser(user="bob", name="Bob", data=data)) == [
        UserCreated(name="Bob", data=data)
    ]
    assert book.do("bob", UpdateUser(user="bob", avatar="https://a/b.png")) == [
        UserUpdated(name="Bob", avatar="https://a/b.png", data=data)
    ]
    assert book.do("bob", UpdateUser(user="bob", name="Bob")) == []
    book.do("bob", UpdateUser(user="bob", name=None, data=Raw(b"null")))
    shown = book.query("bob", "user.get", UserRequest())
    assert "name" not in shown
    assert "data" not in shown
    assert shown["avatar"] == "https://a/b.png"
    book.assert_replay_equal()


def test_a_put_clears_what_is_not_given(book: Playbook) -> None:
    book.do("bob", UpdateUser(user="bob", name="Bob", avatar="https://x"))
    viewer = Viewer("", "server")
    put = turn_put(UpdateUser(user="bob", name="Rob"), book.edge_context(viewer))
    assert book.do("", put, authority="server") == [UserUpdated(name="Rob")]


def test_only_the_user_and_the_server_write(book: Playbook) -> None:
    assert book.refused("eve", UpdateUser(user="bob", name="E")) is PERMISSION_DENIED
    assert book.refused("eve", EnsureUser(user="bob")) is PERMISSION_DENIED
    assert book.do("", UpdateUser(user="bob", name="B"), authority="server") != []


def test_the_verb_means_oneself_and_never_clears(book: Playbook) -> None:
    ctx = book.edge_context(Viewer("bob"))
    turned = turn_update(UpdateUser(name="B", replace=True), ctx)
    assert turned == UpdateUser(user="bob", name="B")
    assert turn_get(UserRequest(), ctx) == QueryCall("#bob", "user.get", UserRequest("bob"))


def test_sizes_and_names(book: Playbook) -> None:
    assert book.refused("bob", UpdateUser(user="bob", name="n" * 256)) is TOO_LARGE
    assert book.refused("bob", UpdateUser(user="bob", avatar="https://" + "a" * 2_041)) is TOO_LARGE
    assert book.refused("bob", UpdateUser(user="bob", avatar="javascript:alert()")) is BAD_REQUEST
    book.do("bob", UpdateUser(user="bob", avatar=""))
    big = Raw(b'"' + b"x" * 8_192 + b'"')
    assert book.refused("bob", UpdateUser(user="bob", data=big)) is TOO_LARGE
    assert book.refused("bob", UpdateUser(user="bob")) is BAD_REQUEST
    assert book.refused("", EnsureUser(user="a,b"), authority="server") is BAD_REQUEST


def test_an_unknown_user(book: Playbook) -> None:
    with pytest.raises(Rejected) as caught:
        book.query("ann", "user.get", UserRequest("bob"))
    assert caught.value.error is NOT_FOUND


def test_no_profiles_where_user_streams_are_raw() -> None:
    """Their events would take offsets of the raw channel."""
    book = Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    assert book.do("", EnsureUser(user="bob"), authority="server") == []
    assert book.refused("bob", UpdateUser(user="bob", name="B")) is NOT_AVAILABLE
    assert book.tables.head_seq == 0
