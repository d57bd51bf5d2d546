"""Channels of this edge: who is subscribed, at which position, and how an event reaches them. Pure.

Rules:
1. A position belongs to the channel, not to a subscriber: a delivery touches no subscriber's state.
2. Events are delivered in seq order, once. A smaller seq is skipped; a larger one waits while the
   gap is fetched from the log (`Repair`), and nothing later is delivered before it.
3. A newcomer is admitted at the channel's position: if the leader's answer is ahead of it, the
   newcomer waits for the repair; what arrives meanwhile is kept for it. An answer that is older
   than where this edge began to follow the stream (`Channel.started`), or of another epoch, can
   not be made whole: whoever admits must look.
4. A push is encoded once for each variant (encoding, compact id, delta, blocked users); its
   members' Fanout shares the bytes.
5. This file does not know sockets, tokens, rights or what an event means. Flags of its head say
   what must be done: EVICTS (users that must leave), LISTS and UNLISTS (a user's list changed,
   or both: whom he blocks),
   SIGNS_OUT (sessions of his must end).
6. A change of a message that stands before where a member's history begins is hidden from him.
7. How far others have read, and how many are here, is not for guests, unless the app lets them see
   it. Of all others each may see what the leader tells (`standing.all_may`).

Long because position, gap, newcomer and fan-out change together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from edge.fanout import Fanout, Member
from edge.outgoing import Flusher
from edge.variants import DELTA_CHAINED, DELTA_FRESH, Variant
from hubbub.base.errors import (
    REMOVED_FROM_CHANNEL,
    UNSUBSCRIBED_INSUFFICIENT,
    CloseCode,
)
from hubbub.base.units import MIB
from hubbub.model.permissions import Action
from hubbub.wire.codec import decode_json
from hubbub.wire.event import (
    EVICTS,
    LISTS,
    SIGNS_OUT,
    UNLISTS,
    StoredEvent,
    decode_event_body,
)
from hubbub.wire.presence import PRESENCE_COUNTED, PRESENCE_MOVED
from hubbub.wire.receipts import MARKS_STIRRED, RECEIPTS_MOVED
from hubbub.wire.shapes import SignalKind

Stream = tuple[str, str]  # (app, stream key)
_STIRRED: Final = b'{"t":"%b"' % MARKS_STIRRED.encode()
_MOVED: Final = b'{"t":"%b"' % PRESENCE_MOVED.encode()
# What guests may have to be spared; each begins with its type.
_GUARDED: Final = (
    (b'{"t":"%b"' % RECEIPTS_MOVED.encode(), Action.SEE_RECEIPTS),
    (b'{"t":"%b"' % PRESENCE_COUNTED.encode(), Action.SEE_PRESENCE),
)

# Events kept while a gap is fetched. Beyond it the repair asks again from the position anyway.
AHEAD_MAX: Final = 4_096
AHEAD_BYTES_MAX: Final = 1 * MIB


class Encoder(Protocol):
    """Builds pushes; owned by whoever knows the encodings."""

    def publication(
        self, channel: str, variant: Variant, event: StoredEvent, previous: StoredEvent | None
    ) -> bytes: ...

    def signal(self, channel: str, variant: Variant, kind: SignalKind, data: bytes) -> bytes:
        """Empty: not for this variant."""
        ...

    def hidden(self, event: StoredEvent) -> StoredEvent:
        """For those who may not read of what it is a change."""
        ...


class Listener(Protocol):
    """The edge itself, following a stream."""

    def event(self, event: StoredEvent) -> None: ...

    def reset(self) -> None:
        """What it knew is void: read the snapshot again."""
        ...


class Repair(NamedTuple):
    """Please fetch the events after `position` of this stream."""

    stream: Stream
    position: int
    epoch: str


class Channel:
    """One stream on this edge. `position` is None until the first answer of its leader."""

    __slots__ = (
        "ahead",
        "ahead_bytes",
        "beyond",
        "compact_id",
        "epoch",
        "joining",
        "last",
        "listeners",
        "members",
        "newest",
        "position",
        "presence",
        "repairing",
        "started",
        "stream",
        "waiting",
        "watch",
    )

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.position: int | None = None
        self.epoch = ""
        self.members: dict[Variant, Fanout] = {}
        self.joining: dict[Member, None] | None = None  # asked, not admitted
        self.waiting: list[tuple[int, Callable[[], None]]] | None = None  # (head, admit)
        self.ahead: dict[int, StoredEvent] | None = None
        self.ahead_bytes = 0
        self.beyond = 0  # the highest seq seen while `ahead` is there, kept or not
        self.started = 0  # the position at which this edge began: nothing below was held
        self.repairing = False
        self.listeners: list[Listener] | None = None
        self.last: StoredEvent | None = None  # for deltas; kept only where they are on
        self.presence = False  # joins and leaves are kept at the leader
        self.compact_id = 0
        self.newest = 0  # the highest `history_from` of those who are or were in
        self.watch = 0  # who wants heads only (refcount of the owner)

    @property
    def in_use(self) -> bool:
        """Somebody needs this stream's events."""
        return bool(self.members or self.joining or self.listeners or self.watch)


