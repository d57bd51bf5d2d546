"""One link: our end of the conversation with one boot of one peer. No sockets, no clock.

Rules (contracts.md 5):
1. Frames carry `n`, counted up by one per frame; frames are never resent. A jump of `n` is a hole:
   something was lost, and the receiver asks for the truth again (HEADS, PULL).
2. A frame without messages carries the number of the frame before it. So it says "that is all"
   (proof of life, acknowledgement), and a loss shows although nothing follows.
3. What may be dropped (events, signals, requests) is *windowed*: at most `window_bytes_max` of it
   waits or is unacknowledged. Beyond it a message is dropped and the next frame skips one number.
4. What keeps a link in order (results, interest, beats) is outside the window.
5. Gathering: idle (no frame for `gather_ms`) sends at the end of the loop's turn; else a frame
   leaves after `gather_ms`, `gather_bytes` or MESSAGES_MAX messages, whichever comes first.
6. The numbers of one process towards one name only grow, also over a link that was given up
   (`give_up`) or begun again (`after_n`): the other side sees a hole, nothing looks like a
   repetition. A number that does not grow is of an older connection: dropped and counted.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import NamedTuple

from hubbub.transport.counts import LinkCounts
from hubbub.transport.limits import LinkLimits
from hubbub.wire.frame import (
    FRAME_HEAD,
    MESSAGES_MAX,
    FrameError,
    Message,
    decode_frame,
    encode_frame,
)

_NEVER = -(1 << 62)
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class Verdict(Enum):
    """What became of a received frame."""

    FRESH = "fresh"  # in order
    HOLE = "hole"  # taken, and something before it was lost
    LATE = "late"  # its number did not grow: dropped
    FOREIGN = "foreign"  # another generation of the cluster: dropped
    OTHER_BOOT = "other_boot"  # another life of the peer: not looked at, the owner decides
    MALFORMED = "malformed"  # no frame: dropped


_FRESH, _HOLE = Verdict.FRESH, Verdict.HOLE  # a member costs ten times a global's look-up


class Received(NamedTuple):
    """A verdict, the sender's boot id (0 if malformed), and the messages that were taken."""

    verdict: Verdict
    boot_id: int
    messages: list[Message]


