"""What a user lets others see: his own setting, and how his channels learn it."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, PERMISSION_DENIED, RATE_LIMITED
from hubbub.features.channel_list import PutListed
from hubbub.features.presence import PresenceChosen, SetPresence
from hubbub.features.privacy import (
    CHANGES_MAX,
    CHANGES_MS,
    PrivacyChanged,
    PrivacyRequest,
    SetPrivacy,
    TracesHidden,
)
from hubbub.features.receipts import HideReceipts
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.settings.app import AppSettings, Namespace
from tests.support.playbook import Playbook

SHOWN = {
    "read": True,
    "delivered": True,
    "typing": True,
    "presence": "everybody",
    "last_seen": "everybody",
}


@pytest.fixture
def book() -> Playbook:
    return Playbook("#ann")


def listed(book: Playbook, channel: str, role: Role = Role.MEMBER) -> None:
    put = PutListed(user="ann", channel=channel, kind=ChannelKind.GROUP, role=role)
    book.do("ann", put, authority="system")


def test_everything_is_shown_until_it_is_switched_off(book: Playbook) -> None:
    assert book.query("ann", "privacy.get", PrivacyRequest()) == SHOWN
    listed(book, "group:a")
    listed(book, "group:b")
    listed(book, "group:asked", Role.INVITED)
    changed = book.do("ann", SetPrivacy(user="ann", read=False, typing=False))
    assert changed == [PrivacyChanged(read=False, delivered=True, typing=False)]
    assert book.forwards == [
        HideReceipts(channel=channel, user="ann", hidden=5) for channel in ("group:a", "group:b")
    ]
    assert book.do("ann", SetPrivacy(user="ann", read=False)) == []
    assert book.query("ann", "privacy.get", PrivacyRequest())["typing"] is False
    book.do("ann", SetPrivacy(user="ann", read=True, typing=True))
    assert book.query("ann", "privacy.get", PrivacyRequest()) == SHOWN
    book.assert_replay_equal()


def test_a_channel_that_he_joins_later_learns_it_too(book: Playbook) -> None:
    listed(book, "group:a")
    assert book.forwards == []
    book.do("ann", SetPrivacy(user="ann", delivered=False))
    book.forwards.clear()
    listed(book, "group:c")
    assert book.forwards == [HideReceipts(channel="group:c", user="ann", hidden=2)]


def test_who_is_invisible_leaves_no_traces_and_his_settings_stay(book: Playbook) -> None:
    listed(book, "group:a")
    book.do("ann", SetPrivacy(user="ann", read=False))
    book.forwards.clear()
    hides = book.do("ann", SetPresence(user="ann", state="invisible"))
    assert hides == [PresenceChosen(state="invisible"), TracesHidden(hidden=8 | 16 | 32)]
    told = {"channel": "group:a", "user": "ann"}
    assert book.forwards == [HideReceipts(**told, hidden=1 | 8 | 16 | 32)]
    assert book.query("ann", "privacy.get", PrivacyRequest()) == {**SHOWN, "read": False}
    book.do("ann", SetPrivacy(user="ann", read=True, typing=False))
    book.do("ann", SetPresence(user="ann", state="busy"))
    book.do("ann", SetPresence(user="ann", state="online"))
    assert book.forwards[1:] == [
        HideReceipts(**told, hidden=4 | 8 | 16 | 32),
        HideReceipts(**told, hidden=4),
    ]
    book.do("ann", SetPresence(user="ann", state="invisible"))
    book.forwards.clear()
    listed(book, "group:later")
    later = HideReceipts(channel="group:later", user="ann", hidden=4 | 8 | 16 | 32)
    assert book.forwards == [later]
    book.assert_replay_equal()
    settings = AppSettings(read_receipts="required", delivery_receipts="required")
    strict = Playbook("#ann", settings=settings)
    hides = strict.do("ann", SetPresence(user="ann", state="invisible"))
    assert hides[1:] == [TracesHidden(hidden=32)], "nobody gets round what the app requires"


def test_changes_that_reach_all_channels_are_counted(book: Playbook) -> None:
    for _ in range(CHANGES_MAX // 2):
        book.do("ann", SetPresence(user="ann", state="invisible"))
        book.do("ann", SetPresence(user="ann", state="online"))
    assert book.refused("ann", SetPresence(user="ann", state="invisible")) is RATE_LIMITED
    assert book.refused("ann", SetPrivacy(user="ann", read=False)) is RATE_LIMITED
    book.do("ann", SetPresence(user="ann", state="busy"))
    book.do("ann", SetPrivacy(user="ann", presence="contacts"))
    book.do("", SetPrivacy(user="ann", read=False), authority="server")
    book.now_ms += CHANGES_MS
    for n in range(CHANGES_MAX):
        book.do("ann", SetPrivacy(user="ann", typing=bool(n % 2)))
    book.now_ms += CHANGES_MS - 1
    assert book.refused("ann", SetPrivacy(user="ann", typing=False)) is RATE_LIMITED
    book.assert_replay_equal()


def test_refusals(book: Playbook) -> None:
    assert book.refused("bob", SetPrivacy(user="ann", read=False)) is PERMISSION_DENIED
    assert book.refused("ann", SetPrivacy(user="ann")) is BAD_REQUEST
    strict = Playbook("#ann", settings=AppSettings(read_receipts="required"))
    assert strict.refused("ann", SetPrivacy(user="ann", read=False)) is PERMISSION_DENIED
    strict.do("ann", SetPrivacy(user="ann", delivered=False))
    raw = Playbook("#ann", settings=AppSettings(namespaces={"#": Namespace()}))
    assert raw.refused("ann", SetPrivacy(user="ann", read=False)) is NOT_AVAILABLE
    loose = Playbook("#ann")
    loose.do("ann", SetPrivacy(user="ann", read=False, delivered=False))
    loose.settings = AppSettings(read_receipts="required")
    shown = loose.query("ann", "privacy.get", PrivacyRequest())
    assert (shown["read"], shown["delivered"]) == (True, False), "what others see now"
