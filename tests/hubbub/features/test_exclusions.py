"""Deactivated, and banned from the app: the state in `@app`, what `#user` hears of it."""

from __future__ import annotations

import pytest
from msgspec import to_builtins

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    PERMISSION_DENIED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features import exclusions
from hubbub.features.contract import Command
from hubbub.features.exclusions import (
    BY_END,
    EXCLUDED,
    BanUser,
    DeactivateUser,
    Exclusion,
    ExclusionExplained,
    ReactivateUser,
    StateRequest,
    TellUser,
    UnbanUser,
    UserBanned,
    UserDeactivated,
    UserExclusionSet,
    UserReactivated,
    UserUnbanned,
)
from hubbub.features.publication import rfc3339
from hubbub.features.standing import FOREVER_MS
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from tests.support.playbook import START_MS, Playbook

SOON = START_MS + 60_000


@pytest.fixture
def book() -> Playbook:
    return Playbook("@app")


def state(book: Playbook, user: str = "bob") -> object:
    return book.query("", "user.state", StateRequest(user), authority="server")


def test_deactivated_and_active_again(book: Playbook) -> None:
    assert book.do("", DeactivateUser(user="bob", reason="left"), authority="server") == [
        UserExclusionSet(user="bob", deactivated=True),
        ExclusionExplained(user="bob", reason="left"),
    ]
    assert book.forwards == [TellUser("bob", deactivated=True)]
    assert book.do("", DeactivateUser(user="bob"), authority="server") == []
    shown = state(book)
    assert isinstance(shown, dict)
    assert (shown["deactivated"], shown["reason"]) == (True, "left")
    assert exclusions.exclusions(book.tables) == {"bob": Exclusion(deactivated=True)}
    assert book.do("", ReactivateUser(user="bob"), authority="operator") == [
        UserExclusionSet(user="bob")
    ]
    assert state(book) == {"user": "bob"}
    assert exclusions.exclusions(book.tables) == {}
    book.assert_replay_equal()


def test_a_ban_ends_by_itself_or_is_lifted(book: Playbook) -> None:
    ban = BanUser(user="bob", until=rfc3339(SOON))
    assert book.do("", ban, authority="moderator") == [UserExclusionSet(user="bob", banned_ms=SOON)]
    shown = state(book)
    assert isinstance(shown, dict)
    assert (shown["banned"], shown["until"]) == (True, rfc3339(SOON))
    book.tick(60_000)
    assert state(book) == {"user": "bob"}
    assert book.do("", UnbanUser(user="bob"), authority="server") == []
    book.do("", BanUser(user="bob"), authority="server")
    assert exclusions.exclusions(book.tables) == {"bob": Exclusion(banned_ms=FOREVER_MS)}
    assert book.do("", UnbanUser(user="bob"), authority="server") != []
    book.assert_replay_equal()


def test_one_does_not_end_the_other(book: Playbook) -> None:
    book.do("", DeactivateUser(user="bob"), authority="server")
    book.do("", BanUser(user="bob", until=SOON), authority="server")
    book.tick(60_000)
    book.do("", DeactivateUser(user="eve"), authority="server")
    found = exclusions.exclusions(book.tables)["bob"]
    assert found.deactivated, "his ban is over, and he is not back by that"
    book.now_ms = START_MS
    book.do("", ReactivateUser(user="eve"), authority="server")
    book.do("", ReactivateUser(user="bob"), authority="server")
    assert exclusions.exclusions(book.tables) == {"bob": Exclusion(banned_ms=SOON)}
    book.do("", DeactivateUser(user="bob"), authority="server")
    book.do("", UnbanUser(user="bob"), authority="server")
    assert exclusions.exclusions(book.tables) == {"bob": Exclusion(deactivated=True)}
    book.assert_replay_equal()


@pytest.mark.parametrize(
    ("command", "authority"),
    [
        (DeactivateUser(user="bob"), "client"),
        (DeactivateUser(user="bob"), "moderator"),
        (ReactivateUser(user="bob"), "moderator"),
        (BanUser(user="bob"), "client"),
        (BanUser(user="bob"), "operator"),
        (UnbanUser(user="bob"), "client"),
    ],
)
def test_who_may_not(book: Playbook, command: Command, authority: str) -> None:
    assert book.refused("ann", command, authority=authority) is PERMISSION_DENIED


