"""A backed-up database becomes a copy of the next generation; its streams get another epoch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hubbub.coordinator.backups import Restored, RestoreOrder
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Outcome
from node import keys
from node.entry import BrokenChain
from node.restore import last_incarnation, rows_for
from node.slot import Slot
from node.store.acked import AckedMap
from node.store.api import Family, Store
from node.store.memory import MemoryStore
from node.store.rocks import RocksStore
from node.survey import look, survey
from tests.node.rig import SLOTS, Rig, led_alone, write_records
from tests.node.trio import Trio

ROOM = "group:x"
TERM = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


def order_for(store: Store, data_dir: str = "") -> RestoreOrder:
    return RestoreOrder(
        data_dir=data_dir,
        storage_id="disk-new",
        cluster="c1",
        generation=2,
        copies=tuple(survey(store, range(SLOTS))),
    )


def backed_up(messages: int = 5) -> tuple[Rig, str]:
    """A slot with some messages; the cmid of the last one."""
    rig = Rig()
    rig.create(ROOM)
    cmid = ""
    for number in range(messages):
        cmid = rig.cmid()
        rig.send(ROOM, f"message {number}", cmid=cmid)
    return rig, cmid


def test_the_first_term_after_a_restore_draws_another_epoch_and_keeps_all_else() -> None:
    rig, cmid = backed_up()
    before = {number: slot.meta for number, slot in rig.slots.items()}
    first = rig.send(ROOM, "message 4", cmid=cmid)
    rig.store.write(rows_for(rig.store, order_for(rig.store)))
    again = Rig(rig.store, term=TERM, seed=2)
    for number, slot in again.slots.items():
        assert slot.is_active
        assert slot.incarnation not in (b"", before[number].incarnation)
        assert slot.meta.dedup_floor == before[number].dedup_floor
    answer = again.send(ROOM, "message 4", cmid=cmid)
    assert isinstance(answer, Outcome)
    assert (answer.seq, answer.id, answer.dup) == (first.seq, first.id, True)
    assert again.send(ROOM, "after").seq == first.seq + 1


def test_later_terms_and_restarts_keep_the_new_epoch() -> None:
    rig, _ = backed_up()
    rig.store.write(rows_for(rig.store, order_for(rig.store)))
    again = Rig(rig.store, term=TERM, seed=2)
    epochs = [slot.epoch for slot in again.slots.values()]
    again.obey(again.slot(ROOM).follow(led_alone(again.copy, TERM + 1), 1 << 30, again.now))
    again.settle()
    assert [slot.epoch for slot in again.slots.values()] == epochs
    third = Rig(rig.store, term=TERM + 2, seed=3)
    assert [slot.epoch for slot in third.slots.values()] == epochs


def test_a_start_that_was_cut_draws_again() -> None:
    """The entry that would have drawn it never became durable: the row still counts."""
    rig, _ = backed_up()
    ended = rig.slot(ROOM).incarnation
    rig.store.write(rows_for(rig.store, order_for(rig.store)))
    cut = Slot(rig.slot(ROOM).number, rig.context)
    promised = cut.follow(led_alone(rig.copy, TERM), 2, rig.now).persist
    ((_, token),) = write_records(rig.store, list(promised))
    assert cut.persisted(token, rig.now).persist, "its EPOCH_START, which is lost here"
    assert cut.meta.incarnation not in (b"", ended)
    again = Rig(rig.store, term=TERM + 1, seed=2)
    assert again.slot(ROOM).incarnation not in (b"", ended, cut.meta.incarnation)


def test_every_copy_hears_of_the_new_epoch_from_the_log() -> None:
    trio = Trio(ROOM)
    trio.elect(0)
    trio.submit(0, "channel.create", {"channel": ROOM, "members": []})
    trio.run()
    trio.beat()
    trio.sync()
    ended = trio.members[0].slot.incarnation
    assert ended
    assert all(member.slot.incarnation == ended for member in trio.members)
    # Only the copy that was restored has the row; it leads first.
    store = trio.members[0].store
    store.write([(Family.META, keys.restored(trio.number), ended)])
    trio.elect(0)
    trio.beat()
    trio.sync()
    drawn = trio.members[0].slot.incarnation
    assert drawn not in (b"", ended)
    assert all(member.slot.incarnation == drawn for member in trio.members)
    # And whoever leads next goes on with it, the restored copy itself too.
    for number in (0, 1, 2):
        trio.restart(number)
    for number in (0, 1):
        trio.elect(number)
        trio.beat()
        assert all(member.slot.incarnation == drawn for member in trio.members)


def test_an_epoch_that_only_the_tail_of_the_log_knows_has_ended_too() -> None:
    """It may have been committed elsewhere, and clients may have seen it."""
    rig, _ = backed_up()
    number = rig.slot(ROOM).number
    copy = look(rig.store, number)
    assert copy is not None
    unborn = msgspec.structs.replace(copy, applied=0, chain=0, incarnation="")
    assert last_incarnation(rig.store, unborn).hex() == copy.incarnation


def test_what_is_not_as_it_was_backed_up_is_refused() -> None:
    rig, _ = backed_up()
    order = order_for(rig.store)
    rig.send(ROOM, "one more")
    with pytest.raises(BrokenChain, match="expected"):
        rows_for(rig.store, order)


def test_a_slot_that_was_never_led_needs_no_new_epoch() -> None:
    assert len(rows_for(MemoryStore(), order_for(MemoryStore()))) == 2


def test_the_program_makes_a_folder_that_a_node_may_open(tmp_path: Path) -> None:
    data = tmp_path / "node-1"
    live = RocksStore(str(tmp_path / "live"))
    rig = Rig(live)
    rig.create(ROOM)
    data.mkdir()
    live.checkpoint(str(data / "db"))
    order = order_for(live, str(data))
    done = run(order)
    assert done.returncode == 0, done.stderr
    answer = decode_json(done.stdout, Restored)
    assert answer.slots == SLOTS
    store = RocksStore(str(data / "db"))
    assert store.latest_sequence() >= answer.sequence
    assert store.get(Family.META, keys.DATABASE) == b"disk-new"
    assert store.get(Family.META, keys.GENERATION) == keys.pack_u64(2) + b"c1"
    acked = AckedMap(str(data / "acked.map"))
    assert acked.highest == answer.sequence
    acked.close()
    assert {copy.slot for copy in survey(store, range(SLOTS))} == set(range(SLOTS))
    store.close()
    live.close()


def test_the_program_refuses_in_words(tmp_path: Path) -> None:
    done = run(order_for(MemoryStore(), str(tmp_path)))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"there is no database" in done.stderr
    assert not (tmp_path / "db").exists(), "none was made"


def run(order: RestoreOrder) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "node.restore"],
        cwd=ROOT,
        input=encode_json(order),
        capture_output=True,
        timeout=60,
        check=False,
    )
