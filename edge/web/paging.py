"""Lists over REST: one `cursor` for all of them, and links to the pages beside this one. Pure.

Rules:
1. Every list takes `limit` and `cursor`; its answer says `has_more`, with `next_cursor` if so, and
   of messages `prev_cursor`. A GET's answer has the same as `Link` with `rel="next"` and `"prev"`.
2. What a list has beside it to begin somewhere (`after`, `before`, `after_seq`, …) takes a plain
   name or seq; a cursor counts instead of it. A cursor goes with the same filters: a link has them.
3. Of messages `next` runs to older ones, but to newer ones where the page began with `after_seq` or
   `at`. A page may be empty although the one before said that there is more: that is the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from edge.cursors import Seal, with_next
from hubbub.base.errors import CURSOR_INVALID, Rejected
from hubbub.features.contract import Route
from hubbub.wire.codec import decode_json, dump_json, parse_json

CURSOR: Final = "cursor"
# Where a list may be told to begin, the sealed one first: what a list has of them is its place.
PLACES: Final = (CURSOR, "after", "before")
OF_MESSAGES: Final = ("after_seq", "before_seq", "around_seq", "at")


class Beside(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a page's answer says of the pages beside it."""

    has_more: bool | None = None
    next_cursor: str = ""
    prev_cursor: str = ""


class _Line(msgspec.Struct):
    seq: int = 0


class _Messages(msgspec.Struct):
    messages: list[_Line] = []
    head: int = 0
    reached: int = 0


class _Next(msgspec.Struct):
    next: str | int | None = None


class Pages:
    """How one route's list goes on."""

    def __init__(self, route: Route, names: tuple[str, ...]) -> None:
        """`names`: of the route's path."""
        fields = {field.encode_name for field in msgspec.structs.fields(route.shape)}
        self._route = route
        self._names = names
        self._places = fields & {*PLACES, *OF_MESSAGES}
        self._of_messages = "before_seq" in fields
        self._next = next((name for name in PLACES if name in fields), "")
        self.is_own = self._next == CURSOR  # the shape has it

    def begin(self, params: dict[str, Any], seal: Seal, now_ms: int) -> dict[str, Any]:
        """The request with the place that its cursor names. Raises Rejected."""
        cursor = params.get(CURSOR, "")
        cursor = parse_json(bytes(cursor)) if isinstance(cursor, msgspec.Raw) else cursor
        if cursor == "":
            return params
        place = seal.opened(cursor, now_ms)
        if not isinstance(place, dict) or not place.keys() <= self._places:
            raise Rejected(CURSOR_INVALID)
        return {k: v for k, v in params.items() if k not in (CURSOR, *self._places)} | place

    def seal(self, params: Mapping[str, Any], app: str, secret: bytes) -> Seal:
        """Of the list that a request names: cursors of one channel are none of another."""
        steps = (f"{self._route.method} {self._route.path}", *map(params.get, self._names))
        return Seal(app, secret, "\0".join(map(str, steps)))

    def end(
        self, answer: bytes, params: Mapping[str, Any], seal: Seal, now_ms: int
    ) -> tuple[bytes, Beside]:
        """The answer with what lies beside it."""
        following, before = self._beside(answer, params)
        told = Beside(
            bool(following),
            seal.sealed(following, now_ms) if following else "",
            seal.sealed(before, now_ms) if before else "",
        )
        if self.is_own:
            answer = with_next(answer, lambda _: told.next_cursor)
        tail = dump_json(msgspec.to_builtins(told))[1:]
        return answer[:-1] + (b"," if len(answer) > 2 else b"") + tail, told

    def _beside(
        self, answer: bytes, params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The places behind and before the page; empty where there is nothing."""
        if not self._of_messages:
            following = decode_json(answer, _Next).next
            return ({self._next: following} if following else {}), {}
        found = decode_json(answer, _Messages)
        seqs = [line.seq for line in found.messages]
        newer, older = {"after_seq": max(seqs, default=0)}, {"before_seq": min(seqs, default=0)}
        if "after_seq" in params or ("at" in params and "around_seq" not in params):
            newer["after_seq"] = max(newer["after_seq"], found.reached)
            has_newer = newer["after_seq"] > 0 and newer["after_seq"] != found.head
            return (newer if has_newer else {}), (older if older["before_seq"] > 1 else {})
        if found.reached:
            older["before_seq"] = found.reached
        return (older if older["before_seq"] > 1 else {}), (newer if seqs else {})


def pages_of(route: Route, names: tuple[str, ...]) -> Pages | None:
    """None for a route that answers no list in pages."""
    fields, answer = (
        {field.encode_name for field in msgspec.structs.fields(shape)}
        for shape in (route.shape, route.answer)
    )
    is_list = "next" in answer and fields & set(PLACES)
    return Pages(route, names) if is_list or {"before_seq", "limit"} <= fields else None
