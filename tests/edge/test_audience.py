"""The number of an edge's connections in a channel, as its leader hears it."""

from __future__ import annotations

from typing import Any

import pytest

from edge.audience import Audience
from edge.hub import Channel, Hub
from hubbub.wire.codec import decode_pack
from hubbub.wire.shapes import Kind, Presence, Status

HALL = ("demo", "open:hall")


class Stage:
    def __init__(self) -> None:
        self.told: list[tuple[str, int | None]] = []
        self.status = Status.OK
        self.hub = Hub(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            repair=lambda _: None,
            interest=lambda *_: None,
            head=lambda *_: None,
            listed=lambda *_: None,
        )
        self.audience = Audience(self.hub, self.request, "edge-1.1")

    def request(self, kind: Kind, app: str, key: str, body: bytes, done: Any) -> None:
        report = decode_pack(body, Presence)
        assert (kind, report.edge, report.left) == (Kind.PRESENCE, "edge-1.1", ())
        self.told.append((key, report.watchers))
        done(self.status, b"")

    def has(self, number: int, stream: tuple[str, str] = HALL) -> Channel:
        channel = self.hub.open(stream)
        channel.members = {None: [None] * number}  # type: ignore[dict-item]
        self.audience.changed(stream)
        return channel


def test_a_number_is_told_when_it_changed() -> None:
    stage = Stage()
    stage.has(3)
    stage.has(4)
    stage.audience.tick()
    stage.audience.tick()
    stage.has(4)
    stage.audience.tick()
    assert stage.told == [("open:hall", 4)]
    del stage.hub.channels[HALL]
    stage.audience.changed(HALL)
    stage.audience.tick()
    assert stage.told[1:] == [("open:hall", 0)]


def test_what_a_leader_did_not_take_is_told_again() -> None:
    stage = Stage()
    stage.status = Status.UNKNOWN
    stage.has(3)
    stage.audience.tick()
    stage.status = Status.OK
    stage.audience.tick()
    stage.audience.tick()
    assert stage.told == [("open:hall", 3)] * 2


@pytest.mark.parametrize("key", ["#ann", "raw:x", "group:small"])
def test_elsewhere_nobody_counts(key: str) -> None:
    stage = Stage()
    channel = stage.has(3, ("demo", key))
    channel.presence = key == "group:small"
    stage.audience.tick()
    assert stage.told == []
    assert stage.audience.number(channel) is None
