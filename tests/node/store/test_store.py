"""One suite for both stores; the memory one is a verified fake of the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.store.api import DeleteRange, Family, Op, Store, StoreError
from node.store.memory import MemoryStore
from node.store.rocks import RocksStore


@pytest.fixture(params=["memory", "rocks"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else RocksStore(str(tmp_path / "db"))
    yield made
    made.close()


def put(family: Family, *names: str) -> list[Op]:
    return [(family, name.encode(), b"v" + name.encode()) for name in names]


def names(rows: list[tuple[bytes, bytes]]) -> list[str]:
    assert all(value == b"v" + key for key, value in rows)
    return [key.decode() for key, _ in rows]


def test_families_are_apart(store: Store) -> None:
    store.write([(family, b"k", family.name.encode()) for family in Family])
    assert [store.get(family, b"k") for family in Family] == [f.name.encode() for f in Family]
    store.write([(Family.CHAN, b"k", None)])
    assert store.get(Family.CHAN, b"k") is None
    assert store.get(Family.STATE, b"k") == b"STATE"


def test_multi_get_keeps_the_order_of_the_keys(store: Store) -> None:
    store.write(put(Family.DEDUP, "a", "c"))
    assert store.multi_get(Family.DEDUP, [b"c", b"b", b"a"]) == [b"vc", None, b"va"]
    assert store.multi_get(Family.DEDUP, []) == []


@pytest.mark.parametrize(
    ("start", "end", "limit", "reverse", "expected"),
    [
        (b"b", b"d", 10, False, ["b", "c"]),
        (b"b", b"d", 10, True, ["c", "b"]),
        (b"b", b"d\x00", 10, True, ["d", "c", "b"]),
        (b"a", b"z", 2, False, ["a", "b"]),
        (b"a", b"z", 2, True, ["e", "d"]),
        (b"bb", b"bc", 10, False, []),
        (b"bb", b"bc", 10, True, []),
        (b"z", b"zz", 1, True, []),
    ],
)
def test_iterate_is_bounded_at_both_ends(
    store: Store, start: bytes, end: bytes, limit: int, reverse: bool, expected: list[str]
) -> None:
    store.write(put(Family.STATE, "a", "b", "c", "d", "e"))
    store.write(put(Family.CHAN, "bb", "c"))
    found = store.iterate(Family.STATE, start, end, limit=limit, reverse=reverse)
    assert names(found) == expected


def test_tails_are_the_last_rows_of_each_range(store: Store) -> None:
    store.write(put(Family.CHAN, "a1", "a2", "a3", "b1", "d1", "d2", "e"))
    ranges = [(n.encode(), n.encode() + b"\xff") for n in ("a", "b", "c", "d", "z", "a")]

    def tails(limit: int, *enough: str) -> list[list[str]]:
        values = {b"v" + name.encode() for name in enough}
        return [
            names(rows)
            for rows in store.tails(Family.CHAN, ranges, limit, lambda value: value in values)
        ]

    whole = [["a3", "a2", "a1"], ["b1"], [], ["d2", "d1"], [], ["a3", "a2", "a1"]]
    assert tails(9) == whole
    assert tails(2) == [rows[:2] for rows in whole]
    down_to = [["a3", "a2"], ["b1"], [], ["d2"], [], ["a3", "a2"]]
    assert tails(9, "a2", "b1", "d2") == down_to
    assert store.tails(Family.STATE, ranges, 9, bool) == [[]] * len(ranges)
    assert store.tails(Family.CHAN, [(b"d1", b"d2"), (b"e", b"f")], 9, bool) == [
        [(b"d1", b"vd1")],
        [(b"e", b"ve")],
    ]


def test_a_batch_is_applied_in_order(store: Store) -> None:
    store.write(put(Family.LOG, "a", "b", "c"))
    store.write(
        [
            *put(Family.LOG, "bb"),
            DeleteRange(Family.LOG, b"b", b"c"),
            *put(Family.LOG, "b"),
            (Family.LOG, b"a", None),
        ]
    )
    assert names(store.iterate(Family.LOG, b"", b"z", limit=9)) == ["b", "c"]


def test_the_sequence_rises_with_every_write(store: Store) -> None:
    before = store.latest_sequence()
    after = store.write(put(Family.META, "a", "b"))
    assert after > before
    store.sync()
    assert store.latest_sequence() == after


def test_a_checkpoint_is_a_new_folder(store: Store, tmp_path: Path) -> None:
    store.write(put(Family.META, "a"))
    store.checkpoint(str(tmp_path / "copy"))
    assert any((tmp_path / "copy").iterdir())


def test_what_is_in_memory_is_written_to_files_in_the_background(
    store: Store, tmp_path: Path
) -> None:
    store.write(put(Family.META, "a"))
    store.begin_flush()
    ends_at = time.monotonic() + 10
    while store.is_flushing():
        assert time.monotonic() < ends_at
        time.sleep(0.001)
    store.checkpoint(str(tmp_path / "copy"))
    assert names(store.iterate(Family.META, b"", b"z", limit=9)) == ["a"]


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: store.get(Family.META, b"a"),
        lambda: store.multi_get(Family.META, [b"a"]),
        lambda: store.iterate(Family.META, b"a", b"z", limit=1),
        lambda: store.iterate(Family.META, b"a", b"z", limit=1, reverse=True),
        lambda: store.scan(Family.META, b"a", b"z", limit=1),
        lambda: store.tails(Family.META, [(b"a", b"z")], 1, bool),
        lambda: store.write([]),
        store.sync,
        store.latest_sequence,
        store.snapshot,
        store.begin_flush,
        store.is_flushing,
        lambda: store.checkpoint("copy"),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="the store is closed"):
            use()


def test_a_database_that_is_open_elsewhere_is_an_error(tmp_path: Path) -> None:
    first = RocksStore(str(tmp_path / "db"))
    with pytest.raises(StoreError, match=r"(?i)lock"):
        RocksStore(str(tmp_path / "db"))
    first.close()


KEYS = st.binary(min_size=1, max_size=3)
OPS = st.lists(
    st.one_of(
        st.tuples(st.just(Family.STATE), KEYS, st.one_of(st.none(), st.binary(max_size=4))),
        st.builds(lambda a, b: DeleteRange(Family.STATE, min(a, b), max(a, b)), KEYS, KEYS),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def rocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RocksStore]:
    made = RocksStore(str(tmp_path_factory.mktemp("rocks") / "db"))
    yield made
    made.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(OPS, max_size=4), start=KEYS, end=KEYS, limit=st.integers(1, 5))
def test_both_stores_answer_alike(
    rocks: RocksStore, batches: list[list[Op]], start: bytes, end: bytes, limit: int
) -> None:
    rocks.write([DeleteRange(Family.STATE, b"", b"\xff" * 8)])
    memory = MemoryStore()
    for batch in batches:
        rocks.write(batch)
        memory.write(batch)
    for reverse in (False, True):
        for low, high in ((b"", b"\xff" * 8), (min(start, end), max(start, end))):
            args = (Family.STATE, low, high)
            for count in (limit, 100):
                assert rocks.iterate(*args, limit=count, reverse=reverse) == memory.iterate(
                    *args, limit=count, reverse=reverse
                )
