"""The records of a cluster directory, in the real coordinator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.coordinator.cluster import create_app
from hubbub.model.server_keys import hash_of
from hubbub.ring.map import parse_slot_record
from ops.answer import Exit, Failure
from ops.directory import Directory
from ops.records import Records, Wanted, make_storage_id, new_app


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    result = Directory(tmp_path / "d")
    result.make()
    return result


@pytest.fixture
def records(directory: Directory) -> Iterator[Records]:
    made = Records.open_or_create(directory, Wanted(nodes=3, slots=64))
    yield made
    made.close()


def test_the_first_start_places_every_slot_on_a_disk(
    records: Records, directory: Directory
) -> None:
    assert records.nodes == ["node-1", "node-2", "node-3"]
    assert (records.slots, records.copies, records.app) == (64, 3, "main")
    first = Counter(row.members[0] for _, row in records.view.slot_map.items())
    assert sum(first.values()) == 64
    assert set(first) == set(records.storage_ids.values())
    assert max(first.values()) - min(first.values()) <= 1
    for name, storage_id in records.storage_ids.items():
        assert (directory.node_data(name) / "storage_id").read_text() == storage_id
    for slot, row in records.view.slot_map.items():
        assert 0 <= slot < 64
        assert (row.term, row.leader) == (0, None)
        assert set(row.members) == set(records.storage_ids.values())
        assert parse_slot_record(row.to_json()) == row


def test_a_second_start_finds_the_same(records: Records, directory: Directory) -> None:
    again = Records.open_or_create(directory, Wanted())
    try:
        assert again.storage_ids == records.storage_ids
        assert again.server_key == records.server_key
        assert again.token_secret == records.token_secret
        assert again.view.cluster == records.view.cluster
    finally:
        again.close()


def test_the_root_key_lies_here_and_its_hash_in_the_records(
    records: Records, directory: Directory
) -> None:
    """Where the two do not belong together, as after a restore, both are made anew."""
    first = records.root_key
    assert records.view.cluster.root_key_hash == hash_of(first)
    assert directory.root_key.read_text().strip() == first
    assert directory.root_key.stat().st_mode & 0o777 == 0o600
    again = Records.open_or_create(directory, Wanted())
    assert again.root_key == first
    again.close()
    directory.root_key.unlink()
    anew = Records.open_or_create(directory, Wanted())
    assert anew.root_key not in ("", first)
    assert anew.view.cluster.root_key_hash == hash_of(anew.root_key)
    anew.close()


@pytest.mark.parametrize(
    ("nodes", "asked", "copies"), [(1, None, 1), (2, None, 1), (2, 2, 2), (3, 1, 1), (4, None, 3)]
)
def test_three_copies_where_there_are_three_nodes(
    directory: Directory, nodes: int, asked: int | None, copies: int
) -> None:
    made = Records.open_or_create(directory, Wanted(nodes=nodes, copies=asked, slots=16))
    try:
        assert {len(row.members) for _, row in made.view.slot_map.items()} == {copies}
    finally:
        made.close()


def test_the_first_app_stays_the_clusters_own(records: Records, directory: Directory) -> None:
    """`up` shows its keys, whatever the names of those that come later."""
    key = records.server_key
    records._run(create_app(records._coordinator, new_app("aaa", "default")))
    again = Records.open_or_create(directory, Wanted())
    assert set(again.view.apps) == {"aaa", "main"}
    assert (again.app, again.server_key) == ("main", key)
    again.close()


def test_more_copies_than_nodes_are_refused(directory: Directory) -> None:
    with pytest.raises(Failure, match="3 copies need 3 nodes"):
        Records.open_or_create(directory, Wanted(nodes=2, copies=3, slots=16))


def test_a_start_that_was_cut_is_finished(directory: Directory) -> None:
    drawn = make_storage_id(directory, "node-1")  # all that the first try got to
    made = Records.open_or_create(directory, Wanted(nodes=2, slots=16))
    try:
        assert made.storage_ids["node-1"] == drawn
    finally:
        made.close()


def test_profiles_differ_in_limits_but_not_in_secrets(
    records: Records, directory: Directory
) -> None:
    assert records.profile == "default"
    measured = Records.open_or_create(directory, Wanted(profile="bench"))
    assert (measured.profile, measured.token_secret) == ("bench", records.token_secret)
    measured.close()
    with pytest.raises(Failure, match="made with --profile bench") as refused:
        Records.open_or_create(directory, Wanted(profile="centrifuge-compat"))
    assert refused.value.exit_code is Exit.CONFLICT


def test_secrets_are_long_and_never_the_same() -> None:
    a, b = new_app("x", "default"), new_app("x", "default")
    for app in (a, b):
        assert min(map(len, (app.id_secret, app.token_secret, app.server_key))) >= 32
    assert len({a.id_secret, b.id_secret, a.token_secret, b.token_secret, a.server_key}) == 5
    assert new_app("x", "centrifuge-compat").token_secret == "secret"


def test_there_is_nothing_to_open_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="there is no cluster") as missing:
        Records.open(Directory(tmp_path))
    assert missing.value.exit_code is Exit.NOT_FOUND


def test_a_file_that_is_no_coordinator_is_refused_in_words(directory: Directory) -> None:
    directory.coordinator.write_bytes(b"not a database" * 100)
    with pytest.raises(Failure):
        Records.open_or_create(directory, Wanted())


def test_who_is_registered_is_read_anew(records: Records) -> None:
    records.look_for_processes()
    assert records.admin_url("node-1") == ""
