"""Messages as they stood at an earlier event of their channel: for whoever judges a dispute.

Rules:
1. Made from what lies in the log: the events that brought contents, and those that deleted. So it
   shows what was deleted later, and is for who may undelete; what retention took is gone here, too.
2. Contents only: reactions, pins, replies and figures of polls are those of nobody here.
3. Of a message with more contents than are known (`CONTENTS_MAX`), the oldest known one stands for
   those before it.
"""

from __future__ import annotations

from msgspec import Raw

from hubbub.features.contract import Tables
from hubbub.features.messages import CONTENT_FIELDS, FOLDED, TAKEN_FIELDS
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.event import StoredEvent
from hubbub.wire.shapes import Json


def stood(stored: StoredEvent, seq: int, tables: Tables) -> Json:
    """The message of this event, which is not younger than `seq`, as it stood after `seq`."""
    row = tables[FOLDED].get(stored.seq)
    if row is None:
        return stored.data
    fields = decode_json(stored.data, dict[str, Raw])
    later = sum(one > seq for one in (*row.contents, *row.turns))
    if row.rev > later:
        fields["rev"] = Raw(b"%d" % (row.rev - later))
    if sum(one <= seq for one in row.turns) % 2:
        for name in (*CONTENT_FIELDS, *TAKEN_FIELDS):
            fields.pop(name, None)
        fields["deleted"] = Raw(b"true")
        if row.deleted and row.last_seq <= seq and row.reason:
            fields["reason"] = Raw(encode_json(row.reason))
        return encode_json(fields)
    newest = max((one for one in row.contents if one <= seq), default=row.contents[0])
    event = tables.published(newest)
    if newest != stored.seq and event is not None:
        given = decode_json(event.data, dict[str, Raw])
        for name in CONTENT_FIELDS:
            fields.pop(name, None)
        fields |= {name: given[name] for name in CONTENT_FIELDS if name in given}
        fields["edited"] = Raw(b"true")
    return encode_json(fields)
