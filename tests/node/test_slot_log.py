"""The log of a slot: what is stored is what is said, whatever is cut, trimmed or forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.ring.hashing import chain as chain_of
from node import keys
from node.entry import BrokenChain
from node.slot_log import TERMS_SENT_MAX, Logged, SlotLog
from node.store.api import Family
from node.store.memory import MemoryStore

SLOT = 3


class Sut:
    """A log and its store, which writes everything at once."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.log = SlotLog(SLOT, self.store)

    def append(self, *terms: int) -> None:
        """One entry of each of these terms."""
        for term in terms:
            logged = self.log.following(term, f"{term}.{self.log.last_index + 1}".encode())
            self.store.write(self.log.append((logged,)))

    def cut(self, after: int) -> None:
        self.store.write(self.log.truncate(after))

    def trim(self, upto: int) -> None:
        self.store.write(self.log.trim(upto))

    def again(self) -> SlotLog:
        """The log as a new process reads it."""
        return SlotLog(SLOT, self.store)


def shape(log: SlotLog) -> tuple[object, ...]:
    entries = log.read(log.base + 1, 1 << 30) if log.last_index > log.base else []
    ends = (log.base, log.base_chain, log.last_index, log.last_chain, log.last_term)
    return (*ends, log.terms, [(e.index, e.term, e.value) for e in entries])


def test_an_empty_log() -> None:
    log = Sut().log
    assert shape(log) == (0, 0, 0, 0, 0, [], [])
    assert (log.term_at(0), log.chain_at(0), log.common([], 0)) == (0, 0, 0)


def test_entries_are_chained_and_survive_a_restart() -> None:
    sut = Sut()
    sut.append(1, 1, 4)
    first, second, third = sut.log.read(1, 1 << 30)
    assert [one.index for one in (first, second, third)] == [1, 2, 3]
    assert second.chain == chain_of(first.chain, b"1.2")
    assert sut.log.last_chain == third.chain == sut.log.chain_at(3)
    assert sut.log.terms == [(1, 1), (4, 3)]
    assert [sut.log.term_at(index) for index in range(4)] == [0, 1, 1, 4]
    assert shape(sut.again()) == shape(sut.log)


def test_what_comes_next_is_what_is_appended() -> None:
    sut = Sut()
    sut.append(2)
    following = sut.log.following(5, b"x")
    assert (following.index, following.term) == (2, 5)
    assert sut.log.last_index == 1
    sut.store.write(sut.log.append((following,)))
    assert sut.log.last_chain == following.chain


@pytest.mark.parametrize("wrong", [Logged(3, 1, bytes(9)), Logged(2, 0, bytes(9))])
def test_a_gap_or_a_falling_term_is_our_bug(wrong: Logged) -> None:
    sut = Sut()
    sut.append(1)
    with pytest.raises(AssertionError):
        sut.log.append((wrong,))


def test_a_cut_takes_its_terms_along() -> None:
    sut = Sut()
    sut.append(1, 1, 2, 3)
    chain = sut.log.chain_at(2)
    sut.cut(2)
    assert (sut.log.last_index, sut.log.last_term, sut.log.last_chain) == (2, 1, chain)
    assert sut.log.terms == [(1, 1)]
    assert shape(sut.again()) == shape(sut.log)
    sut.append(5)
    assert shape(sut.again()) == shape(sut.log)
    sut.cut(0)
    assert shape(sut.again()) == shape(sut.log) == (0, 0, 0, 0, 0, [], [])


def test_one_list_of_operations_is_a_whole_change() -> None:
    """Whoever writes each list atomically never stores a term without its entry."""
    sut = Sut()
    (first,) = [sut.log.following(7, b"x")]
    ops = sut.log.append((first,))
    families = {op[0] for op in ops if isinstance(op, tuple)}
    assert families == {Family.META, Family.LOG}


def test_what_is_forgotten_is_read_from_the_store() -> None:
    sut = Sut()
    sut.append(*[1] * 10)
    before = shape(sut.log)
    sut.log.forget(6)
    assert shape(sut.log) == before
    assert [one.index for one in sut.log.read(5, 1)] == [5]
    assert sut.log.chain_at(6) == sut.again().chain_at(6)
    sut.cut(4)
    assert shape(sut.log) == shape(sut.again())


def test_a_page_has_at_least_one_entry_and_ends_behind_its_bytes() -> None:
    sut = Sut()
    sut.append(*[1] * 10)
    size = len(sut.log.read(2, 1)[0].value)
    for forgotten in (0, 3, 10):
        sut.log.forget(forgotten)
        assert [one.index for one in sut.log.read(2, 1)] == [2]
        assert [one.index for one in sut.log.read(2, 2 * size)] == [2, 3]
        assert [one.index for one in sut.log.read(9, 1 << 30)] == [9, 10]
        assert sut.log.read(11, 1 << 30) == []


