"""A deleted app's rows go: in every copy, at one place of the log, and nobody else's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from hubbub.base.units import SECOND_MS
from node import clearing, keys
from node.clearing import AGAIN_MS, GRACE_MS, Clear, Clearing
from node.store.api import Family
from node.store.rocks import RocksLimits, RocksStore
from tests.node.rig import APP, SLOTS, START_MS, Rig
from tests.node.test_slot_copies import ROOM as TRIO_ROOM
from tests.node.test_slot_copies import send, started

ROOMS = [f"group:{n}" for n in range(2 * SLOTS)]
LATER = START_MS + 3_600 * SECOND_MS


class Node:
    """A rig that clears its slots. `deleted`: by name."""

    def __init__(self, store: RocksStore | None = None) -> None:
        self.rig = Rig(store)
        self.deleted: dict[str, int] = {}
        self.clearing = Clearing(self.rig.store, self.rig.slots, lambda: self.deleted)

    def fill(self, app: str) -> None:
        """Rooms with a message; their retention falls due."""
        for room in ROOMS:
            for tag, body in (
                ("channel.create", {"channel": room, "members": ["bob"]}),
                ("message.send", {"channel": room, "text": f"words of {app}"}),
            ):
                self.rig.submit(room, self.rig.command(tag, body, user="alice"), app)
            self.rig.settle()

    def delete(self, app: str) -> None:
        self.deleted[app] = self.rig.now_ms
        info = self.rig.apps[app]
        self.rig.apps[app] = msgspec.structs.replace(info, is_deleted=True)

    def step(self) -> Clear | None:
        found = self.clearing.step(self.rig.now_ms, self.rig.now_ms)
        if found is not None:
            self.rig.obey(found.slot.app_gone(found.app, found.dues, self.rig.now))
            self.rig.settle()
        return found

    def clear(self) -> int:
        """Until nothing is left to do; the entries."""
        entries = 0
        for _ in range(500):
            self.rig.now_ms += AGAIN_MS
            entries += self.step() is not None
            if all(
                len(self.clearing._clean.get(n, (0, set()))[1]) == len(self.deleted)
                for n in self.rig.slots
            ):
                return entries
        raise AssertionError("it never ends")

    def rows(self, app: str) -> dict[Family, int]:
        """How many rows bear the app's name, by family."""
        name = len(app).to_bytes(1, "big") + app.encode()
        dump = self.rig.dump()
        return {family: sum(name in key for key, _ in dump[family]) for family in Family}


def test_every_row_goes_and_another_apps_stay() -> None:
    node = Node()
    node.fill(APP)
    node.fill("other")
    before, kept = node.rows(APP), node.rows("other")
    assert all(before[family] for family in (Family.CHAN, Family.STATE, Family.META))
    node.delete(APP)
    assert node.step() is None, "not every node has heard of it"
    node.rig.now_ms += GRACE_MS
    used = {node.rig.slot(room).number for room in ROOMS}
    assert node.clear() == len(used), "one a slot"
    assert not any(node.rows(APP).values()), node.rows(APP)
    assert node.rows("other") == kept
    node.rig.now_ms = LATER  # what fell due is forgotten, of the other app it is there
    for slot in node.rig.slots.values():
        dues = slot.due_keys(b"", 100)
        assert {keys.parse_due(due)[0] for due in dues} <= {"other"}
    sent = node.rig.submit(
        ROOMS[0], node.rig.command("message.send", {"channel": ROOMS[0], "text": "on"}), "other"
    )
    node.rig.settle()
    assert node.rig.results[sent].seq > 0
    assert node.step() is None, "nothing is looked at again"


def test_its_entries_leave_the_log_a_minute_later() -> None:
    node = Node()
    node.fill(APP)

    def logged() -> int:
        return sum(b"words of demo" in value for _, value in node.rig.dump()[Family.LOG])

    assert logged() == len(ROOMS)
    node.delete(APP)
    node.rig.now_ms += GRACE_MS
    node.clear()
    for left in (len(ROOMS), 0):
        for slot in node.rig.slots.values():
            node.rig.obey(slot.tidy(node.rig.now))
        node.rig.settle()
        assert logged() == left


def test_a_step_is_bounded_and_a_lost_entry_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clearing, "LOOKS_MAX", 4)
    monkeypatch.setattr(clearing, "DUES_SCANNED", 1)
    node = Node()
    node.fill(APP)
    node.delete(APP)
    node.rig.now_ms += GRACE_MS
    at = node.rig.now_ms
    first = node.clearing.step(at, at)
    assert first is not None
    assert len(first.dues) == 1
    second = node.clearing.step(at, at)
    assert second is not None
    assert second.slot is not first.slot, "the first one's entry is under way"
    again = node.clearing.step(at, at + AGAIN_MS)
    assert again is not None
    assert again.slot is first.slot
    node.clear()
    assert not any(node.rows(APP).values())
    counts = node.clearing.counts
    looked = counts.looked_total
    node.deleted["never was"] = 0
    node.rig.now_ms += AGAIN_MS
    node.step()
    assert counts.looked_total - looked == 4


def test_all_copies_do_it_at_one_place() -> None:
    trio = started()
    for text in ("a", "b"):
        send(trio, 0, text)
    trio.run()
    leader = trio.members[0]
    trio.obey(leader, leader.slot.app_gone(APP, leader.slot.due_keys(b"", 9), trio.now))
    trio.run()
    trio.beat()
    dumps = [trio.dump(number) for number in range(3)]
    assert dumps[0] == dumps[1] == dumps[2]
    assert dumps[0][Family.CHAN] == dumps[0][Family.STATE] == []
    assert not any(TRIO_ROOM.encode() in key for key, _ in dumps[0][Family.META])
    trio.restart(2)
    trio.run()
    trio.beat()
    assert trio.dump(2) == dumps[0]


def test_the_disk_comes_back(tmp_path: Path) -> None:
    """Table files shrink when what was deleted is compacted, as the next flushes let it."""
    limits = RocksLimits(write_buffer_bytes=256 << 10, block_cache_bytes=1 << 20)
    store = RocksStore(str(tmp_path / "db"), limits)
    node = Node(store)
    random = node.rig.random

    def talk(app: str, room: str, count: int) -> None:
        for _ in range(count):
            text = random.randbytes(2_000).hex()
            body = {"channel": room, "text": text}
            node.rig.submit(room, node.rig.command("message.send", body), app)
            node.rig.settle()

    for app in (APP, "other"):
        made = node.rig.command("channel.create", {"channel": ROOMS[0], "members": []})
        node.rig.submit(ROOMS[0], made, app)
        node.rig.settle()
    talk(APP, ROOMS[0], 1_200)

    def size() -> int:
        found = 0
        for table in [*(tmp_path / "db").glob("*.sst")]:
            with suppress(FileNotFoundError):  # what is compacted goes meanwhile
                found += table.stat().st_size
        return found

    full = size()
    assert full > 2 << 20, "it was never flushed: this proves nothing"
    node.delete(APP)
    node.rig.now_ms += GRACE_MS
    node.clear()
    for _ in range(2):
        for slot in node.rig.slots.values():
            node.rig.obey(slot.tidy(node.rig.now))
        node.rig.settle()
    for _ in range(40):
        talk("other", ROOMS[0], 20)
        store.begin_flush()
        if size() < full // 2:
            break
    else:
        pytest.fail("what was deleted still lies there")
    store.close()