class Hub:
    """All channels of an edge.

    Args: encoder: builds pushes. flusher: writes them. repair: asks for a gap's events (the answer
    comes to `repaired`). interest(stream, wanted): called when a stream is first needed and when
    nobody needs it any more. head(channel, event): called for every event of a watched channel.
    listed(channel, event): called for an event that changes a user's list of channels, or ends some
    of his sessions.
    stirred(stream, data): called for the signal `marks.stirred`, which goes no further; moved: the
    same for `presence.moved`. guests_see(app, action): whether guests
    may do this there.
    """

    def __init__(
        self,
        encoder: Encoder,
        flusher: Flusher,
        *,
        repair: Callable[[Repair], None],
        interest: Callable[[Stream, bool], None],
        head: Callable[[Channel, StoredEvent], None],
        listed: Callable[[Channel, StoredEvent], None],
        stirred: Callable[[Stream, bytes], None] = lambda _, __: None,
        moved: Callable[[Stream, bytes], None] = lambda _, __: None,
        guests_see: Callable[[str, Action], bool] = lambda _, __: True,
    ) -> None:
        self.channels: dict[Stream, Channel] = {}
        self._encoder = encoder
        self._flusher = flusher
        self._repair = repair
        self._interest = interest
        self._head = head
        self._listed = listed
        self._stirred = stirred
        self._moved = moved
        self._guests_see = guests_see
        self._compact_ids = 0
        self.delivered = 0
        self.skipped = 0
        self.gaps = 0

    # --- who is in

    def open(self, stream: Stream) -> Channel:
        """The channel of a stream; interest is taken if it is new here."""
        channel = self.channels.get(stream)
        if channel is None:
            channel = self.channels[stream] = Channel(stream)
            self._interest(stream, True)
        return channel

    def join(self, stream: Stream, member: Member) -> Channel:
        """A member asks to be in: from now on nothing is missed. `admit` or `leave` follows."""
        channel = self.open(stream)
        if channel.joining is None:
            channel.joining = {}
        channel.joining[member] = None
        return channel

    def compact_id(self, channel: Channel) -> int:
        """The channel's number for compact pushes, the same for all members of this edge."""
        if not channel.compact_id:
            self._compact_ids += 1
            channel.compact_id = self._compact_ids
        return channel.compact_id

    def answer(self, channel: Channel, head: int, epoch: str, admit: Callable[[], None]) -> None:
        """The leader's answer for a joining member: `admit()` is called now or after the repair.

        Whoever admits calls `admitted` inside.
        """
        if channel.position is None:
            self._begin(channel, head, epoch)
        elif epoch != channel.epoch:
            self.reset(channel, head, epoch)
        if head <= (channel.position or 0):
            admit()
            return
        if channel.waiting is None:
            channel.waiting = []
        channel.waiting.append((head, admit))
        self._ask_repair(channel)

    def admitted(self, channel: Channel, member: Member) -> None:
        """The member's reply was written: it now gets live pushes."""
        if channel.joining is not None:
            channel.joining.pop(member, None)
            if not channel.joining:
                channel.joining = None
        self._fanout(channel, member.variant).add(member)
        channel.newest = max(channel.newest, member.history_from)

    def change(self, channel: Channel, member: Member, variant: Variant) -> None:
        """From now on this admitted member's pushes are written otherwise."""
        fanout = channel.members.get(member.variant)
        if fanout is not None:
            fanout.remove(member)
            if not len(fanout):
                del channel.members[member.variant]
        member.variant = variant
        self._fanout(channel, variant).add(member)

    def leave(self, channel: Channel, member: Member) -> None:
        """The member is out (admitted or not). The stream is let go when nobody needs it."""
        if channel.joining is not None and member in channel.joining:
            del channel.joining[member]
            if not channel.joining:
                channel.joining = None
        fanout = channel.members.get(member.variant)
        if fanout is not None:
            fanout.remove(member)
            if not len(fanout):
                del channel.members[member.variant]
        self.let_go(channel)

    def listen(self, stream: Stream, listener: Listener) -> Channel:
        """The edge itself follows a stream (app settings, revocations)."""
        channel = self.open(stream)
        if channel.listeners is None:
            channel.listeners = []
        channel.listeners.append(listener)
        return channel

    def unlisten(self, stream: Stream, listener: Listener) -> None:
        """The edge itself follows it no more. Idempotent."""
        channel = self.channels.get(stream)
        if channel is None or listener not in (channel.listeners or ()):
            return
        assert channel.listeners is not None
        channel.listeners.remove(listener)
        self.let_go(channel)

    def let_go(self, channel: Channel) -> None:
        """Forget a channel that nobody needs."""
        if not channel.in_use and self.channels.get(channel.stream) is channel:
            del self.channels[channel.stream]
            self._interest(channel.stream, False)

    # --- what happens in it

    def event(self, app: str, key: str, body: bytes) -> None:
        """An EVENT from a router."""
        channel = self.channels.get((app, key))
        if channel is None:
            return
        event = decode_event_body(body)
        position = channel.position
        if position is not None and event.seq == position + 1:
            self._deliver(channel, event)
            if channel.ahead is not None:
                self._release_ahead(channel)
            if channel.waiting is not None:
                self._admit_waiting(channel)
        elif position is not None and event.seq <= position:
            self.skipped += 1
        else:
            self._keep_ahead(channel, event)

    def signal(self, app: str, key: str, kind: SignalKind, data: bytes) -> None:
        """A SIGNAL from a router: no offset, nothing to repair."""
        channel = self.channels.get((app, key))
        if channel is None:
            return
        if data.startswith(_STIRRED):
            self._stirred(channel.stream, data)
            return
        if data.startswith(_MOVED):
            self._moved(channel.stream, data)
            return
        for variant, fanout in channel.members.items():
            if variant.guest and self._is_not_for_guests(app, data):
                continue
            if message := self._encoder.signal(key, variant, kind, data):
                fanout.push_signal(message)
        for member in channel.joining or ():
            if member.variant.guest and self._is_not_for_guests(app, data):
                continue
            if message := self._encoder.signal(key, member.variant, kind, data):
                member.hold(message, 0)

    def head_is(self, stream: Stream, head: int, epoch: str) -> None:
        """The leader says where a stream stands: repair if we are behind."""
        channel = self.channels.get(stream)
        if channel is None:
            return
        if channel.position is None:
            # Only watched: nobody else will say where it stands. A newcomer's or listener's own
            # answer may be older than this one, and must be what the channel begins at.
            if not channel.joining and not channel.listeners:
                self._begin(channel, head, epoch)
        elif epoch != channel.epoch:
            self.reset(channel, head, epoch)
        elif head > channel.position:
            self._ask_repair(channel)

    def repaired(
        self, stream: Stream, epoch: str, head: int, recovered: bool, bodies: tuple[bytes, ...]
    ) -> None:
        """The answer to a Repair; `recovered` False: the gap can not be closed."""
        channel = self.channels.get(stream)
        if channel is None:
            return
        channel.repairing = False
        if channel.position is None:
            return
        if not recovered or epoch != channel.epoch:
            self.reset(channel, head, epoch)
            return
        for body in bodies:
            event = decode_event_body(body)
            if event.seq == channel.position + 1:
                self._deliver(channel, event)
        self._release_ahead(channel)
        self._admit_waiting(channel)
        if head > channel.position:
            self._ask_repair(channel)

    def repair_failed(self, stream: Stream) -> None:
        """No answer: whoever noticed the gap will notice it again."""
        channel = self.channels.get(stream)
        if channel is not None:
            channel.repairing = False

    def reset(self, channel: Channel, head: int, epoch: str) -> None:
        """What we stood on is gone: members resubscribe, the channel starts at the new head.

        Those who wait for a repair are let through: they find that their answer's epoch is over.
        """
        for member in self.members_of(channel):
            member.end(UNSUBSCRIBED_INSUFFICIENT)
        for listener in channel.listeners or ():
            listener.reset()
        channel.position = channel.started = head
        channel.epoch = epoch
        channel.ahead = None
        channel.last = None
        channel.repairing = False
        waiting, channel.waiting = channel.waiting, None
        for _, admit in waiting or ():
            admit()

    def end(self, channel: Channel, user: str, close: CloseCode) -> None:
        """End one user's subscriptions."""
        for member in [*self.members_of(channel), *(channel.joining or ())]:
            if member.user == user:
                member.end(close)

    def members_of(self, channel: Channel) -> list[Member]:
        """All admitted members."""
        return [member for fanout in channel.members.values() for member in fanout]

    # --- inside

    def _is_not_for_guests(self, app: str, data: bytes) -> bool:
        return any(
            data.startswith(begin) and not self._guests_see(app, action)
            for begin, action in _GUARDED
        )

    def _begin(self, channel: Channel, head: int, epoch: str) -> None:
        channel.position = channel.started = head
        channel.epoch = epoch
        self._release_ahead(channel)

    def _deliver(self, channel: Channel, event: StoredEvent) -> None:
        channel.position = event.seq
        key = channel.stream[1]
        ref_seq = event.head.ref_seq
        is_apart = 0 < ref_seq < channel.newest
        fresh: list[Variant] = []
        for variant, fanout in channel.members.items():
            previous = channel.last if variant.delta == DELTA_CHAINED else None
            message = self._encoder.publication(key, variant, event, previous)
            if is_apart:
                self._push_apart(key, variant, fanout, event, message)
            else:
                fanout.push(message)
            self.delivered += len(fanout)
            if variant.delta:
                channel.last = event
                if variant.delta == DELTA_FRESH:
                    fresh.append(variant)
        for variant in fresh:
            self._chain(channel, variant)
        for member in channel.joining or ():
            message = self._encoder.publication(key, member.variant, event, None)
            member.hold(message, event.seq, ref_seq)
        for listener in channel.listeners or ():
            listener.event(event)
        if channel.watch:
            self._head(channel, event)
        if event.head.flags & (LISTS | UNLISTS | SIGNS_OUT):
            self._listed(channel, event)
        if event.head.flags & EVICTS:
            self._evict(channel, set(decode_json(event.info, list[str])))

    def _push_apart(
        self, key: str, variant: Variant, fanout: Fanout, event: StoredEvent, message: bytes
    ) -> None:
        """Rule 6."""
        other = self._encoder.publication(key, variant, self._encoder.hidden(event), None)
        ref_seq = event.head.ref_seq
        fanout.push_each(lambda member: other if ref_seq < member.history_from else message)

    def _chain(self, channel: Channel, fresh: Variant) -> None:
        """Those who just received a full publication take deltas from now on."""
        fanout = channel.members.pop(fresh)
        fanout.hand_out()
        chained = self._fanout(channel, fresh._replace(delta=DELTA_CHAINED))
        for member in fanout:
            member.variant = member.variant._replace(delta=DELTA_CHAINED)
            chained.add(member)

    def _fanout(self, channel: Channel, variant: Variant) -> Fanout:
        fanout = channel.members.get(variant)
        if fanout is None:
            fanout = channel.members[variant] = Fanout(self._flusher)
        return fanout

    def _evict(self, channel: Channel, users: set[str]) -> None:
        for member in [*self.members_of(channel), *(channel.joining or ())]:
            if member.user in users:
                member.end(REMOVED_FROM_CHANNEL)

    def _keep_ahead(self, channel: Channel, event: StoredEvent) -> None:
        if channel.ahead is None:
            channel.ahead = {}
            channel.ahead_bytes = channel.beyond = 0
        channel.beyond = max(channel.beyond, event.seq)
        size = _size(event)
        if (
            event.seq not in channel.ahead
            and len(channel.ahead) < AHEAD_MAX
            and channel.ahead_bytes + size <= AHEAD_BYTES_MAX
        ):
            channel.ahead[event.seq] = event
            channel.ahead_bytes += size
        if channel.position is not None:
            self._ask_repair(channel)

    def _release_ahead(self, channel: Channel) -> None:
        """Deliver what waited, as far as it is contiguous; drop what is known."""
        ahead = channel.ahead
        if ahead is None or channel.position is None:
            return
        while (event := ahead.pop(channel.position + 1, None)) is not None:
            channel.ahead_bytes -= _size(event)
            self._deliver(channel, event)
        for seq in [seq for seq in ahead if seq <= channel.position]:
            channel.ahead_bytes -= _size(ahead.pop(seq))
        if channel.beyond > channel.position:
            self._ask_repair(channel)
        else:
            channel.ahead = None

    def _admit_waiting(self, channel: Channel) -> None:
        waiting, channel.waiting = channel.waiting, None
        for head, admit in waiting or ():
            if head <= (channel.position or 0):
                admit()
            else:
                if channel.waiting is None:
                    channel.waiting = []
                channel.waiting.append((head, admit))

    def _ask_repair(self, channel: Channel) -> None:
        if channel.repairing or channel.position is None:
            return
        channel.repairing = True
        self.gaps += 1
        self._repair(Repair(channel.stream, channel.position, channel.epoch))


def _size(event: StoredEvent) -> int:
    return len(event.data) + len(event.info)
