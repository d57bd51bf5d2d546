"""A watch from its bytes: whole revisions, in order, each once, over any number of streams."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.coordinator import etcd_watch
from hubbub.coordinator.api import (
    Compacted,
    CoordinatorError,
    CoordinatorUnavailable,
    Record,
    WatchEvent,
)
from hubbub.coordinator.etcd_gateway import Keyspace
from hubbub.coordinator.etcd_watch import WatchLines

KEYS = Keyspace("demo")


def line(**result: object) -> bytes:
    return json.dumps({"result": {"header": {"revision": "99"}, **result}}).encode() + b"\n"


def changes(*revisions: int, key: str = "/a", deleted: bool = False) -> bytes:
    """One line of events, the revision also in the value."""
    events: list[dict[str, Any]] = []
    for revision in revisions:
        kv = {"key": b64encode(KEYS.stored(key)).decode(), "mod_revision": str(revision)}
        if deleted:
            events.append({"type": "DELETE", "kv": kv})
        else:
            kv |= {"create_revision": "2", "value": b64encode(b"%d" % revision).decode()}
            events.append({"kv": kv})
    return line(events=events)


CREATED = line(created=True)


def opened(start: int = 1, data: bytes = CREATED) -> WatchLines:
    lines = WatchLines(KEYS, "/", start)
    lines.open()
    assert list(lines.feed(data)) == []
    return lines


def revisions(batches: list[list[WatchEvent]]) -> list[list[int]]:
    return [[event.revision for event in batch] for batch in batches]


def asked(lines: WatchLines) -> int:
    """From which revision the next stream is asked."""
    return int(json.loads(lines.open())["create_request"]["start_revision"])


def test_events_are_records_and_deletes() -> None:
    lines = opened()
    assert list(lines.feed(changes(5) + changes(6, deleted=True))) == [
        [WatchEvent("/a", Record("/a", b"5", 2, 5), 5)],
        [WatchEvent("/a", None, 6)],
    ]
    assert lines.start == 7


def test_created_comes_first() -> None:
    lines = WatchLines(KEYS, "/", 1)
    lines.open()
    assert not lines.created
    with pytest.raises(CoordinatorUnavailable, match="without saying so"):
        list(lines.feed(changes(5)))
    assert opened().created


def test_a_stream_may_begin_with_events_in_the_line_that_creates_it() -> None:
    both = json.loads(changes(5))
    both["result"]["created"] = True
    lines = WatchLines(KEYS, "/", 1)
    lines.open()
    assert revisions(list(lines.feed(json.dumps(both).encode() + b"\n"))) == [[5]]


def test_the_next_stream_goes_on_behind_the_last_event() -> None:
    lines = opened()
    list(lines.feed(changes(5, 6, 9)))
    assert lines.start == 10
    assert asked(lines) == 9  # one earlier: what we need must not be where history ends
    assert not lines.created


def test_the_first_stream_is_never_asked_from_zero() -> None:
    """0 means "from now on" to etcd."""
    assert asked(WatchLines(KEYS, "/", 1)) == 1
    assert asked(WatchLines(KEYS, "/", 2)) == 1


def test_a_lagging_member_never_takes_it_back() -> None:
    """A map must not go back in time: what was passed on, or is older, is dropped."""
    lines = opened(start=8)
    assert revisions(list(lines.feed(changes(3, 5, 7)))) == []
    assert revisions(list(lines.feed(changes(6, 7, 8, 8, 9)))) == [[8, 8, 9]]
    lines.open()
    assert revisions(list(lines.feed(CREATED + changes(7, 8, 9) + changes(9, 10)))) == [[10]]
    assert lines.start == 11


def test_progress_moves_the_start() -> None:
    lines = opened()
    assert list(lines.feed(line(header={"revision": "40"}))) == []
    assert lines.start == 41
    list(lines.feed(line(header={"revision": "30"})))  # a member that lags may say less
    assert lines.start == 41


def test_the_answer_to_somebodys_question_is_no_progress() -> None:
    """It may come before events of the same revision; it has no watch of its own."""
    lines = opened()
    list(lines.feed(line(header={"revision": "40"}, watch_id="-1")))
    assert lines.start == 1


def test_created_is_no_progress() -> None:
    """The events up to its revision are still to come."""
    assert opened(start=5).start == 5


def test_compaction_is_said() -> None:
    lines = opened()
    with pytest.raises(Compacted) as caught:
        list(lines.feed(line(canceled=True, compact_revision="50")))
    assert caught.value.compact_revision == 51
    # And a watch from there is served: it is asked from 50, which is not below.
    assert asked(WatchLines(KEYS, "/", 51)) == 50


@pytest.mark.parametrize(
    "end",
    [
        line(canceled=True, cancel_reason="etcdserver: mvcc: something"),
        line(canceled=True),
        line(created=True, canceled=True, cancel_reason="permission denied"),
        b'{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}\n',
        b'{"error":{"code":14,"message":"etcdserver: no leader"}}\n',
        b'{"error":"etcdserver: no leader"}\n',
        b"{}\n",
    ],
)
def test_an_end_is_never_silent_and_takes_nothing_with_it(end: bytes) -> None:
    lines = opened()
    batches = lines.feed(changes(5) + end)
    assert revisions([next(batches)]) == [[5]]
    with pytest.raises(CoordinatorUnavailable, match="the watch ended"):
        next(batches)
    assert lines.start == 6


def test_a_broken_line_is_forgotten_with_its_stream() -> None:
    lines = opened()
    assert list(lines.feed(changes(5)[:-7])) == []
    lines.open()
    assert revisions(list(lines.feed(CREATED + changes(5)))) == [[5]]


def test_a_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_watch, "LINE_BYTES_MAX", 1_000)
    lines = opened()
    list(lines.feed(b" " * 1_000))
    with pytest.raises(CoordinatorError, match="start again"):
        list(lines.feed(b" "))


@pytest.mark.parametrize(
    "bad",
    [
        b"junk\n",
        b'{"result":{"events":[{"kv":{"key":"!"}}]}}\n',
        b'{"result":{"events":[{"kv":{"key":"L290aGVyL2E=","mod_revision":"5"}}]}}\n',
        b'{"result":{"events":[{"type":"MERGE","kv":{}}]}}\n',
        b'{"result":{"events":[{}]}}\n',
        b'{"result":{"compact_revision":"x","canceled":true}}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_cannot_be_read_is_said(bad: bytes) -> None:
    with pytest.raises(CoordinatorError) as caught:
        list(opened().feed(bad))
    assert not isinstance(caught.value, CoordinatorUnavailable)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_however_the_bytes_are_cut(steps: list[int], data: st.DataObject) -> None:
    at, whole, expected = 10, CREATED, []
    for step in steps:
        batch = list(range(at, at + step))
        whole += changes(*batch) + data.draw(st.sampled_from([b"", b"\n", b" \n"]))
        expected.append(batch)
        at += step
    lines = WatchLines(KEYS, "/", 1)
    lines.open()
    got = []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        got += list(lines.feed(whole[:size]))
        whole = whole[size:]
    assert revisions(got) == expected


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6), max_size=10))
def test_revisions_only_grow(streams: list[list[int]]) -> None:
    """Whatever members send in whatever order: each stream sorted, as etcd's are."""
    lines = WatchLines(KEYS, "/", 4)
    passed: list[int] = []
    for sent in streams:
        lines.open()
        for batch in lines.feed(CREATED + changes(*sorted(sent))):
            new = sorted({event.revision for event in batch})
            assert new[0] >= 4
            assert not passed or new[0] > passed[-1]
            passed += new


@given(st.lists(st.binary(), max_size=5))
def test_any_bytes_are_batches_or_an_error(chunks: list[bytes]) -> None:
    _feed(chunks)


@given(st.data())
def test_damaged_lines_too(data: st.DataObject) -> None:
    body = bytearray(CREATED + changes(3, 4) + line(canceled=True, compact_revision="5"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    _feed([bytes(body)])


def _feed(chunks: list[bytes]) -> None:
    lines = WatchLines(KEYS, "/", 1)
    lines.open()
    start = lines.start
    try:
        for chunk in chunks:
            for batch in lines.feed(chunk):
                assert batch
    except CoordinatorError:
        pass
    assert lines.start >= start
