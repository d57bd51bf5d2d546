"""The command's side of the coordinator: who has to answer, what is exported, what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.coordinator.api import Op, Put
from hubbub.coordinator.backups import (
    AnswerState,
    BackupRequest,
    NodeAnswer,
    Phase,
    SlotCopies,
    SlotCopy,
    answer_key,
    page_key,
)
from hubbub.coordinator.records import ProcessRecord, process_key
from hubbub.coordinator.solo import SoloCoordinator
from hubbub.wire.codec import encode_json
from ops.answer import Exit, Failure
from ops.backup.desk import Desk
from ops.directory import Directory
from ops.records import Records, Wanted

HELD = {AnswerState.HELD}
REQUEST = BackupRequest("b1", "/mnt/b", 1)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "d")
    made.make()
    Records.open_or_create(made, Wanted(nodes=2, slots=16)).close()
    return made


@pytest.fixture
def desk(directory: Directory) -> Iterator[Desk]:
    with Desk(directory) as made:
        yield made


def write(directory: Directory, *ops: Op, ttl_ms: int = 0) -> None:
    """What other processes would, with a lease if it is to be gone soon."""

    async def work() -> None:
        coordinator = SoloCoordinator(directory.coordinator)
        lease = await coordinator.lease_grant(ttl_ms) if ttl_ms else 0
        leased = [Put(op.key, op.value, lease) if isinstance(op, Put) else op for op in ops]
        await coordinator.transact([], leased)
        await coordinator.close()

    asyncio.run(work())


def records_of(directory: Directory, prefix: str) -> list[str]:
    async def work() -> list[str]:
        coordinator = SoloCoordinator(directory.coordinator)
        found, _ = await coordinator.range(prefix)
        await coordinator.close()
        return [record.key for record in found]

    return asyncio.run(work())


def registered(name: str, boot_id: int = 7) -> Put:
    record = ProcessRecord(name=name, role="node", boot_id=boot_id, storage_id=f"disk of {name}")
    return Put(process_key("node", name), encode_json(record))


def answered(name: str, state: AnswerState, boot_id: int = 7, pages: int = 0) -> Put:
    answer = NodeAnswer(
        node=name, boot_id=boot_id, storage_id=f"disk of {name}", state=state, pages=pages
    )
    return Put(answer_key("b1", name), encode_json(answer))


def test_it_reads_what_the_cluster_is(desk: Desk) -> None:
    assert desk.cluster().slots == 16
    assert set(desk.storage_ids()) == {"node-1", "node-2"}
    assert sorted(desk.slots()) == list(range(16))


def test_no_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(Failure) as refused:
        Desk(Directory(tmp_path))
    assert refused.value.exit_code is Exit.NOT_FOUND


def test_everybody_who_is_registered_has_to_answer(desk: Desk, directory: Directory) -> None:
    desk.put(REQUEST)
    write(directory, registered("node-1"), registered("node-2"), answered("node-1", *HELD))
    answers = desk.wait("b1", HELD, 0.05)
    assert (list(answers.given), answers.silent) == (["node-1"], ["node-2"])
    write(directory, answered("node-2", *HELD))
    answers = desk.wait("b1", HELD, 20)
    assert (sorted(answers.given), answers.silent) == (["node-1", "node-2"], [])


def test_nobody_is_registered_and_the_time_is_over(desk: Desk) -> None:
    desk.put(REQUEST)
    answers = desk.wait("b1", HELD, 0)
    assert (answers.given, answers.silent) == ({}, [])


def test_an_answer_of_an_earlier_start_or_phase_counts_for_nothing(
    desk: Desk, directory: Directory
) -> None:
    desk.put(REQUEST)
    write(directory, registered("node-1", 8), answered("node-1", AnswerState.HELD, 7))
    assert desk.wait("b1", HELD, 0).silent == ["node-1"]
    write(directory, answered("node-1", AnswerState.HELD, 8))
    assert desk.wait("b1", HELD, 0).silent == []
    assert desk.wait("b1", {AnswerState.MADE}, 0).silent == ["node-1"]


def test_a_node_that_dies_is_not_waited_for(desk: Desk, directory: Directory) -> None:
    desk.put(REQUEST)
    write(directory, registered("node-1"), answered("node-1", *HELD))
    write(directory, registered("node-2"), ttl_ms=300)
    answers = desk.wait("b1", HELD, 20)
    assert (list(answers.given), answers.silent) == (["node-1"], [])


def test_pages_come_together(desk: Desk, directory: Directory) -> None:
    copies = [SlotCopy(slot, 1, 2, 3, "", 4, 5, 6, 7) for slot in range(4)]
    pages = [SlotCopies(tuple(copies[:3])), SlotCopies(tuple(copies[3:]))]
    puts = [Put(page_key("b1", "node-1", n), encode_json(p)) for n, p in enumerate(pages)]
    made = answered("node-1", AnswerState.MADE, pages=2)
    write(directory, registered("node-1"), made, *puts)
    (answer,) = desk.wait("b1", {AnswerState.MADE}, 20).given.values()
    assert desk.copies("b1", answer) == {copy.slot: copy for copy in copies}


def test_the_export_has_everything_but_leases_and_backups(desk: Desk, directory: Directory) -> None:
    desk.put(REQUEST)
    write(directory, registered("node-1"), ttl_ms=60_000)
    write(directory, answered("node-1", *HELD), Put("/settings/x", b'{"a":1}'))
    exported = {record.key: record.value for record in desk.export().records}
    assert exported["/settings/x"] == '{"a":1}'
    assert {"/cluster", "/apps/main", "/ops/nodes", "/slots/00015"} <= exported.keys()
    assert not [key for key in exported if key.startswith(("/nodes/", "/backup"))]


def test_a_request_goes_through_its_phases_and_leaves_nothing(
    desk: Desk, directory: Directory
) -> None:
    desk.put(REQUEST)
    assert [request.phase for request in desk.unfinished()] == [Phase.HOLD]
    desk.put(BackupRequest("b1", "/mnt/b", 1, Phase.COPY))
    assert [request.phase for request in desk.unfinished()] == [Phase.COPY]
    many = [Put(page_key("b1", "node-1", page), b"{}") for page in range(100)]
    write(directory, registered("node-1"), answered("node-1", *HELD), *many)
    assert len(records_of(directory, "/backup")) == 102
    desk.end("b1")
    assert desk.unfinished() == []
    assert records_of(directory, "/backup") == []


def test_new_records_replace_none(desk: Desk) -> None:
    desk.write_new({f"/more/{n:03d}": b"1" for n in range(200)})
    keys = [record.key for record in desk.export().records]
    assert sum(key.startswith("/more/") for key in keys) == 200
    with pytest.raises(Failure) as refused:
        desk.write_new({"/cluster": b"{}"})
    assert refused.value.exit_code is Exit.CONFLICT
    assert desk.cluster().slots == 16
