"""Metadata of a channel and of its members: values under keys, each with its own revision.

Rules:
1. A value is any JSON up to VALUE_BYTES_MAX; a target (the channel, or one member) has at most
   KEYS_MAX keys.
2. A revision is the seq of the event that set the value, so that it never comes twice, not even
   after a deletion. `if_rev` makes a change conditional: 0 means that there must be none.
3. The channel's values are set by its staff, a member's by himself or the staff; whoever reads the
   channel reads them all. What leaves with a member is forgotten.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from hubbub.base.errors import BAD_REQUEST, CONFLICT, NOT_FOUND, TOO_LARGE, TOO_MANY, Rejected
from hubbub.base.names import check_user
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
from hubbub.features.members import MembersLeft, MembersRemoved
from hubbub.features.standing import MEMBERS, require_standing
from hubbub.model.permissions import Action
from hubbub.wire.codec import encode_json

VALUE_BYTES_MAX: Final = 8_192
KEYS_MAX: Final = 64
KEY_CHARS_MAX: Final = 64


class SetMetadata(Command, frozen=True):
    """Set one value. `user`: of that member; empty: of the channel."""

    TAG = "metadata.set"

    channel: str
    key: str
    value: Raw
    user: str = ""
    if_rev: int = -1


class DeleteMetadata(Command, frozen=True):
    """Forget one value."""

    TAG = "metadata.delete"

    channel: str
    key: str
    user: str = ""
    if_rev: int = -1


class MetadataChanged(Event, frozen=True):
    """The value under `key`, of the channel or of `user`; its revision is this event's seq."""

    TAG = "metadata.changed"

    key: str
    value: Raw
    user: str = ""


class MetadataDeleted(Event, frozen=True):
    """There is no value under `key` any more."""

    TAG = "metadata.deleted"

    key: str
    user: str = ""


class ValueRow(Struct, frozen=True, array_like=True, gc=False):
    """`value` is JSON; `rev`: the seq that set it."""

    rev: int
    value: bytes


class MetadataRequest(Struct, frozen=True):
    """All values of a target, or the one under `key`."""

    channel: str
    user: str = ""
    key: str = ""


class MetadataValue(Struct, frozen=True):
    """A value and its revision."""

    value: Raw
    rev: int


class MetadataPage(Struct, frozen=True):
    """By key."""

    metadata: dict[str, MetadataValue]


class Revised(Struct, frozen=True):
    """`rev`: pass it as `if_rev` to change it next."""

    seq: int
    rev: int
    id: str = ""
    ts: str = ""
    dup: bool = False


VALUES: Final[Table[tuple[str, str], ValueRow]] = Table("metadata", tuple[str, str], ValueRow)


def check_set(cmd: SetMetadata, _: EdgeContext) -> SetMetadata:
    check_target(cmd.channel, cmd.user, cmd.key, cmd.if_rev)
    if len(bytes(cmd.value)) > VALUE_BYTES_MAX:
        raise Rejected(
            TOO_LARGE, f"a value is at most {VALUE_BYTES_MAX} bytes", limit_bytes=VALUE_BYTES_MAX
        )
    return cmd


def check_delete(cmd: DeleteMetadata, _: EdgeContext) -> DeleteMetadata:
    check_target(cmd.channel, cmd.user, cmd.key, cmd.if_rev)
    return cmd


def check_target(channel: str, user: str, key: str, if_rev: int) -> None:
    check_chat_channel(channel)
    if user:
        check_user(user)
    check_key(key)
    if if_rev < -1:
        raise Rejected(BAD_REQUEST, "if_rev is a revision, or 0 for none")


def check_key(key: str) -> None:
    """Raises Rejected(BAD_REQUEST) for what is no key or name of a counter."""
    if not 0 < len(key) <= KEY_CHARS_MAX or not key.isprintable() or " " in key or "/" in key:
        raise Rejected(BAD_REQUEST, f"a key is 1-{KEY_CHARS_MAX} printable characters, no space, /")


