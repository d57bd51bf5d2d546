"""A command happens once: answers by client message id, for 24 hours. Pure.

Shape: DEDUP row = u64 request hash | Outcome (MessagePack), under hour | slot | digest.

Rules (contracts.md 3, replication.md 2.5):
1. The in-flight map holds entries that are not committed: a retry waits for the same entry. Rows
   hold committed ones only. An entry that is cut vanishes from the map with it.
2. An id's own time decides its hour, so an hour goes by one range. What lies outside -24 h..+10 min
   is refused, never appended; so is what lies below the slot's logged floor.
3. An `Idempotency-Key` carries no time: it stands under the hour of its entry and is looked up in
   every hour that is kept, and one ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from hubbub.base.errors import BAD_REQUEST, CMID_CLOCK, CMID_REUSED, Rejected
from hubbub.base.ids import IDEMPOTENCY_PREFIX, uuid7_ms
from hubbub.base.units import HOUR_MS
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import Outcome
from node import keys
from node.keys import pack_u64, read_u64

IDEMPOTENCY_KEY_CHARS_MAX: Final = 255


class DedupWindow(msgspec.Struct, frozen=True):
    """How far an id's time may lie from the leader's clock."""

    behind_ms: int = 24 * HOUR_MS
    ahead_ms: int = 600_000

    @property
    def hours(self) -> int:
        """Whole hours behind."""
        return self.behind_ms // HOUR_MS

    def floor_hour(self, now_ms: int) -> int:
        """The lowest hour that any id of now may have."""
        return max(0, (now_ms - self.behind_ms) // HOUR_MS)


class DedupKey(msgspec.Struct, frozen=True):
    """Where a command's answer is looked for (`rows`), and where it will stand (`row`)."""

    digest: bytes
    row: bytes
    rows: tuple[bytes, ...]
    hour: int


class Asker(NamedTuple):
    """Who uses which id on which stream of a slot."""

    slot: int
    app: str
    user: str
    key: str
    cmid: str


def answer_row(asker: Asker, entry_ms: int) -> bytes:
    """Where the answer of an entry stands: under the hour of its id, or of the entry itself."""
    stamped_ms = entry_ms if asker.cmid.startswith(IDEMPOTENCY_PREFIX) else uuid7_ms(asker.cmid)
    digest = keys.dedup_digest(asker.app, asker.user, asker.key, asker.cmid)
    return keys.dedup(stamped_ms // HOUR_MS, asker.slot, digest)


def dedup_key(window: DedupWindow, floor: int, asker: Asker, now_ms: int, log_ms: int) -> DedupKey:
    """The place of a command's answer.

    Args: now_ms: the leader's clock, for ids with a time. log_ms: log time, for those without.
    Raises Rejected(BAD_REQUEST, CMID_CLOCK).
    """
    slot, cmid = asker.slot, asker.cmid
    digest = keys.dedup_digest(asker.app, asker.user, asker.key, cmid)
    if cmid.startswith(IDEMPOTENCY_PREFIX):
        if len(cmid) > IDEMPOTENCY_KEY_CHARS_MAX + len(IDEMPOTENCY_PREFIX):
            raise Rejected(BAD_REQUEST, "an Idempotency-Key has at most 255 characters")
        now_hour = log_ms // HOUR_MS
        hours = range(max(0, now_hour - window.hours), now_hour + 2)
        row = keys.dedup(now_hour, slot, digest)
        return DedupKey(digest, row, tuple(keys.dedup(h, slot, digest) for h in hours), now_hour)
    stamped_ms = uuid7_ms(cmid)
    hour = stamped_ms // HOUR_MS
    if not now_ms - window.behind_ms <= stamped_ms <= now_ms + window.ahead_ms or hour < floor:
        raise Rejected(CMID_CLOCK, server_time_ms=now_ms)
    row = keys.dedup(hour, slot, digest)
    return DedupKey(digest, row, (row,), hour)


def encode_answer(request_hash: int, outcome: Outcome) -> bytes:
    """The row of an answer."""
    return pack_u64(request_hash) + encode_pack(outcome)


def answer_in(rows: Sequence[bytes | None], request_hash: int) -> Outcome | None:
    """The answer that was given before, marked `dup`; None if there is none.

    Raises Rejected(CMID_REUSED) if the id was used for another request.
    """
    for row in rows:
        if row is not None:
            check_same(read_u64(row), request_hash)
            return as_duplicate(decode_pack(row[keys.SEQ_BYTES :], Outcome))
    return None


def check_same(stored_hash: int, request_hash: int) -> None:
    """Raises Rejected(CMID_REUSED) unless both are the same request."""
    if stored_hash != request_hash:
        raise Rejected(CMID_REUSED)


def as_duplicate(outcome: Outcome) -> Outcome:
    """The same answer, marked as given before."""
    return msgspec.structs.replace(outcome, dup=True)
