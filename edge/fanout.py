"""What all members of a channel with one variant get: framed once and written in one walk. Pure.

Rules:
1. A push waits here until the end of the loop's turn, with what else came for the same members.
   Then every connection that is idle is written to at once, past its queue. Where a reply waits,
   the last write is within the tick or the transport is full, the queue takes it, with its bounds.
2. Nobody gets what came before he was in; whoever leaves gets what came before he left.
3. On one connection a push never stands before a reply that came earlier (it could be that of its
   subscribe), and stands before one that came later where no earlier one waits.
4. What waits here is bounded: beyond FLUSH_BYTES the queues take it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from edge.framing import Framing
from edge.outgoing import FLUSH_BYTES, IDLE, SOON, Flusher, Outgoing
from edge.variants import Variant
from hubbub.base.errors import CloseCode


class Member(Protocol):
    """A subscription of one connection, as the hub sees it."""

    variant: Variant
    history_from: int  # a change of a message before it is hidden from this one

    @property
    def user(self) -> str: ...

    @property
    def outgoing(self) -> Outgoing:
        """The queue of its connection, which takes its live pushes."""
        ...

    def hold(self, message: bytes, seq: int, ref_seq: int = 0) -> None:
        """A push for a member that is not admitted yet; 0 = no offset. ref_seq: of which message it
        is a change."""
        ...

    def end(self, close: CloseCode) -> None:
        """The subscription is over."""
        ...


class Fanout:
    """The members that share the bytes of a push, each with the queue of its connection."""

    __slots__ = ("_flusher", "_messages", "_queues", "_size", "_stamp")

    def __init__(self, flusher: Flusher) -> None:
        self._flusher = flusher
        self._queues: dict[Member, Outgoing] = {}
        self._messages: list[bytes] = []
        self._size = 0
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._queues)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._queues)

    def add(self, member: Member) -> None:
        """A member came: what waits is not for him."""
        if self._messages:
            self.hand_out()
        self._queues[member] = member.outgoing

    def remove(self, member: Member) -> None:
        """A member leaves, if he was in; what waits is still for him."""
        queue = self._queues.pop(member, None)
        if queue is not None:
            for message in self._messages:
                queue.push(message)

    def push(self, message: bytes) -> None:
        """A live push that must not be lost."""
        flusher = self._flusher
        if not self._messages:
            flusher.due_many(self)
        self._messages.append(message)
        self._size += len(message)
        flusher.stamp = self._stamp = flusher.stamp + 1
        if self._size > FLUSH_BYTES:
            self.hand_out()

    def push_each(self, message_for: Callable[[Member], bytes]) -> None:
        """A live push that is not the same for all of them."""
        self.hand_out()
        for member, queue in [*self._queues.items()]:
            queue.push(message_for(member))

    def push_signal(self, message: bytes) -> None:
        """A live push without offset: dropped where its connection is under pressure."""
        self.hand_out()
        for queue in [*self._queues.values()]:
            queue.push_signal(message)

    def hand_out(self) -> None:
        """Give what waits to the queues, so that whatever comes next stands behind it."""
        messages, self._messages, self._size = self._messages, [], 0
        for message in messages:
            for queue in [*self._queues.values()]:
                queue.push(message)

    def flush(self) -> None:
        """The turn ends: write what waits."""
        messages = self._messages
        if not messages:
            return
        self._messages, self._size = [], 0
        flusher, last_stamp = self._flusher, self._stamp
        now = flusher.now_ms()
        latest = now - flusher.tick_ms
        framing: Framing | None = None
        frame = b""
        frames: dict[str, bytes] = {}
        written = 0
        for queue in [*self._queues.values()]:  # a copy: a write may end a connection
            state = queue.state
            if state == IDLE and queue.flushed_ms <= latest:
                if queue.framing is not framing:
                    framing = queue.framing
                    frame = frames.get(framing.name) or framing.frame(messages)
                    frames[framing.name] = frame
                queue.flushed_ms = now
                write = queue.write  # not called as a method: the interpreter is slower at that
                write(frame)
                written += 1
            elif state == SOON and queue.stamp >= last_stamp:
                queue.push_before(messages)
            else:
                for message in messages:
                    queue.push(message)
        statistics = flusher.statistics
        statistics.frames_total += written
        statistics.messages_total += written * len(messages)
        statistics.joined_total += len(frames)
