"""What a command becomes, over a small feature of the test's own and over the real registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    Rejected,
)
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Event,
    EventKind,
    Feature,
    Forward,
    Meta,
    Registry,
    Table,
    Tables,
)
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.codec import decode_json
from hubbub.wire.event import decode_signal
from hubbub.wire.shapes import Outcome
from node import keys
from node.engine import QueuedForward
from node.store.api import Family
from tests.node.rig import APP, Rig

COUNTS: Table[str, int] = Table("t.counts", str, int)


class Tally(Command, frozen=True):
    TAG = "tally"
    channel: str
    steps: tuple[str, ...]


class Numbered(Event, frozen=True):
    TAG = "t.numbered"
    name: str


class Silent(Event, frozen=True):
    TAG = "t.silent"
    KIND = EventKind.SILENT
    name: str


class Blink(Event, frozen=True):
    TAG = "t.blink"
    KIND = EventKind.SIGNAL
    name: str


SHAPES: dict[str, type[Event]] = {"n": Numbered, "s": Silent, "b": Blink}


def decide(cmd: Tally, tables: Tables, ctx: Context) -> Sequence[Event] | Decision:
    if "refuse" in cmd.steps:
        raise Rejected(PERMISSION_DENIED)
    if "later" in cmd.steps:
        raise Rejected(RATE_LIMITED)
    if "break" in cmd.steps:
        raise ZeroDivisionError
    events = [SHAPES[step[0]](name=step) for step in cmd.steps if step[0] in SHAPES]
    return Decision(events, b'{"seen":%d}' % (tables[COUNTS].get("all") or 0))


def guard(cmd: Tally, tables: Tables, ctx: Context) -> None:
    if ctx.actor == "banned":
        raise Rejected(PERMISSION_DENIED, "banned")


def apply(event: Any, meta: Meta, tables: Tables) -> None:
    rows = tables[COUNTS]
    rows.put("all", (rows.get("all") or 0) + 1)
    if event.name == "n-break":
        raise ZeroDivisionError


def effects(event: Numbered, meta: Meta, tables: Tables) -> list[Forward]:
    if not event.name.startswith("n>"):
        return []
    target, *rest = event.name[2:].split("!")
    return [Forward(Tally(channel=target, steps=tuple(rest)))]


REGISTRY = Registry(
    [
        Feature(
            name="t",
            tables=(COUNTS,),
            decide={Tally: decide},
            guards={Tally: guard},
            apply={Numbered: apply, Silent: apply, Blink: apply},
            effects={Numbered: effects},
        )
    ]
)
ROOM = "group:x"


def tally(rig: Rig, *steps: str, key: str = ROOM, **more: Any) -> Any:
    return rig.do(key, "tally", {"channel": key, "steps": steps}, **more)


@pytest.fixture
def rig() -> Rig:
    return Rig(registry=REGISTRY)


def test_one_command_is_one_entry_with_all_its_events(rig: Rig) -> None:
    index = rig.slot(ROOM).last_index
    outcome = tally(rig, "n1", "s", "n2", "b")
    assert (outcome.seq, outcome.reply) == (1, b'{"seen":0}')
    assert rig.slot(ROOM).last_index == index + 1
    (published,) = rig.published
    assert [seq for seq, _ in published.events] == [1, 2]
    assert [decode_json(s, dict)["name"] for s in published.signals] == ["b"]
    assert tally(rig, "s").reply == b'{"seen":3}'


def test_a_silent_event_takes_no_seq_and_answers_with_the_head(rig: Rig) -> None:
    tally(rig, "n")
    outcome = tally(rig, "s")
    assert (outcome.seq, outcome.id) == (1, "")
    assert tally(rig, "n").seq == 2


def test_a_signal_alone_is_not_logged(rig: Rig) -> None:
    before = rig.dump()
    outcome = tally(rig, "b")
    assert isinstance(outcome, Outcome)
    assert rig.dump() == before
    assert len(rig.published[0].signals) == 1
    assert b'"seq"' not in rig.published[0].signals[0]


def test_a_raw_signal_bears_its_publishers_info() -> None:
    """Its data went without, so that nobody knew who had published to a room without history."""
    live = Namespace(subscribe="everyone", publish="everyone")
    rig = Rig(settings=AppSettings(namespaces={"live": live}))
    info = b'{"user":"alice","client":"c"}'
    for told in (info, b""):
        body = {"channel": "live:x", "data": [1.0]}
        assert isinstance(rig.do("live:x", "event.publish", body, info=told), Outcome)
        assert decode_signal(rig.published[-1].signals[0]) == (b"[1.0]", told)


@pytest.mark.parametrize(
    ("steps", "user", "code"),
    [
        (["refuse"], "alice", PERMISSION_DENIED),
        (["n"], "banned", PERMISSION_DENIED),
        (["break"], "alice", INTERNAL),
        (["n", "s", "n-break"], "alice", INTERNAL),
        (["n"] * 17, "alice", INTERNAL),
    ],
)
def test_what_is_refused_or_broken_leaves_no_trace(
    rig: Rig, steps: list[str], user: str, code: object
) -> None:
    tally(rig, "n")
    before, index = rig.dump(), rig.slot(ROOM).last_index
    refused = tally(rig, *steps, user=user)
    assert refused.error is code
    assert (rig.dump(), rig.slot(ROOM).last_index) == (before, index)
    assert tally(rig, "n").seq == 2


def test_what_no_command_is_is_refused(rig: Rig) -> None:
    assert rig.do(ROOM, "no.such", {}).error is METHOD_NOT_FOUND
    assert rig.do(ROOM, "tally", {"channel": 5}).error is BAD_REQUEST
    assert rig.do(ROOM, "tally", {"channel": "group:y", "steps": []}).error is BAD_REQUEST
    command = rig.command("tally", {"channel": ROOM, "steps": ["n"]})
    assert rig.results[rig.submit(ROOM, command, app="nobody")].error is NOT_FOUND  # type: ignore[union-attr]


def test_apps_are_apart(rig: Rig) -> None:
    tally(rig, "n", "n")
    command = rig.command("tally", {"channel": ROOM, "steps": ["n"]})
    request = rig.submit(ROOM, command, app="other")
    rig.settle()
    outcome = rig.results[request]
    assert isinstance(outcome, Outcome)
    assert (outcome.seq, outcome.reply) == (1, b'{"seen":0}')


def forwarded(rig: Rig, forward: QueuedForward) -> Any:
    """Deliver a Forward as the service does."""
    row, source = forward.row, rig.slots[forward.source]
    command = rig.command(
        row.tag,
        {},
        user=row.user,
        authority="system",
        origin_slot=forward.source,
        origin_incarnation=source.meta.incarnation,
        origin_n=forward.n,
    )
    request = rig.submit(row.key, type(command)(**{**_fields(command), "body": row.body}))
    rig.settle()
    return rig.results[request]


def _fields(command: Any) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


def test_forwards_are_numbered_and_stored_with_their_entry_and_not_before_commit(rig: Rig) -> None:
    steps = ("n>#bob!n", "n>#bob!n", "n>#carol!n")
    rig.submit(ROOM, rig.command("tally", {"channel": ROOM, "steps": steps}))
    assert rig.forwards == []
    rig.settle()
    assert [(f.row.key, f.n) for f in rig.forwards] == [("#bob", 1), ("#bob", 2), ("#carol", 1)]
    tally(rig, "n>#bob!n")
    assert rig.forwards[-1].n == 3
    rows = rig.store.iterate(Family.OUTBOX, b"", b"\xff" * 20, limit=10)
    assert len(rows) == 4
    again = Rig(rig.store, registry=REGISTRY, term=2, seed=2)
    tally(again, "n>#bob!n")
    assert again.forwards[-1].n == 4


def test_a_forward_is_taken_once_whatever_its_outcome(rig: Rig) -> None:
    tally(rig, "n>#bob!n", "n>#bob!refuse", "n>#bob!s")
    first, refused, silent = rig.forwards
    assert forwarded(rig, first).seq == 1
    assert forwarded(rig, first).dup
    index = rig.slot("#bob").last_index
    assert isinstance(forwarded(rig, refused), Outcome)
    assert rig.slot("#bob").last_index == index + 1, "its number is remembered by an entry"
    assert forwarded(rig, refused).dup
    assert not forwarded(rig, silent).dup
    again = Rig(rig.store, registry=REGISTRY, term=2, seed=2)
    assert forwarded(again, silent).dup
    assert forwarded(again, silent).seq == 1


def test_a_deleted_app_refuses_and_its_log_is_applied_all_the_same(rig: Rig) -> None:
    """What was under way ends as a refusal; a copy that starts anew still reads every entry."""
    tally(rig, "n", "n>#bob!n")
    (forward,) = rig.forwards
    rig.apps[APP] = replace(rig.apps[APP], is_deleted=True)
    assert tally(rig, "n").error is NOT_FOUND
    index = rig.slot("#bob").last_index
    assert isinstance(forwarded(rig, forward), Outcome)
    assert rig.slot("#bob").last_index == index + 1, "it is not sent again and again"
    assert forwarded(rig, forward).dup
    again = Rig(rig.store, registry=REGISTRY, term=2, seed=2, is_deleted=True)
    assert tally(again, "n").error is NOT_FOUND
    again.apps[APP] = replace(again.apps[APP], is_deleted=False)
    assert tally(again, "n").seq == 3


def test_a_temporary_refusal_is_not_counted(rig: Rig) -> None:
    tally(rig, "n>#bob!later")
    (forward,) = rig.forwards
    for _ in range(2):
        assert forwarded(rig, forward).error is RATE_LIMITED


def test_finished_forwards_go_by_one_entry(rig: Rig) -> None:
    tally(rig, "n>#bob!n", "n>#bob!n", "n>#carol!n")
    slot = rig.slot(ROOM)
    bob = rig.engine.target_of(APP, "#bob")
    rig.obey(slot.forwards_done([(bob, 1)], rig.now))
    rig.settle()
    left = [
        keys.parse_outbox(k) for k, _ in rig.store.iterate(Family.OUTBOX, b"", b"\xff", limit=9)
    ]
    assert left == sorted([(slot.number, bob, 2), (slot.number, rig.forwards[2].target, 1)])
    assert slot.forwards_done([], rig.now).persist == ()
