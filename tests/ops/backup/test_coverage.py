"""A slot is covered if nothing that was acknowledged can be missing; few nodes are taken."""

from __future__ import annotations

from hubbub.coordinator.backups import SlotCopy
from hubbub.ring.map import Leader, SlotRecord
from ops.backup.coverage import Coverage, Frozen, cover

TRIO = ("a", "b", "c")


def record(
    members: tuple[str, ...], prev: tuple[str, ...] = (), *, done: bool = True
) -> SlotRecord:
    return SlotRecord(
        term=3, leader=Leader("n", 1), members=members, prev=prev or members, activated=done
    )


def frozen(storage: str, ends: dict[int, tuple[int, int]]) -> Frozen:
    copies = {
        slot: SlotCopy(slot, index, 0, 0, "", index, term, 0, term)
        for slot, (term, index) in ends.items()
    }
    return Frozen(storage, copies)


def one(members: tuple[str, ...], **ends: tuple[int, int]) -> Coverage:
    """One slot with these copies, as (last term, last index)."""
    nodes = [frozen(storage, {0: end}) for storage, end in ends.items()]
    return cover(1, [{0: record(members)}], nodes)


def test_the_newest_copy_is_taken_by_term_before_index() -> None:
    assert one(TRIO, a=(2, 50), b=(3, 10), c=(3, 9)).chosen == {0: "b"}


def test_what_was_acknowledged_is_on_one_of_any_two_of_three() -> None:
    assert one(TRIO, a=(3, 9), c=(3, 10)).chosen == {0: "c"}
    alone = one(TRIO, a=(3, 9))
    assert alone.chosen == {}
    assert alone.uncovered == {0: "1 of 3 copies, 2 are needed"}


def test_how_many_are_needed_depends_on_how_many_there_are() -> None:
    five = tuple("abcde")
    assert one(five, a=(1, 1), b=(1, 1)).uncovered == {0: "2 of 5 copies, 3 are needed"}
    assert one(five, a=(1, 1), b=(1, 1), c=(1, 1)).uncovered == {}
    assert one(("a", "b"), b=(1, 1)).chosen == {0: "b"}, "two copies: both have all"
    assert one(("a",), a=(1, 1)).chosen == {0: "a"}


def test_a_learner_or_a_stranger_does_not_make_a_slot_covered() -> None:
    assert one(TRIO, a=(3, 9), x=(3, 10)).uncovered == {0: "1 of 3 copies, 2 are needed"}
    assert one(TRIO, x=(3, 10)).uncovered == {0: "0 of 3 copies, 2 are needed"}


def test_members_that_are_not_activated_need_those_before_them() -> None:
    moving = record(("b", "c", "d"), TRIO, done=False)
    nodes = [frozen(storage, {0: (3, 1)}) for storage in ("c", "d")]
    assert cover(1, [{0: moving}], nodes).uncovered == {0: "1 of 3 copies, 2 are needed"}
    nodes.append(frozen("a", {0: (3, 2)}))
    assert cover(1, [{0: moving}], nodes).chosen == {0: "a"}


def test_members_of_both_moments_count() -> None:
    """They moved while the nodes froze: the old ones may have acknowledged, and the new ones."""
    maps = [{0: record(TRIO)}, {0: record(("d", "e", "f"))}]
    new = [frozen(storage, {0: (4, 1)}) for storage in "de"]
    assert cover(1, maps, new).uncovered == {0: "0 of 3 copies, 2 are needed"}
    old = [frozen(storage, {0: (3, 1)}) for storage in "ab"]
    assert cover(1, maps, [*new, *old]).chosen == {0: "d"}


def test_no_copy_and_no_record_are_told() -> None:
    assert cover(1, [{0: record(TRIO)}], []).uncovered == {0: "no copy"}
    assert cover(1, [{}], [frozen("a", {0: (1, 1)})]).uncovered == {0: "it has no record"}


def test_few_nodes_are_taken() -> None:
    """Of equally new copies, those on nodes that are needed anyway."""
    ends = {slot: (3, 5) for slot in range(8)}
    nodes = [frozen(storage, dict(ends)) for storage in TRIO]
    maps = [{slot: record(TRIO) for slot in range(8)}]
    assert cover(8, maps, nodes).storage_ids == {"a"}
    ahead = [*nodes[:2], frozen("c", {**ends, 4: (3, 6)})]
    found = cover(8, maps, ahead)
    assert found.chosen[4] == "c"
    assert found.storage_ids == {"c"}, "who is needed for one slot is taken for all"


def test_slots_come_in_their_order() -> None:
    maps = [{0: record(("a",)), 1: record(("b",)), 2: record(("a",))}]
    nodes = [frozen("a", {0: (1, 1), 2: (1, 1)}), frozen("b", {1: (1, 1)})]
    assert list(cover(3, maps, nodes).chosen.items()) == [(0, "a"), (1, "b"), (2, "a")]
