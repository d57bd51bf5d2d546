"""A feature of the tests' own that does nothing but fall due."""

from __future__ import annotations

from collections.abc import Sequence

from hubbub.base.errors import PERMISSION_DENIED, RATE_LIMITED, Rejected
from hubbub.features.contract import (
    Command,
    Context,
    Due,
    Effect,
    Event,
    EventKind,
    Feature,
    Meta,
    Registry,
    Table,
    Tables,
    Undue,
)

ROOM = "group:x"
RANG: Table[str, int] = Table("t.rang", str, int)
PATIENCE: Table[int, int] = Table("t.patience", int, int)  # 1: `later` and `break` succeed


class SetAlarm(Command, frozen=True):
    """`mode`: what happens when it rings. `at` 0: take it back."""

    TAG = "alarm.set"
    channel: str
    name: str
    at: int
    mode: str = ""


class Ring(Command, frozen=True):
    TAG = "alarm.ring"
    channel: str
    name: str
    mode: str = ""


class Mend(Command, frozen=True):
    """From now on everything succeeds."""

    TAG = "alarm.mend"
    channel: str


class AlarmSet(Event, frozen=True):
    TAG = "alarm.was_set"
    KIND = EventKind.SILENT
    channel: str
    name: str
    at: int
    mode: str = ""


class Rang(Event, frozen=True):
    TAG = "alarm.rang"
    channel: str
    name: str
    mode: str = ""


class Mended(Event, frozen=True):
    TAG = "alarm.mended"
    KIND = EventKind.SILENT


def decide_set(cmd: SetAlarm, _: Tables, __: Context) -> Sequence[Event]:
    return [AlarmSet(channel=cmd.channel, name=cmd.name, at=cmd.at, mode=cmd.mode)]


def decide_mend(_: Mend, __: Tables, ___: Context) -> Sequence[Event]:
    return [Mended()]


def decide_ring(cmd: Ring, tables: Tables, ctx: Context) -> Sequence[Event]:
    assert ctx.viewer.authority == "system"
    is_mended = tables[PATIENCE].get(0) is not None
    if cmd.mode == "refuse":
        raise Rejected(PERMISSION_DENIED)
    if cmd.mode == "later" and not is_mended:
        raise Rejected(RATE_LIMITED, retry_after_ms=500)
    if cmd.mode == "break" and not is_mended:
        raise ZeroDivisionError
    if cmd.mode == "nothing":
        return []
    return [Rang(channel=cmd.channel, name=cmd.name, mode=cmd.mode)]


def apply_rang(event: Rang, _: Meta, tables: Tables) -> None:
    tables[RANG].put(event.name, (tables[RANG].get(event.name) or 0) + 1)


def apply_mended(_: Mended, __: Meta, tables: Tables) -> None:
    tables[PATIENCE].put(0, 1)


def apply_nothing(_: AlarmSet, __: Meta, ___: Tables) -> None:
    """The effects say it all."""


def effects_set(event: AlarmSet, _: Meta, __: Tables) -> Sequence[Effect]:
    if not event.at:
        return [Undue(event.name)]
    command = Ring(channel=event.channel, name=event.name, mode=event.mode, cmid="c-" + event.name)
    return [Due(event.at, event.name, command)]


def effects_rang(event: Rang, meta: Meta, tables: Tables) -> Sequence[Effect]:
    """`again`: at the very same moment, until it rang three times."""
    if event.mode != "again" or (tables[RANG].get(event.name) or 0) >= 3:
        return []
    return [Due(meta.ts_ms, event.name, Ring(channel=event.channel, name=event.name, mode="again"))]


FEATURE = Feature(
    name="alarms",
    tables=(RANG, PATIENCE),
    decide={SetAlarm: decide_set, Ring: decide_ring, Mend: decide_mend},
    apply={AlarmSet: apply_nothing, Rang: apply_rang, Mended: apply_mended},
    effects={AlarmSet: effects_set, Rang: effects_rang},
)
REGISTRY = Registry((FEATURE,))
