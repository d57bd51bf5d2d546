"""What clients asked and what readers got, judged: is it a history of one log per channel? Pure.

Rules:
1. It trusts nobody but the recorders: an `Operation` is one request with its answer, a `View` is
   what one reader got of one channel. The first final view of a channel is the truth about it
   (the first whole one, if there is any).
2. A cmid names one message of its channel; its operations are the attempts. What was answered
   UNKNOWN may be stored or not; what was only ever REJECTED must not be.
3. Times are of one clock that all recorders share, in any unit. Equal times are concurrent.
4. Every check is O(n log n). A channel with operations and no final view is a ValueError: silence
   about it would prove nothing.

What registers hold (read marks, membership) is the business of `linearizability`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from math import inf
from typing import Final, NamedTuple

EXAMPLES_PER_KIND: Final = 5  # the first ones tell the story; the counts tell the rest


class Outcome(Enum):
    """What the client knows of its request."""

    ACKED = "acked"
    REJECTED = "rejected"  # definitely not stored
    UNKNOWN = "unknown"


class Operation(NamedTuple):
    """One attempt to store one message. `seq` and `ts` are those of the acknowledgement."""

    client: str
    channel: str
    cmid: str
    sent_at: float
    outcome: Outcome = Outcome.UNKNOWN
    ended_at: float = inf
    seq: int = 0
    ts: int = 0  # 0: not known


class Seen(NamedTuple):
    """One numbered event. `cmid` is empty for what no recorded operation made."""

    seq: int
    cmid: str
    ts: int = 0  # 0: not known


class View(NamedTuple):
    """What a reader got of one channel, in the order in which it came: pages, or a live stream.

    `after`, `upto`: it claims to hold every event above the one, up to the other (None: its last).
    `is_whole`: False for a selection, as messages without other events: no claim then.
    `is_final`: read from the log after everything was answered; all final views must be equal.
    `asked_at`: when the head was asked for; -inf where it was not (a stream, a page in the middle).
    """

    reader: str
    channel: str
    events: Sequence[Seen]
    after: int = 0
    upto: int | None = None
    is_whole: bool = True
    is_final: bool = False
    asked_at: float = -inf
    got_at: float = inf

    @property
    def head(self) -> int:
        """The last seq that this view speaks of."""
        if self.upto is not None:
            return self.upto
        return max((event.seq for event in self.events), default=self.after)


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # acknowledged, not in the log
    MOVED = "moved"  # acknowledged with another seq or time than the log has
    DUPLICATED = "duplicated"  # one cmid at two places, or one event twice in a view
    PHANTOM = "phantom"  # nobody sent it
    REJECTED_BUT_PRESENT = "rejected but present"
    REORDERED = "reordered"  # a view has a seq after a higher one
    GAP = "gap"  # a view lacks a seq of those it claims
    VANISHED = "vanished"  # seen live, not in the log: it was never committed
    DIVERGED = "diverged"  # two views have different events at one seq
    TIME_FELL = "time fell"  # a later seq with an earlier ts
    REAL_TIME = "real time"  # acknowledged before another was sent, and yet not before it
    WENT_BACK = "went back"  # a session read an older head than it had seen or written
    RETRY_DIFFERS = "retry differs"  # two acknowledgements of one cmid disagree


@dataclass
class Report:
    """The findings; anything counted in `found` is a defect."""

    acked: int = 0  # messages, not attempts
    unknown: int = 0
    rejected: int = 0
    stored: int = 0
    found: Counter[Kind] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.found

    def add(self, kind: Kind, story: str) -> None:
        """Count one defect; the first few of a kind are kept as examples."""
        self.found[kind] += 1
        if self.found[kind] <= EXAMPLES_PER_KIND:
            self.examples.append(f"{kind}: {story}")

    def __str__(self) -> str:
        defects = ", ".join(f"{kind} {count}" for kind, count in self.found.items())
        return (
            f"{self.acked} acknowledged, {self.unknown} unknown, {self.rejected} rejected, "
            f"{self.stored} stored: {defects or 'clean'}"
        )


class _Message:
    """The attempts of one cmid, together."""

    __slots__ = ("acked_at", "client", "cmid", "outcome", "sent_at", "seq", "ts")

    def __init__(self, attempt: Operation) -> None:
        self.client = attempt.client
        self.cmid = attempt.cmid
        self.sent_at = attempt.sent_at
        self.outcome = attempt.outcome
        is_acked = attempt.outcome is Outcome.ACKED
        self.acked_at = attempt.ended_at if is_acked else inf
        self.seq, self.ts = (attempt.seq, attempt.ts) if is_acked else (0, 0)

    def add(self, attempt: Operation) -> bool:
        """Take a further attempt; False if its acknowledgement contradicts an earlier one."""
        self.sent_at = min(self.sent_at, attempt.sent_at)
        if attempt.outcome is not Outcome.ACKED:
            # One unknown attempt may have stored it, whatever the others were told.
            if self.outcome is Outcome.REJECTED:
                self.outcome = attempt.outcome
            return True
        if self.outcome is Outcome.ACKED:
            self.acked_at = min(self.acked_at, attempt.ended_at)
            return self.seq == attempt.seq and _agree(self.ts, attempt.ts)
        self.outcome, self.acked_at = Outcome.ACKED, attempt.ended_at
        self.seq, self.ts = attempt.seq, attempt.ts
        return True


_Messages = dict[str, _Message]


def check(operations: Iterable[Operation], views: Iterable[View]) -> Report:
    """Everything that is wrong with a history. Raises ValueError as rule 4 says."""
    report = Report()
    messages = _by_channel(operations, report)
    by_channel: defaultdict[str, list[View]] = defaultdict(list)
    for view in views:
        by_channel[view.channel].append(view)
    for channel in sorted(messages.keys() | by_channel.keys()):
        seen = by_channel[channel]
        final = [view for view in seen if view.is_final]
        truth = next((view for view in final if view.is_whole), final[0] if final else None)
        if truth is None:
            raise ValueError(f"{channel}: nobody read it to its end: no view of it is final")
        _Channel(channel, messages.get(channel, {}), truth, report).check(seen)
    return report


def _by_channel(operations: Iterable[Operation], report: Report) -> dict[str, _Messages]:
    channels: defaultdict[str, _Messages] = defaultdict(dict)
    for attempt in operations:
        messages = channels[attempt.channel]
        known = messages.get(attempt.cmid)
        if known is None:
            messages[attempt.cmid] = _Message(attempt)
        elif not known.add(attempt):
            was, now = (known.seq, known.ts), (attempt.seq, attempt.ts)
            story = f"{attempt.channel}: {attempt.cmid} was {was}, then {now}"
            report.add(Kind.RETRY_DIFFERS, story)
    return channels


class _Channel:
    """The checks of one channel."""

    def __init__(self, name: str, messages: _Messages, truth: View, report: Report) -> None:
        self._name = name
        self._messages = messages
        self._truth = truth
        self._report = report
        self._at = {event.seq: event for event in truth.events}
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for event in self._at.values():
            if event.cmid:
                self._places[event.cmid].append(event.seq)
        self._blamed: set[str] = set()  # a cmid that should not exist is told once

    def check(self, views: Sequence[View]) -> None:
        self._report.stored += len(self._places)
        for view in views:
            self._check_view(view)
            if view is not self._truth:
                self._compare(view)
        for message in self._messages.values():
            self._check_message(message)
        for cmid, places in self._places.items():
            if len(places) > 1:
                self._add(Kind.DUPLICATED, f"{cmid} is at {places}")
        self._check_times()
        self._check_real_time()
        self._check_sessions(views)

    # --- what stands in a view

    def _check_view(self, view: View) -> None:
        """Its order, its holes, and whether what it shows may exist at all."""
        highest, seqs = view.after, set[int]()
        for event in view.events:
            if event.seq in seqs:
                self._add(Kind.DUPLICATED, f"{view.reader} got seq {event.seq} twice")
            elif event.seq <= highest:
                self._add(Kind.REORDERED, f"{view.reader} got {event.seq} after {highest}")
            seqs.add(event.seq)
            highest = max(highest, event.seq)
            self._check_allowed(view, event)
        if view.is_whole:
            for first, last in _holes(sorted(seqs), view.after, view.head):
                self._add(Kind.GAP, f"{view.reader} has no seq {first} to {last}")

    def _check_allowed(self, view: View, event: Seen) -> None:
        if not event.cmid or event.cmid in self._blamed:
            return
        message = self._messages.get(event.cmid)
        if message is None:
            kind = Kind.PHANTOM
        elif message.outcome is Outcome.REJECTED:
            kind = Kind.REJECTED_BUT_PRESENT
        else:
            return
        self._blamed.add(event.cmid)
        self._add(kind, f"{event.cmid} at seq {event.seq} of {view.reader}")

    def _compare(self, view: View) -> None:
        """A view shows the truth, or a part of it."""
        for event in view.events:
            there = self._at.get(event.seq)
            if there is None:
                is_claimed = self._truth.is_whole and event.seq > self._truth.after
                if is_claimed and event.cmid not in self._blamed:
                    self._add(Kind.VANISHED, f"{view.reader} got seq {event.seq} ({event.cmid})")
            elif there.cmid != event.cmid or not _agree(there.ts, event.ts):
                self._add(Kind.DIVERGED, f"{view.reader} has {event}, the log {there}")
        if view.is_final and view.is_whole and view.head < self._truth.head:
            self._add(Kind.DIVERGED, f"{view.reader} ends at {view.head}, not {self._truth.head}")

    # --- what the senders know

    def _check_message(self, message: _Message) -> None:
        report, places = self._report, self._places.get(message.cmid, ())
        if message.outcome is Outcome.UNKNOWN:
            report.unknown += 1
        elif message.outcome is Outcome.REJECTED:
            report.rejected += 1
        else:
            report.acked += 1
            story = f"{message.cmid} of {message.client}, acknowledged as {message.seq}"
            if not places:
                self._add(Kind.LOST, story)
            elif message.seq not in places:
                self._add(Kind.MOVED, f"{story}, is at {places}")
            elif not _agree(message.ts, self._at[message.seq].ts):
                self._add(Kind.MOVED, f"{story}, ts {message.ts}, is {self._at[message.seq]}")

    def _check_times(self) -> None:
        """Later in the log is not earlier by the log's own time."""
        latest = 0
        for seq in sorted(self._at):
            ts = self._at[seq].ts
            if ts and ts < latest:
                self._add(Kind.TIME_FELL, f"seq {seq} has {ts} after {latest}")
            latest = max(latest, ts)

    def _check_real_time(self) -> None:
        """Whatever was acknowledged before another was sent stands before it."""
        acked = [m for m in self._messages.values() if m.outcome is Outcome.ACKED]
        acked.sort(key=lambda message: message.acked_at)
        stored = [
            m
            for m in self._messages.values()
            if m.outcome is not Outcome.REJECTED and self._seq_of(m)
        ]
        stored.sort(key=lambda message: message.sent_at)
        done, last = 0, None
        for message in stored:
            while done < len(acked) and acked[done].acked_at < message.sent_at:
                if last is None or acked[done].seq > last.seq:
                    last = acked[done]
                done += 1
            seq = self._seq_of(message)
            if last is not None and last.seq >= seq:
                self._add(
                    Kind.REAL_TIME,
                    f"{last.cmid} got {last.seq} before {message.cmid} was sent, which got {seq}",
                )

    def _seq_of(self, message: _Message) -> int:
        """Where it is: as acknowledged, else as stored, else 0."""
        if message.outcome is Outcome.ACKED:
            return message.seq
        return min(self._places.get(message.cmid, ()), default=0)

    def _check_sessions(self, views: Sequence[View]) -> None:
        """No session reads an older head than it saw, or wrote, before it asked."""
        known: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        asked: defaultdict[str, list[View]] = defaultdict(list)
        for message in self._messages.values():
            if message.outcome is Outcome.ACKED:
                known[message.client].append((message.acked_at, message.seq))
        for view in views:
            if view.got_at < inf:
                known[view.reader].append((view.got_at, view.head))
            if view.asked_at > -inf:
                asked[view.reader].append(view)
        for reader, reads in asked.items():
            for view, floor in _floors(reads, known.get(reader, [])):
                if view.head < floor:
                    story = f"{reader} was answered with head {view.head}, and knew of {floor}"
                    self._add(Kind.WENT_BACK, story)

    def _add(self, kind: Kind, story: str) -> None:
        self._report.add(kind, f"{self._name}: {story}")


def _agree(one: int, other: int) -> bool:
    """Two times, either of which may be unknown."""
    return not one or not other or one == other


def _holes(seqs: Sequence[int], after: int, upto: int) -> Iterator[tuple[int, int]]:
    """First and last seq of each stretch between `after` and `upto` that is not there."""
    before = after
    for seq in [*seqs, upto + 1]:
        if seq > before + 1:
            yield before + 1, seq - 1
        before = max(before, seq)


def _floors(
    reads: Sequence[View], known: Sequence[tuple[float, int]]
) -> Iterator[tuple[View, int]]:
    """Each read with the highest seq that its session knew of before it asked."""
    facts, done, floor = sorted(known), 0, 0
    for view in sorted(reads, key=lambda view: view.asked_at):
        while done < len(facts) and facts[done][0] < view.asked_at:
            floor = max(floor, facts[done][1])
            done += 1
        yield view, floor
