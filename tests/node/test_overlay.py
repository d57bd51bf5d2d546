"""Two views over one store: a model of both is compared after every step."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubbub.features.contract import Table
from hubbub.wire.codec import decode_pack
from hubbub.wire.event import CHANGED, COUNTABLE, encode_row
from node.overlay import CACHED_ROW_BYTES_MAX, Caches, Overlay
from node.store.memory import MemoryStore


class Row(msgspec.Struct, frozen=True, array_like=True):
    text: str


NAMES: Table[str, Row] = Table("names", str, Row)
MARKS: Table[tuple[str, int], int] = Table("marks", tuple[str, int], int)
KEYS = st.sampled_from(["a", "aa", "b", "", "z\x00"])


class Model:
    """What one view should show."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.events: dict[int, int] = {}  # seq → flags
        self.head = 0
        self.floor = 1

    def place(self) -> int:
        """In an order of last messages."""
        said = [s for s, f in self.events.items() if f & COUNTABLE and s >= self.floor]
        at = max(said, default=self.head)
        return -(1_000 + at) if at else 0

    def copy(self) -> Model:
        made = Model()
        made.rows, made.events = dict(self.rows), dict(self.events)
        made.head, made.floor = self.head, self.floor
        return made


def everything(tables: Any) -> list[tuple[str, Row]]:
    found: list[tuple[str, Row]] = tables[NAMES].scan()
    return found


