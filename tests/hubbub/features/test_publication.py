"""Stamped JSON, times, and the row of an event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.features import publication
from hubbub.features.contract import Event, EventKind, Meta
from hubbub.features.messages import MessageCreated, MessageUpdated
from hubbub.features.publication import (
    encode_publication,
    outcome,
    parse_time,
    quote,
    rfc3339,
    stamp,
)
from hubbub.wire.codec import decode_json, parse_json
from hubbub.wire.event import COUNTABLE, EVICTS, LISTS, TRANSIENT, UNLISTS, decode_row
from hubbub.wire.shapes import Outcome

META = Meta("demo", "group:x", 7, 1_769_860_800_005, "ann", "c-1", "mid")


class Bare(Event, frozen=True):
    TAG = "bare"
    BARE = True

    data: Raw


class Typing(Event, frozen=True):
    TAG = "typing"
    KIND = EventKind.SIGNAL


class Told(Event, frozen=True):
    TAG = "told"

    out: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def evicts(self) -> Sequence[str]:
        return self.out

    def lists(self) -> Sequence[str]:
        return self.on

    def unlists(self) -> Sequence[str]:
        return self.off


def test_stamp() -> None:
    assert stamp(MessageCreated(text="hi"), META) == (
        b'{"t":"message.created","seq":7,"id":"mid","cmid":"c-1","by":"ann",'
        b'"ts":"2026-01-31T12:00:00.005Z","text":"hi"}'
    )


def test_a_change_bears_the_id_of_its_message() -> None:
    event = MessageUpdated(id="other", message_seq=3, rev=2, text="x")
    data = decode_json(stamp(event, META), dict[str, object])
    assert (data["id"], data["seq"]) == ("other", 7)
    assert stamp(event, META).count(b'"id"') == 1
    assert outcome(event, META) == Outcome(7, META.ts_ms, "other", rev=2)
    assert outcome(MessageCreated(), META, b"{}") == Outcome(7, META.ts_ms, "mid", reply=b"{}")


def test_signals_and_bare_data() -> None:
    meta = Meta("demo", "group:x", 0, 0, "ann", "", "")
    assert stamp(Typing(), meta) == b'{"t":"typing","by":"ann","ts":"1970-01-01T00:00:00.000Z"}'
    assert stamp(Bare(data=Raw(b" [1] ")), META) == b" [1] "


@given(st.text(), st.text(), st.text())
def test_stamped_json_is_json_whatever_the_names(by: str, cmid: str, text: str) -> None:
    meta = Meta("demo", "group:x", 7, 0, by, cmid, "mid")
    try:
        for value in (by, cmid, text):
            value.encode()
    except UnicodeEncodeError:
        return
    data = parse_json(stamp(MessageCreated(text=text), meta))
    assert data["by"] == by
    assert data.get("cmid", "") == cmid
    assert data.get("text", "") == text
    assert parse_json(quote(by)) == by


@given(st.integers(0, 253_402_300_799_999))
def test_times_are_what_the_library_says(ms: int) -> None:
    expected = datetime.fromtimestamp(ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert rfc3339(ms) == f"{expected}.{ms % 1_000:03}Z"
    assert parse_time(rfc3339(ms)) == ms
    assert parse_time(str(ms)) == parse_time(ms) == ms, "in a query a number is text"


def test_remembered_seconds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_SECONDS_MAX", 3)
    monkeypatch.setattr(publication, "_seconds", {})
    times = [rfc3339(second * 1_000) for second in range(10)]
    assert len(set(times)) == 10
    assert len(publication._seconds) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "9 9",
        "9" * 16,
        -1,
        10**15,
        "0001-01-01T00:00:00Z",
    ],
)
def test_times_that_are_none(text: str | int) -> None:
    with pytest.raises(Rejected) as caught:
        parse_time(text)
    assert caught.value.error is BAD_REQUEST


@pytest.mark.parametrize(
    ("event", "flags", "info"),
    [
        (MessageCreated(text="x"), COUNTABLE, b""),
        (Bare(data=Raw(b"1")), TRANSIENT, b""),
        (Told(), 0, b""),
        (Told(out=("ann", "b")), EVICTS, b'["ann","b"]'),
        (Told(on=("c",)), LISTS, b'["c"]'),
        (Told(off=("c",)), UNLISTS, b'["c"]'),
    ],
)
def test_rows(event: Event, flags: int, info: bytes) -> None:
    stored = decode_row(7, encode_publication(event, META))
    assert stored.head == (flags, META.ts_ms, 0, event.TAG, "ann")
    assert stored.info == info
    assert stored.data == stamp(event, META)
