"""Counters of a channel that many move at once, within bounds: seats, votes, stock.

Rules:
1. Staff define a counter with its bounds, and change these while it moves: seats that are taken
   stay taken. Whoever may COUNT moves it. The channel's leader decides, so a move is atomic:
   increment if it stays within the bounds, else refuse and say the value.
2. An accepted move answers the new value and `order`, which move it was: the n-th to get a seat.
   Asked again under its cmid it gets the same answer.
3. Every move is an event: who counts what is part of the log.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hubbub.base.errors import BAD_REQUEST, COUNTER_BOUND, NOT_FOUND, TOO_MANY, Rejected
from hubbub.features.contract import (
    Command,
    Context,
    Decision,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    QueryCall,
    QueryRow,
    Route,
    Table,
    Tables,
    Verb,
    as_command,
)
from hubbub.features.fields import check_chat_channel
from hubbub.features.metadata import check_key
from hubbub.features.standing import require_standing
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json

COUNTERS_MAX: Final = 100
VALUE_MAX: Final = 2**53 - 1  # what JSON numbers hold everywhere


class SetCounter(Command, frozen=True):
    """Define a counter, or change it: what is left out stays (of a new one: at 0, from 0 to the
    largest number). `max` and `min` bound every move. With a `value`, `order` begins again."""

    TAG = "counter.set"

    channel: str
    name: str
    value: int | UnsetType = UNSET
    min: int | UnsetType = UNSET
    max: int | UnsetType = UNSET


class IncrementCounter(Command, frozen=True):
    """Add `amount` (which may be negative) if the value stays within its bounds, and within `min`
    and `max` of this very move."""

    TAG = "counter.increment"

    channel: str
    name: str
    amount: int = 1
    min: int = -VALUE_MAX
    max: int = VALUE_MAX


class DeleteCounter(Command, frozen=True):
    """There is no such counter any more."""

    TAG = "counter.delete"

    channel: str
    name: str


class CounterSet(Event, frozen=True):
    """The counter has this value and these bounds."""

    TAG = "counter.set"

    name: str
    value: int
    min: int
    max: int
    order: int = 0


class CounterChanged(Event, frozen=True):
    """The counter moved to `value`. `order`: which move since it was set."""

    TAG = "counter.changed"

    name: str
    value: int
    amount: int
    order: int


class CounterDeleted(Event, frozen=True):
    """There is no such counter any more."""

    TAG = "counter.deleted"

    name: str


class CounterRow(Struct, frozen=True, array_like=True, gc=False):
    """Where it stands."""

    value: int
    min: int
    max: int
    order: int = 0


class CountersRequest(Struct, frozen=True):
    """All counters, or the one of that name."""

    channel: str
    name: str = ""


class Counter(Struct, frozen=True):
    """Where a counter stands. `order`: how many moves there were since it was set."""

    value: int
    min: int
    max: int
    order: int


class Counters(Struct, frozen=True):
    """By name."""

    counters: dict[str, Counter]


class Counted(Struct, frozen=True):
    """`value`: after this move. `order`: which move it was."""

    seq: int
    value: int
    order: int
    id: str = ""
    ts: str = ""
    dup: bool = False


COUNTERS: Final[Table[str, CounterRow]] = Table("counters", str, CounterRow)


def check_set(cmd: SetCounter, _: EdgeContext) -> SetCounter:
    check_chat_channel(cmd.channel)
    check_key(cmd.name)
    given = [n for n in (cmd.min, cmd.value, cmd.max) if isinstance(n, int)]
    _check_numbers(*given)
    if given != sorted(given):
        raise Rejected(BAD_REQUEST, "min, value and max are in this order")
    return cmd


def check_increment(cmd: IncrementCounter, _: EdgeContext) -> IncrementCounter:
    check_chat_channel(cmd.channel)
    check_key(cmd.name)
    _check_numbers(cmd.amount, cmd.min, cmd.max)
    if not cmd.amount:
        raise Rejected(BAD_REQUEST, "amount is not 0")
    return cmd


def check_delete(cmd: DeleteCounter, _: EdgeContext) -> DeleteCounter:
    check_chat_channel(cmd.channel)
    check_key(cmd.name)
    return cmd


def _check_numbers(*numbers: int) -> None:
    if any(abs(number) > VALUE_MAX for number in numbers):
        raise Rejected(BAD_REQUEST, "numbers are at most 2^53 - 1")


def decide_set(cmd: SetCounter, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SET_METADATA, tables, ctx)
    rows = tables[COUNTERS]
    row = rows.get(cmd.name)
    if row is None and len(rows.scan(limit=COUNTERS_MAX)) >= COUNTERS_MAX:
        raise Rejected(TOO_MANY, f"at most {COUNTERS_MAX} counters", limit=COUNTERS_MAX)
    new = _changed(row or CounterRow(0, 0, VALUE_MAX), cmd)
    if not new.min <= new.value <= new.max:
        raise Rejected(COUNTER_BOUND, value=new.value, min=new.min, max=new.max)
    if new == row:
        return []
    return [CounterSet(name=cmd.name, value=new.value, min=new.min, max=new.max, order=new.order)]


def _changed(row: CounterRow, cmd: SetCounter) -> CounterRow:
    if isinstance(cmd.value, int):
        row = replace(row, value=cmd.value, order=0)
    least = row.min if isinstance(cmd.min, UnsetType) else cmd.min
    return replace(row, min=least, max=row.max if isinstance(cmd.max, UnsetType) else cmd.max)


def decide_increment(cmd: IncrementCounter, tables: Tables, ctx: Context) -> Decision:
    require_standing(Action.COUNT, tables, ctx)
    row = _row(cmd.name, tables)
    value = row.value + cmd.amount
    if not max(row.min, cmd.min) <= value <= min(row.max, cmd.max):
        raise Rejected(COUNTER_BOUND, value=row.value, min=row.min, max=row.max)
    event = CounterChanged(name=cmd.name, value=value, amount=cmd.amount, order=row.order + 1)
    return Decision([event], encode_json({"value": value, "order": event.order}))


def decide_delete(cmd: DeleteCounter, tables: Tables, ctx: Context) -> list[Event]:
    require_standing(Action.SET_METADATA, tables, ctx)
    return [CounterDeleted(name=cmd.name)] if tables[COUNTERS].get(cmd.name) else []


def apply_set(event: CounterSet, _: Meta, tables: Tables) -> None:
    tables[COUNTERS].put(event.name, CounterRow(event.value, event.min, event.max, event.order))


def apply_changed(event: CounterChanged, _: Meta, tables: Tables) -> None:
    row = tables[COUNTERS].get(event.name)
    if row is not None:
        tables[COUNTERS].put(event.name, replace(row, value=event.value, order=event.order))


def apply_deleted(event: CounterDeleted, _: Meta, tables: Tables) -> None:
    tables[COUNTERS].delete(event.name)


def _row(name: str, tables: Tables) -> CounterRow:
    row = tables[COUNTERS].get(name)
    if row is None:
        raise Rejected(NOT_FOUND, "no such counter: counter.set defines it")
    return row


def run_get(request: CountersRequest, tables: Tables, ctx: Context) -> Counters:
    require_standing(Action.READ, tables, ctx)
    if request.name:
        rows = [(request.name, _row(request.name, tables))]
    else:
        rows = tables[COUNTERS].scan(limit=COUNTERS_MAX)
    return Counters({n: Counter(row.value, row.min, row.max, row.order) for n, row in rows})


def turn_get(request: CountersRequest, _: EdgeContext) -> QueryCall:
    return QueryCall(check_chat_channel(request.channel), "counter.get", request)


_COUNTERS: Final = "/v1/channels/{channel}/counters"
_COUNTER: Final = _COUNTERS + "/{name}"

FEATURE: Final = Feature(
    name="counters",
    tables=(COUNTERS,),
    check={
        SetCounter: check_set,
        IncrementCounter: check_increment,
        DeleteCounter: check_delete,
    },
    decide={
        SetCounter: decide_set,
        IncrementCounter: decide_increment,
        DeleteCounter: decide_delete,
    },
    apply={
        CounterSet: apply_set,
        CounterChanged: apply_changed,
        CounterDeleted: apply_deleted,
    },
    queries=(QueryRow("counter.get", CountersRequest, run_get),),
    verbs=(
        Verb("counter.set", SetCounter, as_command, Done, "Define a counter and its bounds."),
        Verb("counter.increment", IncrementCounter, as_command, Counted, "Move within bounds."),
        Verb("counter.delete", DeleteCounter, as_command, Done, "Remove a counter."),
        Verb("counter.get", CountersRequest, turn_get, Counters, "Where counters stand."),
    ),
    routes=(
        Route("GET", _COUNTERS, CountersRequest, turn_get, Counters),
        Route("PUT", _COUNTER, SetCounter, as_command, Done),
        Route("POST", _COUNTER + "/increment", IncrementCounter, as_command, Counted),
        Route("DELETE", _COUNTER, DeleteCounter, as_command, Done),
    ),
)
