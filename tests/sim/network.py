"""What becomes of a message: lost, doubled, late, overtaken, cut off, or delivered long after.

Rules:
1. Each direction of a link is cut for itself. What is sent into a cut is lost, or held back and
   delivered after it has healed, as ZeroMQ's queues do.
2. No order: each message has a delay of its own.
3. Bodies are frozen, so they travel as they are; with `is_wire` they go through their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final

from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.replication import CopyMessage
from node.replica import Mail
from tests.sim.world import World

HELD_MAX: Final = 200  # messages a direction, as a sender's high-water mark
_TAIL_MS: Final = 1_000.0
_LINKS: Final = 16  # more nodes than there ever are


class Network:
    """All links between nodes, and those of clients to them."""

    __slots__ = (
        "_cut",
        "_held",
        "_places",
        "_random",
        "_receivers",
        "_world",
        "delay_ms",
        "duplicates",
        "holds",
        "is_wire",
        "loss",
        "tail",
    )

    def __init__(self, world: World, random: Random) -> None:
        self.loss = 0.0
        self.duplicates = 0.0
        self.tail = 0.0  # how often a message takes up to a second
        self.holds = 0.0  # how often a message into a cut is held back instead of lost
        self.delay_ms = 2.0
        self.is_wire = False
        self._world = world
        self._random = random
        self._cut: set[int] = set()
        self._held: dict[int, list[tuple[Callable[..., object], tuple[Any, ...]]]] = {}
        self._places: dict[str, int] = {}
        self._receivers: list[Callable[[int, CopyMessage], object]] = []

    def join(self, receive: Callable[[int, CopyMessage], object]) -> int:
        """One more node; its number."""
        self._receivers.append(receive)
        return len(self._receivers) - 1

    def place(self, storage: str, node: int) -> None:
        """Mail to this copy goes to that node."""
        self._places[storage] = node

    def place_of(self, storage: str) -> int:
        """The node that mail to a copy goes to, also if the copy is gone."""
        return self._places[storage]

    def send(self, source: int, mails: Iterable[Mail]) -> None:
        """Mail of one node's copy to others."""
        for mail in mails:
            target, body = self._places[mail.to], mail.body
            if self.is_wire:
                body = decode_pack(encode_pack(body), type(body))
            self.carry(source, target, self._receivers[target], mail.term, body)

    def carry(self, source: int, target: int, call: Callable[..., object], *args: Any) -> None:
        """Bring something from node to node, or not."""
        link = source * _LINKS + target
        if link in self._cut:
            if self.holds and self._random.random() < self.holds:
                held = self._held.setdefault(link, [])
                if len(held) < HELD_MAX:
                    held.append((call, args))
            return
        chance = self._random.random()
        if chance < self.loss:
            return
        self._world.after(self._delay(), call, *args)
        if chance > 1.0 - self.duplicates:
            self._world.after(self._delay() * 3.0, call, *args)

    def carry_client(self, call: Callable[..., object], *args: Any) -> None:
        """Bring something between a client and a node, or not."""
        if self._random.random() >= self.loss:
            self._world.after(self._delay(), call, *args)

    def _delay(self) -> float:
        random = self._random.random
        if self.tail and random() < self.tail:
            return _TAIL_MS * random()
        return self.delay_ms * (0.25 + 1.5 * random())

    def cut(self, source: int, target: int) -> None:
        """Nothing passes from one node to another, in this direction."""
        self._cut.add(source * _LINKS + target)

    def mend(self, source: int, target: int) -> None:
        """It passes again, and so does what was held back."""
        link = source * _LINKS + target
        self._cut.discard(link)
        for call, args in self._held.pop(link, ()):
            self._world.after(self._delay(), call, *args)

    def mend_all(self) -> None:
        """No cuts any more."""
        for link in sorted(self._cut):
            self.mend(*divmod(link, _LINKS))