class Link:
    """Numbers, acknowledgements, window, gathering and liveness of one link."""

    __slots__ = (
        "_boot_id",
        "_gap",
        "_gap_due",
        "_generation",
        "_limits",
        "_message_bytes_max",
        "_pending",
        "_pending_windowed",
        "_received_unacked",
        "_sent_ms",
        "_unacked",
        "counts",
        "heard_ms",
        "n",
        "peer_boot_id",
        "pending_bytes",
        "seen",
        "window_used",
    )

    def __init__(
        self,
        *,
        boot_id: int,
        generation: int,
        limits: LinkLimits,
        now_ms: float,
        counts: LinkCounts,
        peer_boot_id: int = 0,
        after_n: int = 0,
    ) -> None:
        """Args: counts: shared by all links of a process. peer_boot_id: 0 = the first frame's.
        after_n: the last number that this process used towards the peer's name."""
        self._boot_id = boot_id
        self._generation = generation
        self._limits = limits
        self._message_bytes_max = limits.frame_bytes_max - FRAME_HEAD.size
        self.peer_boot_id = peer_boot_id
        self.n = after_n  # of the last frame sent
        self.seen = -1  # highest n received; -1: nothing yet
        self.heard_ms = now_ms
        self.counts = counts
        self.pending_bytes = 0
        self.window_used = 0  # windowed bytes that wait or are unacknowledged
        self._pending: list[bytes] = []
        self._pending_windowed = 0
        self._unacked: deque[tuple[int, int]] = deque()  # (n, windowed bytes), ascending
        self._gap = False  # the next frame skips a number
        self._gap_due = False  # and does not wait for one that goes anyway
        self._received_unacked = 0
        self._sent_ms: float = _NEVER

    # --- sending

    def post(self, message: bytes, windowed: bool) -> bool:
        """Queue an encoded message. False: dropped, and the receiver will see a hole."""
        size = len(message)
        if size > self._message_bytes_max:  # the peer's socket would drop the whole connection
            self.counts.dropped_oversized_total += 1
            self._gap = True
            return False
        if windowed:
            if self.window_used + size > self._limits.window_bytes_max:
                self.counts.dropped_by_window_total += 1
                self._gap = True
                return False
            self.window_used += size
            self._pending_windowed += size
        self._pending.append(message)
        self.pending_bytes += size
        return True

    def note_hole(self) -> None:
        """Make the receiver see a hole; due like a message, even if nothing else is."""
        self._gap = True
        self._gap_due = True

    def give_up(self) -> None:
        """The peer is down: forget what waits. Whoever hears us again sees a hole."""
        self._pending = []
        self._unacked.clear()
        self.pending_bytes = self.window_used = self._pending_windowed = 0
        self._received_unacked = 0
        self._gap = True
        self._gap_due = False

    def due_ms(self) -> float | None:
        """When the next frame should leave; a time that has passed means now, None never."""
        if self._pending or self._gap_due or self._received_unacked >= self._limits.ack_bytes:
            full = (
                self.pending_bytes >= self._limits.gather_bytes
                or len(self._pending) >= MESSAGES_MAX
            )
            return _NEVER if full else self._sent_ms + self._limits.gather_ms
        return None

    def take_frame(self, now_ms: float) -> bytes:
        """The next frame: what waits (perhaps nothing), with number and acknowledgement."""
        messages = self._take_messages()
        if self._gap:
            self.n += 1
            self._gap = self._gap_due = False
        if messages:
            self.n += 1
        if self._pending_windowed and not self._pending:
            self._unacked.append((self.n, self._pending_windowed))
            self._pending_windowed = 0
        self._received_unacked = 0
        self._sent_ms = now_ms
        frame = encode_frame(
            messages,
            generation=self._generation,
            boot_id=self._boot_id,
            n=self.n,
            ack=max(self.seen, 0),
        )
        counts = self.counts
        counts.frames_sent_total += 1
        counts.messages_sent_total += len(messages)
        counts.bytes_sent_total += len(frame)
        return frame

    def _take_messages(self) -> list[bytes]:
        """As many waiting messages as a frame may hold; the rest stays and is due at once."""
        pending = self._pending
        room = self._message_bytes_max
        if self.pending_bytes <= room and len(pending) <= MESSAGES_MAX:
            self._pending = []
            self.pending_bytes = 0
            return pending
        count = size = 0
        for message in pending[:MESSAGES_MAX]:
            if size + len(message) > room:
                break
            size += len(message)
            count += 1
        self._pending = pending[count:]
        self.pending_bytes -= size
        return pending[:count]

    # --- receiving

    def receive(self, frame: bytes, now_ms: float) -> Received:
        """Take a frame of the peer. Only FRESH and HOLE carry messages and prove that it lives."""
        try:
            head, messages = decode_frame(frame)
        except FrameError:
            self.counts.refused_malformed_total += 1
            return Received(Verdict.MALFORMED, 0, [])
        _, _, generation, boot_id, n, ack = head
        if generation != self._generation:
            self.counts.refused_generation_total += 1
            return Received(Verdict.FOREIGN, boot_id, [])
        if boot_id != self.peer_boot_id:
            if self.peer_boot_id:
                return Received(Verdict.OTHER_BOOT, boot_id, [])
            self.peer_boot_id = boot_id
        last = n - 1 if messages else n  # a frame without messages repeats the last number
        if last < self.seen:
            self.counts.refused_late_total += 1
            return Received(Verdict.LATE, boot_id, [])
        hole = last > self.seen >= 0
        self.seen = n
        self.heard_ms = now_ms
        self._received_unacked += len(frame)
        self._release(ack)
        counts = self.counts
        counts.holes_seen_total += hole
        counts.frames_received_total += 1
        counts.messages_received_total += len(messages)
        counts.bytes_received_total += len(frame)
        return _new(Received, (_HOLE if hole else _FRESH, boot_id, messages))

    def _release(self, ack: int) -> None:
        unacked = self._unacked
        while unacked and unacked[0][0] <= ack:
            self.window_used -= unacked.popleft()[1]
