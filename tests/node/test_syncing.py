"""What a device lacks of a stream: delta, head with its gap, reset."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND, INTERNAL
from node import syncing
from node.syncing import DELTA_EVENTS_MAX, HEAD_EVENTS
from tests.node.test_reads import ROOM, Reader


class Device(Reader):
    """A reader that asks as a device does."""

    def sync(self, seq: int, epoch: str | None = None, user: str = "alice", key: str = ROOM) -> Any:
        epoch = self.epoch(key) if epoch is None else epoch
        return self.query("stream.sync", {"epoch": epoch, "seq": seq}, key=key, user=user)


def seqs(answer: Any) -> list[int]:
    return [event["seq"] for event in answer.get("events", [])]


def test_a_delta_is_all_that_was_missed_with_figures() -> None:
    device = Device()
    device.room(5)
    answer = device.sync(3, user="bob")
    assert (answer["state"], answer["seq"], seqs(answer)) == ("delta", 6, [4, 5, 6])
    assert answer["epoch"] == device.epoch()
    assert (answer["figures"]["unread"], answer["figures"]["mark"]) == (5, 1)
    assert "snapshot" not in answer
    assert "gap" not in answer
    assert device.sync(6)["state"] == "delta"
    assert seqs(device.sync(6)) == []


def test_a_delta_shows_the_current_state() -> None:
    device = Device()
    first = device.room(2)[0]
    device.rig.do(ROOM, "message.edit", {"channel": ROOM, "id": first.id, "text": "new"})
    created, _, updated = device.sync(1)["events"]
    assert (created["text"], created["rev"], created["edited"]) == ("new", 1, True)
    assert (updated["t"], updated["text"]) == ("message.updated", "new")


@pytest.mark.parametrize("missed", [DELTA_EVENTS_MAX, DELTA_EVENTS_MAX + 1])
def test_beyond_the_limit_comes_the_head_and_the_gap(missed: int) -> None:
    device = Device()
    device.room(missed + 2)  # and its creation: head = missed + 3
    answer = device.sync(3)
    if missed == DELTA_EVENTS_MAX:
        assert (answer["state"], len(answer["events"])) == ("delta", missed)
        return
    assert answer["state"] == "head"
    assert seqs(answer) == list(range(missed + 4 - HEAD_EVENTS, missed + 4))
    assert answer["gap"] == [4, missed + 3 - HEAD_EVENTS]
    assert answer["snapshot"]["channel"]["channel"] == ROOM


def test_bytes_bound_a_delta_and_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "DELTA_BYTES_MAX", 600)
    monkeypatch.setattr(syncing, "HEAD_BYTES_MAX", 500)
    device = Device()
    device.room(9)
    answer = device.sync(1)
    assert answer["state"] == "head"
    found = seqs(answer)
    assert 1 <= len(found) < 9
    assert answer["gap"] == [2, found[0] - 1]
    assert found[-1] == 10


def test_another_incarnation_and_a_raised_floor_are_resets() -> None:
    device = Device()
    device.room(9)
    answer = device.sync(4, epoch="another")
    assert (answer["state"], seqs(answer)) == ("reset", list(range(1, 11)))
    slot = device.rig.slot(ROOM)
    stream = slot.overlay.stream("demo", ROOM)
    stream.committed = type(stream.committed)(10, stream.committed.ts_ms, 6)
    assert device.sync(5)["state"] == "delta"
    answer = device.sync(4)
    assert (answer["state"], seqs(answer)) == ("reset", [6, 7, 8, 9, 10])
    assert "gap" not in answer


def test_a_device_that_has_nothing_gets_the_head() -> None:
    device = Device()
    device.room(HEAD_EVENTS)
    answer = device.sync(0, epoch="")
    assert (answer["state"], len(seqs(answer)), answer["gap"]) == ("head", HEAD_EVENTS, [1, 1])


def test_a_late_replica_and_a_stranger_are_refused() -> None:
    device = Device()
    device.room(1)
    since = {"epoch": device.epoch(), "seq": 99}
    assert device.refused("stream.sync", since) is INTERNAL
    assert device.refused("stream.sync", {}, user="eve") is CHANNEL_NOT_FOUND


def test_the_own_stream_is_a_delta_or_its_snapshot() -> None:
    device = Device()
    key = "#alice"
    device.rig.do(key, "user.ensure", {"user": "alice", "name": "Alice"})
    for number in range(3):
        listed = {"user": "alice", "channel": f"group:{number}", "kind": "group", "role": "member"}
        device.rig.do(key, "channel_list.put", listed, authority="system")
    gone = {"user": "alice", "channel": "group:1"}
    device.rig.do(key, "channel_list.drop", gone, authority="system")
    answer = device.sync(1, key=key)
    assert (answer["state"], answer["listed"]) == ("delta", ["group:0", "group:2"])
    assert seqs(answer) == [2, 3, 4, 5]
    answer = device.sync(0, epoch="", key=key)
    assert answer["state"] == "reset"
    assert [line["channel"] for line in answer["snapshot"]["channels"]] == ["group:2", "group:0"]
    assert "events" not in answer