class OverlayMachine(RuleBasedStateMachine):
    """One stream; entries are made, written, committed, cut; caches are tiny."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.overlay = Overlay(1, self.store, Caches(rows_max=2, streams_max=1))
        self.models = [Model()]  # committed, then one for each pending entry
        self.committed = 0
        self.written = 0
        self.ops: list[Any] = []

    @property
    def last(self) -> int:
        return self.committed + len(self.models) - 1

    @rule(
        puts=st.dictionaries(KEYS, st.sampled_from(["1", "2", "x" * CACHED_ROW_BYTES_MAX])),
        deletes=st.sets(KEYS, max_size=2),
        appends=st.lists(st.sampled_from([0, 0, COUNTABLE]), max_size=3),
        marks=st.sets(st.integers(1, 8), max_size=2),
        floor=st.integers(0, 9),
        is_abandoned=st.booleans(),
        is_together=st.booleans(),
    )
    def entry(
        self,
        puts: dict[str, str],
        deletes: set[str],
        appends: list[int],
        marks: set[int],
        floor: int,
        is_abandoned: bool,
        is_together: bool,
    ) -> None:
        model = self.models[-1].copy()
        stream = self.overlay.stream("demo", "group:x")
        tables = self.overlay.live(stream)
        self.overlay.begin(self.last + 1, stream)
        for flags in appends:
            model.head += 1
            model.events[model.head] = flags
            row = encode_row(flags, 1_000 + model.head, 0, "t", "u", b"%d" % model.head)
            self.overlay.append_event(model.head, 1_000 + model.head, row)
        if is_together:
            tables[NAMES].put_many({key: Row(text) for key, text in puts.items()})
        for key, text in puts.items():
            if not is_together:
                tables[NAMES].put(key, Row(text))
            model.rows[key] = Row(text)
        for key in deletes:
            tables[NAMES].delete(key)
            model.rows.pop(key, None)
        tables.mark_changed(seq for seq in marks if model.floor <= seq <= model.head)
        for seq in marks:
            if model.floor <= seq <= model.head:
                model.events[seq] |= CHANGED
        if floor > 7:
            tables.set_floor(floor - 6)
            model.floor = min(max(model.floor, floor - 6), model.head + 1)
        if is_abandoned:
            self.overlay.abandon()
            return
        self.ops.append(self.overlay.finish())
        self.models.append(model)

    @precondition(lambda self: len(self.models) > 1)
    @rule(data=st.data())
    def write_and_commit(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, len(self.models) - 1))
        for _ in range(count):
            self.store.write(self.ops.pop(0))
        self.views_agree()  # what is written but not yet synced shows nowhere
        self.committed += count
        self.models = self.models[count:]
        self.overlay.commit(self.committed)

    @precondition(lambda self: self.written < self.committed)
    @rule(data=st.data())
    def rows_are_stored(self, data: st.DataObject) -> None:
        self.written = data.draw(st.integers(self.written + 1, self.committed))
        self.overlay.written(self.written)

    @precondition(lambda self: len(self.models) > 1)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        kept = data.draw(st.integers(0, len(self.models) - 2))
        self.overlay.truncate(self.committed + kept)
        self.models = self.models[: kept + 1]
        self.ops = self.ops[:kept]

    @rule()
    def look_elsewhere(self) -> None:
        self.overlay.stream("demo", "group:other")

    @rule()
    def load_many(self) -> None:
        self.overlay.load("demo", ["group:other", "group:x", "group:none"])

    @invariant()
    def views_agree(self) -> None:
        places = self.overlay.places("demo", ["group:none", "group:x"])  # before it is loaded
        assert places == {"group:none": 0, "group:x": self.models[0].place()}
        stream = self.overlay.stream("demo", "group:x")
        for tables, model, is_live in (
            (self.overlay.live(stream), self.models[-1], True),
            (self.overlay.committed(stream), self.models[0], False),
        ):
            assert (tables.head_seq, tables.floor_seq) == (model.head, model.floor)
            rows = tables[NAMES]
            assert tables.kept("all", (NAMES,), everything) == sorted(model.rows.items())
            for key in ("a", "aa", "b", "", "z\x00"):
                assert rows.get(key) == model.rows.get(key)
            for names in ([], ["b"], ["z\x00", "aa", "none"], ["aa", "", "a", "b"]):
                assert rows.get_many(names) == [model.rows.get(name) for name in names]
            for reverse in (False, True):
                expected = sorted(model.rows.items(), reverse=reverse)
                assert rows.scan(reverse=reverse) == expected
                assert rows.scan(limit=1, reverse=reverse) == expected[:1]
            for limit in (1, 9):
                stored = rows.stored(limit)
                assert [(k, decode_pack(row, Row)) for k, row in stored.items()] == sorted(
                    model.rows.items()
                )[:limit]
            behind = [(k, v) for k, v in sorted(model.rows.items()) if k > "a"]
            assert rows.scan(after="a", limit=2) == behind[:2]
            before = [(k, v) for k, v in sorted(model.rows.items(), reverse=True) if k < "aa"]
            assert rows.scan(after="aa", limit=2, reverse=True) == before[:2]
            if is_live or model.floor == self.models[-1].floor:
                seqs = range(model.floor, model.head + 1)
                found = tables.published_range(limit=100)
                assert [(e.seq, e.head.flags) for e in found] == [
                    (seq, model.events[seq]) for seq in seqs
                ]
                newest = tables.published_range(before=model.head, limit=2, reverse=True)
                assert [e.seq for e in newest] == list(seqs)[:-1][::-1][:2]


TestOverlay = OverlayMachine.TestCase
TestOverlay.settings = settings(max_examples=60, stateful_step_count=20)


def test_a_query_cannot_write() -> None:
    overlay = Overlay(1, MemoryStore(), Caches())
    stream = overlay.stream("demo", "k")
    with pytest.raises(AssertionError):
        overlay.committed(stream)[NAMES].put("a", Row("x"))
    with pytest.raises(AssertionError):
        overlay.live(stream)[NAMES].put("a", Row("x"))
    for view in (overlay.committed(stream), overlay.live(stream)):
        with pytest.raises(AssertionError):
            view[NAMES].put_many({"a": Row("x"), "b": Row("x")})


def test_many_rows_are_kept_decoded_but_large_ones() -> None:
    store, caches = MemoryStore(), Caches()
    overlay = Overlay(1, store, Caches())
    stream = overlay.stream("demo", "k")
    overlay.begin(1, stream)
    rows = {"a": Row("1"), "large": Row("x" * CACHED_ROW_BYTES_MAX), "b": Row("2")}
    overlay.live(stream)[NAMES].put_many(rows)
    store.write(overlay.finish())
    later = Overlay(1, store, caches)
    read = later.committed(later.stream("demo", "k"))[NAMES]
    for _ in range(2):
        assert read.get_many([*rows, "none"]) == [*rows.values(), None]
        assert len(caches.rows) == 3, "two rows, and that one is absent"


def test_a_row_that_was_committed_under_one_that_was_cut_is_seen() -> None:
    """Story: the cache still held what the row was before both entries."""
    store = MemoryStore()
    overlay = Overlay(1, store, Caches())
    stream = overlay.stream("demo", "k")
    rows = overlay.live(stream)[NAMES]
    for index in (1, 2):
        overlay.begin(index, stream)
        rows.put("a", Row(str(index)))
        ops = overlay.finish()
        if index == 1:
            store.write(ops)
    overlay.commit(1)
    overlay.truncate(1)
    assert rows.get("a") == Row("1")
    assert overlay.committed(stream)[NAMES].get("a") == Row("1")


def test_places_from_the_store_are_those_of_loaded_streams() -> None:
    """However far back the last message lies, and whether anything is left."""
    store = MemoryStore()
    writing = Overlay(1, store, Caches())
    flags = {
        "none": [],
        "last": [COUNTABLE, 0, COUNTABLE],
        "near": [COUNTABLE, 0, 0, 0],
        "far": [COUNTABLE, *[0] * 9],
        "never": [0],
        "long without": [0] * 9,
        "deleted": [0, COUNTABLE],
    }
    index = 0
    for key, events in flags.items():
        stream = writing.stream("demo", key)
        for seq, flag in enumerate(events, 1):
            index += 1
            writing.begin(index, stream)
            writing.append_event(
                seq, 1_000 * index, encode_row(flag, 1_000 * index, 0, "t", "u", b"{}")
            )
            if key == "deleted" and seq == len(events):
                writing.set_floor(stream, seq + 1)
            store.write(writing.finish())
            writing.commit(index)
            writing.written(index)
    loaded, together = Overlay(1, store, Caches()), Overlay(1, store, Caches())
    together.load("demo", flags)
    for key in flags:
        one, other = loaded.stream("demo", key).committed, together.stream("demo", key).committed
        assert [getattr(one, name) for name in one.__slots__] == [
            getattr(other, name) for name in one.__slots__
        ]
    heads = {key: loaded.stream("demo", key).committed for key in flags}
    expected = {key: -(head.message_ms or head.ts_ms) for key, head in heads.items()}
    assert len(set(expected.values())) == len(flags)
    assert Overlay(1, store, Caches()).places("demo", list(flags)) == expected
    assert loaded.places("demo", list(flags)) == writing.places("demo", list(flags)) == expected


def test_numbers_are_not_used_again_after_everything_was_deleted() -> None:
    store = MemoryStore()
    overlay = Overlay(1, store, Caches())
    stream = overlay.stream("demo", "k")
    for index in (1, 2):
        overlay.begin(index, stream)
        overlay.append_event(index, 50 + index, encode_row(0, 50 + index, 0, "t", "u", b"{}"))
        if index == 2:
            overlay.live(stream).set_floor(3)
        store.write(overlay.finish())
    overlay.commit(2)
    found = Overlay(1, store, Caches()).stream("demo", "k")
    assert (found.head.seq, found.head.ts_ms, found.head.floor) == (2, 52, 3)


def test_tuple_keys_scan_in_order() -> None:
    store = MemoryStore()
    overlay = Overlay(1, store, Caches())
    stream = overlay.stream("demo", "k")
    overlay.begin(1, stream)
    rows = overlay.live(stream)[MARKS]
    for n in (300, 2, 70_000):
        rows.put(("u", n), n)
    rows.put(("t", 5), 5)
    store.write(overlay.finish())
    overlay.commit(1)
    assert [k for k, _ in rows.scan(after=("u", 0))] == [("u", 2), ("u", 300), ("u", 70_000)]


def page_of(overlay: Overlay, first: int, last: int) -> list[tuple[int, bytes]]:
    stream = overlay.stream("demo", "a")
    return overlay.committed(stream).published_rows(after=first - 1, limit=last - first + 1)


def test_a_page_is_read_from_the_store_once_until_one_of_its_events_changes() -> None:
    store, caches = MemoryStore(), Caches()
    overlay = Overlay(1, store, caches)
    stream = overlay.stream("demo", "a")
    for seq in (1, 2, 3):
        overlay.begin(seq, stream)
        overlay.append_event(seq, 1_000 + seq, encode_row(0, 1_000 + seq, 0, "t", "ann", b"{}"))
        store.write(overlay.finish())
        overlay.commit(seq)
        overlay.written(seq)
    first, again = page_of(overlay, 1, 3), page_of(overlay, 1, 3)
    assert [seq for seq, _ in first] == [1, 2, 3]
    assert again == first
    assert (caches.pages_read, caches.pages_found) == (1, 1)
    again.clear()
    assert page_of(overlay, 1, 3) == first, "a caller may do with it what he likes"
    page_of(overlay, 1, 1)
    overlay.begin(4, stream)
    overlay.mark_changed(stream, 2)
    ops = overlay.finish()
    overlay.commit(4)
    changed = page_of(overlay, 1, 3)
    assert changed[1][1][0] & CHANGED, "committed, and not in the store yet"
    store.write(ops)
    overlay.written(4)
    assert page_of(overlay, 1, 3) == changed
    reads = caches.pages_read
    page_of(overlay, 1, 1)
    assert caches.pages_read == reads, "a page without the event stays"
    overlay.reset()
    assert page_of(overlay, 1, 3) == changed
    assert caches.pages_read == reads + 1, "whoever begins anew knows nothing"


def test_what_a_feature_makes_of_rows_is_made_once_until_one_of_them_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.overlay.CACHED_MADE_BYTES_MAX", 5)
    store, overlay = MemoryStore(), Overlay(1, MemoryStore(), Caches())
    stream, made = overlay.stream("demo", "a"), list[str]()

    def put(index: int, **rows: str) -> None:
        overlay.begin(index, stream)
        for table, text in rows.items():
            overlay.live(stream)[Table(table, str, Row)].put("k", Row(text))
        store.write(overlay.finish())

    def text(*, is_live: bool = False) -> str:
        def make(tables: Any) -> str:
            row = tables[NAMES].get("k")
            made.append(row.text if row else "")
            return made[-1]

        tables = overlay.live(stream) if is_live else overlay.committed(stream)
        return tables.kept("text", (NAMES,), make)

    put(1, names="one")
    assert (text(), text(), made) == ("", "", [""]), "what is not committed shows nowhere"
    overlay.commit(1)
    assert (text(), text(), made) == ("one", "one", ["", "one"])
    put(2, others="x", names2="y")
    overlay.commit(2)
    assert (text(), made[2:]) == ("one", []), "other tables' rows"
    put(3, names="two")
    assert (text(is_live=True), text(), made[2:]) == ("two", "one", ["two"]), "a command's is new"
    overlay.truncate(2)
    put(3, names="larger")
    overlay.commit(3)
    assert (text(), text(), made[3:]) == ("larger", "larger", ["larger"] * 2), "too large to keep"
