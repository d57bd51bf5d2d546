"""Settings of a user that his devices share."""

from __future__ import annotations

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.features.user_settings import (
    KEY_CHARS_MAX,
    KEYS_MAX,
    VALUE_BYTES_MAX,
    SetSettings,
    SettingsRequest,
)
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from tests.support.playbook import Playbook


def put(**settings: str) -> SetSettings:
    return SetSettings(user="ann", settings={k: Raw(v.encode()) for k, v in settings.items()})


def test_the_last_writer_wins_by_key() -> None:
    book = Playbook("#ann")
    book.do("ann", put(theme='"dark"', size="3"))
    [event] = book.do("ann", put(theme='"light"', size="3"))
    assert book.shown(2)["settings"] == {"theme": "light"}, "what changed, and nothing else"
    assert event.TAG == "settings.changed"
    assert book.do("ann", put(theme='"light"')) == []
    book.do("ann", put(size="null", missing="null"))
    assert book.shown(3)["settings"] == {"size": None}
    assert book.query("ann", "settings.get", SettingsRequest()) == {"settings": {"theme": "light"}}
    assert book.snapshot("ann")["settings"] == {"theme": "light"}
    book.assert_replay_equal()


def test_bounds() -> None:
    book = Playbook("#ann")
    for n in range(KEYS_MAX):
        book.do("ann", put(**{f"k{n}": "1"}))
    assert book.refused("ann", put(more="1")) is TOO_MANY
    book.do("ann", put(more="1", k0="null"))
    assert book.refused("ann", put(**{"k" * (KEY_CHARS_MAX + 1): "1"})) is BAD_REQUEST
    assert book.refused("ann", put(k1='"' + "x" * VALUE_BYTES_MAX + '"')) is TOO_LARGE
    assert book.refused("ann", put()) is BAD_REQUEST
    assert book.refused("ann", put(**{f"n{n}": "1" for n in range(65)})) is TOO_MANY


def test_settings_are_the_users_own() -> None:
    book = Playbook("#ann")
    assert book.refused("bob", put(a="1")) is PERMISSION_DENIED
    book.do("", put(a="1"), authority="server")
    with pytest.raises(Rejected) as refused:
        book.query("bob", "settings.get", SettingsRequest())
    assert refused.value.error is PERMISSION_DENIED
    raw = Playbook("#ann", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("ann", put(a="1")) is NOT_AVAILABLE
