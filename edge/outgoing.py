"""What waits to be written: one queue a connection, one flush for all of them. Pure.

Rules:
1. A reply leaves at the end of the loop's turn. A push too, if its connection wrote nothing within
   the last tick; else it waits for the next tick, and all that came meanwhile leaves in one frame.
2. Connections that are due the same messages get the same frame object: joined and framed once.
3. A connection whose transport is full is *blocked*: its queue keeps growing here, where it is
   bounded. Only live pushes count against the bound; beyond it the connection is closed with 3008
   and resumes from its positions. Replies drain apart, and while many do, no command is read.
4. All queues together are bounded too: the longest is cut first.
5. Under pressure (half of a queue's bound, three quarters of the common one) what has no offset is
   not queued any more: it could not be missed by anybody who resumes.
6. After `close` nothing is taken: the disconnect is the last thing sent.
7. What many get (`Fanout`) is written past the queues of those that are idle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from edge.connection import Connection
from edge.framing import Framing
from hubbub.base.errors import SLOW, CloseCode
from hubbub.base.units import KIB, MIB

# One frame. Half the 1 MiB that client libraries accept by default, with room for one big reply.
FRAME_BYTES_MAX: Final = 256 * KIB
# A queue this long is written at once, so that a burst within one tick closes nobody who reads.
FLUSH_BYTES: Final = 64 * KIB

IDLE, SOON, LATER, BLOCKED, CLOSED = range(5)  # of a queue

Messages = tuple[bytes, ...]
FrameCache = dict[str, dict[bytes | Messages, bytes]]


class Waiting(Protocol):
    """What has messages for many queues."""

    def flush(self) -> None:
        """Hand them over, at the end of the turn."""
        ...


class FlushStatistics(Struct):
    """Counts of one process."""

    frames_total: int = 0
    messages_total: int = 0
    joined_total: int = 0  # frames that had to be built; the others were shared
    dropped_signals_total: int = 0
    slow_closes_total: int = 0
    blocked_connections: int = 0
    queued_bytes: int = 0


class Flusher:
    """The flush of all connections of a process.

    Args: soon(f): call f at the end of this turn of the loop. later(ms, f): call f in so many ms.
    now_ms: monotonic. tick_ms: 0 means that nothing ever waits. outgoing_bytes_max: live pushes of
    one connection. total_bytes_max: all queues and the transports' buffers of blocked ones.
    reply_bytes_max: outstanding replies of one connection before reading pauses.
    """

    def __init__(
        self,
        *,
        soon: Callable[[Callable[[], None]], object],
        later: Callable[[int, Callable[[], None]], object],
        now_ms: Callable[[], int],
        tick_ms: int = 10,
        outgoing_bytes_max: int = 1 * MIB,
        total_bytes_max: int = 256 * MIB,
        reply_bytes_max: int = 768 * KIB,
    ) -> None:
        self.outgoing_bytes_max = outgoing_bytes_max
        self.total_bytes_max = total_bytes_max
        self.reply_bytes_max = reply_bytes_max
        self.statistics = FlushStatistics()
        self.total_bytes = 0
        self._call_soon = soon
        self._call_later = later
        self.now_ms = now_ms
        self.tick_ms = tick_ms
        self.stamp = 0  # counts what waits for many, to tell what came first
        self._many: list[Waiting] = []
        self._soon: list[Outgoing] = []
        self._later: list[Outgoing] = []
        self._blocked: dict[Outgoing, None] = {}

    @property
    def is_under_pressure(self) -> bool:
        """Three quarters of the common bound are taken."""
        return self.total_bytes * 4 > self.total_bytes_max * 3

    def due(self, outgoing: Outgoing, *, urgent: bool) -> None:
        """A queue got its first message, or a more urgent one."""
        if urgent or self.now_ms() - outgoing.flushed_ms >= self.tick_ms:
            outgoing.state = SOON
            if not self._soon and not self._many:
                self._call_soon(self.flush_soon)
            self._soon.append(outgoing)
        else:
            outgoing.state = LATER
            if not self._later:
                self._call_later(self.tick_ms, self.flush_later)
            self._later.append(outgoing)

    def due_many(self, waiting: Waiting) -> None:
        """Something got its first message for many queues: `flush` it at the end of the turn."""
        if not self._soon and not self._many:
            self._call_soon(self.flush_soon)
        self._many.append(waiting)

    def flush_soon(self) -> None:
        """Write what is due at once."""
        many, self._many = self._many, []
        for waiting in many:
            waiting.flush()
        due, self._soon = self._soon, []
        self._flush(due, SOON)

    def flush_later(self) -> None:
        """Write what waited for the tick."""
        due, self._later = self._later, []
        self._flush(due, LATER)

    def flush_now(self, outgoing: Outgoing) -> None:
        """Write one queue without waiting for a turn or tick."""
        outgoing.flush(None, self.now_ms())

    def blocked(self, outgoing: Outgoing) -> None:
        """A transport is full."""
        self._blocked[outgoing] = None
        self.statistics.blocked_connections = len(self._blocked)
        if self.total_bytes > self.total_bytes_max:
            self.cut()

    def unblocked(self, outgoing: Outgoing) -> None:
        """A transport drained, or its connection is gone."""
        self._blocked.pop(outgoing, None)
        self.statistics.blocked_connections = len(self._blocked)

    def cut(self) -> None:
        """Too much waits: write what can be written, then close the longest queues."""
        while self.total_bytes > self.total_bytes_max:
            if self._soon or self._later or self._many:
                self.flush_soon()
                self.flush_later()
            elif self._blocked:
                max(self._blocked, key=lambda outgoing: outgoing.held_bytes).slow()
            else:
                return

    def _flush(self, due: list[Outgoing], state: int) -> None:
        frames: FrameCache = {}
        now = self.now_ms()
        for outgoing in due:
            if outgoing.state == state:
                outgoing.flush(frames, now)
        self.statistics.queued_bytes = self.total_bytes


class Outgoing:
    """The queue of one connection. `connection` is set by the transport that owns it."""

    __slots__ = (
        "_messages",
        "_replies",
        "_transport_bytes",
        "connection",
        "flushed_ms",
        "flusher",
        "framing",
        "live_bytes",
        "reply_bytes",
        "stamp",
        "state",
        "write",
    )

    def __init__(self, connection: Connection, framing: Framing, flusher: Flusher) -> None:
        self.connection = connection
        # A transport may put its own here while it is open: one call less for each frame.
        self.write: Callable[[bytes], object] = connection.write
        self.stamp = 0  # the flusher's when the first message came that waits here
        self.framing = framing
        self.flusher = flusher
        self.state = IDLE
        self.flushed_ms = -1_000_000
        self.live_bytes = 0
        self.reply_bytes = 0
        self._messages: list[bytes] = []
        self._replies: list[int] | None = None  # places of replies in _messages
        self._transport_bytes = 0  # in the transport's buffer when it blocked

    @property
    def is_blocked(self) -> bool:
        """The transport takes no more."""
        return self.state == BLOCKED

    @property
    def held_bytes(self) -> int:
        """What this connection keeps in memory."""
        return self.live_bytes + self.reply_bytes + self._transport_bytes

    @property
    def outstanding_bytes(self) -> int:
        """Replies that the client has not taken yet, as far as we know."""
        return self.reply_bytes + self._transport_bytes

    def push(self, message: bytes) -> None:
        """A live push that must not be lost."""
        if self.state == CLOSED:
            return
        flusher = self.flusher
        self._messages.append(message)
        self.live_bytes += len(message)
        flusher.total_bytes += len(message)
        if self.state == IDLE:
            self.stamp = flusher.stamp
            flusher.due(self, urgent=False)
        if self.live_bytes > FLUSH_BYTES:
            self._crowded()

    def push_before(self, messages: Sequence[bytes]) -> None:
        """Live pushes that came before everything that waits here."""
        size = sum(map(len, messages))
        self._messages[:0] = messages
        if self._replies is not None:
            self._replies = [at + len(messages) for at in self._replies]
        self.live_bytes += size
        self.flusher.total_bytes += size
        if self.live_bytes > FLUSH_BYTES:
            self._crowded()

    def push_signal(self, message: bytes) -> None:
        """A live push without offset: dropped under pressure."""
        flusher = self.flusher
        if self.live_bytes * 2 > flusher.outgoing_bytes_max or flusher.is_under_pressure:
            flusher.statistics.dropped_signals_total += 1
            return
        self.push(message)

    def reply(self, message: bytes) -> None:
        """A reply, or a push that belongs to one: not counted against the bound of live pushes."""
        if self.state == CLOSED:
            return
        if self._replies is None:
            self._replies = []
        self._replies.append(len(self._messages))
        self._messages.append(message)
        self.reply_bytes += len(message)
        self.flusher.total_bytes += len(message)
        if self.state == IDLE:
            self.stamp = self.flusher.stamp
            self.flusher.due(self, urgent=True)
        elif self.state == LATER:
            self.flusher.due(self, urgent=True)
        if self.reply_bytes > FLUSH_BYTES:
            self._crowded()

    def heartbeat(self) -> None:
        """A ping of the transport's own."""
        self.connection.write_heartbeat()

    def close(self, close: CloseCode) -> None:
        """Write what waits, then the reason. Idempotent."""
        if self.state == CLOSED:
            return
        if self._messages and self.state != BLOCKED:
            self.flusher.flush_now(self)
        self._forget()
        self.connection.close(close)

    def lost(self) -> None:
        """The transport is gone; what waits is dropped. Idempotent."""
        self._forget()

    def slow(self) -> None:
        """The client does not keep up: it is closed and comes back to its positions."""
        self.flusher.statistics.slow_closes_total += 1
        self._forget()
        self.connection.close(SLOW)

    def blocked(self) -> None:
        """The transport is full: keep what comes."""
        if self.state == CLOSED:
            return
        self.state = BLOCKED
        self._transport_bytes = self.connection.buffered_bytes
        self.flusher.total_bytes += self._transport_bytes
        self.flusher.blocked(self)
        self._hold_back()

    def drained(self) -> None:
        """The transport takes more."""
        if self.state != BLOCKED:
            return
        self.state = IDLE
        self.flusher.total_bytes -= self._transport_bytes
        self._transport_bytes = 0
        self.flusher.unblocked(self)
        if self._messages:
            self.flusher.flush_now(self)
        if self.state != BLOCKED:
            self.connection.resume_reading()

    def flush(self, frames: FrameCache | None, now_ms: int) -> None:
        """Write the queue as one frame, or several if it is long, until the transport is full.

        Args: frames: those that others may share, None if nobody is flushed together with this.
        """
        self.state = IDLE
        self.flushed_ms = now_ms
        messages = self._messages
        if not messages:
            return
        if self.live_bytes + self.reply_bytes <= FRAME_BYTES_MAX:
            self.flusher.total_bytes -= self.live_bytes + self.reply_bytes
            self.live_bytes = self.reply_bytes = 0
            self._messages = []
            if self._replies is None:
                self._write(frames, messages)
            else:  # nobody else gets a reply
                self._replies = None
                self._write(None, messages)
            return
        while self._messages and self.state == IDLE:
            self._write(frames, self._take(FRAME_BYTES_MAX))

    def _write(self, frames: FrameCache | None, messages: list[bytes]) -> None:
        statistics = self.flusher.statistics
        statistics.frames_total += 1
        statistics.messages_total += len(messages)
        write = self.write  # not called as a method: the interpreter is slower at that
        if frames is None:
            statistics.joined_total += 1
            write(self.framing.frame(messages))
            return
        cache = frames.get(self.framing.name)
        if cache is None:
            cache = frames[self.framing.name] = {}
        key = messages[0] if len(messages) == 1 else tuple(messages)
        frame = cache.get(key)
        if frame is None:
            frame = cache[key] = self.framing.frame(messages)
            statistics.joined_total += 1
        write(frame)

    def _take(self, bytes_max: int) -> list[bytes]:
        """The oldest messages, at least one, at most so many bytes."""
        taken = size = 0
        for message in self._messages:
            if taken and size + len(message) > bytes_max:
                break
            size += len(message)
            taken += 1
        messages, self._messages = self._messages[:taken], self._messages[taken:]
        replies = self._replies or []
        reply_bytes = sum(len(messages[at]) for at in replies if at < taken)
        self._replies = [at - taken for at in replies if at >= taken] or None
        self.reply_bytes -= reply_bytes
        self.live_bytes -= size - reply_bytes
        self.flusher.total_bytes -= size
        return messages

    def _crowded(self) -> None:
        if self.state != BLOCKED:
            self.flusher.flush_now(self)
        if self.live_bytes > self.flusher.outgoing_bytes_max:
            self.slow()
        elif self.flusher.total_bytes > self.flusher.total_bytes_max:
            self.flusher.cut()
        elif self.state == BLOCKED:
            self._hold_back()

    def _hold_back(self) -> None:
        if self.outstanding_bytes > self.flusher.reply_bytes_max:
            self.connection.pause_reading()

    def _forget(self) -> None:
        if self.state == CLOSED:
            return
        self.flusher.total_bytes -= self.held_bytes
        if self.state == BLOCKED:
            self.flusher.unblocked(self)
        self.state = CLOSED
        self.live_bytes = self.reply_bytes = self._transport_bytes = 0
        self._messages = []
        self._replies = None
