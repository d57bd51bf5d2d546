"""All links of one process, by peer name. No sockets, no asyncio: an adapter moves the frames.

Rules:
1. A peer is a name; its link belongs to one boot of it. A frame of a new boot replaces the link:
   peer_down (if it was up), peer_up. A boot that was replaced is never heard again.
2. Up is the first frame of a peer after it was down; it is answered with a frame at once, so that
   both sides come up within one round trip. Down is silence, or a broken connection that did not
   come back within `suspect_ms`, or to whose address nobody listens any more.
3. What waits for a peer that goes down is dropped. Numbers go on, over its boots too: a new boot
   may hear frames of the old link before we hear of it, and none of the new link's looks old.
4. A beat is the last message of its frame: the digest in it is of all that went before.
5. Handlers are called from `arrived`, `tick` and `_refused` only, never from a send: sending inside
   a handler is safe.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from hubbub.transport.counts import LinkCounts
from hubbub.transport.limits import LinkLimits
from hubbub.transport.link import Link, Verdict
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind

# Names that a process may ever talk to: more than any cluster has; bounds what strangers can cost.
PEERS_MAX = 4_096
# An enum's member costs ten times a global's look-up (Python 3.11).
_FRESH, _HOLE, _OTHER_BOOT = Verdict.FRESH, Verdict.HOLE, Verdict.OTHER_BOOT
_BEAT = int(Kind.BEAT)
_SUPERSEDED_MAX = 8  # boots of one name that are remembered as replaced


R = TypeVar("R")  # how an adapter reaches a peer


class Handler(Protocol):
    """What the owner of the links does about them."""

    def peer_up(self, peer: str, boot_id: int) -> None:
        """The first frame of a peer: whatever it knew of us is void."""
        ...

    def peer_down(self, peer: str) -> None:
        """Nothing can be sent to it any more; what was sent may be lost."""
        ...

    def peer_hole(self, peer: str) -> None:
        """Messages from it were lost; called before the messages that came after the hole."""
        ...

    def receive(self, peer: str, messages: list[Message]) -> None:
        """The messages of one frame, in order, without its beat."""
        ...

    def beat(self, peer: str) -> bytes:
        """The body of the beat that is about to be sent; b"" = none."""
        ...

    def beat_received(self, peer: str, body: bytes) -> None:
        """The body of the peer's beat; called after the messages of its frame."""
        ...


class MonotonicClock(Protocol):
    """Milliseconds since some moment. Never falls."""

    def monotonic_ms(self) -> int: ...


class Entry(Generic[R]):
    """One peer. `route` is the adapter's: how frames get there, None = not at all."""

    __slots__ = ("dialled", "dirty", "link", "live", "name", "route", "superseded", "suspect_ms")

    def __init__(self, name: str, link: Link, route: R, *, dialled: bool) -> None:
        self.name = name
        self.link = link
        self.route: R | None = route
        self.dialled = dialled
        self.live = False
        self.dirty = False  # in the list of those with something to send
        self.suspect_ms: float | None = None  # down at this time unless heard before
        self.superseded: list[int] = []  # boots that were replaced


