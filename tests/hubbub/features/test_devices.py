"""Devices of a user: remembered, bounded, signed out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct

from hubbub.base.errors import (
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    UNAUTHORIZED,
    ErrorCode,
    Rejected,
)
from hubbub.base.units import DAY_MS
from hubbub.features.apps import RevokeToken
from hubbub.features.contract import EdgeContext, SubscribeArgs
from hubbub.features.devices import (
    DeviceAdded,
    DeviceSeen,
    DevicesRequest,
    RemoveDevice,
    SeeDevice,
    SignOut,
    turn_devices,
    turn_sessions,
)
from hubbub.settings.app import AppSettings
from hubbub.wire.codec import dump_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook


def see(device: str, **more: str) -> SeeDevice:
    return SeeDevice(user="ann", device=device, **more)


def known(book: Playbook) -> list[str]:
    return list(book.query("ann", "devices.known", DevicesRequest())["devices"])


def admitted(book: Playbook, device: str, issued: int) -> ErrorCode | None:
    args = SubscribeArgs(data=dump_json({"device": device, "issued": issued}))
    try:
        book.access("ann", args=args)
    except Rejected as refusal:
        return refusal.error
    return None


def test_a_device_is_written_once_a_day_or_when_it_says_something_new() -> None:
    book = Playbook("#ann")
    [added] = book.do("ann", see("d1", name="Phone", version="1"))
    assert isinstance(added, DeviceAdded)
    assert book.do("ann", see("d1", name="Phone", version="1", jti="other")) == []
    [seen] = book.do("ann", see("d1", name="Phone", version="2"))
    assert isinstance(seen, DeviceSeen)
    head = book.tables.head_seq
    assert book.do("ann", see("d1", name="Phone", version="2")) == []
    book.tick(DAY_MS)
    assert len(book.do("ann", see("d1", name="Phone", version="2"))) == 1
    assert book.tables.head_seq == head, "no offset is taken by what nobody must replay"
    book.assert_replay_equal()


def test_one_more_drops_the_one_that_was_away_longest() -> None:
    book = Playbook("#ann", settings=AppSettings(devices_kept_max=2))
    for device in ("d1", "d2"):
        book.do("ann", see(device))
        book.tick(DAY_MS)
    book.do("ann", see("d1"))
    book.tick(1)
    book.do("ann", see("d3"))
    assert known(book) == ["d1", "d3"]
    assert book.shown(book.tables.head_seq)["dropped"] == "d2"
    assert admitted(book, "d2", book.now_ms) is None, "it is not signed out"


def test_one_more_is_refused_where_the_app_says_so() -> None:
    book = Playbook("#ann", settings=AppSettings(devices_kept_max=1, devices_when_full="refuse"))
    book.do("ann", see("d1"))
    assert admitted(book, "d2", 1) is LIMIT_EXCEEDED
    assert admitted(book, "d1", 1) is None
    assert admitted(book, "", 1) is None


def test_a_removed_device_needs_a_new_token() -> None:
    book = Playbook("#ann")
    book.do("ann", see("d1", jti="t1"))
    book.do("ann", see("d2"))
    issued = book.now_ms
    book.tick(5)
    book.do("ann", RemoveDevice(user="ann", device="d1"))
    assert book.forwards == [RevokeToken(jti="t1")]
    assert known(book) == ["d2"]
    assert admitted(book, "d1", issued) is UNAUTHORIZED
    assert admitted(book, "d2", issued) is None
    assert admitted(book, "d1", book.now_ms) is None
    assert book.refused("ann", RemoveDevice(user="ann", device="d1")) is NOT_FOUND
    assert book.refused("bob", RemoveDevice(user="ann", device="d2")) is PERMISSION_DENIED
    book.do("", RemoveDevice(user="ann", device="d2"), authority="server")
    book.assert_replay_equal()


def test_signing_out_everywhere_else() -> None:
    book = Playbook("#ann")
    for device in ("d1", "d2", "d3"):
        book.do("ann", see(device, jti=f"t-{device}"))
    issued = book.now_ms
    book.tick(5)
    assert book.refused("ann", SignOut(user="ann")) is BAD_REQUEST
    assert book.refused("ann", SignOut(user="ann", keep="d9")) is NOT_FOUND
    book.do("ann", SignOut(user="ann", keep="d2"))
    assert book.forwards == [RevokeToken(jti="t-d1"), RevokeToken(jti="t-d3")]
    assert known(book) == ["d2"]
    for device, error in (("d1", UNAUTHORIZED), ("", UNAUTHORIZED), ("d2", None)):
        assert admitted(book, device, issued) is error
        assert admitted(book, device, book.now_ms) is None
    book.do("", SignOut(user="ann"), authority="server")
    assert known(book) == []


def answer(turned: Any, *answers: Struct | dict[str, Any]) -> Any:
    return json.loads(turned.then([dump_json(a) for a in answers]))


def test_lists_join_what_is_written_with_what_is_live() -> None:
    ann = EdgeContext("demo", Viewer("ann", client="c2"), 9_000, b"", b"", AppSettings())
    present = {
        "presence": {
            "c2": {"client": "c2", "device": "d1", "since": "2"},
            "c1": {"client": "c1", "since": "1"},
        }
    }
    rows = {"devices": {"d0": [1_000, 8_000, "Old"], "d1": [2_000, 3_000, "New", "1.0"]}}
    turned = turn_devices(DevicesRequest(), ann)
    assert {call.key for call in turned.calls} == {"#ann"}
    first, second = answer(turned, rows, present)["devices"]
    assert (first["device"], first["current"], first["version"]) == ("d1", True, "1.0")
    assert first["last_seen"] == "1970-01-01T00:00:09.000Z", "it is here now"
    assert [s["client"] for s in first["sessions"]] == ["c2"]
    assert (second["device"], second["last_seen"]) == ("d0", "1970-01-01T00:00:08.000Z")
    sessions = answer(turn_sessions(DevicesRequest(), ann), present)["sessions"]
    assert [(s["client"], s.get("current", False)) for s in sessions] == [
        ("c1", False),
        ("c2", True),
    ]
    with pytest.raises(Rejected):
        turned.then([Rejected(PERMISSION_DENIED), None])


def test_devices_are_the_users_own() -> None:
    book = Playbook("#ann")
    with pytest.raises(Rejected) as refused:
        book.query("bob", "devices.known", DevicesRequest())
    assert refused.value.error is PERMISSION_DENIED
    assert book.refused("bob", see("d1")) is PERMISSION_DENIED