def test_a_missing_row_is_no_shorter_log() -> None:
    sut = Sut()
    sut.append(*[1] * 5)
    sut.store.write([(Family.LOG, keys.log(SLOT, 3), None)])
    with pytest.raises(BrokenChain):
        sut.again().read(1, 1 << 30)
    with pytest.raises(BrokenChain):
        sut.again().chain_at(3)


def test_a_damaged_row_does_not_verify() -> None:
    sut = Sut()
    sut.append(*[1] * 5)
    sut.again().verify(0, 0)
    row = sut.store.get(Family.LOG, keys.log(SLOT, 3))
    assert row is not None
    sut.store.write([(Family.LOG, keys.log(SLOT, 3), row[:-1] + b"?")])
    with pytest.raises(BrokenChain):
        sut.again().verify(0, 0)
    sut.again().verify(3, keys.read_u64(row))


def test_a_trimmed_log_begins_behind_its_base() -> None:
    sut = Sut()
    sut.append(1, 1, 2, 2, 3)
    chain, last = sut.log.chain_at(3), sut.log.last_chain
    sut.trim(3)
    assert (sut.log.base, sut.log.base_chain, sut.log.chain_at(3)) == (3, chain, chain)
    assert sut.log.terms == [(1, 1), (2, 3), (3, 5)], "they tell where two logs part"
    assert [one.index for one in sut.log.read(4, 1 << 30)] == [4, 5]
    assert shape(sut.again()) == shape(sut.log)
    assert sut.store.get(Family.LOG, keys.log(SLOT, 3)) is None
    sut.trim(5)
    assert (sut.again().last_index, sut.again().last_chain) == (5, last)
    sut.append(3)
    assert shape(sut.again()) == shape(sut.log)


def test_a_log_behind_a_snapshot() -> None:
    source, sut = Sut(), Sut()
    source.append(1, 1, 2, 2, 3)
    sut.append(1)
    sut.log.clear()
    sut.store.write(sut.log.install(4, source.log.chain_at(4), [(1, 1), (2, 3), (3, 5)]))
    assert (sut.log.base, sut.log.last_index, sut.log.last_term) == (4, 4, 2)
    assert sut.log.terms == [(1, 1), (2, 3)], "no term of an entry that is not in it"
    sut.append(3)
    assert sut.log.last_index == 5


# --- where two logs part


def log_of(terms: Sequence[int]) -> SlotLog:
    sut = Sut()
    sut.append(*terms)
    return sut.log


@pytest.mark.parametrize(
    ("ours", "theirs", "common"),
    [
        ([], [1, 1], 0),
        ([1, 1], [1, 1], 2),
        ([1, 1], [1, 1, 1], 2),
        ([1, 1, 1], [1, 1], 2),
        ([1, 1, 2], [1, 1, 1, 1], 2),
        ([1, 1, 1, 1], [1, 1, 2], 2),
        ([1, 2, 2, 4], [1, 2, 2, 3, 3], 3),
        ([2], [3], 0),
        ([1, 3, 3], [1, 2, 3], 1),
    ],
)
def test_where_two_logs_part(ours: list[int], theirs: list[int], common: int) -> None:
    other = log_of(theirs)
    assert log_of(ours).common(other.recent_terms(), other.last_index) == common


@st.composite
def histories(draw: st.DrawFn) -> list[list[int]]:
    """Logs as leaders make them: each term goes on from some log, cut anywhere."""
    logs: list[list[int]] = [[]]
    for term in range(1, draw(st.integers(2, 7))):
        before = draw(st.sampled_from(logs))
        kept = draw(st.integers(0, len(before)))
        logs.append(before[:kept] + [term] * draw(st.integers(1, 4)))
    return logs


@settings(max_examples=150)
@given(histories(), st.data())
def test_the_common_part_is_found_exactly(logs: list[list[int]], data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(logs)), data.draw(st.sampled_from(logs))
    one = one[: data.draw(st.integers(0, len(one)))]
    other = other[: data.draw(st.integers(0, len(other)))]
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    theirs = log_of(other)
    assert log_of(one).common(theirs.recent_terms(), theirs.last_index) == shared


def test_only_the_newest_terms_are_sent_and_an_old_parting_starts_over() -> None:
    """Slow and right: nothing in common is claimed that was not compared."""
    many = log_of(range(1, 2 * TERMS_SENT_MAX))
    assert len(many.recent_terms()) == TERMS_SENT_MAX
    old = log_of([1, 2, 3])
    assert many.common(old.recent_terms(), old.last_index) == 3
    assert old.common(many.recent_terms(), many.last_index) == 0
