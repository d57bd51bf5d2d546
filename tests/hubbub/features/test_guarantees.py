"""Tiers by members, with a border that does not flap."""

from __future__ import annotations

from hubbub.features.channels import ChannelRequest, CreateChannel
from hubbub.features.contract import Event
from hubbub.features.guarantees import ChannelTierChanged, _after, _of
from hubbub.features.members import AddMembers, LeaveChannel, RemoveMembers, SetRole
from hubbub.model.channel import ChannelKind, Tier
from hubbub.model.member import Role
from tests.support.playbook import Playbook

X = "group:x"


def users(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"u{n}" for n in range(first, last))


def changes(events: list[Event]) -> list[tuple[Tier, int]]:
    return [(e.guarantees.tier, e.members) for e in events if isinstance(e, ChannelTierChanged)]


def holds(book: Playbook) -> dict[str, str]:
    shown: dict[str, str] = book.query("ann", "channel.get", ChannelRequest(book.key))["guarantees"]
    return shown


def test_a_membership_event_that_passes_the_limit_says_so() -> None:
    book = Playbook(X, owner="ann", members=users(0, 98))  # 99
    add = AddMembers(channel=X, users=("a",))
    assert changes(book.do("", add, authority="server")) == []
    assert holds(book)["receipts"] == "per_member"
    assert book.access("ann").presence
    added = book.do("", AddMembers(channel=X, users=("b",)), authority="server")
    assert changes(added) == [(Tier.MEDIUM, 101)]
    assert holds(book) == {
        "tier": "medium",
        "receipts": "aggregate",
        "presence": "count",
        "typing": "count",
        "delivery": "full",
    }
    assert not book.access("ann").presence
    book.assert_replay_equal()


def test_it_falls_only_when_it_is_clearly_smaller() -> None:
    book = Playbook(X, owner="ann", members=users(0, 100))  # 101
    for user in ("u0", "u1"):
        assert changes(book.do(user, LeaveChannel(channel=X))) == []
    fewer = book.do("ann", RemoveMembers(channel=X, users=users(2, 10)))  # 91
    assert changes(fewer) == []
    assert changes(book.do("u10", LeaveChannel(channel=X))) == [(Tier.SMALL, 90)]
    assert holds(book)["tier"] == "small"
    book.assert_replay_equal()


def test_limits_of_all_tiers() -> None:
    assert [_after(0, n) for n in (100, 101, 10_000, 10_001)] == [0, 1, 1, 2]
    assert [_after(2, n) for n in (9_001, 9_000, 91, 90)] == [2, 1, 1, 0]


def test_every_message_is_delivered_at_any_size() -> None:
    for kind in (ChannelKind.GROUP, ChannelKind.OPEN):
        assert {_of(kind, tier).delivery for tier in range(3)} == {"full"}


def test_an_open_channel_has_an_audience() -> None:
    book = Playbook("open:x")
    book.do("", CreateChannel(channel="open:x"), authority="server")
    assert holds(book) == {
        "tier": "small",
        "receipts": "aggregate",
        "presence": "count",
        "typing": "count",
        "delivery": "full",
    }
    given = SetRole(channel="open:x", user="ann", role=Role.MODERATOR)
    assert changes(book.do("", given, authority="server")) == []
