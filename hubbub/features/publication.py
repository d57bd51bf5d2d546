"""How an event becomes a publication: its own JSON, with what the log knows spliced in front.

Rules:
1. `stamp` is the only place that builds a publication's `data`; the log, history and the fan-out
   copy its bytes.
2. Shape: {"t": tag, "seq", "id", "cmid", "by", "ts", ...fields of the event}. A signal has no seq
   and no id. An event that changes a message (`ref_id`) carries that message's id as its `id`.
3. A BARE event publishes its field `data` untouched.
4. The row's `info` is for edges: at most one of the users it evicts, the channels it lists or
   unlists, the devices it signs out, the users it blocks, and the publisher's ClientInfo.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

from msgspec import Raw

from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.features.contract import Event, EventKind, Meta
from hubbub.model.message import Message
from hubbub.wire import event as rows
from hubbub.wire.codec import decode_json, dump_json, encode_json, referring, shaped
from hubbub.wire.shapes import Json, Outcome

# Seconds are few and messages are many: one text a second, dropped all at once when full (at half
# a busy hour is formatted twice, at double it holds 2 MB).
_SECONDS_MAX: Final = 4_096
HIDDEN: Final = "message.hidden"
ANY_EVENT: Final = "Event"  # the component of all that takes a seq (hubbub.docs.events)
# JSON that is passed on as it was written: a message as every reader gets it, a publication.
MessageJson = Annotated[Raw, shaped(Message)]
EventJson = Annotated[Raw, referring(ANY_EVENT)]
_seconds: dict[int, str] = {}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 253_402_300_800_000  # the year 10000, which RFC 3339 cannot write
_DIGITS_MAX: Final = 15  # of _END_MS


def hidden(event: rows.StoredEvent) -> rows.StoredEvent:
    """The event for somebody who may not read what it says: only where it stands, and which message
    it is of."""
    said = decode_json(event.data, dict[str, Any])
    kept = {name: said[name] for name in ("seq", "id", "ts") if name in said}
    return event._replace(data=dump_json({"t": HIDDEN, **kept}))


def rfc3339(ms: int) -> str:
    """A log time as RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.000Z."""
    second, rest = divmod(ms, 1_000)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= _SECONDS_MAX:
            _seconds.clear()
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        _seconds[second] = text
    return f"{text}{rest:03d}Z"


def parse_time(value: str | int) -> int:
    """Milliseconds (1970 to 9999) of an RFC 3339 text with a zone, or of a number of milliseconds,
    which is text in a query.

    Raises Rejected(BAD_REQUEST).
    """
    if isinstance(value, int):
        ms = value
    elif value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        ms = int(value)
    else:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise Rejected(BAD_REQUEST, "a time is RFC 3339 with a zone, or a number") from None
        if moment.tzinfo is None:
            raise Rejected(BAD_REQUEST, "a time needs a zone, such as Z")
        ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= ms < _END_MS:
        raise Rejected(BAD_REQUEST, "a time lies between 1970 and 9999")
    return ms


def _plain(text: str) -> bool:
    return text.isalnum() and text.isascii()


def quote(text: str) -> str:
    """`text` as a JSON string."""
    return f'"{text}"' if _plain(text) else encode_json(text).decode()


def stamp(event: Event, meta: Meta) -> Json:
    """The `data` of the event's publication. `meta.seq` is 0 for a signal."""
    if event.BARE:
        bare: Any = event
        return bytes(bare.data)
    number = ident = cmid = ""
    if meta.seq:
        number = f',"seq":{meta.seq}'
        if not event.ref_id():
            ident = f',"id":"{meta.id}"'
    if meta.cmid:
        cmid = f',"cmid":{quote(meta.cmid)}'
    by, ts = quote(meta.by), rfc3339(meta.ts_ms)
    head = f'{{"t":"{event.TAG}"{number}{ident}{cmid},"by":{by},"ts":"{ts}"'
    fields = encode_json(event)
    return head.encode() + (b"," + fields[1:] if len(fields) > 2 else b"}")


# What an event may tell edges beside its data, and the flag that says so in the row's head.
_FOR_EDGES: Final = (
    ("evicts", rows.EVICTS),
    ("lists", rows.LISTS),
    ("unlists", rows.UNLISTS),
    ("signs_out", rows.SIGNS_OUT),
    ("blocks", rows.BLOCKS),
)


@lru_cache(maxsize=1_024)
def _tells_edges(kind: type[Event]) -> bool:
    """Whether events of this type ever tell edges something beside the data: most never do."""
    hooks = ("publisher_info", *(hook for hook, _ in _FOR_EDGES))
    return any(getattr(kind, hook) is not getattr(Event, hook) for hook in hooks)


def _for_edges(event: Event) -> tuple[int, Json]:
    """What edges are told beside the data: (flag, `info` of the row)."""
    if not _tells_edges(type(event)):
        return 0, b""
    for hook, flag in _FOR_EDGES:
        if names := getattr(event, hook)():
            return flag, encode_json(list(names))
    return 0, event.publisher_info()


def encode_publication(event: Event, meta: Meta) -> bytes:
    """The row of a numbered event in the `chan` family: also the body of EVENT behind its seq."""
    flags, info = _for_edges(event)
    flags |= event.flags()
    if event.BARE:
        flags |= rows.TRANSIENT
    data = stamp(event, meta)
    return rows.encode_row(flags, meta.ts_ms, event.ref_seq(), event.TAG, meta.by, data, info)


def outcome(event: Event, meta: Meta, reply: Json = b"") -> Outcome:
    """The answer to the command whose first numbered event this is."""
    assert event.KIND is EventKind.NUMBERED, event.TAG
    rev: int = getattr(event, "rev", 0)
    return Outcome(meta.seq, meta.ts_ms, event.ref_id() or meta.id, rev=rev, reply=reply)