@pytest.mark.parametrize("authority", ["client", "analyst", "edge"])
def test_who_may_not_ask(book: Playbook, authority: str) -> None:
    with pytest.raises(Rejected) as caught:
        book.query("bob", "user.state", StateRequest("bob"), authority=authority)
    assert caught.value.error is PERMISSION_DENIED


@pytest.mark.parametrize("authority", ["server", "operator", "moderator"])
def test_who_may_ask(book: Playbook, authority: str) -> None:
    book.do("", DeactivateUser(user="bob"), authority="server")
    found = book.query("", "user.state", StateRequest("bob"), authority=authority)
    assert (found["deactivated"], found.get("banned"), found.get("until")) == (True, None, None)


def test_another_reason_is_told_alone(book: Playbook) -> None:
    book.do("", DeactivateUser(user="bob", reason="left"), authority="server")
    assert book.do("", DeactivateUser(user="bob", reason="left"), authority="server") == []
    assert book.do("", DeactivateUser(user="bob", reason="fired"), authority="server") == [
        ExclusionExplained(user="bob", reason="fired")
    ]
    again = book.do("", BanUser(user="bob", reason="fired"), authority="server")
    assert again[1:] == [ExclusionExplained(user="bob", reason="fired")], "of this state, too"


def test_malformed(book: Playbook) -> None:
    for command, error in (
        (BanUser(user="bob", until=START_MS - 1), BAD_REQUEST),
        (BanUser(user="bob", until="soon"), BAD_REQUEST),
        (DeactivateUser(user="a b"), BAD_REQUEST),
        (DeactivateUser(user="bob", reason="r" * 1_001), TOO_LARGE),
    ):
        assert book.refused("", command, authority="server") is error


def test_bounded_and_past_bans_make_room(book: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusions, "EXCLUDED_MAX", 3)
    for name in "abc":
        book.do("", BanUser(user=name, until=SOON), authority="server")
    assert book.refused("", BanUser(user="d"), authority="server") is LIMIT_EXCEEDED
    book.tick(60_000)
    book.do("", BanUser(user="a"), authority="server")
    assert [user for user, _ in book.tables[EXCLUDED].scan()] == ["a"]
    assert book.tables[BY_END].scan() == []
    assert book.tables[exclusions.COUNT].get(0) == 1
    book.do("", BanUser(user="d"), authority="server")
    book.assert_replay_equal()


def test_the_user_hears_what_changed_and_once() -> None:
    book = Playbook("#bob")

    def tell(deactivated: bool = False, banned_ms: int = 0) -> list[object]:
        told = book.do("", TellUser("bob", deactivated, banned_ms), authority="system")
        return [to_builtins(event) | {"t": event.TAG} for event in told]

    def event(of: type, **fields: str) -> dict[str, str]:
        return {**fields, "t": of.TAG}  # type: ignore[attr-defined]

    assert tell(deactivated=True) == [event(UserDeactivated)]
    assert tell(deactivated=True) == []
    assert tell(True, SOON) == [event(UserBanned, until=rfc3339(SOON))]
    assert tell(False, SOON) == [event(UserReactivated)]
    assert tell(False, FOREVER_MS) == [event(UserBanned)]
    assert tell() == [event(UserUnbanned)]
    assert tell(False, SOON) == [event(UserBanned, until=rfc3339(SOON))]
    outs = [exclusions.is_out(book.tables, ms) for ms in (SOON - 1, SOON)]
    assert outs == [True, False]
    book.tick(60_000)
    assert tell() == [], "it is over anyway"
    tell(deactivated=True)
    assert exclusions.is_out(book.tables, book.now_ms)
    assert not exclusions.is_out(Playbook("#eve").tables, book.now_ms)
    assert book.refused("bob", TellUser("bob")) is PERMISSION_DENIED
    book.assert_replay_equal()


def test_raw_user_streams_hear_nothing() -> None:
    book = Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    assert book.do("", TellUser("bob", deactivated=True), authority="system") == []
