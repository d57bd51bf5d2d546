"""Placement proposes: balance, domains, and no move that nothing asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.ring.placement import PlacementError, PlacementNode, propose

Members = Mapping[int, Sequence[str]]
SLOTS = st.sampled_from([16, 64, 256])


def cluster(count: int, domains: int = 0) -> list[PlacementNode]:
    """`count` nodes, each in a domain of its own or dealt out over `domains`."""
    return [PlacementNode(f"n{i}", f"d{i % (domains or count)}") for i in range(count)]


def moves(before: Members, after: Members) -> list[tuple[int, str]]:
    """(slot, node) of every copy that must be made."""
    return [(s, name) for s, held in after.items() for name in held if name not in before[s]]


def held(plan: Members) -> Counter[str]:
    return Counter(name for members in plan.values() for name in members)


def led(plan: Members) -> Counter[str]:
    return Counter(members[0] for members in plan.values())


def assert_balanced(counts: Counter[str], nodes: Sequence[PlacementNode], total: int) -> None:
    mean = total / len(nodes)
    slack = max(mean * 0.05, 0 if mean >= 20 else 1)
    for node in nodes:
        assert mean - slack <= counts[node.name] <= mean + slack, (node.name, counts)


def assert_sound(plan: Members, nodes: Sequence[PlacementNode], slots: int, copies: int) -> None:
    domain = {node.name: node.domain for node in nodes}
    assert sorted(plan) == list(range(slots))
    for members in plan.values():
        assert len(members) == len({domain[name] for name in members}) == copies


@settings(max_examples=60)
@given(st.integers(1, 12), SLOTS, st.integers(1, 3))
def test_a_new_cluster_is_balanced(count: int, slots: int, copies: int) -> None:
    nodes = cluster(max(count, copies))
    plan = propose(nodes, slots, copies)
    assert_sound(plan, nodes, slots, copies)
    assert_balanced(held(plan), nodes, slots * copies)
    assert_balanced(led(plan), nodes, slots)
    assert propose(nodes[::-1], slots, copies) == plan  # whoever proposes, and in any order


@settings(max_examples=60)
@given(st.integers(3, 10), SLOTS, st.integers(1, 3))
def test_a_plan_in_place_stays(count: int, slots: int, copies: int) -> None:
    nodes = cluster(count)
    plan = propose(nodes, slots, copies)
    assert propose(nodes, slots, copies, plan) == plan


@settings(max_examples=60)
@given(st.integers(3, 10), SLOTS, st.integers(1, 3))
def test_a_newcomer_takes_what_it_must_and_nothing_else_moves(
    count: int, slots: int, copies: int
) -> None:
    before = propose(cluster(count), slots, copies)
    nodes = cluster(count + 1)
    after = propose(nodes, slots, copies, before)
    assert_sound(after, nodes, slots, copies)
    assert_balanced(held(after), nodes, slots * copies)
    assert_balanced(led(after), nodes, slots)
    made = moves(before, after)
    assert {name for _, name in made} <= {f"n{count}"}
    mean = slots * copies / (count + 1)
    assert len(made) <= mean
    handed_over = [slot for slot in before if before[slot][0] != after[slot][0]]
    assert len(handed_over) <= slots / (count + 1) + 1


def test_a_newcomer_takes_followers_copies_first() -> None:
    """A leader's copy that moves is a change of leader that nobody needed."""
    before = propose(cluster(3), 256, 3)
    after = propose(cluster(4), 256, 3, before)
    lost = [slot for slot in before if before[slot][0] not in after[slot]]
    assert lost == []


