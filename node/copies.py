"""Between the copies of this node's slots and those of other nodes: mail, beats, time.

Rules:
1. A copy is addressed by its storage id, a node by its name; the registered processes say which is
   where, and are remembered: a lease that the coordinator forgot is no death. A message whose copy
   is not its sender's is dropped and counted.
2. What can be asked for again (entries) is windowed on the link; a broken link loses it, and a new
   one starts with a probe, which is repeated for a while: the other side may be up later than this
   one, and of a slot where nothing happens nobody speaks again.
3. Only slots for which time matters are ticked; a beat names only commits that changed.
4. A slot whose own entries or rows cannot be read or applied fails, loudly; the others go on.
5. Whether this node is gray is judged at each beat and said in it; `elections` acts on it.
6. Whoever loses a link or its belief in a node says so at once, and elects at once (`hurry`). What
   was written to last is taken over first: it is what people wait for.

Long because mail, beats and elections share one view of who is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from hubbub.coordinator.records import ProcessRecord
from hubbub.ring.map import Leader, SlotMap, SlotRecord
from hubbub.runtime.clock import Clock
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.replication import KIND_OF, SHAPE_OF, Append, NodeBeat, Tail
from hubbub.wire.shapes import Kind
from node.beats import BEAT_MS, SUSPECT_MS, Beats
from node.elections import Elections, Living, Takeover
from node.engine import FeatureFailed
from node.entry import BrokenChain
from node.failovers import Failovers
from node.gray import Gray
from node.ready import Ready
from node.replica import QUORUM_LOST_MS, Copy, Mail, Role
from node.room import Level, Room, RoomLimits
from node.slot import Now, Slot
from node.store.api import StoreError
from node.usage import AppUsage

# A timer may be a little early; a beat that is skipped for it would be a whole interval late.
_EARLY_MS: Final = 20
# A commit is named in the beats of this long, so that one lost beat hides nothing.
_COMMIT_NEWS_MS: Final = 1_000
# An election looks at everything at least this often, whatever was missed: a look at 1,024 slots
# takes 10 ms and more.
_LOOK_MS: Final = 30_000
# After a new link, and how often: each time costs a look at every led slot.
_ASK_AGAIN_FOR_MS: Final = 10_000
_ASK_AGAIN_MS: Final = 1_000
NODE_KINDS: Final = frozenset({*SHAPE_OF, int(Kind.NODE_BEAT)})
_log = get_logger()


class Links(Protocol):
    """What this needs of the links."""

    def send(self, peer: str, message: bytes) -> bool: ...
    def send_windowed(self, peer: str, message: bytes) -> bool: ...


class CopiesCounts(msgspec.Struct):
    """What /metrics shows of the other copies."""

    mails_total: int = 0
    mails_dropped_total: int = 0  # no link, or its window was full: asked for again
    received_total: int = 0
    foreign_total: int = 0  # of a copy that is not the sender's
    beats_total: int = 0
    elections_total: int = 0
    terms_begun_total: int = 0
    stepped_down_total: int = 0
    failovers_total: int = 0  # terms begun after another node's
    slots_failed_total: int = 0


class Copies:
    """The node's side of every slot that it holds a copy of. `links` and `obey` are set first."""

    def __init__(
        self,
        me: Copy,
        slots: dict[int, Slot],
        nodes: Mapping[str, ProcessRecord],
        slot_map: SlotMap,
        clock: Clock,
    ) -> None:
        """Args: slots: those held here. nodes, slot_map: live."""
        self.links: Links
        self.obey: Callable[[Slot, Ready], None]
        self.counts = CopiesCounts()
        self.beats = Beats()
        self.failovers = Failovers()
        self.gray = Gray()
        self.room = Room(RoomLimits())
        self.usage = AppUsage(slot_map.slots)  # replaced by the wiring: that of the engine
        self.syncing_ms: Callable[[], int] = lambda: 0  # of the sync that is under way
        self.hurry: Callable[[], None] = lambda: None  # `elect` has news
        self._me = me
        self._slots = slots
        self._nodes = nodes
        self._slot_map = slot_map
        self._clock = clock
        self._elections = Elections(me.storage, me.leader)
        self._known: dict[str, ProcessRecord] = {}
        self._node_of: dict[str, str] = {}
        self._busy: set[int] = set()
        self._stirred: set[int] = set()  # led slots that did something since the last beat
        self._news: dict[int, tuple[int, int, int]] = {}  # slot → (term, commit, since ms)
        self._beat_ms = clock.monotonic_ms()
        self._has_beaten = False
        self._ask_until_ms = self._asked_ms = 0
        self._looked_ms = 0
        self._looked_at: tuple[object, ...] = ()  # what the last look depended on, beside the slots
        self._encoded: tuple[Mail, bytes] | None = None
        self.nodes_changed()

    # --- nodes and links

    def nodes_changed(self) -> None:
        """Another set of registered nodes."""
        self._known.update(self._nodes)
        self._node_of = {record.storage_id: name for name, record in self._known.items()}
        self._looked_ms = 0

    def forget(self, name: str) -> None:
        """It is no node of the cluster any more: its silence means nothing."""
        self._known.pop(name, None)
        self.beats.forget(name)
        self.usage.forget_node(name)
        self.nodes_changed()

    def others(self) -> list[str]:
        """Names of all other nodes."""
        return [name for name in self._known if name != self._me.leader.node]

    def unheard(self) -> list[str]:
        """Names of the other nodes from which nothing came lately."""
        suspects = self.beats.suspects(self._clock.monotonic_ms())
        return sorted(n for n in self.others() if n in suspects or n not in self.beats)

    def storages_heard(self) -> frozenset[str]:
        """The copies whose node was heard lately, this one's too."""
        silent = self.unheard()
        return frozenset(s for s, name in self._node_of.items() if name not in silent)

    def storages_gray(self) -> frozenset[str]:
        """The copies whose node lives and is too slow to lead; not this one's."""
        return self._storages_of(self.beats.gray(self._clock.monotonic_ms()))

    def storages_crowded(self) -> frozenset[str]:
        """The copies whose disk has no room for one more."""
        return self._storages_of(self.beats.crowded())

    def peer_up(self, name: str) -> None:
        """A link to a node is new."""
        now = self._now()
        self.beats.up(name, now.mono_ms)
        self.usage.up(name)
        self._ask_until_ms = now.mono_ms + _ASK_AGAIN_FOR_MS
        record = self._known.get(name)
        if record is not None:
            for slot in list(self._slots.values()):
                if slot.replica.is_leading:
                    self.run(slot, slot.peer_up, record.storage_id, now)

    def peer_down(self, name: str) -> None:
        """The link to a node broke."""
        self.beats.down(name)
        self.beat()
        self.hurry()

    def may_read(self, slot: Slot) -> bool:
        """This follower knows what its leader has committed, as of less than `SUSPECT_MS` ago.

        So a right that was taken away is gone here as well after that time and a beat.
        """
        replica = slot.replica
        record = replica.record
        if replica.role is not Role.FOLLOWER or not replica.is_ok or replica.install_from:
            return False
        if record is None or record.leader is None or record.term != replica.promise.term:
            return False
        leader = record.leader
        is_heard = (leader.node, leader.boot_id) in self.beats.heard_of(self._clock.monotonic_ms())
        return is_heard and slot.applied >= replica.commit

    # --- mail

    def send(self, slot: int, mails: Sequence[Mail]) -> None:
        """To other copies of a slot."""
        for mail in mails:
            self.counts.mails_total += 1
            node = self._node_of.get(mail.to, "")
            send = self.links.send
            if isinstance(mail.body, Append | Tail):
                send = self.links.send_windowed
            if not node or not send(node, self._encode(slot, mail)):
                self.counts.mails_dropped_total += 1

    def _encode(self, slot: int, mail: Mail) -> bytes:
        """The message; two followers in step get the same bytes."""
        known = self._encoded
        if known is not None and known[0].body is mail.body:
            return known[1]
        data = encode_message(
            KIND_OF[type(mail.body)], encode_pack(mail.body), slot=slot, term=mail.term
        )
        self._encoded = mail, data
        return data

    def receive(self, peer: str, message: Message) -> None:
        """A message of another node. Raises msgspec.MsgspecError for a malformed one."""
        self.counts.received_total += 1
        if message.type == Kind.NODE_BEAT:
            self._heard(peer, decode_pack(message.body, NodeBeat))
            return
        body = decode_pack(message.body, SHAPE_OF[message.type])
        if self._node_of.get(body.storage) != peer:
            self.counts.foreign_total += 1
            return
        slot = self._slots.get(message.slot)
        if slot is not None:
            self.run(slot, slot.receive, message.term, body, self._now())

    def _heard(self, peer: str, beat: NodeBeat) -> None:
        now = self._now()
        self.counts.beats_total += 1
        self.usage.heard(peer, beat)
        if self.beats.heard(peer, beat, now.mono_ms, now.wall_ms):
            self.hurry()
        for number, term, commit in beat.commits:
            slot = self._slots.get(number)
            if slot is not None and slot.replica.commit < commit:
                self.run(slot, slot.hear_commit, term, beat.boot_id, commit, now)

    def run(self, slot: Slot, step: Callable[..., Ready], *arguments: Any) -> None:
        """One step of a slot, obeyed; rule 4."""
        was_leading, was_failed = slot.is_active, bool(slot.replica.failure)
        was_trying = slot.replica.is_leading
        try:
            ready = step(*arguments)
        except (FeatureFailed, BrokenChain, StoreError) as error:
            ready = slot.fail(str(error))
        self._obey(slot, ready)
        if slot.replica.is_leading != was_trying:
            self._looked_ms = 0
        if slot.is_active != was_leading:
            self.counts.terms_begun_total += not was_leading
            self.counts.stepped_down_total += was_leading
            if slot.is_active:
                term, now_ms = slot.replica.term, self._clock.monotonic_ms()
                self.counts.failovers_total += self.failovers.began(slot.number, term, now_ms)
        if slot.replica.failure and not was_failed:
            self.counts.slots_failed_total += 1
            _log.error("slot.failed", slot=slot.number, reason=slot.replica.failure)

    def unreadable(self, slot: Slot, error: StoreError) -> None:
        """Rows of a slot cannot be read here: where there are other copies, one of them is to lead.

        A lone copy serves what can be read.
        """
        _log.error("store.read_failed", slot=slot.number, error=str(error))
        record = slot.replica.record
        if record is not None and len(record.members) > 1:
            self.run(slot, slot.fail, str(error))

    def _obey(self, slot: Slot, ready: Ready) -> None:
        self.obey(slot, ready)
        self.note(slot)

    def note(self, slot: Slot) -> None:
        """A slot did something: others may have to hear of it, or to be asked again."""
        if slot.is_active:
            self._stirred.add(slot.number)
            if slot.replica.is_lone:
                return  # it waits for nobody
        if slot.is_busy:
            self._busy.add(slot.number)

    # --- time

    @property
    def is_busy(self) -> bool:
        """Time matters for some slot, or one has no leader: tick more often than beats need."""
        return bool(self._busy) or self._elections.is_waiting

    def tick(self) -> None:
        """Once in BEAT_MS or more often: beat if it is time, and slots for which time matters."""
        now = self._now()
        if now.mono_ms - self._beat_ms >= BEAT_MS - _EARLY_MS:
            self.beat()
        busy, self._busy = self._busy, set()
        for number in busy:
            slot = self._slots.get(number)
            if slot is not None:
                self.run(slot, slot.tick, now)

    def beat(self) -> None:
        """Every BEAT_MS: tell the others, and give up what is led without a majority."""
        now_ms = self._clock.monotonic_ms()
        self._look_at_myself(now_ms)
        self._beat_ms = now_ms
        commits = self._commits(now_ms)
        others, gray = self.others(), self.gray
        usage, report = self.usage, self.usage.report()
        usage.suspected = self.beats.suspects(now_ms)
        for name in others:
            if name in self.beats:
                beat = self.beats.make(
                    name,
                    self._me.leader.boot_id,
                    commits,
                    now_ms,
                    fsync_us=gray.fsync_us,
                    is_gray=gray.is_gray,
                    wall_ms=self._clock.wall_ms(),
                    is_clock_off=gray.is_clock_off,
                    has_room=self.room.level < Level.NO_MOVES,
                    led=usage.led_count,
                    usage=report,
                )
                usage.sent(name, beat.n)
                self.links.send(name, encode_message(Kind.NODE_BEAT, encode_pack(beat)))
        if now_ms < self._ask_until_ms and now_ms - self._asked_ms >= _ASK_AGAIN_MS:
            self._asked_ms = now_ms
            self._ask_again()
        near = self.beats.in_contact(QUORUM_LOST_MS, now_ms)
        if any(name not in near for name in others):
            self._give_up_lone(near)

    def _look_at_myself(self, now_ms: int) -> None:
        """Rule 5. Before the first beat nothing was due: a start takes its time."""
        late_ms = now_ms - self._beat_ms - BEAT_MS if self._has_beaten else 0
        self._has_beaten = True
        peers_us = self.beats.fsyncs_us(now_ms)
        gray = self.gray
        was_off, ahead_ms = gray.is_clock_off, self.beats.clock_ahead_ms(now_ms)
        has_changed = gray.look(
            now_ms,
            syncing_ms=self.syncing_ms(),
            late_ms=late_ms,
            peers_us=peers_us,
            ahead_ms=ahead_ms,
            is_full=self.room.level is Level.FULL,
        )
        if gray.is_clock_off:
            self._lead_nothing()
        if gray.is_clock_off != was_off:
            tell = _log.error if gray.is_clock_off else _log.info
            tell("node.clock_off" if gray.is_clock_off else "node.clock_right", ahead_ms=ahead_ms)
        if has_changed:
            tell = _log.warning if gray.is_gray else _log.info
            event = "node.gray" if gray.is_gray else "node.well"
            tell(event, fsync_us=gray.fsync_us, peers_us=peers_us, late_ms=late_ms)

    def _lead_nothing(self) -> None:
        """The clock is wrong: the others take over, and this node tries for nothing."""
        for slot in list(self._slots.values()):
            if slot.replica.is_leading:
                self.run(slot, slot.step_down)

    def _ask_again(self) -> None:
        """Rule 2, of slots whose time does not matter; the others are ticked."""
        now, heard = self._now(), self.storages_heard() - {self._me.storage}
        for slot in list(self._slots.values()):
            if not slot.is_active or slot.is_busy:
                continue
            for storage in heard:
                if slot.replica.lag(storage) is None:
                    self.run(slot, slot.peer_up, storage, now)

    def _commits(self, now_ms: int) -> tuple[tuple[int, int, int], ...]:
        """Commits of led slots that changed lately."""
        news, stirred = self._news, self._stirred
        for number in stirred:
            slot = self._slots.get(number)
            if slot is None:
                continue
            replica = slot.replica
            known = news.get(number)
            if known is None or known[:2] != (replica.term, replica.commit):
                news[number] = (replica.term, replica.commit, now_ms)
        stirred.clear()
        for number in [n for n, row in news.items() if now_ms - row[2] > _COMMIT_NEWS_MS]:
            del news[number]
        return tuple((number, term, commit) for number, (term, commit, _) in news.items())

    def _give_up_lone(self, near: frozenset[str]) -> None:
        """Rule 7 of the replica for slots where nothing is under way."""
        storages = {self._me.storage}
        storages.update(self._known[name].storage_id for name in near if name in self._known)
        for slot in list(self._slots.values()):
            record = slot.replica.record
            if slot.is_active and record is not None:
                held = sum(storage in storages for storage in record.members)
                if held <= len(record.members) // 2:
                    _log.warning("slot.majority_lost", slot=slot.number)
                    self.run(slot, slot.step_down)

    def keep_time(self) -> None:
        """Before anything is read: a process that was stopped must not believe it still leads."""
        if self._clock.monotonic_ms() - self._beat_ms > SUSPECT_MS:
            self.beat()

    # --- elections

    def elect(self) -> list[Takeover]:
        """Slots to take over now."""
        now_ms = self._clock.monotonic_ms()
        if self.gray.is_clock_off:
            return []
        condemned = self.beats.condemned(self.others(), now_ms)
        gray = self.beats.gray(now_ms)
        replaced = self.beats.clock_off(now_ms) if self.gray.is_gray else gray
        me = self._me
        alive = self.beats.heard_of(now_ms) | {
            (name, record.boot_id)
            for name, record in self._nodes.items()
            if name not in condemned and name != me.leader.node
        }
        looks_at = self._slot_map.revision, alive, condemned, replaced
        is_quiet = looks_at == self._looked_at and not self._elections.is_waiting
        if is_quiet and now_ms - self._looked_ms < _LOOK_MS:
            return []
        self._looked_ms, self._looked_at = now_ms, looks_at
        leaders = {
            self._known[name].storage_id: Leader(name, boot_id)
            for name, boot_id in sorted(alive)
            if name in self._known
        }
        living = Living(
            frozenset({*leaders, me.storage}),
            frozenset({*alive, (me.leader.node, me.leader.boot_id)}),
            condemned,
            self._storages_of(gray) | ({self._me.storage} if self.gray.is_gray else frozenset()),
            replaced,
            leaders,
        )
        wanted = self._elections.wanted(
            self._records(), living, self._is_leading, now_ms, self._is_whole
        )
        wanted.sort(key=lambda one: -self._slots[one.slot].meta.ts_ms)
        self.counts.elections_total += len(wanted)
        for slot, record, _ in wanted:
            before = self._slot_map.leader_of(slot)
            self.failovers.tried(slot, record.term, before, self._me.leader, now_ms)
        return wanted

    def _storages_of(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(self._known[name].storage_id for name in names if name in self._known)

    def _records(self) -> Iterable[tuple[int, SlotRecord, int]]:
        slot_map = self._slot_map
        for number in self._slots:
            record = slot_map.record_of(number)
            if record is not None:
                yield number, record, slot_map.revision_of(number)

    def _is_whole(self, number: int) -> bool:
        slot = self._slots.get(number)
        return slot is not None and slot.replica.is_ok

    def _is_leading(self, number: int) -> bool:
        slot = self._slots.get(number)
        return slot is not None and slot.replica.is_leading

    def _now(self) -> Now:
        return Now(self._clock.wall_ms(), self._clock.monotonic_ms())
