"""`python -m node.verify`: reads a database at rest from end to end and says what is wrong with it.

A VerifyOrder on standard input, a Verified on standard output, both JSON. Exit code 0 if the
database could be opened, whatever is in it; 1 with a line on standard error if not.

Rules:
1. The database is opened read-only, and nobody else may have it open. Table files are not changed;
   RocksDB writes a text log of its own beside them, so give it a folder of links.
2. Reading every entry of every slot reads every block that holds one, and checks its sum.
"""

from __future__ import annotations

import sys

import msgspec

from hubbub.coordinator.backups import Verified, VerifyOrder
from hubbub.wire.codec import decode_json, encode_json
from node.entry import BrokenChain
from node.store.api import Store, StoreError
from node.store.rocks import RocksStore
from node.survey import check


def verify(store: Store, order: VerifyOrder) -> Verified:
    """Check the slots of an order; one that is damaged keeps no other from being read."""
    entries = 0
    damaged: dict[int, str] = {}
    for wanted in order.copies:
        try:
            entries += check(store, wanted)
        except (BrokenChain, StoreError) as error:
            damaged[wanted.slot] = str(error)
    return Verified(entries, damaged)


def main() -> int:
    """Obey the order on standard input."""
    try:
        order = decode_json(sys.stdin.buffer.read(), VerifyOrder)
        store = RocksStore(order.database, is_read_only=True)
    except (msgspec.MsgspecError, StoreError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    try:
        sys.stdout.buffer.write(encode_json(verify(store, order)))
        return 0
    finally:
        store.close()


if __name__ == "__main__":
    raise SystemExit(main())
