"""A new cluster from a backup: whole or not there, and nothing of the old one may join it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.coordinator.api import Put
from hubbub.coordinator.records import CLUSTER_KEY
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Kind, Outcome
from node.app import EXIT_STORE_REFUSED
from ops.answer import Exit, Failure
from ops.backup.create import create
from ops.backup.desk import Desk
from ops.backup.manifest import Manifest, NodeEntry
from ops.backup.restore import TERM_STEP, check_new, restoration, restore
from ops.backup.signing import make_key, read_key
from ops.backup.target import FolderTarget
from ops.directory import Directory
from ops.records import Records, Wanted
from tests.node.process import RouterPlayer, answer_of, command
from tests.ops.backup.samples import manifest, slot_entry
from tests.ops.backup.small import SLOTS, Small
from tests.ops.backup.test_desk import write

ROOM = "group:x"


class Backed:
    """A small cluster that was backed up after some messages, went on, and was killed."""

    def __init__(self, root: Path) -> None:
        self.small = Small()
        self.place = root / "place"
        self.small.start()
        self.texts = self.small.chat(ROOM, 5)
        key = read_key(make_key(self.small.directory.keys))
        made = create(self.small.directory, FolderTarget(self.place), key, silent)
        self.manifest = made.manifest
        self.small.submit((ROOM, "message.send", {"channel": ROOM, "text": "lost"}))
        self.small.kill()


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    made = Backed(tmp_path_factory.mktemp("backed"))
    yield made
    made.small.close()


@pytest.fixture
def new(backed: Backed) -> Iterator[Path]:
    """Where a restored directory goes: a short path, for its ipc sockets."""
    root = backed.small.root / "new"
    yield root
    backed.small.kill()
    if root.exists():
        shutil.rmtree(root)


def silent(_line: str) -> None:
    """Nobody listens."""


def run(backed: Backed, root: Path, **more: Any) -> dict[str, int]:
    wanted = restoration(replace(backed.manifest, **more), None)
    return restore(FolderTarget(backed.place), wanted, root, silent)


def test_the_records_are_those_of_a_new_generation(backed: Backed, new: Path) -> None:
    assert run(backed, new) == {"node-1": SLOTS}
    with Desk(backed.small.directory) as old, Desk(Directory(new)) as desk:
        assert desk.cluster() == replace(old.cluster(), generation=2)
        (old_id,), (new_id,) = old.storage_ids().values(), desk.storage_ids().values()
        assert new_id != old_id
        for slot, record in desk.slots().items():
            assert (record.term, record.leader) == (backed.manifest.term_max + TERM_STEP, None)
            assert record.members == record.prev == (new_id,), slot
    records = Records.open_or_create(Directory(new), Wanted(nodes=1, slots=SLOTS))
    before = Records.open(backed.small.directory)
    try:
        assert records.server_key == before.server_key
        assert records.token_secret == before.token_secret
    finally:
        records.close()
        before.close()
    assert sorted(path.name for path in new.iterdir() if "leases" not in path.name) == [
        "coordinator.sqlite",
        "keys",
        "nodes",
        "run",
    ]


def test_a_restored_node_answers_as_before_under_another_epoch(backed: Backed, new: Path) -> None:
    run(backed, new)
    directory = Directory(new)
    backed.small.start(directory)

    async def look() -> None:
        router = RouterPlayer(f"solo:{directory.coordinator}")
        await router.connect(backed.small.address(directory))
        try:
            ended = backed.manifest.slots[router.slot_of(ROOM)].incarnation
            last = backed.texts[-1].seq
            old = await router.subscribe(ROOM, recover=True, offset=last - 1, epoch=ended)
            assert old.epoch not in ("", ended)
            assert old.head == last, "what came later is gone"
            assert (old.recovered, old.events) == (False, ())
            same = await router.subscribe(ROOM, recover=True, offset=last - 1, epoch=old.epoch)
            assert (same.recovered, len(same.events)) == (True, 1)
            sent = await router.submit(ROOM, "message.send", {"channel": ROOM, "text": "new"})
            assert sent.seq == backed.texts[-1].seq + 1
        finally:
            await router.close()

    asyncio.run(look())


@pytest.mark.parametrize("way", ["its folder", "its folder under the new name"])
def test_an_old_node_does_not_start_in_the_new_cluster(backed: Backed, new: Path, way: str) -> None:
    """Its database is of generation 1: whoever puts it there is told so, and it leads nothing."""
    run(backed, new)
    directory = Directory(new)
    data = directory.node_data("node-1")
    shutil.move(data, new / "aside")
    shutil.copytree(backed.small.directory.node_data("node-1"), data)
    if way == "its folder under the new name":
        shutil.copy(new / "aside" / "storage_id", data / "storage_id")
    process = backed.small.start(directory)
    assert process.wait(timeout=30) == EXIT_STORE_REFUSED
    said = backed.small.said(directory)
    assert "generation 1 of cluster" in said
    assert "hubbub restore" in said
    with Desk(directory) as desk:
        assert {record.leader for record in desk.slots().values()} == {None}
    records = Records.open(directory)
    try:
        records.look_for_processes()
        assert records.admin_url("node-1") == "", "it never registered"
    finally:
        records.close()


def test_a_restored_database_does_not_start_in_the_old_cluster(backed: Backed, new: Path) -> None:
    run(backed, new)
    old = backed.small.root / "old"
    shutil.copytree(backed.small.directory.root, old, ignore=shutil.ignore_patterns("lock", "n"))
    try:
        data = Directory(old).node_data("node-1")
        shutil.rmtree(data)
        shutil.copytree(Directory(new).node_data("node-1"), data)
        process = backed.small.start(Directory(old))
        assert process.wait(timeout=30) == EXIT_STORE_REFUSED
        assert "generation 2 of cluster" in backed.small.said(Directory(old))
    finally:
        shutil.rmtree(old)


def test_links_of_the_old_generation_are_refused(backed: Backed, new: Path) -> None:
    """A router that still lives by the old map finds the new node's address, and hears nothing."""
    run(backed, new)
    directory = Directory(new)
    backed.small.start(directory)

    async def try_both() -> None:
        stranger = RouterPlayer(f"solo:{backed.small.directory.coordinator}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await stranger.connect(backed.small.address(directory))
        assert not stranger.up.is_set()
        await stranger.close()
        friend = RouterPlayer(f"solo:{directory.coordinator}")
        await friend.connect(backed.small.address(directory))
        await friend.close()

    asyncio.run(try_both())


def test_a_retry_of_what_was_backed_up_stores_nothing(
    tmp_path: Path,
) -> None:
    small = Small()
    new = small.root / "new"
    try:
        small.start()
        small.chat(ROOM, 3)
        body = command("message.send", {"channel": ROOM, "text": "once"}, "alice")

        async def send(directory: Directory) -> Outcome:
            router = RouterPlayer(f"solo:{directory.coordinator}")
            await router.connect(small.address(directory))
            try:
                answer = answer_of(await router.ask(Kind.SUBMIT, ROOM, body))
                assert isinstance(answer, Outcome), answer
                return answer
            finally:
                await router.close()

        first = asyncio.run(send(small.directory))
        place = FolderTarget(tmp_path / "place")
        key = read_key(make_key(small.directory.keys))
        made = create(small.directory, place, key, silent)
        small.kill()
        restore(place, restoration(made.manifest, None), new, silent)
        small.start(Directory(new))
        again = asyncio.run(send(Directory(new)))
        assert (again.seq, again.id, again.dup) == (first.seq, first.id, True)
    finally:
        small.close()


# --- refusals


def test_nothing_is_restored_over_anything(backed: Backed, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "a file").touch()
    for name in ("full", "a file"):
        with pytest.raises(Failure, match="not empty") as refused:
            run(backed, tmp_path / name)
        assert refused.value.exit_code is Exit.CONFLICT
    (tmp_path / "empty").mkdir()
    check_new(tmp_path / "empty")
    check_new(tmp_path / "none")


def test_a_damaged_backup_leaves_no_directory(backed: Backed, tmp_path: Path, new: Path) -> None:
    shutil.copytree(backed.place, tmp_path / "place")
    table = next((tmp_path / "place").rglob("*.sst"))
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    wanted = restoration(backed.manifest, None)
    with pytest.raises(Failure, match="damaged") as failed:
        restore(FolderTarget(tmp_path / "place"), wanted, new, silent)
    assert table.name in failed.value.cause[0]
    assert not new.exists()
    assert not new.with_name("new.restoring").exists()


def test_a_database_that_is_not_what_the_manifest_says_is_not_restored(
    backed: Backed, new: Path
) -> None:
    slots = list(backed.manifest.slots)
    slots[3] = replace(slots[3], last_index=slots[3].last_index + 1)
    with pytest.raises(Failure, match=r"node\.restore") as failed:
        run(backed, new, slots=tuple(slots))
    assert "slot 3" in failed.value.cause[0]
    assert not new.exists()


def test_what_an_interrupted_restore_left_is_taken_away_and_what_is_anybodys_not(
    backed: Backed, new: Path
) -> None:
    draft = new.with_name("new.restoring")
    draft.mkdir()
    (draft / "mine").touch()
    with pytest.raises(Failure, match="in the way"):
        run(backed, new)
    assert (draft / "mine").exists()
    (draft / "restoring").touch()
    run(backed, new)
    assert not draft.exists()


def test_nodes_without_a_database_begin_empty(backed: Backed, new: Path) -> None:
    nodes = (*backed.manifest.nodes, NodeEntry("node-2", "disk-2"))
    assert run(backed, new, nodes=nodes) == {"node-1": SLOTS, "node-2": 0}
    assert [path.name for path in Directory(new).node_data("node-2").iterdir()] == ["storage_id"]
    with Desk(Directory(new)) as desk:
        assert list(desk.storage_ids()) == ["node-1", "node-2"]


def test_numbers_of_a_restoration() -> None:
    one: Manifest = manifest()
    wanted = restoration(one, None)
    assert (wanted.generation, wanted.term) == (2, 9 + TERM_STEP)
    assert wanted.nodes == [("node-1", 16, 10), ("node-2", 0, 0)]
    assert restoration(one, 7).generation == 7
    for bad in (1, 0, -5, 1 << 32):
        with pytest.raises(Failure, match="above 1") as refused:
            restoration(one, bad)
        assert refused.value.exit_code is Exit.USAGE
    with pytest.raises(Failure, match="no terms"):
        restoration(manifest(term_max=(1 << 32) - 5), None)
    assert restoration(manifest(slots=tuple(map(slot_entry, range(16)))), None).term == wanted.term


def test_a_disk_that_is_too_small_is_said_first(
    backed: Backed, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/tmp")._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(Failure, match="10 bytes free"):
        run(backed, new)
    assert not new.exists()


def test_a_process_of_the_old_generation_ends_when_the_cluster_is_restored_under_it() -> None:
    """Where the same coordinator is restored in place, as a shared one may be."""
    small = Small()
    try:
        process = small.start()
        with Desk(small.directory) as desk:
            newer = replace(desk.cluster(), generation=2)
        write(small.directory, Put(CLUSTER_KEY, encode_json(newer)))
        assert process.wait(timeout=30) == EXIT_STORE_REFUSED
        assert "the cluster was restored" in small.said()
    finally:
        small.close()
