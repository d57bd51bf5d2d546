"""A router between scripted edges and nodes, on the memory network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.base.units import KIB
from hubbub.coordinator.cluster import ClusterRecord, ProcessRecord
from hubbub.ring.hashing import slot_of
from hubbub.ring.map import Leader, SlotMap, placed
from hubbub.transport.memory import MemoryNetwork, MemoryPeers
from hubbub.wire.frame import encode_message
from hubbub.wire.shapes import Kind, Status
from router.relay import SILENCE_MS, RelayLimits
from router.service import Service
from tests.router.parties import Edge, Node

SLOTS, SEED = 16, 7


def slot(key: str) -> int:
    return slot_of("demo", key, SLOTS, SEED)


class View:
    """The parts of ClusterView that a router reads."""

    def __init__(self) -> None:
        self.cluster = ClusterRecord("c", SLOTS, SEED)
        self.slot_map = SlotMap(SLOTS)
        self.nodes: dict[str, ProcessRecord] = {}

    def lead(self, number: int, name: str, boot_id: int = 1) -> None:
        record = self.slot_map.record_of(number) or placed((name,))
        record = type(record)(
            term=record.term + 1, leader=Leader(name, boot_id), members=record.members
        )
        self.slot_map.apply(number, record, self.slot_map.revision + 1)


class Cluster:
    """Two edges, one router, two nodes; `n1` leads all slots."""

    def __init__(self, **edge_options: object) -> None:
        self.network = MemoryNetwork()
        self.view = View()
        self.nodes: dict[str, Node] = {}
        self.links: dict[str, MemoryPeers] = {}
        for name in ("n1", "n2"):
            self.start_node(name, 1)
        for number in range(SLOTS):
            self.view.lead(number, "n1")
        self.soon: list[Callable[[], None]] = []
        self.service = self.start_router(9)
        self.edges = {name: self.start_edge(name, 5, **edge_options) for name in ("e1", "e2")}
        self.run(10)

    def start_node(self, name: str, boot_id: int) -> Node:
        node = self.nodes[name] = Node(name)
        links = self.network.peers(name, boot_id, node)
        node.links = self.links[name] = links
        links.listen(f"ipc:///{name}")
        self.view.nodes[name] = ProcessRecord(
            name=name, role="node", boot_id=boot_id, address=f"ipc:///{name}"
        )
        return node

    def start_router(self, boot_id: int) -> Service:
        service = Service(
            self.view,  # type: ignore[arg-type]
            self.network,  # type: ignore[arg-type]
            RelayLimits(),
            first_id=boot_id << 32,
            soon=self.soon.append,
        )
        links = self.network.peers("router", boot_id, service, window_bytes=256 * KIB)
        service.links = self.links["router"] = links
        links.listen("ipc:///router")
        service.start()
        return service

    def start_edge(self, name: str, boot_id: int, **options: object) -> Edge:
        edge = Edge()
        edge.links = self.links[name] = self.network.peers(
            name, boot_id, edge, window_bytes=256 * KIB, **options
        )
        self.links[name].dial("router", "ipc:///router")
        return edge

    def run(self, ms: int) -> None:
        """Time passes; the router ticks and acts on what it put off."""
        for _ in range(max(1, ms // 10)):
            for step in self.soon:
                step()
            self.soon.clear()
            self.service.tick()
            self.network.advance(10)

    def lead(self, number: int, name: str, boot_id: int = 1) -> None:
        self.view.lead(number, name, boot_id)
        self.service.cluster_changed("slot", str(number))

    @property
    def n1(self) -> Node:
        return self.nodes["n1"]

    @property
    def n2(self) -> Node:
        return self.nodes["n2"]

    @property
    def e1(self) -> Edge:
        return self.edges["e1"]

    @property
    def e2(self) -> Edge:
        return self.edges["e2"]


def test_a_request_and_its_result() -> None:
    cluster = Cluster()
    assert cluster.service.missing() == []
    cluster.e1.ask(5)
    cluster.run(20)
    assert cluster.n1.log == ["ask 5"]
    assert cluster.e1.results == [(5, Status.OK, b"n1")]
    assert cluster.e2.results == []


def test_an_event_reaches_each_interested_edge_once() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x", "group:y")
    cluster.e2.want("group:x")
    cluster.run(20)
    assert cluster.n1.publish("group:x", b"1") == 1
    assert cluster.n1.publish("group:y", b"2") == 1
    assert cluster.n1.publish("group:z", b"3") == 0
    cluster.run(20)
    assert (cluster.e1.events, cluster.e2.events) == ([b"1", b"2"], [b"1"])
    counts = cluster.service.fanout.counts
    assert (counts.events_total, counts.copies_total, counts.copies_dropped_total) == (2, 3, 0)


def test_interest_reaches_the_node_before_the_request_of_the_same_frame() -> None:
    cluster = Cluster()
    cluster.e1.ask(1, kind=Kind.SUBSCRIBE)
    cluster.e1.want("group:x")
    cluster.e1.want("group:y")
    cluster.e1.ask(2, kind=Kind.SUBSCRIBE)
    cluster.run(20)
    assert cluster.n1.log == ["want group:x", "want group:y", "ask 1", "ask 2"]


def test_a_slot_that_moves_in_the_map_takes_interest_first_then_what_waits() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.n1.answer = cluster.n1.say_nothing
    cluster.e1.ask(5)
    cluster.run(20)
    holes = cluster.e1.holes
    cluster.lead(slot("group:x"), "n2")
    cluster.run(20)
    assert cluster.n2.log == ["want group:x", "ask 5"]
    assert cluster.n1.wants() == set()
    assert cluster.e1.results == [(5, Status.OK, b"n2")]
    assert cluster.e1.holes == holes + 1


def test_a_redirect_takes_interest_first_too() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.n1.say_redirect(2, "n2")
    cluster.e1.ask(5)
    cluster.run(20)
    assert cluster.n2.log == ["want group:x", "ask 5"]
    assert cluster.e1.results == [(5, Status.OK, b"n2")]
    cluster.e1.ask(6)
    cluster.run(20)
    assert cluster.n1.log == ["want group:x", "ask 5"]


def test_a_restarted_leader_gets_interest_then_what_waits_and_edges_hear_of_a_hole() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.n1.answer = cluster.n1.say_nothing
    cluster.e1.ask(5)
    cluster.run(20)
    cluster.links["n1"].kill()
    fresh = cluster.start_node("n1", 2)
    for number in range(SLOTS):
        cluster.lead(number, "n1", 2)
    cluster.service.cluster_changed("node", "n1")
    cluster.run(1_500)
    assert fresh.log == ["want group:x", "ask 5"]
    assert cluster.e1.results == [(5, Status.OK, b"n1")]
    assert cluster.e1.holes > 0
    assert cluster.e2.holes == 0


def test_a_dead_leader_is_unknown_after_the_budget() -> None:
    cluster = Cluster()
    cluster.links["n1"].kill()
    cluster.e1.ask(5)
    cluster.run(3_400)
    assert cluster.e1.results == []
    assert cluster.service.missing() == ["leader_unreachable"]
    cluster.run(200)
    assert cluster.e1.results == [(5, Status.UNKNOWN, b"")]


def test_a_lost_result_is_asked_for_again_within_a_beat() -> None:
    cluster = Cluster()
    cluster.network.drop = lambda sender, _receiver, _frame: sender == "n1"
    cluster.e1.ask(5)
    cluster.run(30)
    cluster.network.drop = lambda *_: False
    cluster.run(1_100)
    assert cluster.e1.results == [(5, Status.OK, b"n1")]


def test_a_lost_event_is_a_hole_for_its_edges_within_two_beats_on_an_idle_link() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.run(1_000)
    cluster.network.drop = lambda sender, receiver, _frame: (sender, receiver) == ("n1", "router")
    cluster.n1.publish("group:x", b"lost")
    cluster.run(20)
    cluster.network.drop = lambda *_: False
    before = cluster.e1.holes
    cluster.run(1_100)
    assert cluster.e1.events == []
    assert cluster.e1.holes == before + 1
    assert cluster.e2.holes == 0


def test_an_edge_that_does_not_read_loses_events_and_hears_of_it() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.e2.want("group:x")
    cluster.run(20)
    cluster.network.drop = lambda sender, _receiver, _frame: sender == "e1"  # acknowledges nothing
    for _ in range(100):
        cluster.n1.publish("group:x", b"x" * 5 * KIB)
        cluster.run(10)
    assert len(cluster.e2.events) == 100
    assert len(cluster.e1.events) < 60
    cluster.network.drop = lambda *_: False
    cluster.run(1_100)
    assert cluster.e1.holes >= 1
    assert cluster.e2.holes == 0
    assert cluster.service.fanout.counts.copies_dropped_total == 100 - len(cluster.e1.events)


def test_a_lost_delta_of_an_edge_is_asked_for_and_counts_as_a_hole() -> None:
    cluster = Cluster()
    cluster.run(1_000)
    cluster.network.drop = lambda sender, _receiver, _frame: sender == "e1"
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.network.drop = lambda *_: False
    cluster.run(1_100)
    assert cluster.n1.wants() == {"group:x"}
    assert cluster.e1.holes == 1


def test_a_lost_delta_to_a_node_is_repaired_and_counts_as_a_hole() -> None:
    cluster = Cluster()
    cluster.run(1_000)
    cluster.network.drop = lambda sender, receiver, _frame: (sender, receiver) == ("router", "n1")
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.network.drop = lambda *_: False
    cluster.run(1_100)
    assert cluster.n1.wants() == {"group:x"}
    assert cluster.e1.holes == 1


def test_a_dead_edge_takes_its_interest_along_and_gets_no_old_answers() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.n1.answer = cluster.n1.say_nothing
    cluster.e1.ask(1)
    cluster.run(20)
    cluster.links["e1"].kill()
    fresh = cluster.start_edge("e1", 6)
    cluster.n1.answer = cluster.n1.say_ok
    cluster.run(2_000)
    assert cluster.n1.wants() == set()
    assert fresh.results == []
    fresh.ask(1)
    cluster.run(20)
    assert fresh.results == [(1, Status.OK, b"n1")]


def test_a_restarted_router_knows_everything_again_within_two_seconds() -> None:
    cluster = Cluster()
    cluster.e1.want("group:x")
    cluster.run(20)
    cluster.links["router"].kill()
    cluster.service = cluster.start_router(10)
    cluster.run(2_000)
    cluster.n1.publish("group:x", b"1")
    cluster.e1.ask(5)
    cluster.run(20)
    assert cluster.e1.events == [b"1"]
    assert cluster.e1.results == [(5, Status.OK, b"n1")]


def test_a_forward_of_a_node_is_relayed_like_a_request() -> None:
    cluster = Cluster()
    cluster.lead(slot("group:y"), "n2")
    cluster.run(20)
    message = encode_message(
        Kind.SUBMIT, b"77", request_id=77, ms_left=900, app="demo", key="group:y"
    )
    cluster.n1.links.send("router", message)
    cluster.run(20)
    assert cluster.n2.log == ["ask 77"]
    assert cluster.n1.results == [(77, Status.OK)]


def test_a_process_message_goes_to_the_boot_that_it_names() -> None:
    cluster = Cluster()

    def to(process: str, request_id: int) -> None:
        message = encode_message(Kind.TO_PROCESS, b"hi", key=process, request_id=request_id)
        cluster.e2.links.send("router", message)
        cluster.run(20)

    to("e1.5", 1)
    assert (cluster.e1.from_processes, cluster.e2.results) == ([b"hi"], [])
    for number, process in enumerate(("e1.4", "nobody.1", "e1", ""), start=2):
        to(process, number)
        assert cluster.e2.results[-1] == (number, Status.UNKNOWN, b"")
    assert cluster.e1.from_processes == [b"hi"]
    assert cluster.service.fanout.counts.process_messages_lost_total == 4


def test_a_node_that_left_and_leads_nothing_is_hung_up() -> None:
    cluster = Cluster()
    del cluster.view.nodes["n2"]
    cluster.service.cluster_changed("node", "n2")
    assert not cluster.links["router"].live("n2")
    del cluster.view.nodes["n1"]
    cluster.service.cluster_changed("node", "n1")
    cluster.run(20)
    assert cluster.links["router"].live("n1")
    cluster.e1.ask(5)
    cluster.run(20)
    assert cluster.e1.results == [(5, Status.OK, b"n1")]


def test_not_ready_without_leaders() -> None:
    cluster = Cluster()
    cluster.view.slot_map.apply(0, None, cluster.view.slot_map.revision + 1)
    assert cluster.service.missing() == ["slots_unassigned"]
    statistics = cluster.service.statistics()
    assert statistics.nodes_live == ("n1", "n2")
    assert statistics.requests_waiting == 0


async def test_it_can_be_waited_for_until_nothing_waits() -> None:
    cluster = Cluster()
    await cluster.service.wait_idle()
    cluster.n1.answer = cluster.n1.say_nothing
    cluster.e1.ask(5)
    cluster.run(20)
    cluster.n1.answer = cluster.n1.say_ok
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(cluster.service.wait_idle())
        await asyncio.sleep(0)
        assert not waiting.done()
        cluster.run(SILENCE_MS + 100)  # as long as a node may say nothing
    assert len(cluster.service.relay) == 0
