"""Frames between a node and its indexing child."""

from __future__ import annotations

from hubbub.wire.codec import decode_pack
from hubbub.wire.search import Document
from node.search.shapes import HEAD, Change, Feed, Floor, Kind, Stand, encode_frame


def test_a_frame_says_its_length_and_kind() -> None:
    document = Document("tea", "ann", "", 5, False)
    feed = Feed(
        drops=(3,),
        changes=(Change(1, "demo", "group:x", 7, document), Change(1, "demo", "group:x", 8, None)),
        floors=(Floor(1, "demo", "group:x", 4),),
        stands=(Stand(1, b"12345678", 9, b"key"),),
    )
    frame = encode_frame(Kind.FEED, feed)
    length, kind = HEAD.unpack(frame[: HEAD.size])
    assert (length, kind) == (len(frame) - HEAD.size, Kind.FEED)
    got = decode_pack(frame[HEAD.size :], Feed)
    assert (got.drops, tuple(got.changes), got.floors, got.stands) == (
        feed.drops,
        feed.changes,
        feed.floors,
        feed.stands,
    )
