"""Right and snapshot of a channel's subscriber."""

from __future__ import annotations

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND, NOT_A_MEMBER, ErrorCode, Rejected
from hubbub.features.capabilities import SetRoleCapabilities
from hubbub.features.marks import MarkRead
from hubbub.features.members import AddMembers
from hubbub.features.messages import SendMessage
from hubbub.features.publication import rfc3339
from hubbub.features.receipts import HideReceipts
from hubbub.features.sanctions import MuteMembers, TimeoutMembers
from hubbub.model.member import Role
from hubbub.wire.presence import Live
from tests.support.playbook import Playbook

X = "group:x"


def refused(book: Playbook, user: str, authority: str = "client") -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        book.access(user, authority=authority)
    return caught.value.error


def test_a_members_snapshot() -> None:
    book = Playbook(X, owner="ann", members=["bob"])
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("ann", MarkRead(channel=X, upto=2))
    snapshot = book.snapshot("bob")
    assert snapshot["channel"].pop("guarantees")["tier"] == "small"
    assert snapshot == {
        "channel": {
            "channel": X,
            "kind": "group",
            "created": "2026-01-31T12:00:00.000Z",
            "members": 2,
            "head": 2,
            "role": "member",
        },
        "mark": 1,
        "unread": 1,
        "delivered": 1,
        "marks": {"ann": 2, "bob": 1},
        "marks_delivered": {"ann": 2, "bob": 1},
    }
    access = book.access("bob")
    assert (access.presence, access.positioned, access.recoverable) == (True, True, True)


def test_who_came_later_is_told_with_his_seq_unless_he_hides() -> None:
    """For `Read by N`: his mark begins at his join, which is no reading of what is older."""
    book = Playbook(X, owner="ann", members=["bob"])
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("", AddMembers(channel=X, users=("cid", "dan")), authority="server")
    book.do("dan", HideReceipts(channel=X, user="dan", hidden=3), authority="system")
    snapshot = book.snapshot("bob")
    assert snapshot["marks"] == {"ann": 1, "bob": 1, "cid": 3}
    assert snapshot["joined"] == {"cid": 3}


def test_who_is_muted_is_told_until_when() -> None:
    book = Playbook(X, owner="ann", members=["bob", "cid"])
    book.do("ann", TimeoutMembers(channel=X, users=("bob",), for_s=60))
    book.do("ann", MuteMembers(channel=X, users=("cid",)))
    assert book.snapshot("bob")["muted"] == rfc3339(book.now_ms + 60_000)
    assert book.snapshot("cid")["muted"] == ""
    assert "muted" not in book.snapshot("ann")
    book.tick(61_000)
    assert "muted" not in book.snapshot("bob")


def test_a_large_channel_names_no_single_marks() -> None:
    book = Playbook(X, owner="ann", members=[f"u{n}" for n in range(100)])
    assert "marks" not in book.snapshot("ann")
    assert book.access("ann").presence is False


def test_an_open_channel_is_for_everybody() -> None:
    hall = Playbook("open:hall", members=["mia"])
    hall.live = Live(watchers=7)
    snapshot = hall.snapshot("anyone")
    assert (snapshot["channel"]["role"], snapshot["watchers"]) == ("none", 7)
    assert "unread" not in snapshot
    assert hall.access("anyone").presence is False
    denied = SetRoleCapabilities(channel=hall.key, role=Role.NONE, deny=("see_presence",))
    hall.do("", denied, authority="server")
    assert "watchers" not in hall.snapshot("anyone")


def test_who_has_no_right() -> None:
    assert refused(Playbook(X), "ann") is CHANNEL_NOT_FOUND
    book = Playbook(X, owner="ann")
    assert refused(book, "eve") is CHANNEL_NOT_FOUND
    assert refused(book, "", "operator") is NOT_A_MEMBER
    assert refused(Playbook.direct("ann", "bob"), "eve") is CHANNEL_NOT_FOUND
    assert book.access("", authority="server").data
    book.do("ann", SendMessage(channel=X, text="hi"))
