"""What every user looks like to a query over all of them: lines in the streams `@users.N`.

Rules:
1. It is a projection, at most a second behind (Forwards of the user's own stream, in their order,
   each taken once); no right depends on it. A line carries the whole of what may be asked for.
2. A user's line stands in one of SHARDS streams, by his id, so that no slot bears all users. Who
   asks asks all of them (`user_query`).
3. Everything of a line that an order needs stands in an index beside it, changed in one entry.
4. Where `#user` is a raw channel there are no profiles, so there are no lines.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from msgspec import UNSET, Struct

from hubbub.base.ids import StreamKey
from hubbub.features.contract import (
    Command,
    Context,
    Effect,
    Event,
    EventKind,
    Feature,
    Forward,
    Meta,
    Table,
    Tables,
)
from hubbub.features.exclusions import (
    TOLD,
    ToldRow,
    UserBanned,
    UserDeactivated,
    UserReactivated,
    UserUnbanned,
)
from hubbub.features.fields import CustomData, custom, json_bytes
from hubbub.features.guests import GuestConverted
from hubbub.features.users import PROFILE, UserCreated, UserUpdated
from hubbub.model.member import Role
from hubbub.model.permissions import Action, require
from hubbub.model.words import terms

# Streams that the lines of an app are spread over: at a million users 62,000 lines in each. Half
# doubles what one slot bears, double doubles what every query asks.
SHARDS: Final = 16
FOLDED_CHARS_MAX: Final = 64  # of a name, in the order of names
WORDS_MAX: Final = 16  # of a name; what stands behind them is not found by its words


class PutUserLine(Command, frozen=True):
    """The user looks like this."""

    TAG = "user.put_line"

    user: str
    created_ms: int
    name: str = ""
    avatar: str = ""
    data: CustomData = UNSET
    deactivated: bool = False
    banned_ms: int = 0
    guest_until_ms: int = 0

    def stream_key(self) -> str:
        return shard_of(self.user)


class UserLinePut(Event, frozen=True):
    """See PutUserLine."""

    TAG = "user.line_put"
    KIND = EventKind.SILENT

    user: str
    created_ms: int
    name: str = ""
    avatar: str = ""
    data: CustomData = UNSET
    deactivated: bool = False
    banned_ms: int = 0
    guest_until_ms: int = 0


class LineRow(Struct, frozen=True, array_like=True, gc=False):
    """`data` is JSON or empty. `banned_ms`: when the ban ends, 0 for none.
    `guest_until_ms`: of a guest, else 0."""

    created_ms: int
    name: str = ""
    avatar: str = ""
    data: bytes = b""
    deactivated: bool = False
    banned_ms: int = 0
    guest_until_ms: int = 0


LINES: Final[Table[str, LineRow]] = Table("user_lines", str, LineRow)
BY_NAME: Final[Table[tuple[str, str], int]] = Table("user_lines.by_name", tuple[str, str], int)
BY_WORD: Final[Table[tuple[str, str], int]] = Table("user_lines.by_word", tuple[str, str], int)
BY_AGE: Final[Table[tuple[int, str], int]] = Table("user_lines.by_age", tuple[int, str], int)

Place = tuple[Table[Any, int], tuple[str | int, str]]  # an index, and a key in it


def shard_of(user: str) -> StreamKey:
    """The stream in which a user's line stands."""
    return StreamKey(f"@users.{crc32(user.encode()) % SHARDS}")


def shards() -> tuple[StreamKey, ...]:
    """All of these streams."""
    return tuple(StreamKey(f"@users.{number}") for number in range(SHARDS))


def folded_name(user: str, row: LineRow) -> str:
    """A user's name as it is sorted: without one, his id."""
    return fold(row.name or user)


def fold(name: str) -> str:
    """A name as it is compared."""
    return name.casefold()[:FOLDED_CHARS_MAX]


def words_of(name: str) -> list[str]:
    """The different words of a name."""
    return list(dict.fromkeys(term.text for term in terms(name)))[:WORDS_MAX]


# --- in `#user`


def effects(_: Event, meta: Meta, tables: Tables) -> list[Effect]:
    """His line as it is from now on."""
    row = tables[PROFILE].get(0)
    if row is None:
        return []  # a user begins with his profile
    told = tables[TOLD].get(0) or ToldRow()
    command = PutUserLine(
        user=meta.key[1:],
        created_ms=row.created_ms,
        name=row.name,
        avatar=row.avatar,
        data=custom(row.data),
        deactivated=told.deactivated,
        banned_ms=told.banned_ms,
        guest_until_ms=row.guest_until_ms,
    )
    return [Forward(command)]


# --- in `@users.N`


def decide_put(cmd: PutUserLine, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.PROJECT, None, Role.NONE, ctx.viewer.authority)
    event = UserLinePut(
        user=cmd.user,
        created_ms=cmd.created_ms,
        name=cmd.name,
        avatar=cmd.avatar,
        data=cmd.data,
        deactivated=cmd.deactivated,
        banned_ms=cmd.banned_ms,
        guest_until_ms=cmd.guest_until_ms,
    )
    return [] if tables[LINES].get(cmd.user) == _row(event) else [event]


def apply_put(event: UserLinePut, _: Meta, tables: Tables) -> None:
    user, row, old = event.user, _row(event), tables[LINES].get(event.user)
    tables[LINES].put(user, row)
    had = _places(user, old) if old is not None else set()
    has = _places(user, row)
    for table, key in had - has:
        tables[table].delete(key)
    for table, key in has - had:
        tables[table].put(key, 1)


def _places(user: str, row: LineRow) -> set[Place]:
    """Where a line stands in the orders."""
    places: set[Place] = {
        (BY_NAME, (folded_name(user, row), user)),
        (BY_AGE, (row.created_ms, user)),
    }
    return places | {(BY_WORD, (word, user)) for word in words_of(row.name or user)}


def _row(event: UserLinePut) -> LineRow:
    return LineRow(
        event.created_ms,
        event.name,
        event.avatar,
        json_bytes(event.data),
        event.deactivated,
        event.banned_ms,
        event.guest_until_ms,
    )


_CHANGES: Final = (
    UserCreated,
    UserUpdated,
    GuestConverted,
    UserDeactivated,
    UserReactivated,
    UserBanned,
    UserUnbanned,
)

FEATURE: Final = Feature(
    name="user_lines",
    tables=(LINES, BY_NAME, BY_WORD, BY_AGE),
    decide={PutUserLine: decide_put},
    apply={UserLinePut: apply_put},
    effects=dict.fromkeys(_CHANGES, effects),
)
