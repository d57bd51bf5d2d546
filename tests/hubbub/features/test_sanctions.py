"""Bans, mutes, timeouts."""

from __future__ import annotations

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    BANNED,
    CHANNEL_NOT_FOUND,
    LIMIT_EXCEEDED,
    MUTED,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    Rejected,
)
from hubbub.features import sanctions
from hubbub.features.capabilities import SetRoleCapabilities
from hubbub.features.marks import MarkRead
from hubbub.features.members import (
    AddMembers,
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    SetRole,
)
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.sanctions import (
    BY_END,
    SECONDS_MAX,
    BanMembers,
    MuteMembers,
    SanctionsRequest,
    TimeoutMembers,
    UnbanMembers,
    UnmuteMembers,
)
from hubbub.features.standing import CHANNEL, FOREVER_MS, ONLY
from hubbub.model.member import Role
from tests.support.playbook import START_MS, Playbook

KEY = "group:x"
OPEN = "open:x"
HELLO = SendMessage(channel=KEY, text="hello")


def ban(user: str, for_s: int | None = None, *, channel: str = KEY, reason: str = "") -> BanMembers:
    return BanMembers(channel=channel, user=user, for_s=for_s, reason=reason)


def mute(user: str, for_s: int | None = None, *, channel: str = KEY) -> MuteMembers:
    return MuteMembers(channel=channel, user=user, for_s=for_s)


def timeout(user: str, for_s: int | None) -> TimeoutMembers:
    return TimeoutMembers(channel=KEY, user=user, for_s=for_s)


def room() -> Playbook:
    book = Playbook(KEY, owner="ann", members=["mod", "bob", "cid"])
    book.do("ann", SetRole(channel=KEY, user="mod", role=Role.MODERATOR))
    return book


def test_a_banned_member_is_out_and_stays_out() -> None:
    book = room()
    removed, banned, explained = book.do("mod", ban("bob", reason="spam"))
    assert removed.evicts() == banned.evicts() == ("bob",)
    assert [removed.TAG, banned.TAG, explained.TAG] == [
        "member.removed",
        "member.banned",
        "member.sanction_explained",
    ]
    assert "reason" not in book.shown(book.tables.head_seq)
    for command in (HELLO, JoinChannel(channel=KEY), MarkRead(channel=KEY, upto=1)):
        refusal = book.refusal("bob", command)
        assert refusal.error is BANNED
        assert refusal.details == {"reason": "spam"}
    with pytest.raises(Rejected, match="banned"):
        book.access("bob")
    for user, command in (
        ("ann", InviteMembers(channel=KEY, user="bob")),
        ("", AddMembers(channel=KEY, users=("bob", "eve"))),
    ):
        refusal = book.refusal(user, command, authority="client" if user else "server")
        assert (refusal.error, refusal.details["user"]) == (BANNED, "bob")
    book.do("mod", UnbanMembers(channel=KEY, user="bob"))
    assert book.refused("bob", HELLO) is CHANNEL_NOT_FOUND
    book.do("mod", InviteMembers(channel=KEY, user="bob"))
    book.do("bob", JoinChannel(channel=KEY))
    book.do("bob", HELLO)
    book.assert_replay_equal()


def test_a_ban_ends_by_log_time() -> None:
    book = Playbook(OPEN, owner="ann")
    hello = SendMessage(channel=OPEN, text="hello")
    book.do("ann", ban("eve", 60, channel=OPEN))
    assert book.shown(book.tables.head_seq)["until"] == "2026-01-31T12:01:00.000Z"
    book.tick(59_999)
    refusal = book.refusal("eve", hello)
    assert refusal.error is BANNED
    assert refusal.details == {"until": "2026-01-31T12:01:00.000Z"}
    assert book.refused("eve", JoinChannel(channel=OPEN)) is BANNED
    book.tick(1)
    book.do("eve", hello)
    book.access("eve")
    assert book.do("ann", UnbanMembers(channel=OPEN, user="eve")) == []


