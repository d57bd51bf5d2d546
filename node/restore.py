"""`python -m node.restore`: makes a backed-up database a copy of the cluster's next generation.

A RestoreOrder on standard input, a Restored on standard output, both JSON. Exit code 1, with a line
on standard error, if the database is not what the order says; it must not be used then.

Rules:
1. Nothing of the logs and rows is changed: positions, answers to retries and Forwards on their way
   stay as they were backed up.
2. The database gets another storage id and the new generation, so that neither passes for a copy of
   the old cluster, and nothing of the old cluster passes for this one.
3. Each slot that it is to lead gets a row that names the incarnation which ended. The first leader
   draws another in its EPOCH_START (node.slot): from the log every copy has the same, and a client
   that saw more than was backed up is told so.
4. Slots that are better held elsewhere stay as they are: true but older copies, which follow once
   they are made members.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from hubbub.base.units import MIB
from hubbub.coordinator.backups import Restored, RestoreOrder, SlotCopy
from hubbub.wire.codec import decode_json, encode_json
from node import keys
from node.entry import BrokenChain, decode_logged
from node.slot_log import SlotLog
from node.store.acked import AckedMap
from node.store.api import Family, Op, Store, StoreError
from node.store.open import acked_path, database_path
from node.store.rocks import RocksStore
from node.survey import compare

_PAGE_BYTES: Final = 1 * MIB  # of the log that is read at once


def rows_for(store: Store, order: RestoreOrder) -> list[Op]:
    """What to write, in one batch. Raises BrokenChain if a slot is not as the order says."""
    whose = keys.pack_u64(order.generation) + order.cluster.encode()
    ops: list[Op] = [
        (Family.META, keys.DATABASE, order.storage_id.encode()),
        (Family.META, keys.GENERATION, whose),
    ]
    for copy in order.copies:
        compare(store, copy)
        ended = last_incarnation(store, copy)
        if ended:
            ops.append((Family.META, keys.restored(copy.slot), ended))
    return ops


def last_incarnation(store: Store, copy: SlotCopy) -> bytes:
    """The slot's at the end of its log; empty if none was ever drawn.

    What lies above `applied` may have been committed, and clients may have seen it.
    """
    found = bytes.fromhex(copy.incarnation)
    log = SlotLog(copy.slot, store)
    index = copy.applied
    while index < log.last_index:
        for logged in log.read(index + 1, _PAGE_BYTES):
            found = decode_logged(logged.value).incarnation or found
            index = logged.index
    return found


def restore(order: RestoreOrder) -> Restored:
    """Obey an order. Raises BrokenChain, StoreError."""
    store = RocksStore(str(database_path(order.data_dir)))
    try:
        ops = rows_for(store, order)
        sequence = store.write(ops)
        store.sync()
    finally:
        store.close()
    acked = AckedMap(str(acked_path(order.data_dir)))
    acked.store(sequence)
    acked.close()
    return Restored(sequence, len(order.copies))


def main() -> int:
    """Obey the order on standard input."""
    try:
        order = decode_json(sys.stdin.buffer.read(), RestoreOrder)
        if not (database_path(order.data_dir) / "CURRENT").exists():
            raise StoreError(f"{order.data_dir}: there is no database")
        done = restore(order)
    except (msgspec.MsgspecError, StoreError, BrokenChain) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.buffer.write(encode_json(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
