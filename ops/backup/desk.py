"""The command's side of a backup in the coordinator: asks the nodes, hears their answers, exports.

Rules:
1. Synchronous, with a loop of its own; every wait has a deadline and every look is a fresh read.
2. Who has to answer is whoever is registered at that moment: a node that dies meanwhile is not
   waited for, one that starts is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from hubbub.coordinator.api import CoordinatorError, Delete, Guard, Put
from hubbub.coordinator.backups import (
    ANSWERS_PREFIX,
    BACKUPS_PREFIX,
    AnswerState,
    BackupRequest,
    NodeAnswer,
    SlotCopies,
    SlotCopy,
    answer_key,
    answers_prefix,
    page_key,
    request_key,
)
from hubbub.coordinator.cluster import SLOTS_PER_TRANSACTION
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.records import (
    CLUSTER_KEY,
    SLOTS_PREFIX,
    ClusterRecord,
    ProcessRecord,
)
from hubbub.ring.map import SlotRecord, parse_slot_record
from hubbub.wire.codec import decode_json, encode_json
from ops.answer import Exit, Failure
from ops.backup.manifest import CoordinatorExport, ExportedRecord
from ops.directory import Directory
from ops.records import NODES_KEY

T = TypeVar("T")
NODES_PREFIX: Final = "/nodes/"
_LOOK_S: Final = 0.03  # a range of some ten records: 0.1 ms


@dataclass(frozen=True)
class Answers:
    """What was said: answers of living process starts by node, and the living without one."""

    given: dict[str, NodeAnswer]
    silent: list[str]


class Desk:
    """The coordinator of one cluster directory; `close` it, or use it as a context."""

    def __init__(self, directory: Directory) -> None:
        """Raises Failure(NOT_FOUND) if there is no cluster."""
        if not directory.has_cluster:
            raise Failure(
                f"there is no cluster in {directory.root}",
                exit_code=Exit.NOT_FOUND,
                tries=[f"hubbub up --dir {directory.root}"],
            )
        self._runner = asyncio.Runner()
        try:
            self._coordinator = open_coordinator(directory.coordinator_url)
        except CoordinatorError as error:
            self._runner.close()
            raise Failure(f"cannot open {directory.coordinator}", cause=[str(error)]) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._runner.run(self._coordinator.close())
        self._runner.close()

    # --- the cluster

    def cluster(self) -> ClusterRecord:
        """Its own record. Raises Failure(NOT_FOUND)."""
        found = self._run(self._coordinator.get(CLUSTER_KEY))
        if found is None:
            raise Failure("the cluster was never started", exit_code=Exit.NOT_FOUND)
        return decode_json(found.value, ClusterRecord)

    def storage_ids(self) -> dict[str, str]:
        """Name → storage id of all nodes that there should be."""
        found = self._run(self._coordinator.get(NODES_KEY))
        return decode_json(found.value, dict[str, str]) if found is not None else {}

    def slots(self) -> dict[int, SlotRecord]:
        """Every slot's record."""
        records, _ = self._run(self._coordinator.range(SLOTS_PREFIX))
        return {
            int(record.key.removeprefix(SLOTS_PREFIX)): parse_slot_record(record.value)
            for record in records
        }

    def export(self) -> CoordinatorExport:
        """Everything but leases, and but what belongs to backups."""
        records, revision = self._run(self._coordinator.range("/"))
        kept = [
            ExportedRecord(record.key, record.value.decode())
            for record in records
            if not record.lease and not record.key.startswith((BACKUPS_PREFIX, ANSWERS_PREFIX))
        ]
        return CoordinatorExport(revision, tuple(kept))

    # --- the request

    def unfinished(self) -> list[BackupRequest]:
        """Requests of commands that have not ended, or died."""
        records, _ = self._run(self._coordinator.range(BACKUPS_PREFIX))
        return [decode_json(record.value, BackupRequest) for record in records]

    def put(self, request: BackupRequest) -> None:
        """A new request, or its next phase."""
        self._run(self._put(request))

    async def _put(self, request: BackupRequest) -> None:
        key = request_key(request.id)
        found = await self._coordinator.get(key)
        guard = Guard(key, found.mod_revision if found is not None else 0)
        done = await self._coordinator.transact([guard], [Put(key, encode_json(request))])
        if not done.succeeded:
            raise Failure(f"another command has backup {request.id}", exit_code=Exit.CONFLICT)

    def end(self, backup: str) -> None:
        """Delete a request and its answers: the nodes drop what they froze."""
        self._run(self._end(backup))

    async def _end(self, backup: str) -> None:
        await self._coordinator.transact([], [Delete(request_key(backup))])
        answers, _ = await self._coordinator.range(answers_prefix(backup))
        for at in range(0, len(answers), SLOTS_PER_TRANSACTION):
            batch = answers[at : at + SLOTS_PER_TRANSACTION]
            await self._coordinator.transact([], [Delete(record.key) for record in batch])

    # --- answers

    def wait(self, backup: str, states: set[AnswerState], seconds: float) -> Answers:
        """Until every living node has answered so, none lives, or the time is over."""
        return self._run(self._wait(backup, states, seconds))

    async def _wait(self, backup: str, states: set[AnswerState], seconds: float) -> Answers:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while True:
            answers = await self._look(backup, states)
            if not answers.silent or loop.time() >= ends_at:
                return answers
            await asyncio.sleep(_LOOK_S)

    async def _look(self, backup: str, states: set[AnswerState]) -> Answers:
        living, _ = await self._coordinator.range(NODES_PREFIX)
        nodes = [decode_json(record.value, ProcessRecord) for record in living]
        given: dict[str, NodeAnswer] = {}
        for node in nodes:
            found = await self._coordinator.get(answer_key(backup, node.name))
            if found is not None:
                answer = decode_json(found.value, NodeAnswer)
                if answer.boot_id == node.boot_id and answer.state in states:
                    given[node.name] = answer
        return Answers(given, [node.name for node in nodes if node.name not in given])

    def copies(self, backup: str, answer: NodeAnswer) -> dict[int, SlotCopy]:
        """The slots that a node has frozen."""
        return self._run(self._copies(backup, answer))

    async def _copies(self, backup: str, answer: NodeAnswer) -> dict[int, SlotCopy]:
        found: dict[int, SlotCopy] = {}
        for page in range(answer.pages):
            record = await self._coordinator.get(page_key(backup, answer.node, page))
            if record is None:
                raise Failure(f"a part of {answer.node}'s answer is missing")
            copies = decode_json(record.value, SlotCopies).copies
            found.update({copy.slot: copy for copy in copies})
        return found

    # --- making a cluster's records

    def write_new(self, records: Mapping[str, bytes]) -> None:
        """Records that are not there yet. Raises Failure(CONFLICT) if one is."""
        self._run(self._write_new(records))

    async def _write_new(self, records: Mapping[str, bytes]) -> None:
        rows = sorted(records.items())
        for at in range(0, len(rows), SLOTS_PER_TRANSACTION):
            batch = rows[at : at + SLOTS_PER_TRANSACTION]
            guards = [Guard(key, 0) for key, _ in batch]
            puts = [Put(key, value) for key, value in batch]
            if not (await self._coordinator.transact(guards, puts)).succeeded:
                raise Failure("the new cluster has records already", exit_code=Exit.CONFLICT)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
        except CoordinatorError as error:
            raise Failure(
                "the coordinator does not answer", exit_code=Exit.UNREACHABLE, cause=[str(error)]
            ) from None