def test_guests_of_an_open_channel_are_banned_without_a_row_of_theirs() -> None:
    book = Playbook(OPEN, owner="ann")
    book.do("ann", ban("eve", channel=OPEN))
    with pytest.raises(Rejected, match="banned"):
        book.access("eve")
    role = SetRole(channel=OPEN, user="eve", role=Role.MODERATOR)
    assert book.refused("ann", role) is BANNED
    book.do("dan", SendMessage(channel=OPEN, text="hello"))


def test_the_muted_read_and_say_nothing() -> None:
    book = room()
    book.do("bob", HELLO)
    mine = book.outcome.id
    book.do("mod", mute("bob", 60))
    for command in (HELLO, EditMessage(channel=KEY, id=mine, text="?")):
        refusal = book.refusal("bob", command)
        assert refusal.error is MUTED
        assert refusal.details == {"until": "2026-01-31T12:01:00.000Z"}
    book.access("bob")
    book.do("bob", MarkRead(channel=KEY, upto=1))
    book.do("bob", DeleteMessage(channel=KEY, id=mine))
    book.tick(60_000)
    book.do("bob", HELLO)
    book.do("mod", mute("bob"))
    assert book.refusal("bob", HELLO).details == {}
    book.do("mod", UnmuteMembers(channel=KEY, user="bob"))
    book.do("bob", HELLO)
    book.assert_replay_equal()


def test_a_mute_outlives_membership() -> None:
    book = room()
    book.do("mod", mute("bob"))
    book.do("bob", LeaveChannel(channel=KEY))
    book.do("mod", InviteMembers(channel=KEY, user="bob"))
    book.do("bob", JoinChannel(channel=KEY))
    assert book.refused("bob", HELLO) is MUTED


def test_who_may_only_time_out_neither_shortens_nor_ends_a_mute_for_ever() -> None:
    book = room()
    book.do("ann", SetRoleCapabilities(channel=KEY, role=Role.MODERATOR, deny=("mute",)))
    assert book.refused("mod", mute("bob", 5)) is PERMISSION_DENIED
    assert book.refused("mod", timeout("bob", None)) is BAD_REQUEST
    book.do("mod", timeout("bob", 60))
    assert book.do("mod", timeout("bob", 30)) == []
    book.do("mod", UnmuteMembers(channel=KEY, user="bob"))
    book.do("bob", HELLO)
    book.do("ann", mute("bob"))
    assert book.do("mod", timeout("bob", 1)) == []
    assert book.refused("mod", UnmuteMembers(channel=KEY, user="bob")) is PERMISSION_DENIED
    assert book.refused("bob", HELLO) is MUTED


def test_whom_one_may_sanction() -> None:
    book = room()
    for user, target in (("mod", "ann"), ("bob", "cid"), ("bob", "eve")):
        for command in (ban(target), mute(target), timeout(target, 5)):
            assert book.refused(user, command) in (PERMISSION_DENIED, NOT_FOUND)
    assert book.refused("mod", ban("mod")) is BAD_REQUEST
    assert book.refused("mod", mute("eve")) is NOT_FOUND
    book.do("mod", ban("eve"))  # before she comes
    assert book.refused("eve", JoinChannel(channel=KEY)) is BANNED
    book.do("ann", ban("mod"))
    book.do("", ban("ann"), authority="moderator")


def test_a_dm_keeps_its_pair() -> None:
    book = Playbook.direct("ann", "bob")
    command = ban("bob", channel=book.key)
    assert book.refused("ann", command) is PERMISSION_DENIED
    assert book.refused("", command, authority="server") is PERMISSION_DENIED
    book.do("", mute("bob", channel=book.key), authority="server")
    assert book.refused("bob", SendMessage(channel=book.key, text="x")) is MUTED


