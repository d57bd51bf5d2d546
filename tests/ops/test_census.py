"""What commands see of a cluster's nodes, in the real coordinator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.coordinator.api import Put
from hubbub.coordinator.cluster import ProcessRecord, process_key, slot_key
from hubbub.coordinator.membership import announce_storage
from hubbub.coordinator.records import StorageRecord, storage_key
from hubbub.ring.map import Leader, next_leader, placed
from hubbub.wire.codec import encode_json
from ops.answer import Exit, Failure
from ops.census import Census
from ops.directory import Directory
from ops.records import Records, Wanted

SLOTS = 64


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "d")
    made.make()
    Records.open_or_create(made, Wanted(nodes=3, copies=3, slots=SLOTS)).close()
    return made


@pytest.fixture
def census(directory: Directory) -> Iterator[Census]:
    with Census.open(directory) as opened:
        yield opened


def put(census: Census, key: str, value: object) -> None:
    census.run(census.coordinator.transact([], [Put(key, encode_json(value))]))
    census.look()


def announce(census: Census, storage: str, name: str, domain: str = "here") -> None:
    census.run(announce_storage(census.coordinator, storage, name, domain))
    census.look()


def live(census: Census, name: str, storage: str, boot: int = 1) -> None:
    record = ProcessRecord(name=name, role="node", boot_id=boot, storage_id=storage)
    put(census, process_key("node", name), record)


def test_nodes_of_the_directory_are_known_before_they_ran(census: Census) -> None:
    places = census.places()
    assert [place.name for place in places] == ["node-1", "node-2", "node-3"]
    assert {(place.state, place.is_up, place.copies, place.leads) for place in places} == {
        ("active", False, SLOTS, 0)
    }
    assert (census.slots, census.copies, census.app) == (SLOTS, 3, "main")
    assert census.balance() == 0.0
    assert census.standing() is None


def test_who_leads_and_who_learns(census: Census) -> None:
    storage = census.place("node-2").storage
    live(census, "node-2", storage, boot=7)
    led = next_leader(placed(("x",)), Leader("node-2", 7))
    put(census, slot_key(0), led)
    put(census, slot_key(1), next_leader(placed(("x",)), Leader("node-2", 6)))  # an earlier process
    announce(census, "s4", "node-4")
    place = census.place("node-2")
    assert (place.is_up, place.leads) == (True, 1)
    assert place.row()["up"] is True
    assert census.place("s4").name == "node-4"


def test_a_name_that_nobody_has(census: Census) -> None:
    with pytest.raises(Failure, match="there is no node 'node-9'; there are node-1, ") as missing:
        census.place("node-9")
    assert missing.value.exit_code is Exit.NOT_FOUND


def test_a_draft_moves_what_it_must(census: Census) -> None:
    announce(census, "s4", "node-4")
    draft = census.draft()
    assert {move.target for move in draft.moves} == {"s4"}
    assert 0.95 * 48 <= len(draft.moves) <= 1.05 * 48
    assert not census.is_in_place(draft)
    assert census.is_in_place(census.draft(changes={"s4": "draining"})) is False, "it is written"


def test_nothing_to_do_is_seen(census: Census) -> None:
    assert census.is_in_place(census.draft())


def test_what_would_break_the_copies_is_refused_with_the_cure(census: Census) -> None:
    with pytest.raises(Failure, match="3 copies need 3 nodes, there are 2") as refused:
        census.draft(changes={census.place("node-1").storage: "draining"})
    assert refused.value.exit_code is Exit.CONFLICT
    assert "hubbub nodes add" in refused.value.tries
    assert "hubbub rebalance start --copies 2" in refused.value.tries


def test_domains_are_kept_apart_where_nodes_are_not_of_one_directory(directory: Directory) -> None:
    url = f"solo:{directory.coordinator}"
    with Census.open(directory) as local:
        for place in local.places():
            announce(local, place.storage, place.name, "rack-1")
        assert local.is_in_place(local.draft()), "one machine: allowed"
    with Census.open(None, url) as census:
        with pytest.raises(Failure, match=r"failure domains.*rack-1.*--allow-same-domain"):
            census.draft()
        assert census.is_in_place(census.draft(allow_same_domain=True))


def test_copies_on_an_unknown_place_are_not_planned_away(census: Census) -> None:
    put(census, slot_key(3), placed(("nobody-knows", "x", "y")))
    with pytest.raises(Failure, match="a place that no node has announced") as refused:
        census.draft()
    assert refused.value.exit_code is Exit.CONFLICT


def test_another_disk_of_the_same_node_is_another_place(census: Census) -> None:
    old = census.place("node-1").storage
    announce(census, old, "node-1")
    announce(census, "new-disk", "node-1")
    live(census, "node-1", "new-disk")
    assert census.place("node-1").storage == "new-disk"
    assert census.place(old).state == "draining"
    draft = census.draft()
    assert {(move.source, move.target) for move in draft.moves} == {(old, "new-disk")}
    assert len(draft.moves) == SLOTS


def test_there_must_be_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="there is no cluster") as missing:
        Census.open(Directory(tmp_path))
    assert missing.value.exit_code is Exit.NOT_FOUND
    with pytest.raises(Failure, match="form must be") as wrong:
        Census.open(None, "nonsense")
    assert wrong.value.exit_code is Exit.USAGE
    with pytest.raises(Failure, match="no cluster here yet"):
        Census.open(None, f"solo:{tmp_path / 'c.db'}")


def test_a_state_is_what_was_written(census: Census) -> None:
    storage = census.place("node-3").storage
    record = StorageRecord(name="node-3", domain="here", state="leaving")
    put(census, storage_key(storage), record)
    assert census.place("node-3").state == "leaving"
