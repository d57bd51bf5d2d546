"""The checker is silent about clean histories, and finds each fault that is planted into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.history import (
    EXAMPLES_PER_KIND,
    Kind,
    Operation,
    Outcome,
    Report,
    Seen,
    View,
    check,
)

CHANNELS = ("group:one", "group:two")
CLIENTS = ("ann", "bob", "cat")
MESSAGES = 60
STREAM, AUDITOR = "stream", "auditor"


@dataclass
class History:
    """A history that a log could have, until somebody changes it."""

    operations: list[Operation] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    def check(self) -> Report:
        return check(self.operations, self.views)

    def view(self, reader: str, channel: str = CHANNELS[0]) -> int:
        """Where the view of a reader is."""
        wanted = (reader, channel)
        return next(n for n, view in enumerate(self.views) if (view.reader, view.channel) == wanted)

    def log(self) -> list[Seen]:
        return list(self.views[self.view(AUDITOR)].events)

    def acked(self) -> list[Operation]:
        """First acknowledgements in the first channel, by seq."""
        first = {op.cmid: op for op in reversed(self.operations) if op.outcome is Outcome.ACKED}
        return sorted((o for o in first.values() if o.channel == CHANNELS[0]), key=lambda o: o.seq)

    def change_event(self, seq: int, **changes: str | int) -> None:
        """In every view of the first channel."""
        for n, view in enumerate(self.views):
            if view.channel == CHANNELS[0]:
                events = [
                    e._replace(**changes) if e.seq == seq else e  # type: ignore[arg-type]
                    for e in view.events
                ]
                self.views[n] = view._replace(events=events)

    def change_acks(self, cmid: str, **changes: int) -> None:
        self.operations = [
            op._replace(**changes)  # type: ignore[arg-type]
            if op.cmid == cmid and op.outcome is Outcome.ACKED
            else op
            for op in self.operations
        ]

    def edit(self, reader: str, change: Callable[[list[Seen]], None]) -> None:
        """Change what one reader got."""
        n = self.view(reader)
        events = list(self.views[n].events)
        change(events)
        self.views[n] = self.views[n]._replace(events=events)


def clean(seed: int, messages: int = MESSAGES) -> History:
    """Overlapping requests, retries, refusals, unknown outcomes; each stored within its request."""
    random, history = Random(seed), History()
    for channel in CHANNELS:
        attempts = [_attempts(random, channel, n) for n in range(messages)]
        history.operations += [attempt for _, tries in attempts for attempt in tries]
        committed = sorted((at, tries) for at, tries in attempts if at < inf)
        log = [Seen(1, "", 1)]
        log += [Seen(n, tries[0].cmid, int(at) + 1) for n, (at, tries) in enumerate(committed, 2)]
        place = {event.cmid: event for event in log}
        history.operations = [
            op._replace(seq=place[op.cmid].seq, ts=place[op.cmid].ts)
            if op.channel == channel and op.outcome is Outcome.ACKED
            else op
            for op in history.operations
        ]
        history.views += _views(random, channel, log, [at for at, _ in committed])
    random.shuffle(history.operations)
    return history


def _attempts(random: Random, channel: str, n: int) -> tuple[float, list[Operation]]:
    """When it was stored (inf: never), and the tries of one message."""
    began, cmid = random.uniform(0, 100), f"{channel}-{n}"
    first = Operation(random.choice(CLIENTS), channel, cmid, began)
    ended = began + random.expovariate(0.5)
    again = first._replace(sent_at=ended + 0.5)
    acked = Outcome.ACKED
    match random.choices(
        ["acked", "unknown", "never", "rejected", "retried", "doubted", "late"],
        [80, 3, 3, 4, 4, 3, 3],
    )[0]:
        case "acked":
            done = [first._replace(outcome=acked, ended_at=ended)]
        case "unknown":  # stored, perhaps long afterwards, and nobody was told
            return random.uniform(began, 120), [first]
        case "never":
            return inf, [first]
        case "rejected":
            return inf, [first._replace(outcome=Outcome.REJECTED, ended_at=ended)]
        case "retried":  # acknowledged twice, the same
            done = [first._replace(outcome=acked, ended_at=ended)]
            done += [again._replace(outcome=acked, ended_at=ended + 1)]
        case "doubted":  # the answer came to the second try only
            done = [first, again._replace(outcome=acked, ended_at=ended + 1)]
            ended += 1
        case _:  # refused first, then taken
            done = [first._replace(outcome=Outcome.REJECTED, ended_at=ended)]
            done += [again._replace(outcome=acked, ended_at=ended + 1)]
            began, ended = again.sent_at, ended + 1
    return random.uniform(began, ended), done


def _views(random: Random, channel: str, log: list[Seen], times: list[float]) -> Iterator[View]:
    """The log twice, a stream from somewhere, a selection, and pages that sessions asked for."""
    yield View(AUDITOR, channel, log, is_final=True)
    yield View("replica", channel, log, is_final=True)
    start = random.randrange(len(log) // 2)
    yield View(STREAM, channel, log[start:], after=start)
    some = [event for event in log if random.random() < 0.5]
    yield View("selection", channel, some, is_whole=False)
    for _ in range(10):
        asked_at = random.uniform(0, 130)
        got_at = asked_at + random.expovariate(1)
        served_at = random.uniform(asked_at, got_at)
        head = 1 + sum(at <= served_at for at in times)
        after = random.randrange(head)
        yield View(
            random.choice(CLIENTS),
            channel,
            log[after:head],
            after=after,
            upto=head,
            asked_at=asked_at,
            got_at=got_at,
        )


# --- mutations


def lose(history: History, random: Random) -> set[Kind]:
    history.change_event(random.choice(history.acked()).seq, cmid="")
    return {Kind.LOST}


def lose_the_end(history: History, random: Random) -> set[Kind]:
    """The log is cut behind; the stream had shown it. What `point_in_time` recovery does."""
    last = history.acked()[-1].seq
    for reader in (AUDITOR, "replica"):
        history.edit(reader, lambda events: events.__delitem__(slice(last - 1, None)))
    return {Kind.LOST, Kind.VANISHED}


def acknowledge_another_seq(history: History, random: Random) -> set[Kind]:
    op = random.choice(history.acked())
    free = len(history.log()) + 1
    history.change_acks(op.cmid, seq=free)
    return {Kind.MOVED}


def acknowledge_another_time(history: History, random: Random) -> set[Kind]:
    op = random.choice(history.acked())
    history.change_acks(op.cmid, ts=op.ts + 1)
    return {Kind.MOVED}


def store_twice(history: History, random: Random) -> set[Kind]:
    again = random.choice(history.acked())
    for reader in (AUDITOR, "replica"):
        history.edit(reader, lambda events: events.append(Seen(events[-1].seq + 1, again.cmid)))
    return {Kind.DUPLICATED}


def deliver_twice(history: History, random: Random) -> set[Kind]:
    history.edit(STREAM, lambda events: events.insert(-3, events[-5]))
    return {Kind.DUPLICATED}


def invent(history: History, random: Random) -> set[Kind]:
    history.change_event(1, cmid="nobody's")
    return {Kind.PHANTOM}


def invent_live(history: History, random: Random) -> set[Kind]:
    history.edit(STREAM, lambda events: events.append(Seen(events[-1].seq + 1, "nobody's")))
    return {Kind.PHANTOM}


def store_what_was_rejected(history: History, random: Random) -> set[Kind]:
    cmid = "refused"
    history.operations.append(Operation("ann", CHANNELS[0], cmid, 50, Outcome.REJECTED, 51))
    history.change_event(1, cmid=cmid)
    return {Kind.REJECTED_BUT_PRESENT}


def swap_in_stream(history: History, random: Random) -> set[Kind]:
    def swap(events: list[Seen]) -> None:
        n = random.randrange(len(events) - 1)
        events[n], events[n + 1] = events[n + 1], events[n]

    history.edit(STREAM, swap)
    return {Kind.REORDERED}


def skip_in_stream(history: History, random: Random) -> set[Kind]:
    history.edit(STREAM, lambda events: events.__delitem__(random.randrange(len(events) - 1)))
    return {Kind.GAP}


def skip_at_the_start(history: History, random: Random) -> set[Kind]:
    history.edit(STREAM, lambda events: events.__delitem__(0))
    return {Kind.GAP}


def end_before_the_head(history: History, random: Random) -> set[Kind]:
    n = history.view(STREAM)
    history.views[n] = history.views[n]._replace(upto=len(history.log()))
    history.edit(STREAM, lambda events: events.__delitem__(-1))
    return {Kind.GAP}


def show_what_was_never_committed(history: History, random: Random) -> set[Kind]:
    history.operations.append(Operation("ann", CHANNELS[0], "in doubt", 110))
    history.edit(STREAM, lambda events: events.append(Seen(events[-1].seq + 1, "in doubt")))
    return {Kind.VANISHED}


def diverge(history: History, random: Random) -> set[Kind]:
    one, other = random.sample(history.acked(), 2)

    def replace(events: list[Seen]) -> None:
        events[one.seq - 1] = events[one.seq - 1]._replace(cmid=other.cmid)

    history.edit("replica", replace)
    return {Kind.DIVERGED}


def end_a_replica_early(history: History, random: Random) -> set[Kind]:
    history.edit("replica", lambda events: events.__delitem__(-1))
    return {Kind.DIVERGED}


def turn_the_clock_back(history: History, random: Random) -> set[Kind]:
    late = [op for op in history.acked() if op.ts > 2]
    op = random.choice(late)
    history.change_event(op.seq, ts=1)
    history.change_acks(op.cmid, ts=1)
    return {Kind.TIME_FELL}


def answer_before_and_store_behind(history: History, random: Random) -> set[Kind]:
    """Two messages change places, the one acknowledged before the other was sent."""
    acked = history.acked()
    one, other = random.choice(
        [
            (a, b)
            for a in acked
            for b in acked
            if a.ended_at < b.sent_at and not _is_tried(history, b)
        ]
    )
    for was, now in ((one, other), (other, one)):
        history.change_acks(was.cmid, seq=now.seq, ts=now.ts)
    log = {event.seq: event for event in history.log()}
    history.change_event(one.seq, cmid=log[other.seq].cmid)
    history.change_event(other.seq, cmid=log[one.seq].cmid)
    return {Kind.REAL_TIME}


def _is_tried(history: History, op: Operation) -> bool:
    """Whether it was tried more than once."""
    return sum(other.cmid == op.cmid for other in history.operations) > 1


def read_the_past(history: History, random: Random) -> set[Kind]:
    """A session does not find its own message at the head."""
    own = random.choice([op for op in history.acked() if op.seq > 2])
    head, at = own.seq - 1, own.ended_at
    view = View(own.client, own.channel, history.log()[:head], upto=head)
    history.views.append(view._replace(asked_at=at + 1, got_at=at + 2))
    return {Kind.WENT_BACK}


def read_less_than_before(history: History, random: Random) -> set[Kind]:
    """A session that wrote nothing reads a page, and then an older one."""
    log = history.log()
    for at, head in ((1.0, len(log)), (3.0, len(log) - 1)):
        view = View("guest", CHANNELS[0], log[:head], upto=head, asked_at=at, got_at=at + 1)
        history.views.append(view)
    return {Kind.WENT_BACK}


def answer_a_retry_otherwise(history: History, random: Random) -> set[Kind]:
    op = random.choice(history.acked())
    later = op._replace(sent_at=op.ended_at + 1, ended_at=op.ended_at + 2, seq=op.seq + 1)
    history.operations.append(later)
    return {Kind.RETRY_DIFFERS}


MUTATIONS = [
    lose,
    lose_the_end,
    acknowledge_another_seq,
    acknowledge_another_time,
    store_twice,
    deliver_twice,
    invent,
    invent_live,
    store_what_was_rejected,
    swap_in_stream,
    skip_in_stream,
    skip_at_the_start,
    end_before_the_head,
    show_what_was_never_committed,
    diverge,
    end_a_replica_early,
    turn_the_clock_back,
    answer_before_and_store_behind,
    read_the_past,
    read_less_than_before,
    answer_a_retry_otherwise,
]
# What a mutation may bring with it, seen from the sessions and the other acknowledgements.
ALSO = {
    acknowledge_another_seq: {Kind.REAL_TIME, Kind.WENT_BACK},
    answer_before_and_store_behind: {Kind.WENT_BACK},
    lose_the_end: {Kind.REAL_TIME},
}


@settings(max_examples=60)
@given(seed=st.integers(min_value=0))
def test_a_clean_history_is_clean(seed: int) -> None:
    report = clean(seed).check()
    assert report.is_clean, report.examples
    assert report.acked > MESSAGES
    assert report.acked + report.unknown + report.rejected == MESSAGES * len(CHANNELS)


def test_the_generator_has_everything_that_may_happen() -> None:
    history = clean(1)
    report = history.check()
    assert report.unknown > 0
    assert report.rejected > 0
    assert len({op.cmid for op in history.operations}) < len(history.operations), "no retries"
    overlapping = zip(history.acked(), history.acked()[1:], strict=False)
    assert any(after.sent_at < before.ended_at for before, after in overlapping)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_planted_fault_is_found_and_named(mutate: Callable[..., set[Kind]]) -> None:
    for seed in range(12):
        history = clean(seed)
        expected = mutate(history, Random(seed))
        report = history.check()
        found = set(report.found)
        assert expected <= found, f"seed {seed}: {report}"
        assert found <= expected | ALSO.get(mutate, set()), f"seed {seed}: {report.examples}"
        assert CHANNELS[0] in report.examples[0]


def test_every_kind_is_planted() -> None:
    planted = [mutate(clean(1), Random(1)) for mutate in MUTATIONS]
    assert set().union(*planted) == set(Kind)


def test_a_channel_that_nobody_read_to_its_end_is_an_error() -> None:
    history = clean(1)
    history.views = [view._replace(is_final=False) for view in history.views]
    with pytest.raises(ValueError, match="group:one: nobody read it to its end"):
        history.check()


def test_a_message_that_was_once_in_doubt_may_be_stored_although_it_was_refused_later() -> None:
    tries = [
        Operation("ann", "group:x", "a", 1),
        Operation("ann", "group:x", "a", 2, Outcome.REJECTED, 3),
    ]
    log = View("log", "group:x", [Seen(1, "a")], is_final=True)
    for operations in (tries, tries[::-1]):
        assert check(operations, [log]).is_clean
    assert check(tries[1:], [log]).found == {Kind.REJECTED_BUT_PRESENT: 1}


def test_equal_times_are_concurrent() -> None:
    log = View("log", "group:x", [Seen(1, "b"), Seen(2, "a")], is_final=True)
    acked = Operation("ann", "group:x", "a", 1, Outcome.ACKED, 2, seq=2)
    for sent_at, is_clean in ((2.0, True), (2.001, False)):
        other = Operation("bob", "group:x", "b", sent_at, Outcome.ACKED, 3, seq=1)
        assert check([acked, other], [log]).is_clean is is_clean


def test_a_log_that_forgot_its_beginning_contradicts_nobody() -> None:
    """Retention: what a stream saw below the log's first seq is not held against it."""
    events = [Seen(n, "") for n in range(1, 6)]
    views = [
        View("log", "group:x", events[3:], after=3, is_final=True),
        View("stream", "group:x", events),
    ]
    assert check([], views).is_clean


def test_counts_are_whole_and_examples_few() -> None:
    operations = [
        Operation("ann", "group:x", str(n), n, Outcome.ACKED, n + 0.5, seq=n) for n in range(50)
    ]
    report = check(operations, [View("log", "group:x", [], is_final=True)])
    assert report.found == {Kind.LOST: 50}
    assert len(report.examples) == EXAMPLES_PER_KIND
    assert str(report) == "50 acknowledged, 0 unknown, 0 rejected, 0 stored: lost 50"


def test_a_long_history_is_checked() -> None:
    history = clean(1, messages=10_000)
    assert history.check().is_clean
    lose(history, Random(1))
    swap_in_stream(history, Random(1))
    assert history.check().found == {Kind.LOST: 1, Kind.REORDERED: 1}