@settings(max_examples=60)
@given(st.integers(4, 10), SLOTS, st.integers(1, 3), st.integers(0, 9))
def test_only_the_copies_of_one_that_leaves_are_made_anew(
    count: int, slots: int, copies: int, gone: int
) -> None:
    nodes = cluster(count)
    before = propose(nodes, slots, copies)
    gone_name = nodes.pop(gone % count).name
    after = propose(nodes, slots, copies, before)
    assert_sound(after, nodes, slots, copies)
    assert_balanced(held(after), nodes, slots * copies)
    assert_balanced(led(after), nodes, slots)
    assert len(moves(before, after)) == held(before)[gone_name]
    assert all(gone_name in before[slot] for slot, _ in moves(before, after))


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=5),
    st.sampled_from([64, 256]),
    st.integers(1, 3),
)
def test_domains_of_any_size_are_kept_apart(sizes: list[int], slots: int, copies: int) -> None:
    nodes = [
        PlacementNode(f"d{d}n{i}", f"d{d}") for d, size in enumerate(sizes) for i in range(size)
    ]
    plan = propose(nodes, slots, copies)
    assert_sound(plan, nodes, slots, copies)
    counts = held(plan)
    for domain in {node.domain for node in nodes}:
        of_one = [counts[node.name] for node in nodes if node.domain == domain]
        assert max(of_one) <= max(min(of_one) * 1.12, min(of_one) + 2)
    if max(sizes) * copies <= sum(sizes):  # no domain is asked for two copies of a slot
        assert_balanced(counts, nodes, slots * copies)


@settings(max_examples=30)
@given(st.data())
def test_any_history_of_joins_and_leaves_stays_sound(data: st.DataObject) -> None:
    alive = {f"n{i}": PlacementNode(f"n{i}", f"d{i % 4}") for i in range(5)}
    plan: Members | None = None
    for _ in range(data.draw(st.integers(1, 6))):
        name = f"n{data.draw(st.integers(0, 11))}"
        candidate = dict(alive)
        if name in alive:
            del candidate[name]
        else:
            candidate[name] = PlacementNode(name, f"d{int(name[1:]) % 4}")
        if len({node.domain for node in candidate.values()}) < 2:
            continue
        alive = candidate
        nodes = list(alive.values())
        plan = propose(nodes, 128, 2, plan)
        assert_sound(plan, nodes, 128, 2)
        sizes = Counter(node.domain for node in nodes)
        if max(sizes.values()) * 2 <= len(nodes):
            assert_balanced(held(plan), nodes, 256)


def test_more_copies_are_added_to_those_in_place() -> None:
    nodes = cluster(5)
    before = propose(nodes, 256, 1)
    after = propose(nodes, 256, 3, before)
    assert_sound(after, nodes, 256, 3)
    assert len(moves(before, after)) == 512
    assert all(after[slot][0] == before[slot][0] for slot in before)


def test_fewer_copies_keep_the_leader() -> None:
    nodes = cluster(4)
    before = propose(nodes, 64, 3)
    after = propose(nodes, 64, 1, before)
    assert moves(before, after) == []


def test_a_conflict_in_place_is_put_right() -> None:
    """Two copies in one domain, as after a move under --allow-same-domain."""
    nodes = cluster(6, domains=3)
    before = {slot: ("n0", "n3") for slot in range(64)}
    assert_sound(propose(nodes, 64, 2, before), nodes, 64, 2)


def test_too_few_domains_name_the_cure() -> None:
    with pytest.raises(PlacementError, match=r"2 copies need 2 failure domains.*d0.*allow"):
        propose(cluster(3, domains=1), 64, 2)


def test_the_same_domain_may_be_allowed() -> None:
    nodes = cluster(3, domains=1)
    plan = propose(nodes, 64, 2, allow_same_domain=True)
    assert all(len(set(members)) == 2 for members in plan.values())
    assert_balanced(held(plan), nodes, 128)


def test_allowed_is_not_asked_for() -> None:
    nodes = cluster(6, domains=3)
    assert_sound(propose(nodes, 64, 2, allow_same_domain=True), nodes, 64, 2)


@pytest.mark.parametrize(
    ("nodes", "copies", "words"),
    [
        ([], 1, "1 copies need 1 nodes, there are 0"),
        (cluster(2), 3, "3 copies need 3 nodes, there are 2"),
        (cluster(2), 0, "at least 1"),
        ([*cluster(2), PlacementNode("n0", "d9")], 1, "twice"),
    ],
)
def test_what_cannot_be_placed_is_refused(
    nodes: list[PlacementNode], copies: int, words: str
) -> None:
    with pytest.raises(PlacementError, match=words):
        propose(nodes, 16, copies)
