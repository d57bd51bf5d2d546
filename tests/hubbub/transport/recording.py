"""A handler that writes down what it is told."""

from __future__ import annotations

from hubbub.wire.frame import Message


class Recorder:
    """`events`: ("up", peer, boot), ("down", peer), ("hole", peer), ("got", peer, body)."""

    def __init__(self, digest: bytes = b"") -> None:
        self.events: list[tuple[object, ...]] = []
        self.beats: list[tuple[str, bytes]] = []
        self.digest = digest

    def peer_up(self, peer: str, boot_id: int) -> None:
        self.events.append(("up", peer, boot_id))

    def peer_down(self, peer: str) -> None:
        self.events.append(("down", peer))

    def peer_hole(self, peer: str) -> None:
        self.events.append(("hole", peer))

    def receive(self, peer: str, messages: list[Message]) -> None:
        self.events += [("got", peer, message.body) for message in messages]

    def beat(self, peer: str) -> bytes:
        return self.digest

    def beat_received(self, peer: str, body: bytes) -> None:
        self.beats.append((peer, body))

    def taken(self) -> list[tuple[object, ...]]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events
