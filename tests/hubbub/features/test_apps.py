"""Revocations in the app's stream."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    PERMISSION_DENIED,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.base.units import DAY_MS
from hubbub.features import apps
from hubbub.features.apps import RevokeToken, TokenRevoked
from tests.support.playbook import START_MS, Playbook


@pytest.fixture
def book() -> Playbook:
    return Playbook("@app")


def test_a_user_is_revoked_now_by_default(book: Playbook) -> None:
    assert book.do("", RevokeToken(user="bob"), authority="server") == [
        TokenRevoked(user="bob", before=START_MS)
    ]
    assert book.snapshot("", authority="edge") == {
        "revocations": {"users": {"bob": START_MS}, "tokens": {}},
        "exclusions": {},
    }
    book.assert_replay_equal()


def test_a_token_is_revoked_by_its_id_and_a_time_may_be_given(book: Playbook) -> None:
    book.do("", RevokeToken(jti="j1", before="2026-01-01T00:00:00Z"), authority="server")
    book.do("", RevokeToken(user="bob", before=5), authority="server")
    assert book.snapshot("", authority="edge")["revocations"] == {
        "users": {"bob": 5},
        "tokens": {"j1": 1_767_225_600_000},
    }


def test_only_a_later_time_changes_a_users_row(book: Playbook) -> None:
    book.do("", RevokeToken(user="bob", before=9), authority="server")
    assert book.do("", RevokeToken(user="bob", before=8), authority="server") == []
    assert book.do("", RevokeToken(user="bob", before=10), authority="operator") != []
    assert len(book.tables[apps.REVOCATIONS].packed) == len(book.tables[apps.BY_AGE].packed) == 1


def test_clients_neither_revoke_nor_see_the_stream(book: Playbook) -> None:
    assert book.refused("bob", RevokeToken(user="eve")) is PERMISSION_DENIED
    with pytest.raises(Rejected) as caught:
        book.access("bob")
    assert caught.value.error is UNKNOWN_CHANNEL


@pytest.mark.parametrize(
    "command",
    [
        RevokeToken(),
        RevokeToken(user="a", jti="b"),
        RevokeToken(user="a b"),
        RevokeToken(jti="j" * 256),
        RevokeToken(user="a", before="yesterday"),
        RevokeToken(user="a", before="2026-01-01T00:00:00"),
    ],
)
def test_malformed(book: Playbook, command: RevokeToken) -> None:
    assert book.refused("", command, authority="server") is BAD_REQUEST


def test_rows_go_after_400_days(book: Playbook) -> None:
    for name in ("a", "b", "c"):
        book.do("", RevokeToken(user=name), authority="server")
    book.tick(400 * DAY_MS + 1)
    book.do("", RevokeToken(user="d"), authority="server")
    assert list(book.snapshot("", authority="edge")["revocations"]["users"]) == ["d"]
    assert book.tables[apps.COUNT].get(0) == 1
    book.assert_replay_equal()


def test_the_number_of_live_rows_is_bounded(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "REVOCATIONS_MAX", 2)
    for name in ("a", "b"):
        book.do("", RevokeToken(user=name), authority="server")
    assert book.refused("", RevokeToken(user="c"), authority="server") is LIMIT_EXCEEDED
    book.tick(1)
    assert book.do("", RevokeToken(user="a"), authority="server") != []