class LinkTable(Generic[R]):
    """Who is up, what waits for whom, and when the next frame is due."""

    def __init__(
        self,
        name: str,
        boot_id: int,
        generation: int,
        handler: Handler,
        clock: MonotonicClock,
        limits: LinkLimits,
    ) -> None:
        self.name = name
        self.boot_id = boot_id
        self.counts = LinkCounts()
        self._generation = generation
        self._handler = handler
        self._clock = clock
        self._limits = limits
        self._entries: dict[str, Entry[R]] = {}
        self._dirty: list[Entry[R]] = []
        self._beat_due_ms: float = clock.monotonic_ms()

    # --- what the adapter provides

    def _transmit(self, entry: Entry[R], frame: bytes) -> bool:
        """Hand a frame to the socket without waiting. False: it did not take it."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Something waits: call `flush` at the end of the loop's turn."""
        raise NotImplementedError

    # --- for the owner

    def send(self, peer: str, message: bytes) -> bool:
        """Send what the window never drops: results, interest. False: the peer is not live."""
        entry = self._entries.get(peer)
        if entry is None or not entry.live:
            return False
        return self._post(entry, message, False)

    def send_windowed(self, peer: str, message: bytes) -> bool:
        """Send an event, signal or request. False: not live, or dropped and a hole is noted."""
        entry = self._entries.get(peer)
        if entry is None or not entry.live:
            return False
        return self._post(entry, message, True)

    def note_hole(self, peer: str) -> None:
        """Let a live peer see that something meant for it was lost."""
        entry = self._entries.get(peer)
        if entry is not None and entry.live:
            entry.link.note_hole()
            self._touch(entry)

    def live(self, peer: str) -> bool:
        """The peer was heard and can be sent to."""
        entry = self._entries.get(peer)
        return entry is not None and entry.live

    def boot_of(self, peer: str) -> int:
        """The boot id of a live peer, else 0."""
        entry = self._entries.get(peer)
        return entry.link.peer_boot_id if entry is not None and entry.live else 0

    def statistics(self) -> dict[str, Any]:
        """Live peers with what is under way to each."""
        return {
            "live": {
                name: {"boot_id": entry.link.peer_boot_id, "window_used": entry.link.window_used}
                for name, entry in self._entries.items()
                if entry.live
            },
            "down": [name for name, entry in self._entries.items() if not entry.live],
        }

    # --- for the adapter

    def _dialled(self, name: str, route: R) -> Entry[R]:
        """The entry of a peer that we connect to; a known one keeps its numbers."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = Entry(name, self._new_link(0), route, dialled=True)
        entry.route = route
        entry.dialled = True
        return entry

    def _listened(self, name: str, boot_id: int, route: R) -> Entry[R] | None:
        """The entry of a peer that connected to us; None: it is refused."""
        entry = self._entries.get(name)
        if entry is None:
            if len(self._entries) >= PEERS_MAX:
                return None
            link = self._new_link(boot_id)
            entry = self._entries[name] = Entry(name, link, route, dialled=False)
        elif entry.dialled or not self._renew(entry, boot_id):
            return None
        entry.route = route
        return entry

    def _renew(self, entry: Entry[R], boot_id: int) -> bool:
        """Make the entry's link one with this boot; False if that boot was replaced before."""
        known = entry.link.peer_boot_id
        if known == boot_id:
            return True
        if boot_id in entry.superseded:
            self.counts.refused_boot_total += 1
            return False
        if entry.live:
            self._down(entry)
        if known:
            entry.superseded = [*entry.superseded, known][-_SUPERSEDED_MAX:]
        entry.link = self._new_link(boot_id, entry.link.n + 1)
        return True

    def _greet(self, entry: Entry[R]) -> None:
        """A frame at once to a peer that just connected, so that it need not wait for a beat."""
        self._send_frame(entry, self._clock.monotonic_ms())

    def _suspect(self, entry: Entry[R]) -> None:
        """The connection broke: down soon, unless the peer is heard."""
        if entry.live and entry.suspect_ms is None:
            entry.suspect_ms = self._clock.monotonic_ms() + self._limits.suspect_ms

    def _refused(self, entry: Entry[R]) -> None:
        """The connection broke, and nobody listens where the peer did: no need to wait."""
        if entry.live and entry.suspect_ms is not None:
            self._down(entry)

    def _forget(self, entry: Entry[R]) -> None:
        """No route any more; its numbers stay known."""
        entry.route = None
        entry.dialled = False
        if entry.live:
            self._down(entry)

    def arrived(self, entry: Entry[R], frame: bytes) -> None:
        """Take a frame that came from the peer of this entry."""
        now_ms = self._clock.monotonic_ms()
        received = entry.link.receive(frame, now_ms)
        if received.verdict is _OTHER_BOOT:
            if not entry.dialled:  # the identity names its boot: this frame contradicts it
                self.counts.refused_boot_total += 1
                return
            if not self._renew(entry, received.boot_id):
                return
            received = entry.link.receive(frame, now_ms)
        verdict = received.verdict
        if verdict is not _FRESH and verdict is not _HOLE:
            return
        entry.suspect_ms = None
        if not entry.live:
            self._up(entry, now_ms)
        elif verdict is _HOLE:
            self._handler.peer_hole(entry.name)
        if not entry.dirty and entry.link.due_ms() is not None:
            self._touch(entry)
        if received.messages:
            self._hand_over(entry, received.messages)

    def flush(self) -> float | None:
        """Send what is due. The time at which more will be, None if nothing waits."""
        now_ms = self._clock.monotonic_ms()
        waiting: list[Entry[R]] = []
        next_ms: float | None = None
        for entry in self._dirty:
            due_ms = entry.link.due_ms()
            while due_ms is not None and due_ms <= now_ms:
                self._send_frame(entry, now_ms)
                due_ms = entry.link.due_ms()
            if due_ms is None:
                entry.dirty = False
            else:
                waiting.append(entry)
                next_ms = due_ms if next_ms is None else min(next_ms, due_ms)
        self._dirty = waiting
        return next_ms

    def tick(self) -> float:
        """Beats and deaths. The time at which it has to be called again, at the latest."""
        now_ms = self._clock.monotonic_ms()
        beats = now_ms >= self._beat_due_ms
        if beats:
            self._beat_due_ms = now_ms + self._limits.beat_ms
        next_ms = self._beat_due_ms
        for entry in list(self._entries.values()):
            if entry.live:
                down_ms = self._down_ms(entry)
                if now_ms >= down_ms:
                    self._down(entry)
                else:
                    next_ms = min(next_ms, down_ms)
            if beats and entry.route is not None and (entry.live or entry.dialled):
                self._beat(entry, now_ms)
        return next_ms

    # ---

    def _new_link(self, peer_boot_id: int, after_n: int = 0) -> Link:
        return Link(
            boot_id=self.boot_id,
            generation=self._generation,
            limits=self._limits,
            now_ms=self._clock.monotonic_ms(),
            counts=self.counts,
            peer_boot_id=peer_boot_id,
            after_n=after_n,
        )

    def _post(self, entry: Entry[R], message: bytes, windowed: bool) -> bool:
        posted = entry.link.post(message, windowed)
        if not entry.dirty:
            self._touch(entry)
        elif entry.link.pending_bytes >= self._limits.gather_bytes:
            self._send_frame(entry, self._clock.monotonic_ms())
        return posted

    def _touch(self, entry: Entry[R]) -> None:
        if not entry.dirty:
            entry.dirty = True
            self._dirty.append(entry)
        self._wake()

    def _send_frame(self, entry: Entry[R], now_ms: float) -> None:
        """A frame that the socket does not take is lost: its number shows it to the peer."""
        if not self._transmit(entry, entry.link.take_frame(now_ms)):
            self.counts.dropped_unsent_total += 1

    def _beat(self, entry: Entry[R], now_ms: float) -> None:
        if entry.live:
            body = self._handler.beat(entry.name)
            if body:
                entry.link.post(encode_message(Kind.BEAT, body), False)
        self._send_frame(entry, now_ms)

    def _hand_over(self, entry: Entry[R], messages: list[Message]) -> None:
        beat = messages.pop() if messages[-1].type == _BEAT else None
        if messages:
            self._handler.receive(entry.name, messages)
        if beat is not None:
            self._handler.beat_received(entry.name, beat.body)

    def _up(self, entry: Entry[R], now_ms: float) -> None:
        entry.live = True
        self.counts.peers_up_total += 1
        self._handler.peer_up(entry.name, entry.link.peer_boot_id)
        self._beat(entry, now_ms)

    def _down(self, entry: Entry[R]) -> None:
        entry.live = False
        entry.suspect_ms = None
        entry.link.give_up()
        self.counts.peers_down_total += 1
        self._handler.peer_down(entry.name)

    def _down_ms(self, entry: Entry[R]) -> float:
        silent_ms = entry.link.heard_ms + self._limits.silence_ms_max
        return silent_ms if entry.suspect_ms is None else min(silent_ms, entry.suspect_ms)
