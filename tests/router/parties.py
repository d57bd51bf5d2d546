"""The processes around a router, as scripts: edges and nodes that write down what they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hubbub.transport.replicated_set import SetCopy, SetSource
from hubbub.wire.codec import encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind, Redirect, Status


class Links(Protocol):
    def send(self, peer: str, message: bytes) -> bool: ...
    def send_windowed(self, peer: str, message: bytes) -> bool: ...
    def note_hole(self, peer: str) -> None: ...


class Edge:
    """Holds an interest set, asks, and notes answers, events and holes."""

    links: Links

    def __init__(self) -> None:
        self.source = SetSource()
        self.results: list[tuple[int, int, bytes]] = []  # request id, status, body
        self.events: list[bytes] = []
        self.from_processes: list[bytes] = []
        self.holes = 0
        self.ups: list[int] = []

    def want(self, *keys: str, router: str = "router") -> None:
        for key in keys:
            self.source.add(("demo", key))
        for message in self.source.deltas():
            self.links.send(router, message)

    def ask(
        self,
        request_id: int,
        key: str = "group:x",
        *,
        kind: Kind = Kind.SUBMIT,
        router: str = "router",
        slot: int = 0,
    ) -> bool:
        message = encode_message(
            kind, b"%d" % request_id, request_id=request_id, slot=slot, app="demo", key=key
        )
        return self.links.send_windowed(router, message)

    def peer_up(self, peer: str, boot_id: int) -> None:
        self.ups.append(boot_id)
        for message in self.source.fulls():
            self.links.send(peer, message)

    def peer_down(self, peer: str) -> None:
        pass

    def peer_hole(self, peer: str) -> None:
        self.holes += 1

    def beat(self, peer: str) -> bytes:
        return self.source.beat()

    def beat_received(self, peer: str, body: bytes) -> None:
        pass

    def receive(self, peer: str, messages: list[Message]) -> None:
        for message in messages:
            if message.type == Kind.RESULT:
                self.results.append((message.request_id, message.flags, message.body))
            elif message.type == Kind.EVENT:
                self.events.append(message.body)
            elif message.type == Kind.TO_PROCESS:
                self.from_processes.append(message.body)
            elif message.type == Kind.INTEREST_PULL:
                for full in self.source.fulls():
                    self.links.send(peer, full)


class Node:
    """Answers requests as its script says; publishes to whoever wants a stream."""

    links: Links

    def __init__(self, name: str) -> None:
        self.name = name
        self.copies: dict[str, SetCopy] = {}
        self.log: list[str] = []  # what came, in order: "want k", "ask 5"
        self.answer: Callable[[Message], bytes | None] = self.say_ok
        self.results: list[tuple[int, int]] = []

    def say_ok(self, message: Message) -> bytes | None:
        return encode_message(
            Kind.RESULT, self.name.encode(), request_id=message.request_id, slot=message.slot
        )

    def say_nothing(self, message: Message) -> bytes | None:
        return None

    def say_redirect(self, term: int, leader: str) -> None:
        def redirect(message: Message) -> bytes:
            return encode_message(
                Kind.RESULT,
                encode_pack(Redirect(term, leader)),
                flags=Status.REDIRECT,
                request_id=message.request_id,
            )

        self.answer = redirect

    def publish(self, key: str, body: bytes) -> int:
        """To every router that wants the stream; how many."""
        message = encode_message(Kind.EVENT, body, app="demo", key=key)
        wanting = [peer for peer, copy in self.copies.items() if ("demo", key) in copy.keys]
        return sum(self.links.send_windowed(peer, message) for peer in wanting)

    def wants(self) -> set[str]:
        return {key for copy in self.copies.values() for _, key in copy.keys}

    def peer_up(self, peer: str, boot_id: int) -> None:
        self.copies[peer] = SetCopy()

    def peer_down(self, peer: str) -> None:
        self.copies.pop(peer, None)

    def peer_hole(self, peer: str) -> None:
        pass

    def beat(self, peer: str) -> bytes:
        return b""

    def beat_received(self, peer: str, body: bytes) -> None:
        if self.copies[peer].beat(body):
            self.links.send(peer, encode_message(Kind.INTEREST_PULL, b""))

    def receive(self, peer: str, messages: list[Message]) -> None:
        for message in messages:
            if message.type in (Kind.INTEREST_FULL, Kind.INTEREST_DELTA):
                change = self.copies[peer].receive(message)
                self.log += [f"want {key}" for _, key in sorted(change.added)]
                if change.pull:
                    self.links.send(peer, encode_message(Kind.INTEREST_PULL, b""))
            elif message.type == Kind.RESULT:
                self.results.append((message.request_id, message.flags))
            else:
                self.log.append(f"ask {message.body.decode()}")
                answer = self.answer(message)
                if answer is not None:
                    self.links.send(peer, answer)