def decide_set(cmd: SetMetadata, tables: Tables, ctx: Context) -> Decision | list[Event]:
    _require(cmd.user, tables, ctx)
    old = tables[VALUES].get((cmd.user, cmd.key))
    _compare(cmd.if_rev, old)
    if old is None and len(_of(cmd.user, tables)) >= KEYS_MAX:
        raise Rejected(TOO_MANY, f"at most {KEYS_MAX} keys", limit=KEYS_MAX)
    if old is not None and old.value == bytes(cmd.value):
        return Decision([], encode_json({"rev": old.rev}))
    rev = encode_json({"rev": tables.head_seq + 1})
    return Decision([MetadataChanged(key=cmd.key, value=cmd.value, user=cmd.user)], rev)


def decide_delete(cmd: DeleteMetadata, tables: Tables, ctx: Context) -> list[Event]:
    _require(cmd.user, tables, ctx)
    old = tables[VALUES].get((cmd.user, cmd.key))
    _compare(cmd.if_rev, old)
    return [] if old is None else [MetadataDeleted(key=cmd.key, user=cmd.user)]


def _require(user: str, tables: Tables, ctx: Context) -> None:
    if user and user == ctx.actor:
        require_standing(Action.SEND_CUSTOM, tables, ctx)
    else:
        require_standing(Action.SET_METADATA, tables, ctx)
    if user and tables[MEMBERS].get(user) is None:
        raise Rejected(NOT_FOUND, "no such member")


def _compare(if_rev: int, old: ValueRow | None) -> None:
    rev = 0 if old is None else old.rev
    if if_rev not in (-1, rev):
        raise Rejected(CONFLICT, "the value has another revision", rev=rev)


def apply_changed(event: MetadataChanged, meta: Meta, tables: Tables) -> None:
    tables[VALUES].put((event.user, event.key), ValueRow(meta.seq, bytes(event.value)))


def apply_deleted(event: MetadataDeleted, _: Meta, tables: Tables) -> None:
    tables[VALUES].delete((event.user, event.key))


def apply_gone(event: MembersLeft | MembersRemoved, _: Meta, tables: Tables) -> None:
    for user in event.users:
        for key, _row in _of(user, tables):
            tables[VALUES].delete((user, key))


def _of(user: str, tables: Tables) -> list[tuple[str, ValueRow]]:
    rows = tables[VALUES].scan(after=(user, ""), limit=KEYS_MAX)
    return [(key, row) for (owner, key), row in rows if owner == user]


def run_get(request: MetadataRequest, tables: Tables, ctx: Context) -> MetadataPage:
    require_standing(Action.READ, tables, ctx)
    found = _of(request.user, tables)
    if request.key:
        found = [(key, row) for key, row in found if key == request.key]
        if not found:
            raise Rejected(NOT_FOUND, "no value under this key")
    return MetadataPage({key: MetadataValue(Raw(row.value), row.rev) for key, row in found})


def turn_get(request: MetadataRequest, _: EdgeContext) -> QueryCall:
    if request.user:
        check_user(request.user)
    return QueryCall(check_chat_channel(request.channel), "metadata.get", request)


_CHANNEL: Final = "/v1/channels/{channel}/metadata"
_MEMBER: Final = "/v1/channels/{channel}/members/{user}/metadata"

FEATURE: Final = Feature(
    name="metadata",
    tables=(VALUES,),
    check={SetMetadata: check_set, DeleteMetadata: check_delete},
    decide={SetMetadata: decide_set, DeleteMetadata: decide_delete},
    apply={
        MetadataChanged: apply_changed,
        MetadataDeleted: apply_deleted,
        MembersLeft: apply_gone,
        MembersRemoved: apply_gone,
    },
    queries=(QueryRow("metadata.get", MetadataRequest, run_get),),
    verbs=(
        Verb("metadata.set", SetMetadata, as_command, Revised, "Set a value under a key."),
        Verb("metadata.delete", DeleteMetadata, as_command, Done, "Forget a value."),
        Verb("metadata.get", MetadataRequest, turn_get, MetadataPage, "Values and revisions."),
    ),
    routes=tuple(
        route
        for path in (_CHANNEL, _MEMBER)
        for route in (
            Route("GET", path, MetadataRequest, turn_get, MetadataPage),
            Route("PUT", path + "/{key}", SetMetadata, as_command, Revised),
            Route("DELETE", path + "/{key}", DeleteMetadata, as_command, Done),
        )
    ),
)
