"""What a user who blocks others gets in place of what they wrote. Pure.

Rules (decision record 0028):
1. Hidden is what a blocked user wrote, reacted or voted: in its place stands
   {"t": "message.hidden", "seq", "id", "ts"}, so that positions have no holes; also if somebody
   else edits, restores or forwards it. What changes the channel for everybody (a name, a member, a
   deletion, a pin) is shown whoever did it.
2. Signs of his (typing, joins, leaves) have no position and are not sent; nor is how far
   he has read. Lists of who is connected ask presence, which asks for his blocks.
3. Names of his in lists of who reacted, voted, replied or read are left out; how many did is as
   everybody sees it. Unread and mention figures are made without him where they are made (decision
   record 0034).
4. Who blocks nobody costs nothing: no JSON is read for him, and he shares the bytes of all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any, Final

from msgspec import Struct

from hubbub.wire.codec import decode_json, dump_json

Blocked = frozenset[str]
NOBODY: Final[Blocked] = frozenset()

_WRITTEN: Final = frozenset(
    {
        "message.created",
        "message.updated",
        "thread.created",
        "poll.created",
        "poll.option_added",
        "poll.voted",
        "reaction.added",
        "reaction.removed",
        "event.sent",
    }
)
_RESTATED: Final = frozenset({"message.updated", "message.undeleted"})
_KEPT: Final = ("seq", "id", "ts")
_BY_USER: Final = frozenset({"reactors", "voters", "participants", "readers"})
_MARKS: Final = ("read", "delivered")


def scrub(data: bytes, blocked: Set[str]) -> bytes:
    """JSON as one who blocks these may see it."""
    if not data:
        return data
    return dump_json(_scrubbed(decode_json(data, Any), blocked))


def shown_sign(data: bytes, blocked: Set[str]) -> bytes:
    """A signal as one who blocks these may see it; empty: not at all."""
    value = decode_json(data, dict[str, Any])
    kind = value.get("t", "")
    if kind == "receipts.moved":
        return _without_marks(value, blocked) if _has_marks(value, blocked) else data
    if not kind:
        return b"" if value.get("user") in blocked else data
    if kind.startswith("typing."):
        return b"" if value.get("by") in blocked else data
    return data if _BY_USER.isdisjoint(value) else dump_json(_scrubbed(value, blocked))


def _has_marks(value: dict[str, Any], blocked: Set[str]) -> bool:
    return any(not blocked.isdisjoint(value.get(name, ())) for name in _MARKS)


def _without_marks(value: dict[str, Any], blocked: Set[str]) -> bytes:
    """Empty: of nobody else something is told."""
    for name in _MARKS:
        if name in value:
            value[name] = {u: seq for u, seq in value[name].items() if u not in blocked}
    return dump_json(value) if any(value.get(name) for name in _MARKS) else b""


def is_by(data: bytes, blocked: Set[str]) -> bool:
    """Whether somebody blocked wrote this message, or what it forwards."""
    said = decode_json(data, _Said)
    return said.by in blocked or said.forwarded.by in blocked


class _Author(Struct, frozen=True):
    by: str = ""


class _Said(Struct, frozen=True):
    by: str = ""
    forwarded: _Author = _Author()


def changed(blocked: Blocked, changes: Iterable[str]) -> Blocked:
    """Whom he blocks after these changes (wire.event: BLOCKS), in their order."""
    names = set(blocked)
    for change in changes:
        (names.add if change[0] == "+" else names.discard)(change[1:])
    return frozenset(names)


def _scrubbed(value: Any, blocked: Set[str]) -> Any:
    if isinstance(value, list):
        return [_scrubbed(one, blocked) for one in value]
    if not isinstance(value, dict):
        return value
    if _is_his(value, blocked):
        return {"t": "message.hidden", **{k: value[k] for k in _KEPT if k in value}}
    return {name: _member(name, one, blocked) for name, one in value.items()}


def _member(name: str, value: Any, blocked: Set[str]) -> Any:
    if name == "data":
        return value  # the app's own: nothing in it is ours
    if name in _BY_USER and isinstance(value, list):
        value = [one for one in value if not _is_of(one, blocked)]
    return _scrubbed(value, blocked)


def _is_of(one: Any, blocked: Set[str]) -> bool:
    return (one.get("user") if isinstance(one, dict) else one) in blocked


def _is_his(value: dict[str, Any], blocked: Set[str]) -> bool:
    """Whether these are the words of somebody blocked."""
    if value.get("by") in blocked and _is_written(value):
        return True
    origin = value.get("forwarded")
    is_copy = isinstance(origin, dict) and origin.get("by") in blocked
    return is_copy or _is_text_of(value, blocked)


def _is_text_of(value: dict[str, Any], blocked: Set[str]) -> bool:
    """Whether somebody else edited or restored what a blocked user wrote."""
    return value.get("t") in _RESTATED and value.get("author") in blocked


def _is_written(value: dict[str, Any]) -> bool:
    kind = value.get("t")
    return kind in _WRITTEN if kind else "text" in value or "question" in value
