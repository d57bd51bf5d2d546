"""What a backup says through the coordinator, and what is asked of a database at rest: shapes.

/backups/<id>                       BackupRequest: the command's, deleted when it is over
/backup-answers/<id>/<node>         NodeAnswer
/backup-answers/<id>/<node>/<page>  SlotCopies: up to PAGE_SLOTS of the slots that a node has

Rules:
1. A request goes through its phases in order and is deleted: HOLD, CHECKPOINT, COPY. Every node
   that is alive answers the first two; in the third it only keeps its checkpoint.
2. An answer names the process start that gave it. One of an earlier start counts for nothing.
3. Pages are written before the answer that speaks of them.

Why HOLD. Slots are frozen one after another, and a consequence of one slot's entry in another slot
(a Forward) is mended by its number: the source sends again what was not answered, the target drops
what it has seen. That works only while the source still has the row. A target that was frozen
before it took a Forward, and a source that was frozen after it had forgotten it as answered, would
have lost it for good. So every node first stops sending and forgetting Forwards; when all have said
so, all freeze; then they go on. In such a cut, for each pair of slots,
forgotten by the source <= seen by the target <= sent by the source.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

BACKUPS_PREFIX: Final = "/backups/"
ANSWERS_PREFIX: Final = "/backup-answers/"
# A copy is some 120 bytes of JSON: 120 KiB a record. etcd takes 1.5 MiB, and every process of the
# cluster is told of the record.
PAGE_SLOTS: Final = 1_024
# How long a node holds its Forwards back for one request, whatever becomes of the command. A user's
# list of channels is as much behind. The command gives up well before (ops.backup.create).
HOLD_MS_MAX: Final = 60_000


class Phase(StrEnum):
    """Where a request is."""

    HOLD = "hold"  # send no Forward, forget none
    CHECKPOINT = "checkpoint"  # freeze the database, and say what it has
    COPY = "copy"  # go on; keep what was frozen


class BackupRequest(Struct, frozen=True):
    """A backup that is wanted. `target`: where it goes, for people. `asked_ms`: wall clock."""

    id: str
    target: str
    asked_ms: int
    phase: Phase = Phase.HOLD


class AnswerState(StrEnum):
    """What a node has done for a request."""

    HELD = "held"
    MADE = "made"
    FAILED = "failed"


class NodeAnswer(Struct, frozen=True, kw_only=True):
    """One node's last word. `path`: of the checkpoint on its machine; `sequence`: of its database;
    `pages`: of SlotCopies. `reason`: why it failed."""

    node: str
    boot_id: int
    storage_id: str
    state: AnswerState
    path: str = ""
    sequence: int = 0
    pages: int = 0
    reason: str = ""


class SlotCopy(Struct, frozen=True, array_like=True):
    """One slot in one database: where its rows stand, where its log ends, what it promised.

    `chain` is that of `applied`, `last_chain` that of `last_index`; `ts_ms` the log time of
    `applied`; `incarnation` in hexadecimal.
    """

    slot: int
    applied: int
    chain: int
    ts_ms: int
    incarnation: str
    last_index: int
    last_term: int
    last_chain: int
    promised: int


class SlotCopies(Struct, frozen=True):
    """One page."""

    copies: tuple[SlotCopy, ...]


# --- orders to programs that open a database at rest (node.verify, node.restore)


class VerifyOrder(Struct, frozen=True):
    """Open `database` read-only and check these slots. Answered by Verified."""

    database: str
    copies: tuple[SlotCopy, ...]


class Verified(Struct, frozen=True):
    """What was read. `damaged`: slot → what is wrong with it."""

    entries: int
    damaged: dict[int, str]


class RestoreOrder(Struct, frozen=True, kw_only=True):
    """Make the database in `data_dir` the copy `storage_id` of a cluster's new generation.

    `copies`: the slots that it is to lead, as they must be found there.
    """

    data_dir: str
    storage_id: str
    cluster: str
    generation: int
    copies: tuple[SlotCopy, ...]


class Restored(Struct, frozen=True):
    """What was made of it: the database's sequence number, and how many slots it is to lead."""

    sequence: int
    slots: int


# --- keys


def request_key(backup: str) -> str:
    """Where a request is."""
    return f"{BACKUPS_PREFIX}{backup}"


def answers_prefix(backup: str) -> str:
    """What all answers to a request begin with."""
    return f"{ANSWERS_PREFIX}{backup}/"


def answer_key(backup: str, node: str) -> str:
    """Where a node's answer is."""
    return f"{answers_prefix(backup)}{node}"


def page_key(backup: str, node: str, page: int) -> str:
    """Where a page of a node's copies is; pages sort as slots do."""
    return f"{answer_key(backup, node)}/{page:03d}"
