"""`@here`: the members who are online when it is said.

Rules:
1. The edge finds them when the message is sent (one that is refused costs no look): it asks the
   channel for its members, and the leaders of their streams who of them is there. Where more than
   HERE_MAX are members, where nobody is (an open channel), and where an app keeps no presence,
   nobody is named.
2. Invisible is offline. To whom somebody shows himself does not matter: only he learns that he was
   named, by his own figure (`mentions`).
3. A message that is sent names them in a command of its own, which no verb has: asked again under
   its id the message is the same one, whoever came or went meanwhile, and is named once.
4. Where nobody can be asked at the moment, nobody is named: the message is sent all the same.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final

from msgspec import Struct

from hubbub.base.errors import TOO_LARGE, Rejected
from hubbub.base.names import user_stream
from hubbub.features.contract import (
    Command,
    Context,
    EdgeContext,
    Event,
    EventKind,
    Feature,
    HeadsCall,
    QueryCall,
    QueryRow,
    Tables,
)
from hubbub.features.standing import MEMBERS, member_count
from hubbub.wire.codec import decode_json
from hubbub.wire.presence import PRESENCE_LOOK, Looked, LookRequest
from hubbub.wire.shapes import HeadRow

HERE_MAX: Final = 1_000


class NameHere(Command, frozen=True):
    """By the author of a message that says `@here`: these were."""

    TAG = "mention.name_here"

    channel: str
    id: str
    users: tuple[str, ...]


class HereNamed(Event, frozen=True):
    """The message of this seq said `@here`, and these were."""

    TAG = "mention.here_named"
    KIND = EventKind.SILENT

    message_seq: int
    users: tuple[str, ...]


class HereRequest(Struct, frozen=True):
    """Of a channel: whom `@here` may name."""


class Members(Struct, frozen=True):
    """All members of a channel that is not too large."""

    users: tuple[str, ...]


class _Sent(Struct, frozen=True):
    id: str


# --- steps of an edge's errand


def who_is_here(channel: str) -> Generator[QueryCall | HeadsCall, Any, tuple[str, ...]]:
    """The members of a channel who are online."""
    try:
        members = yield QueryCall(channel, "mention.members", HereRequest())
        keys = {user_stream(user): user for user in decode_json(members, Members).users}
        if not keys:
            return ()
        rows = yield HeadsCall(tuple(keys), query=PRESENCE_LOOK, args=LookRequest())
    except Rejected:
        return ()  # rule 4
    return tuple(user for key, user in keys.items() if _is_online(key, rows))


def name_here(
    channel: str, answer: bytes, users: tuple[str, ...], by: str
) -> Generator[Command, Any, None]:
    """They were named by the message that was answered so."""
    if not users:
        return
    try:
        yield NameHere(channel=channel, id=decode_json(answer, _Sent).id, users=users, by=by)
    except Rejected as refusal:
        if refusal.error.temporary:
            raise  # asked again it is the same message; else it is deleted or edited by now


def _is_online(key: str, rows: Mapping[str, HeadRow]) -> bool:
    row = rows.get(key)
    if row is None or not row.answer:
        return False
    return decode_json(row.answer, Looked).state != "offline"


# --- at the channel


def check_here(cmd: NameHere, _: EdgeContext) -> NameHere:
    if len(cmd.users) > HERE_MAX:
        raise Rejected(TOO_LARGE, "too many are here", limit=HERE_MAX)
    return cmd


def run_members(_: HereRequest, tables: Tables, __: Context) -> Members:
    if member_count(tables) > HERE_MAX:
        return Members(())
    return Members(tuple(user for user, _ in tables[MEMBERS].scan(limit=HERE_MAX)))


FEATURE: Final = Feature(
    name="here",
    check={NameHere: check_here},
    queries=(QueryRow("mention.members", HereRequest, run_members),),
)
