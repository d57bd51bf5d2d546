"""Parts of a roll at the nodes: told once, then changes; exact whatever is lost or moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.rolls import Rolls, Want
from hubbub.base.roll import CHANGES_MAX, Roll
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import HeadRow, HeadsAnswer, HeadsQuery, Kind, NewestAsk, Status
from node.orders import Orders

APP = "demo"
KEYS = [f"group:{n}" for n in range(20)]
NODES = ("n1", "n2", "")


class Cluster:
    """Nodes with orders of their own, and an edge's rolls."""

    def __init__(self) -> None:
        self.leaders = dict.fromkeys(range(5), "n1")
        self.revision = 1
        self.terms = dict.fromkeys(range(5), 1)
        self.ms = dict.fromkeys(KEYS, 0)
        self.orders = {name: Orders() for name in NODES}
        self.asks: list[NewestAsk] = []
        self.lost = 0  # so many of the next answers
        self.rolls = Rolls(
            self.send, "e.1", self.slots_of, lambda slot: self.leaders[slot], lambda: self.revision
        )

    def slot_of(self, _: str, key: str) -> int:
        return int(key.partition(":")[2]) % 5

    def slots_of(self, app: str, keys: Iterable[str]) -> list[int]:
        return [self.slot_of(app, key) for key in keys]

    def lead(self, slot: int, node: str) -> None:
        self.leaders[slot] = node
        self.terms[slot] += 1
        self.revision += 1

    def commit(self, key: str, ms: int) -> None:
        self.ms[key] = ms
        self.orders[self.leaders[self.slot_of(APP, key)]].moved((APP, key))

    def send(self, kind: Kind, app: str, body: bytes, slot: int, done: Any) -> None:
        assert (kind, app) == (Kind.HEADS, APP)
        ask = decode_pack(body, HeadsQuery).newest
        assert ask is not None
        self.asks.append(ask)
        answer = self.answer(self.leaders[slot], ask)
        if self.lost:
            self.lost -= 1
            done(Status.UNKNOWN, b"")
        else:
            done(Status.OK, encode_pack(answer))

    def answer(self, node: str, ask: NewestAsk) -> HeadsAnswer:
        def term_of(slot: int) -> int | None:
            return self.terms[slot] if self.leaders[slot] == node else None

        assert all(term_of(slot) for slot in ask.slots), "asked of the leader alone"
        order = self.orders[node].take(ask, term_of)
        if order is None:
            return HeadsAnswer((), unknown=True)
        places = order.page(ask.best, ask.after, lambda slots: {k: -self.ms[k] for k in slots})
        return HeadsAnswer(tuple(HeadRow(APP, key, True, ts_ms=-ms) for ms, key in places))

    def page(self, roll: Roll, best: int = 3, after: Any = None) -> list[str] | None:
        found: list[list[HeadRow] | None] = []
        self.rolls.ask(APP, roll, Want(best, after), found.append)
        [rows] = found
        if rows is None:
            return None
        return [key for _, key in sorted((-row.ts_ms, row.key) for row in rows)[:best]]

    def sorted(self, roll: Roll, best: int = 3) -> list[str]:
        return sorted(roll.keys, key=lambda key: (-self.ms[key], key))[:best]


def test_a_leader_is_told_once_and_then_what_changes() -> None:
    cluster, roll = Cluster(), Roll(KEYS)
    cluster.lead(1, "n2")
    assert cluster.page(roll) == cluster.sorted(roll)
    first, second = cluster.asks
    assert sorted(first.keys + second.keys) == sorted(KEYS)
    assert (first.base, second.base) == (0, 0)
    cluster.asks.clear()
    cluster.commit("group:9", 7)
    assert cluster.page(roll) == ["group:9", *cluster.sorted(roll)[1:]]
    assert [(ask.keys, ask.gone) for ask in cluster.asks] == [((), ()), ((), ())]
    cluster.asks.clear()
    roll.remove("group:9")
    roll.remove("group:2")
    roll.add("group:2")
    assert "group:9" not in (cluster.page(roll) or ["group:9"])
    assert [ask.gone for ask in cluster.asks if ask.gone] == [("group:9",)]
    assert sum(len(ask.keys) for ask in cluster.asks) == 0


def test_a_node_that_forgot_is_told_the_whole() -> None:
    cluster, roll = Cluster(), Roll(KEYS)
    cluster.page(roll)
    cluster.orders["n1"] = Orders()
    cluster.asks.clear()
    assert cluster.page(roll) == cluster.sorted(roll)
    assert [ask.base for ask in cluster.asks] == [1, 0]
    assert len(cluster.asks[1].keys) == len(KEYS)


def test_without_an_answer_there_is_none_and_the_next_question_tells_all() -> None:
    cluster, roll = Cluster(), Roll(KEYS)
    cluster.lost = 1
    assert cluster.page(roll) is None
    roll.remove("group:0")
    cluster.asks.clear()
    assert cluster.page(roll) == cluster.sorted(roll)
    assert [(ask.base, len(ask.keys)) for ask in cluster.asks] == [(0, 19)]


def test_too_many_changes_are_looked_for_in_the_whole() -> None:
    cluster, roll = Cluster(), Roll(KEYS)
    cluster.page(roll)
    for _ in range(CHANGES_MAX):
        roll.remove("group:3")
        roll.add("group:3")
    roll.remove("group:4")
    assert cluster.page(roll, 20) == cluster.sorted(roll, 20)


def test_an_empty_roll_is_no_question() -> None:
    cluster = Cluster()
    assert cluster.page(Roll(())) == []
    assert cluster.asks == []


step = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from(KEYS), st.integers(0, 30)),
    st.tuples(st.just("change"), st.sampled_from(KEYS), st.just(0)),
    st.tuples(st.just("lead"), st.sampled_from(NODES), st.integers(0, 4)),
    st.tuples(st.just("restart"), st.sampled_from(NODES), st.just(0)),
    st.tuples(st.just("lose"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("page"), st.just(""), st.integers(1, 20)),
)


@settings(max_examples=150)
@given(st.lists(step, max_size=40))
def test_whatever_happens_a_page_is_right_or_missing(steps: list[tuple[str, str, int]]) -> None:
    cluster, roll = Cluster(), Roll(KEYS[:12])
    for kind, name, number in steps:
        if kind == "commit":
            cluster.commit(name, number)
        elif kind == "change":
            (roll.remove if name in roll.keys else roll.add)(name)
        elif kind == "lead":
            cluster.lead(number, name)
        elif kind == "restart":
            cluster.orders[name] = Orders()
        elif kind == "lose":
            cluster.lost = number
        else:
            page = cluster.page(roll, number)
            assert page in (None, cluster.sorted(roll, number))
    cluster.lost = 0
    assert cluster.page(roll, 20) == cluster.sorted(roll, 20)
