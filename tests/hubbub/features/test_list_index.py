"""A long list that an edge keeps is the list as it is, whatever was done to it in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from hubbub.features import channel_query, list_index
from hubbub.features.channel_list import DropListed, PutListed
from hubbub.features.channel_query import ChannelQuery, turn_query
from hubbub.features.contract import Errand, HeadsCall, Keep, QueryCall, Recall
from hubbub.features.list_index import IndexRequest, KeptIndex, own_index
from hubbub.features.list_rows import (
    NOTHING_SET,
    ListState,
)
from hubbub.features.list_settings import SetListed
from hubbub.features.user_settings import SetSettings
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import Playbook

KEPT_FROM, CHANGES_MAX, EXPLICIT_MAX = 16, 12, 24  # a long list of the test's is soon made
KEYS = [f"group:{n:04}" for n in range(EXPLICIT_MAX + 126)]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_index, "KEPT_FROM", KEPT_FROM)
        patch.setattr(list_index, "CHANGES_MAX", CHANGES_MAX)
        patch.setattr(channel_query, "EXPLICIT_MAX", EXPLICIT_MAX)
        patch.setattr(channel_query, "_BEST_MAX", 40)
        yield


class Edge:
    """ann's list, an edge's memory of it, and heads that the test sets: (last seq, ms)."""

    def __init__(self, count: int) -> None:
        self.book = Playbook("#ann")
        self.memory: dict[str, Any] = {}
        self.epoch = "e1"
        self.heads = {key: (1, 1_000 + n) for n, key in enumerate(KEYS)}
        self.asked: list[IndexRequest] = []
        self.calls: list[HeadsCall] = []
        self.equal: set[str] = set()  # channels with the custom data that are asked for
        self.compared = 0
        for key in KEYS[:count]:
            self.put(key)

    def put(
        self, key: str, role: Role = Role.MEMBER, kind: ChannelKind = ChannelKind.GROUP
    ) -> None:
        put = PutListed(user="ann", channel=key, kind=kind, role=role, name=key[6:])
        self.book.do("", put, authority="system")

    def drop(self, key: str) -> None:
        self.book.do("", DropListed(user="ann", channel=key), authority="system")

    def set(self, key: str, **fields: Any) -> None:
        self.book.do("ann", SetListed(user="ann", channel=key, **fields))

    def answer(self, step: Any) -> Any:
        if isinstance(step, Recall):
            return self.memory.get(step.key)
        if isinstance(step, Keep):
            self.memory[step.key] = step.value
            return None
        if isinstance(step, QueryCall):
            assert isinstance(step.args, IndexRequest)
            self.asked.append(step.args)
            answer = self.book.query("ann", step.name, step.args)
            return encode_json(answer | {"epoch": self.epoch})
        self.calls.append(step)
        keys = step.roll.keys if step.roll is not None else step.keys
        rows = {key: self.row(key, step) for key in keys}
        if step.unread:
            assert (step.roll is not None, step.user) == (True, "ann")
            return {key: row for key, row in rows.items() if row.unread}
        if not step.best:
            return rows
        places = sorted((-row.message_ms, key) for key, row in rows.items())
        behind = [at for at in places if step.after is None or at > step.after]
        return {key: rows[key] for _, key in behind[: step.best]}

    def row(self, key: str, call: HeadsCall) -> HeadRow:
        seq, ms = self.heads[key]
        fields = (b'{"unread":%d}' % (seq % 3),) if call.user else ()
        unread = seq % 3 if call.unread else 0
        if call.query == "channel.data_equals":
            self.compared += 1
            equal = encode_json({"equal": key in self.equal})
            return HeadRow("demo", key, True, "e", seq, ms, answer=equal)
        return HeadRow("demo", key, True, "e", seq, ms, b"", fields, seq, ms, unread=unread)

    def run(self, steps: Any) -> Any:
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = self.answer(step)

    def index(self) -> KeptIndex:
        found: KeptIndex = self.run(own_index("ann"))
        return found

    def page(self, **fields: Any) -> dict[str, Any]:
        errand = turn_query(ChannelQuery(**fields), self.book.edge_context(Viewer("ann")))
        assert isinstance(errand, Errand)
        return decode_json(self.run(errand.steps()), dict[str, Any])

    def pages(self, **fields: Any) -> list[str]:
        found, cursor = list[str](), ""
        while True:
            page = self.page(cursor=cursor, **fields)
            found += [row["channel"] for row in page["channels"]]
            cursor = page["next"]
            if not cursor:
                return found

    def newest_first(self, keys: list[str]) -> list[str]:
        return sorted(keys, key=lambda key: (-self.heads[key][1], key))


def test_a_short_list_is_not_kept() -> None:
    edge = Edge(KEPT_FROM - 1)
    assert edge.index().roll is None
    assert edge.memory["channel_list ann"] is None
    edge.put(KEYS[-1])
    assert edge.index().roll is not None


def test_of_a_long_list_only_what_changed_is_asked_for() -> None:
    edge = Edge(KEPT_FROM + 5)
    first = edge.index()
    edge.put(KEYS[40])
    edge.drop(KEYS[0])
    edge.set(KEYS[1], muted=True)
    edge.book.do("ann", SetSettings(settings={"theme": Raw(b'"dark"')}))
    again = edge.index()
    assert again is first
    assert [ask.since for ask in edge.asked] == [0, KEPT_FROM + 5]
    assert again.roll is not None
    assert set(again.roll.keys) == set(again.stored) == {*KEYS[1 : KEPT_FROM + 5], KEYS[40]}
    assert again.own[KEYS[1]].muted
    _compare(edge)
    edge.drop(KEYS[5])
    _compare(edge)
    edge.drop(KEYS[1])
    edge.put(KEYS[1])
    _compare(edge)


def test_too_much_or_another_life_is_asked_for_whole() -> None:
    edge = Edge(KEPT_FROM + 5)
    edge.index()
    for n in range(CHANGES_MAX + 1):
        edge.set(KEYS[5], muted=n % 2 == 0)
    edge.drop(KEYS[2])
    assert edge.index().own[KEYS[5]].muted
    before = edge.index()
    assert KEYS[2] not in before.stored
    edge.drop(KEYS[3])
    edge.book.tables.set_floor(edge.book.tables.head_seq + 1)
    edge.put(KEYS[40])
    before = edge.index()
    assert (KEYS[3] in before.stored, KEYS[40] in before.stored) == (False, True)
    edge.epoch = "e2"
    assert edge.index() is not before
    assert [ask.since for ask in edge.asked][-2:] == [before.head, 0]


def test_an_answer_that_was_overtaken_changes_nothing() -> None:
    edge = Edge(KEPT_FROM)
    kept = edge.index()
    late = list_index.Index(head=kept.head, changed=True)
    edge.drop(KEYS[0])
    edge.index()
    kept.change(late)
    assert kept.head == KEPT_FROM + 1
    assert KEYS[0] not in kept.stored


MANY = KEPT_FROM + 12  # however many leave, it is a long list
key = st.sampled_from([*KEYS[:6], *KEYS[MANY : MANY + 6]])
step = st.one_of(
    st.tuples(st.just("put"), key),
    st.tuples(st.just("invite"), key),
    st.tuples(st.just("drop"), key),
    st.tuples(st.just("mute"), key),
    st.tuples(st.just("unmute"), key),
    st.tuples(st.just("archive"), key),
    st.tuples(st.just("hide"), key),
    st.tuples(st.just("message"), key),
    st.tuples(st.just("look"), key),
)


@settings(max_examples=40)
@given(st.lists(step, max_size=25))
def test_what_is_kept_is_what_is(steps: list[tuple[str, str]]) -> None:
    edge, ms = Edge(MANY), 10_000
    for kind, name in steps:
        ms += 1
        is_in = name in _whole(edge).stored
        if kind == "put":
            edge.put(name)
        elif kind == "invite":
            edge.put(name, Role.INVITED)
        elif kind == "drop":
            edge.drop(name)
        elif kind == "message":
            edge.heads[name] = edge.heads[name][0] + 1, ms
        elif kind == "look":
            _compare(edge)
        elif is_in:
            fields = {
                "mute": {"muted": True},
                "unmute": {"muted": False, "archived": False},
                "archive": {"archived": True},
            }.get(kind)
            seq = edge.heads[name][0]
            edge.set(name, **(fields or {"hidden": "until_message", "hidden_seq": seq}))
    _compare(edge)


def _whole(edge: Edge) -> KeptIndex:
    other = Edge(0)
    other.book = edge.book
    return other.index()


def _compare(edge: Edge) -> None:
    kept, whole = edge.index(), _whole(edge)
    assert (kept.rows(), kept.head, kept.blocked) == (whole.rows(), whole.head, whole.blocked)
    assert {c: o for c, o in kept.own.items() if c in kept.stored} == whole.own
    assert kept.by_name() == whole.by_name()
    assert kept.roll is not None
    assert set(kept.roll.keys) == set(whole.stored)
    shown = [
        channel
        for channel in whole.stored
        for own in (whole.own.get(channel, NOTHING_SET),)
        if own.hidden == "no" or edge.heads[channel][0] > own.hidden_seq
    ]
    assert [r["channel"] for r in edge.page(limit=100)["channels"]] == edge.newest_first(shown)[
        :100
    ]


def test_a_page_of_a_long_list_asks_for_a_page_alone() -> None:
    edge = Edge(len(KEYS))
    edge.page(limit=20)
    newest, seen = edge.calls
    assert newest.roll is not None
    assert (newest.keys, newest.best, len(seen.keys)) == ((), 21, 20)
    edge.calls.clear()
    edge.heads[KEYS[3]] = 2, 99_999
    assert edge.page(limit=20)["channels"][0]["channel"] == KEYS[3]
    assert [(len(call.keys), call.best) for call in edge.calls] == [(0, 21), (20, 0)]
    assert [ask.since for ask in edge.asked] == [0, len(KEYS)]


@pytest.mark.parametrize("hidden_count", [3, 30, 140])
def test_pages_go_past_what_is_hidden_and_filtered(hidden_count: int) -> None:
    edge = Edge(len(KEYS))
    newest = edge.newest_first(KEYS)
    hidden = newest[2 : 2 + hidden_count]
    for n, name in enumerate(hidden):
        edge.set(name, hidden="for_good" if n % 2 else "until_message", hidden_seq=1)
    shown = [name for name in newest if name not in hidden]
    assert edge.pages(limit=20) == shown
    assert edge.pages(limit=100, hidden=None) == newest
    assert edge.pages(limit=100, hidden=True) == hidden
    edge.heads[hidden[0]] = 2, 99_999
    assert edge.page(limit=5)["channels"][0]["channel"] == hidden[0]
    assert edge.pages(limit=100, sort="name") == sorted([*shown, hidden[0]])


def test_filters_of_a_long_list() -> None:
    edge = Edge(len(KEYS))
    newest = edge.newest_first(KEYS)
    for name in KEYS[:5]:
        edge.set(name, favourite=True, archived=True)
    assert edge.pages(favourite=True) == [k for k in newest if k in KEYS[:5]]
    assert edge.pages(archived=False, limit=100) == [k for k in newest if k not in KEYS[:5]]
    assert edge.pages(prefix="000") == [k for k in newest if k[6:9] == "000"]


@pytest.mark.parametrize(("share", "compared"), [(1, 61), (4, 101), (50, len(KEYS) + 141)])
def test_custom_data_are_asked_for_on_the_way(share: int, compared: int) -> None:
    """A page asks of those that it passes; where next to none has them, of all."""
    edge = Edge(len(KEYS))
    edge.equal = set(KEYS[::share])
    hidden = KEYS[-3::-share]
    for name in hidden[:5]:
        edge.set(name, hidden="for_good")
    shown = [name for name in KEYS if name in edge.equal and name not in hidden[:5]]
    wish = {"data": {"a": Raw(b"1")}}
    edge.page(limit=20, **wish)
    assert edge.compared <= compared
    assert edge.pages(limit=20, **wish) == edge.newest_first(shown)
    assert edge.pages(limit=20, sort="name", **wish) == sorted(shown)
    assert edge.pages(limit=20, unread=True, sort="name", **wish) == [
        name for name in sorted(shown) if edge.heads[name][0] % 3
    ]


@pytest.mark.parametrize("share", [0, 2, 5, 60])
@pytest.mark.parametrize("limit", [7, 100])
def test_what_waits_comes_first_and_the_others_behind_it(share: int, limit: int) -> None:
    """One in `share` channels of a long list has something unread."""
    edge = Edge(len(KEYS))
    for n, name in enumerate(KEYS):
        waits = share and n % share == 0
        edge.heads[name] = (1 + n % 2 if waits else 3), 1_000 + (n * 37) % len(KEYS)
    for n, name in enumerate(KEYS[:12]):
        edge.set(name, hidden="for_good" if n % 2 else "until_message", hidden_seq=1)
    own = edge.index().own
    shown = [
        name
        for name in KEYS
        if name not in own or (own[name].hidden != "for_good" and edge.heads[name][0] > 1)
    ]
    figures = {name: edge.heads[name][0] % 3 for name in KEYS}
    by_unread = sorted(shown, key=lambda k: (-figures[k], -edge.heads[k][1], k))
    waiting = [name for name in shown if figures[name]]
    assert edge.pages(sort="unread", limit=limit) == by_unread
    assert edge.pages(unread=True, limit=limit) == edge.newest_first(waiting)
    assert edge.pages(unread=True, sort="unread", limit=limit) == by_unread[: len(waiting)]
    assert edge.pages(unread=True, sort="name", limit=limit) == sorted(waiting)
    edge.calls.clear()
    edge.page(sort="unread", limit=limit)
    assert all(not call.keys or call.best or len(call.keys) <= limit for call in edge.calls)


def test_what_is_filtered_where_the_list_is() -> None:
    edge = Edge(0)
    edge.put("group:a")
    edge.put("group:b", Role.INVITED)
    edge.put("dm:c", kind=ChannelKind.DM)
    edge.put("group:d")
    soon = edge.book.now_ms + 1_000
    edge.set("group:a", muted=True, favourite=True)
    edge.set("group:d", muted=True, muted_until=soon, archived=True)

    def found(**wanted: Any) -> str:
        answer = edge.book.query("ann", "user.channel_index", IndexRequest(**wanted))
        return "".join(channel[-1] for channel in answer.get("channels", ()))

    assert (found(kind=ChannelKind.DM), found(kind=ChannelKind.GROUP)) == ("c", "abd")
    assert (found(state=ListState.JOINED), found(state=ListState.INVITED)) == ("cad", "b")
    assert (found(muted=True), found(muted=False)) == ("ad", "cb")
    assert (found(archived=True), found(archived=False)) == ("d", "cab")
    assert (found(favourite=True), found(muted=True, archived=False)) == ("a", "a")
    assert (found(prefix="B"), found(prefix="x")) == ("b", "")
    edge.book.tick(1_000)
    assert found(muted=True) == "a", "the other is over"
