"""Steps that change nodes and plans: guarded, and refused with the cure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.coordinator.api import Put
from hubbub.coordinator.cluster import slot_key
from hubbub.coordinator.membership import announce_storage
from hubbub.ring.map import placed
from ops.answer import Exit, Failure
from ops.directory import Directory
from ops.membership import Membership
from ops.records import Records, Wanted

SLOTS = 64


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "d")
    made.make()
    Records.open_or_create(made, Wanted(nodes=3, copies=1, slots=SLOTS)).close()
    return made


@pytest.fixture
def cluster(directory: Directory) -> Iterator[Membership]:
    with Membership.open(directory) as opened:
        for name, storage in opened.local.items():
            opened.run(announce_storage(opened.coordinator, storage, name, "here"))
        opened.look()
        yield opened


def carry_out(cluster: Membership, most: int = SLOTS) -> None:
    """What the nodes would do, for so many slots."""
    plan = cluster.view.plan
    assert plan is not None
    left = most
    for slot, target in cluster.draft().targets.items():
        record = cluster.view.slot_map.record_of(slot)
        assert record is not None
        if record.members != target and left:
            left -= 1
            put = Put(slot_key(slot), placed(target).to_json())
            cluster.run(cluster.coordinator.transact([], [put]))
    cluster.look()


def start_drain(cluster: Membership, name: str) -> int:
    storage = cluster.place(name).storage
    draft = cluster.draft(changes={storage: "draining"})
    cluster.start(draft, 2)
    cluster.look()
    return len(draft.moves)


def test_a_drain_is_one_transaction_of_state_and_plan(cluster: Membership) -> None:
    moves = start_drain(cluster, "node-2")
    assert cluster.place("node-2").state == "draining"
    standing = cluster.standing()
    assert standing is not None
    assert (standing.plan.state, standing.left, standing.moved) == ("running", moves, 0)
    assert cluster.place("node-2").storage not in standing.plan.members
    carry_out(cluster, 5)
    standing = cluster.standing()
    assert standing is not None
    assert (standing.moved, standing.left) == (5, moves - 5)
    assert standing.pace.moves_per_s > 0
    assert standing.row()["moved"] == 5


def test_whoever_looked_too_early_is_refused(directory: Directory, cluster: Membership) -> None:
    with Membership.open(directory) as other:
        draft = other.draft(changes={other.place("node-1").storage: "draining"})
        start_drain(cluster, "node-2")
        with pytest.raises(Failure, match="changed meanwhile") as refused:
            other.start(draft, 2)
        assert refused.value.exit_code is Exit.CONFLICT
        assert other.view.plan is None
        other.look()
        assert other.place("node-1").state == "active", "nothing of it was written"


def test_the_states_of_a_plan(cluster: Membership) -> None:
    for state in ("paused", "running", "aborting"):
        with pytest.raises(Failure, match="there is no plan"):
            cluster.change_plan(state, ("running",))  # type: ignore[arg-type]
    moves = start_drain(cluster, "node-2")
    with pytest.raises(Failure, match="the plan is running, not paused") as refused:
        cluster.change_plan("running", ("paused",))
    assert refused.value.exit_code is Exit.CONFLICT
    cluster.change_plan("paused", ("running",))
    cluster.look()
    carry_out(cluster, 3)
    cluster.change_plan("running", ("paused",))
    cluster.look()
    standing = cluster.standing()
    assert standing is not None
    assert standing.plan.since_left == moves - 3, "its pace is told from here on"
    cluster.change_plan("aborting", ("running", "paused"))
    cluster.look()
    assert cluster.view.plan is not None
    assert cluster.view.plan.state == "aborting"


def test_a_node_that_holds_something_stays(cluster: Membership) -> None:
    with pytest.raises(Failure, match=r"node-2 still holds copies of 2[12] slots") as refused:
        cluster.begin_removal(cluster.place("node-2"))
    assert refused.value.exit_code is Exit.CONFLICT
    assert refused.value.tries == ("hubbub nodes drain node-2",)


def test_a_node_that_a_plan_fills_stays(cluster: Membership) -> None:
    cluster.run(announce_storage(cluster.coordinator, "s4", "node-4", "here"))
    cluster.look()
    cluster.start(cluster.draft(), 2)
    cluster.look()
    with pytest.raises(Failure, match="gives copies to node-4"):
        cluster.begin_removal(cluster.place("node-4"))


def test_a_node_goes_in_two_steps(directory: Directory, cluster: Membership) -> None:
    start_drain(cluster, "node-2")
    carry_out(cluster)
    place = cluster.place("node-2")
    assert place.copies == 0
    cluster.begin_removal(place)
    cluster.look()
    assert cluster.place("node-2").state == "leaving"
    assert set(cluster.local) == {"node-1", "node-3"}
    cluster.begin_removal(cluster.place("node-2"))  # a command that died, given again
    cluster.look()
    cluster.end_removal(place)
    cluster.look()
    assert cluster.names == {"node-1", "node-3"}
    records = Records.open_or_create(directory, Wanted())
    try:
        assert records.nodes == ["node-1", "node-3"], "a start knows the nodes that there are"
    finally:
        records.close()


def test_states_may_be_taken_back(cluster: Membership) -> None:
    start_drain(cluster, "node-2")
    cluster.change_states({cluster.place("node-2").storage: "active"})
    cluster.look()
    assert cluster.place("node-2").state == "active"


def test_a_node_that_never_ran_cannot_be_drained(directory: Directory) -> None:
    with Membership.open(directory) as cluster:
        with pytest.raises(Failure, match="has never run"):
            start_drain(cluster, "node-1")
        with pytest.raises(Failure, match="has never run"):
            cluster.change_states({cluster.place("node-1").storage: "active"})


def test_nodes_are_added_to_the_directory(directory: Directory, cluster: Membership) -> None:
    cluster.add({"node-7": "s7"})
    cluster.look()
    assert cluster.place("node-7").storage == "s7"
    with Membership.open(directory) as other:
        cluster.add({"node-8": "s8"})
        with pytest.raises(Failure, match="changed meanwhile"):
            other.add({"node-9": "s9"})
