"""Clients that send until they are acknowledged, and what they remember of it.

Rules:
1. One message at a time each, so that a client's messages have an order; and volleys beside.
2. A retry keeps its cmid and goes to the leader that is named, or to any node. A few messages are
   given up: they may be stored or not.
3. Now and then a message is sent once more, long after it was acknowledged: the answer must be the
   first one.
4. A message whose only attempt was refused must never be stored.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final, Protocol

from tests.sim.machine import REDIRECT, REJECTED
from tests.sim.process import Cluster, Node

STREAMS: Final = 3
ANSWER_WAIT_MS: Final = 400.0  # up to double is drawn
AGAIN_MS: Final = 120.0
LATE_MS: Final = 4_000.0
NEVER: Final = float("inf")


class Message:
    """One message of one client, and what became of it."""

    __slots__ = ("acked", "attempts", "cmid", "is_extra", "is_over", "is_refused", "sent", "seq",
                 "stream")  # fmt: skip

    def __init__(self, cmid: int, stream: int, now: float, *, is_extra: bool) -> None:
        self.cmid = cmid
        self.is_extra = is_extra  # no other message waits for its end
        self.stream = stream
        self.sent = now  # for the first time
        self.acked = NEVER
        self.seq = 0
        self.attempts = 0
        self.is_refused = False  # by the only answer that there can be
        self.is_over = False  # nobody waits any more


class Asker(Protocol):
    """Who waits for an answer."""

    message: Message

    def __call__(self, result: int) -> None:
        """Here it is."""
        ...


class Attempt:
    """One attempt, and who waits for its answer."""

    __slots__ = ("_client", "message", "number")

    def __init__(self, client: Client, message: Message) -> None:
        self._client = client
        self.message = message
        self.number = message.attempts

    def __call__(self, result: int) -> None:
        self._client.answered(self.message, self.number, result)


class Client:
    """Sends one message after the other."""

    __slots__ = ("_cluster", "_n", "_number", "_random", "_seen", "history", "is_done",
                 "think_ms")  # fmt: skip

    def __init__(
        self, cluster: Cluster, number: int, random: Random, think_ms: float, history: list[Message]
    ) -> None:
        self.history = history
        self.is_done = False  # no new messages
        self._cluster = cluster
        self._number = number
        self._random = random
        self.think_ms = think_ms
        self._n = 0
        self._seen: dict[int, int] = {}  # stream → newest seq that it was told

    def begin(self, *, is_extra: bool = False) -> None:
        """The next message."""
        if self.is_done:
            return
        self._n += 1
        stream = int(STREAMS * self._random.random())
        cmid = (self._number << 32) | self._n
        message = Message(cmid, stream, self._cluster.world.now, is_extra=is_extra)
        self.history.append(message)
        self._ask(message)

    def volley(self, count: int) -> None:
        """So many messages at once."""
        for _ in range(count):
            self.begin(is_extra=True)

    def answered(self, message: Message, attempt: int, result: int) -> None:
        """A node answered an attempt, perhaps long ago."""
        if result > 0:
            self._acknowledged(message, result)
        elif message.is_over or attempt != message.attempts:
            return
        elif result == REJECTED and attempt == 1:
            message.is_refused = True
            self._finish(message)
        else:
            wait_ms = AGAIN_MS * self._random.random() * (0.5 if result == REDIRECT else 1.0)
            self._cluster.world.after(wait_ms, self._again, message, attempt)

    def _acknowledged(self, message: Message, seq: int) -> None:
        broken = self._cluster.invariants.broken
        if message.is_refused:
            broken("I8", f"{message.cmid} was refused and then acknowledged at {seq}")
        if message.seq not in (0, seq):
            broken("I6", f"{message.cmid} is at {message.seq}, and then at {seq}")
        message.seq = seq
        self._seen[message.stream] = max(self._seen.get(message.stream, 0), seq)
        if message.acked == NEVER:
            message.acked = self._cluster.world.now
        if not message.is_over:
            self._finish(message)

    def _finish(self, message: Message) -> None:
        message.is_over = True
        random, world = self._random.random, self._cluster.world
        if not message.is_extra:
            world.after(self.think_ms * 2.0 * random(), self.begin)
        if message.seq and random() < 0.05:
            world.after(LATE_MS * random(), self._send, message)
        if random() < 0.1:
            self._read(message.stream)
        if random() < 0.1:
            self._read_linear(message.stream)

    def _ask(self, message: Message) -> None:
        message.attempts += 1
        self._send(message)
        wait_ms = ANSWER_WAIT_MS * (1.0 + self._random.random())
        self._cluster.world.after(wait_ms, self._again, message, message.attempts)

    def _again(self, message: Message, attempt: int) -> None:
        if message.is_over or attempt != message.attempts:
            return
        if self._random.random() < 0.01:
            self._finish(message)  # given up
        else:
            self._ask(message)

    def _send(self, message: Message) -> None:
        node = self._node(asked_before=message.attempts > 1)
        ask = Attempt(self, message)
        self._cluster.network.carry_client(node.submit, ask)

    def _node(self, *, asked_before: bool = False) -> Node:
        cluster, random = self._cluster, self._random
        leader = cluster.coordinator.record.leader
        if leader is not None and random.random() < (0.4 if asked_before else 0.8):
            return cluster.nodes[int(leader.node[1:])]
        return cluster.nodes[int(random.random() * len(cluster.nodes))]

    def _read(self, stream: int) -> None:
        min_seq = self._seen.get(stream, 0)
        node = self._node()
        reply = partial(self._was_read, stream, min_seq)
        self._cluster.network.carry_client(node.read, stream, min_seq, reply)

    def _read_linear(self, stream: int) -> None:
        """Whatever anybody was told before it is asked must be in the answer."""
        floor = self._cluster.invariants.told.get(stream, 0)
        reply = partial(self._was_read, stream, floor)
        self._cluster.network.carry_client(self._node().read_linear, stream, reply)

    def _was_read(self, stream: int, min_seq: int, seq: int, cmid: int) -> None:
        if seq < min_seq:
            self._cluster.invariants.broken("I7", f"a read of {min_seq} was answered with {seq}")
        self._cluster.invariants.was_read(stream, seq, cmid)
        self._seen[stream] = max(self._seen.get(stream, 0), seq)
