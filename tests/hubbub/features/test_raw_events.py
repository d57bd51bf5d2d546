"""Raw namespaces: who publishes, who subscribes, what is kept."""

from __future__ import annotations

import pytest
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    PERMISSION_DENIED,
    TOO_LARGE,
    UNKNOWN_CHANNEL,
    ErrorCode,
    Rejected,
)
from hubbub.features.contract import Access, SubscribeArgs
from hubbub.features.raw_events import PublishEvent, RawPublished, RawSignal
from hubbub.settings.app import AppSettings, Namespace
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.event import TRANSIENT
from tests.support.playbook import Playbook

SETTINGS = AppSettings(
    namespaces={
        "kept": Namespace(publish="everyone", history_size=300, history_ttl_s=60),
        "signals": Namespace(publish="subscribers", presence="subscribers", join_leave=True),
        "news": Namespace(),
        "secret": Namespace(subscribe="token", publish="everyone"),
        "all": Namespace(subscribe="everyone"),
    }
)
DATA = Raw(b'{"x": 1e2}')


def book(channel: str, settings: AppSettings = SETTINGS) -> Playbook:
    return Playbook(channel, settings=settings)


def refused_access(channel: str, user: str, settings: AppSettings = SETTINGS) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        book(channel, settings).access(user)
    return caught.value.error


def test_with_history_an_event_is_numbered_and_untouched() -> None:
    room = book("kept:room")
    info = b'{"user":"ann"}'
    assert room.do("ann", PublishEvent(channel="kept:room", data=DATA), info=info) == [
        RawPublished(data=DATA, info=Raw(info))
    ]
    stored = room.tables.published(1)
    assert stored is not None
    assert (stored.data, stored.info, stored.head.flags) == (b'{"x": 1e2}', info, TRANSIENT)
    room.assert_replay_equal()


def test_without_history_it_is_a_signal() -> None:
    room = book("signals:room")
    assert room.do("ann", PublishEvent(channel="signals:room", data=DATA)) == [RawSignal(data=DATA)]
    assert room.signals == [b'{"x": 1e2}']
    info = b'{"user":"ann"}'
    [signal] = room.do("ann", PublishEvent(channel="signals:room", data=DATA), info=info)
    assert signal.publisher_info() == info
    assert room.signals[-1] == b'{"x": 1e2}', "beside the data, not in it"
    assert room.log == []


def test_who_publishes() -> None:
    command = PublishEvent(channel="news:x", data=DATA)
    assert book("news:x").refused("ann", command) is PERMISSION_DENIED
    assert book("news:x").do("", command, authority="server") == [RawSignal(data=DATA)]
    pair = PublishEvent(channel="kept:x#ann,bob", data=DATA)
    assert book("kept:x#ann,bob").refused("eve", pair) is PERMISSION_DENIED
    assert book("kept:x#ann,bob").do("bob", pair) != []


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("room", UNKNOWN_CHANNEL),
        ("other:room", UNKNOWN_CHANNEL),
        ("@app", UNKNOWN_CHANNEL),
        ("group:x", PERMISSION_DENIED),
        ("#ann", PERMISSION_DENIED),
        ("kept:a b", BAD_REQUEST),
    ],
)
def test_where_nothing_is_published(channel: str, error: ErrorCode) -> None:
    assert book(channel).refused("ann", PublishEvent(channel=channel, data=DATA)) is error


def test_sizes() -> None:
    big = Raw(b'"' + b"x" * 65_536 + b'"')
    refused = book("kept:r").refused("ann", PublishEvent(channel="kept:r", data=big))
    assert refused is TOO_LARGE


def test_the_floor_follows_now_and_then() -> None:
    room = book("kept:r")
    for _ in range(600):
        room.do("ann", PublishEvent(channel="kept:r", data=DATA))
    assert room.tables.floor_seq == 512 - 300
    assert room.tables.head_seq == 600
    room.assert_replay_equal()


def test_access_tells_what_the_namespace_grants() -> None:
    assert book("kept:r").access("ann") == Access(history_size=300, history_ttl_ms=60_000)
    assert book("signals:r").access("ann") == Access(
        positioned=False, recoverable=False, presence=True, join_leave=True
    )


def test_who_subscribes() -> None:
    assert refused_access("kept:r", "") is PERMISSION_DENIED
    assert refused_access("other:r", "ann") is UNKNOWN_CHANNEL
    assert refused_access("room", "ann") is UNKNOWN_CHANNEL
    assert refused_access("secret:r", "ann") is PERMISSION_DENIED
    assert refused_access("$kept:r", "ann") is PERMISSION_DENIED
    assert refused_access("kept:r#bob", "ann") is PERMISSION_DENIED
    assert book("kept:r#bob,ann").access("ann")
    assert book("all:r").access("")
    token = SubscribeArgs(token_channel=True)
    assert book("secret:r").access("ann", args=token)
    assert book("$kept:r").access("ann", args=token)
    assert book("secret:r").access("", authority="server")
    with pytest.raises(Rejected):
        book("kept:r#bob").access("ann", args=token)


def test_compat_user_streams_are_raw_and_their_own() -> None:
    own = book("#42", CENTRIFUGE_COMPAT)
    assert own.do("42", PublishEvent(channel="#42", data=DATA)) != []
    assert own.refused("43", PublishEvent(channel="#42", data=DATA)) is PERMISSION_DENIED
    assert own.access("42").join_leave
    assert refused_access("#42", "43", CENTRIFUGE_COMPAT) is PERMISSION_DENIED
    assert book("room", CENTRIFUGE_COMPAT).access("").history_size == 100
    assert refused_access("nope:x", "", CENTRIFUGE_COMPAT) is UNKNOWN_CHANNEL
