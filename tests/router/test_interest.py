"""Edges' sets in, nodes' sets out: the union follows the slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.ring.hashing import slot_of
from hubbub.transport.replicated_set import Key, SetCopy, SetSource
from hubbub.wire.frame import Message, decode_frame, encode_frame
from router.interest import Interest
from router.leaders import Leaders

SEED, SLOTS = 7, 16
KEYS: list[Key] = [("demo", f"group:{n}") for n in range(8)]


def messages(raw: list[bytes]) -> list[Message]:
    return decode_frame(encode_frame(raw, generation=1, boot_id=1, n=1, ack=0))[1]


def slot(key: Key) -> int:
    return slot_of(*key, SLOTS, SEED)


class Book:
    def __init__(self) -> None:
        self.leaders = Leaders(SLOTS)
        for number in range(SLOTS):
            self.leaders.from_map(number, 1, f"n{number % 2}")
        self.interest = Interest(self.leaders, SEED)
        self.edges: dict[str, SetSource] = {}
        self.nodes: dict[str, SetCopy] = {}
        for node in ("n0", "n1", "n2"):
            self.nodes[node] = SetCopy()
            self.take(node, self.interest.fulls(node))

    def take(self, node: str, raw: list[bytes]) -> None:
        for message in messages(raw):
            assert not self.nodes[node].receive(message).pull

    def sync(self) -> None:
        for node in self.interest.take_changed():
            self.take(node, self.interest.deltas(node))
        assert self.interest.take_changed() == set()

    def up(self, edge: str) -> None:
        self.interest.edge_up(edge)
        self.edges[edge] = SetSource()
        self.send(edge, self.edges[edge].fulls())

    def down(self, edge: str) -> None:
        self.interest.edge_down(edge)
        self.edges.pop(edge, None)

    def send(self, edge: str, raw: list[bytes]) -> list[tuple[bool, bool]]:
        return [self.interest.receive(edge, message) for message in messages(raw)]

    def change(self, edge: str, add: list[Key] = (), remove: list[Key] = ()) -> None:  # type: ignore[assignment]
        for key in add:
            self.edges[edge].add(key)
        for key in remove:
            self.edges[edge].remove(key)
        self.send(edge, self.edges[edge].deltas())

    def lead(self, number: int, node: str) -> None:
        moved = self.leaders.from_map(number, self.leaders.term(number) + 1, node)
        assert moved is not None
        self.interest.moved(moved)


def test_a_node_hears_of_a_key_once_and_of_its_last_edge() -> None:
    book, key = Book(), KEYS[0]
    node = book.leaders.name(slot(key))
    book.up("e1")
    book.up("e2")
    book.change("e1", add=[key])
    book.change("e2", add=[key])
    assert book.interest.edges_of(key) == ("e1", "e2")
    book.sync()
    assert book.nodes[node].keys == {key}
    book.change("e1", remove=[key])
    assert book.interest.take_changed() == set()
    book.down("e2")
    book.sync()
    assert book.nodes[node].keys == set()
    assert book.interest.edges_of(key) == ()


def test_a_slot_that_moves_takes_its_keys_along() -> None:
    book, key = Book(), KEYS[0]
    old = book.leaders.name(slot(key))
    book.up("e1")
    book.change("e1", add=KEYS)
    book.sync()
    book.lead(slot(key), "n2")
    book.sync()
    moved = {k for k in KEYS if slot(k) == slot(key)}
    assert book.nodes["n2"].keys == moved
    assert not book.nodes[old].keys & moved


def test_a_slot_without_a_leader_keeps_its_keys_for_the_next() -> None:
    book, key = Book(), KEYS[0]
    book.up("e1")
    book.lead(slot(key), "")
    book.change("e1", add=[key])
    book.sync()
    assert all(not copy.keys for copy in book.nodes.values())
    book.lead(slot(key), "n2")
    book.sync()
    assert book.nodes["n2"].keys == {key}


def test_a_full_that_was_asked_for_means_that_events_may_be_missed() -> None:
    book = Book()
    book.up("e1")
    source = book.edges["e1"]
    source.add(KEYS[0])
    source.deltas()  # lost
    source.add(KEYS[1])
    assert book.send("e1", source.deltas()) == [(True, False)]
    assert book.interest.edge_beat("e1", source.beat())
    assert book.send("e1", source.fulls()) == [(False, True)]
    assert not book.interest.edge_beat("e1", source.beat())
    assert book.send("e1", source.fulls()) == [(False, False)]


def test_strangers_have_no_interest() -> None:
    book = Book()
    source = SetSource()
    source.add(KEYS[0])
    assert book.send("stranger", source.fulls()) == [(False, False)]
    assert book.interest.edges_of(KEYS[0]) == ()
    assert not book.interest.edge_beat("stranger", source.beat())


def test_edges_of_slots_and_statistics() -> None:
    book = Book()
    book.up("e1")
    book.up("e2")
    book.change("e1", add=KEYS[:2])
    book.change("e2", add=KEYS[1:3])
    assert book.interest.edges_in([slot(KEYS[1])]) >= {"e1", "e2"}
    assert book.interest.edges_in(list(range(SLOTS))) == {"e1", "e2"}
    statistics = book.interest.statistics()
    assert statistics.edges == {"e1": 2, "e2": 2}
    assert (statistics.keys, sum(statistics.nodes.values())) == (3, 3)


EDGES = ["e1", "e2", "e3"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("up"), st.sampled_from(EDGES), st.integers(0, 7)),
            st.tuples(st.just("down"), st.sampled_from(EDGES), st.integers(0, 7)),
            st.tuples(st.just("add"), st.sampled_from(EDGES), st.integers(0, 7)),
            st.tuples(st.just("remove"), st.sampled_from(EDGES), st.integers(0, 7)),
            st.tuples(st.just("lead"), st.sampled_from(["n0", "n1", "n2"]), st.integers(0, 15)),
            st.tuples(st.just("sync"), st.just(""), st.just(0)),
        ),
        max_size=60,
    )
)
def test_each_node_always_has_the_union_of_the_edges_for_its_slots(
    steps: list[tuple[str, str, int]],
) -> None:
    book = Book()
    truth: dict[str, set[Key]] = {}
    for what, name, number in steps:
        if what == "up":
            book.up(name)
            truth[name] = set()
        elif what == "down":
            book.down(name)
            truth.pop(name, None)
        elif what == "lead":
            book.lead(number, name)
        elif what == "sync":
            book.sync()
        elif name in truth:
            key = KEYS[number]
            (truth[name].add if what == "add" else truth[name].discard)(key)
            book.change(name, **{what: [key]})
    book.sync()
    wanted = set().union(*truth.values())
    for node, copy in book.nodes.items():
        assert copy.keys == {key for key in wanted if book.leaders.name(slot(key)) == node}
        assert not copy.beat(book.interest.node_beat(node))
    for key in KEYS:
        assert set(book.interest.edges_of(key)) == {e for e, keys in truth.items() if key in keys}