def test_the_lists_are_pages_of_what_has_not_ended() -> None:
    book = room()
    book.do("ann", BanMembers(channel=KEY, users=("u1", "u2", "u3"), for_s=60, reason="raid"))
    book.do("ann", ban("u4"))
    book.do("mod", mute("bob", 90))
    request = SanctionsRequest(channel=KEY, limit=3)
    page = book.query("mod", "bans.list", request)
    assert [row["user"] for row in page["sanctions"]] == ["u1", "u2", "u3"]
    assert page["sanctions"][0] == {
        "user": "u1",
        "by": "ann",
        "since": "2026-01-31T12:00:00.000Z",
        "until": "2026-01-31T12:01:00.000Z",
        "reason": "raid",
    }
    rest = book.query("mod", "bans.list", SanctionsRequest(channel=KEY, after=page["next"]))
    assert [row["user"] for row in rest["sanctions"]] == ["u4"]
    assert "until" not in rest["sanctions"][0]
    assert rest["next"] == ""
    mutes = book.query("mod", "mutes.list", SanctionsRequest(channel=KEY))
    assert [row["user"] for row in mutes["sanctions"]] == ["bob"]
    book.tick(60_000)
    page = book.query("mod", "bans.list", SanctionsRequest(channel=KEY))
    assert [row["user"] for row in page["sanctions"]] == ["u4"]
    with pytest.raises(Rejected, match="permission"):
        book.query("bob", "bans.list", SanctionsRequest(channel=KEY))


def test_rows_of_the_past_are_cleared_away() -> None:
    book = room()
    for n in range(10):
        book.do("ann", ban(f"u{n}", 1))
    book.tick(1_000)
    for n in range(10, 16):
        book.do("ann", ban(f"u{n}", 60))
    assert len(book.tables.rows["sanctions.bans"].packed) == 6
    assert len(book.tables.rows["sanctions.by_end"].packed) == 6
    row = book.tables[CHANNEL].get(ONLY)
    assert row.sanctions == 6
    book.do("ann", UnbanMembers(channel=KEY, users=tuple(f"u{n}" for n in range(16))))
    assert book.tables[CHANNEL].get(ONLY).sanctions == 0
    assert not book.tables.rows["sanctions.by_end"].packed
    book.assert_replay_equal()


def test_times_are_bounded_and_so_is_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    book = room()
    book.do("ann", ban("bob", SECONDS_MAX))
    assert book.tables[sanctions.BANS].get("bob").until_ms == START_MS + SECONDS_MAX * 1_000
    book.do("ann", ban("bob"))
    assert book.tables[sanctions.BANS].get("bob").until_ms == FOREVER_MS
    assert SECONDS_MAX == 28 * 86_400
    monkeypatch.setattr(sanctions, "SANCTIONS_MAX", 1)
    assert book.refused("ann", ban("cid")) is LIMIT_EXCEEDED


def test_what_is_so_already_is_no_change() -> None:
    book = room()
    assert len(book.do("mod", ban("eve"))) == 1, "nobody had to go, no reason was given"
    assert book.do("mod", ban("eve")) == []
    book.do("mod", mute("bob"))
    assert book.do("mod", mute("bob")) == []
    assert book.tables[BY_END].scan() == [], "neither ends by itself"
    assert book.do("mod", timeout("bob", 60)) == [], "he says nothing anyway"
    assert book.do("mod", mute("bob", 60)) != []
    assert book.do("mod", timeout("bob", 60)) == []
    assert [(what, user) for (_, what, user), _ in book.tables[BY_END].scan()] == [("mute", "bob")]
    book.do("mod", UnmuteMembers(channel=KEY, user="bob"))
    assert book.do("mod", UnmuteMembers(channel=KEY, user="bob")) == []
    assert book.tables[BY_END].scan() == []
    book.assert_replay_equal()


def test_malformed() -> None:
    book = room()
    assert book.refused("mod", BanMembers(channel=KEY)) is BAD_REQUEST
    assert book.refused("mod", ban("bob", reason="x" * 1_001)) is TOO_LARGE
    book.do("mod", ban("bob", reason="x" * 1_000))
    for limit, after in ((0, ""), (1_001, ""), (1, "a b")):
        for name in ("bans.list", "mutes.list"):
            with pytest.raises(Rejected) as caught:
                book.query("mod", name, SanctionsRequest(KEY, after=after, limit=limit))
            assert caught.value.error is BAD_REQUEST
