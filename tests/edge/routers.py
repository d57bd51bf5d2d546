"""Routers as scripts on a network in memory, and an edge's uplink among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.hub import Stream
from edge.uplink import Uplink
from hubbub.coordinator.records import ClusterRecord, ProcessRecord
from hubbub.ring.map import Leader, SlotMap, SlotRecord
from hubbub.transport.memory import MemoryNetwork
from hubbub.transport.replicated_set import SetCopy
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import (
    REQUESTS,
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Kind,
    SignalKind,
    Status,
)

SLOTS = 16
ANSWER_MS = 4_000
ROUTERS = ("r1", "r2", "r3")


class View:
    """The part of a ClusterView that an uplink reads."""

    def __init__(self) -> None:
        self.cluster = ClusterRecord("c", SLOTS, seed=7)
        self.slot_map = SlotMap(SLOTS)
        self.routers: dict[str, ProcessRecord] = {}

    def register(self, *names: str) -> None:
        self.routers = {
            name: ProcessRecord(name=name, role="router", boot_id=1, address=f"mem:{name}")
            for name in names
        }

    def lead(self, slot: int, node: str) -> None:
        term = self.slot_map.revision + 1
        record = SlotRecord(term=term, leader=Leader(node, 1), members=(node,))
        self.slot_map.apply(slot, record, term)


class Router:
    """Keeps an edge's interest, notes its requests, and answers as `answer` says."""

    def __init__(self, network: MemoryNetwork, name: str, boot_id: int = 1) -> None:
        self.name = name
        self.copy = SetCopy()
        self.requests: list[Message] = []
        self.to_process: list[tuple[str, bytes]] = []
        self.interest_kinds: list[Kind] = []
        self.answer: Callable[[Message], tuple[Status, bytes] | None] = lambda _: None
        self.links = network.peers(name, boot_id, self)
        self.links.listen(f"mem:{name}")

    def send(self, *messages: bytes) -> None:
        for message in messages:
            assert self.links.send("edge-1", message)

    def event(self, app: str, key: str, body: bytes) -> None:
        self.send(encode_message(Kind.EVENT, body, app=app, key=key))

    def result(self, request: Message, status: Status, body: bytes = b"") -> None:
        id = request.request_id
        self.send(encode_message(Kind.RESULT, body, request_id=id, flags=status))

    def of(self, kind: Kind) -> list[Message]:
        return [message for message in self.requests if message.type == kind]

    # --- transport.table.Handler

    def peer_up(self, peer: str, boot_id: int) -> None:
        self.copy = SetCopy()

    def peer_down(self, peer: str) -> None:
        pass

    def peer_hole(self, peer: str) -> None:
        pass

    def receive(self, peer: str, messages: list[Message]) -> None:
        for message in messages:
            if message.type in (Kind.INTEREST_DELTA, Kind.INTEREST_FULL):
                self.interest_kinds.append(Kind(message.type))
                if self.copy.receive(message).pull:
                    self.send(encode_message(Kind.INTEREST_PULL, b""))
            elif message.type in REQUESTS:
                self.requests.append(message)
                answer = self.answer(message)
                if answer is not None:
                    self.result(message, *answer)
            elif message.type == Kind.TO_PROCESS:
                self.to_process.append((message.key, message.body))

    def beat(self, peer: str) -> bytes:
        return b""

    def beat_received(self, peer: str, body: bytes) -> None:
        if self.copy.beat(body):
            self.send(encode_message(Kind.INTEREST_PULL, b""))


class Arrivals:
    """The uplink's Events: writes down what comes; `on_event` may fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, bytes]] = []
        self.signals: list[tuple[str, SignalKind, bytes]] = []
        self.rows: list[HeadRow] = []
        self.unasked: set[Stream] = set()
        self.processed: list[bytes] = []

    def event(self, app: str, key: str, body: bytes) -> None:
        if body == b"bad":
            raise ValueError("no event")
        self.events.append((app, key, body))

    def signal(self, app: str, key: str, kind: SignalKind, data: bytes) -> None:
        self.signals.append((key, kind, data))

    def heads(self, rows: list[tuple[HeadAsk, HeadRow]]) -> None:
        self.rows += [row for _, row in rows]

    def ask(self, stream: Stream, slot: int) -> HeadAsk | None:
        return None if stream in self.unasked else HeadAsk(slot, *stream)

    def for_process(self, body: bytes) -> None:
        self.processed.append(body)


class Stage:
    """An uplink `edge-1`, the routers that were started, and the network as its clock."""

    def __init__(self, *routers: str, registered: tuple[str, ...] = ROUTERS) -> None:
        self.network = MemoryNetwork()
        self.view = View()
        self.view.register(*registered)
        self.arrivals = Arrivals()
        self.uplink = Uplink(
            self.view,  # type: ignore[arg-type]
            self.network,  # type: ignore[arg-type]
            process="edge-1.1",
            answer_ms=ANSWER_MS,
        )
        self.uplink.events = self.arrivals
        self.uplink.peers = self.network.peers("edge-1", 1, self.uplink)  # type: ignore[assignment]
        self.routers = {name: Router(self.network, name) for name in routers}
        self.uplink.cluster_changed("router", "")
        self.answers: list[tuple[Status, bytes]] = []
        self.run(1)

    def run(self, ms: int, tick_ms: int = 100) -> None:
        """Let time pass with the edge's tick."""
        for _ in range(max(1, ms // tick_ms)):
            self.network.advance(min(ms, tick_ms))
            self.uplink.tick()
            self.network.run()

    def ask(self, key: str, kind: Kind = Kind.SUBMIT, body: bytes = b"?") -> None:
        self.uplink.request(kind, "demo", key, body, lambda *answer: self.answers.append(answer))
        self.network.advance(5)

    def carrier(self, key: str) -> Router:
        return self.routers[self.uplink.carriers.carrier(self.uplink.slot_of("demo", key))]

    def keys_of(self, name: str, count: int) -> list[str]:
        """So many keys that this router carries now."""
        found = (f"group:{n}" for n in range(10_000))
        slot_of, carrier = self.uplink.slot_of, self.uplink.carriers.carrier
        mine = (key for key in found if carrier(slot_of("demo", key)) == name)
        return [next(mine) for _ in range(count)]


def heads(head: int, led: Callable[[HeadAsk], bool] = lambda _: True) -> Any:
    """An answerer: every stream stands at `head`."""

    def answer(message: Message) -> tuple[Status, bytes] | None:
        if message.type != Kind.HEADS:
            return None
        asks = decode_pack(message.body, HeadsQuery).asks
        rows = tuple(HeadRow(a.app, a.key, led(a), epoch="e", seq=head) for a in asks)
        return Status.OK, encode_pack(HeadsAnswer(rows))

    return answer
