"""What a user lets others see: his own setting, and how his channels learn it."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, NOT_AVAILABLE, PERMISSION_DENIED
from hubbub.features.channel_list import PutListed
from hubbub.features.privacy import PrivacyChanged, PrivacyRequest, SetPrivacy
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


def test_refusals(book: Playbook) -> None:
    assert book.refused("bob", SetPrivacy(user="ann", read=False)) is PERMISSION_DENIED
    assert book.refused("ann", SetPrivacy(user="ann")) is BAD_REQUEST
    strict = Playbook("#ann", settings=AppSettings(read_receipts="required"))
    assert strict.refused("ann", SetPrivacy(user="ann", read=False)) is PERMISSION_DENIED
    strict.do("ann", SetPrivacy(user="ann", delivered=False))
    raw = Playbook("#ann", settings=AppSettings(namespaces={"#": Namespace()}))
    assert raw.refused("ann", SetPrivacy(user="ann", read=False)) is NOT_AVAILABLE
