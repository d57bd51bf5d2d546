"""Lists over REST: one cursor for all of them, links, and where messages go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.web.paging import Pages, pages_of
from hubbub.base.errors import CURSOR_INVALID, Rejected
from hubbub.features.contract import Route
from hubbub.features.registry import REGISTRY

ROUTES = {(row.method, row.path): row for row in REGISTRY.routes}
TEA = {"channel": "group:tea"}
NOW_MS = 1_760_000_000_000
HISTORY: Route = ROUTES["GET", "/v1/channels/{channel}/messages"]
MEMBERS: Route = ROUTES["GET", "/v1/channels/{channel}/members"]
QUERY: Route = ROUTES["POST", "/v1/users/query"]


def pages(route: Route) -> Pages:
    found = pages_of(route, ("channel",) if "{channel}" in route.path else ())
    assert found is not None
    return found


def turned(route: Route, answer: Any, **params: Any) -> tuple[dict[str, Any], Any, Any]:
    """(the answer, the next page's request, the one before's)."""
    list_, asked = pages(route), {**TEA, **params}
    seal = list_.seal(asked, "shop", b"s")
    body, beside = list_.end(json.dumps(answer).encode(), asked, seal, NOW_MS)

    def begun(cursor: str) -> Any:
        if not cursor:
            return None
        found = list_.begin({**asked, "cursor": cursor}, seal, NOW_MS)
        return {k: v for k, v in found.items() if k not in TEA}

    return json.loads(body), begun(beside.next_cursor), begun(beside.prev_cursor)


def test_every_list_has_pages() -> None:
    lists = [row for row in REGISTRY.routes if "limit" in row.shape.__struct_fields__]
    assert len(lists) > 20
    assert [row.path for row in lists if pages_of(row, ()) is None] == []


def test_a_list_goes_on_where_it_ended() -> None:
    body, after, before = turned(MEMBERS, {"members": [], "next": "ben"}, limit=2, after="ann")
    assert (after, before) == ({"limit": 2, "after": "ben"}, None)
    assert body["has_more"]
    assert body["next"] == "ben"
    for last in ({"members": []}, {"members": [], "next": ""}):
        body, after, _ = turned(MEMBERS, last)
        assert (after, body["has_more"]) == (None, False)
        assert "next_cursor" not in body


def test_a_list_with_a_cursor_of_its_own_has_the_sealed_one() -> None:
    body, after, _ = turned(QUERY, {"users": [], "next": "raw"}, prefix="a")
    assert body["next"] == body["next_cursor"] != "raw"
    assert after == {"prefix": "a", "cursor": "raw"}


@pytest.mark.parametrize(
    ("asked", "seqs", "told", "after", "before"),
    [
        ({}, [7, 9], {}, {"before_seq": 7}, {"after_seq": 9}),
        ({"before_seq": 7}, [1, 2], {}, None, {"after_seq": 2}),
        ({"before_seq": 1}, [], {}, None, None),
        ({"by": "ann"}, [], {"reached": 4}, {"before_seq": 4}, None),
        ({"after_seq": 3}, [4, 5], {}, {"after_seq": 5}, {"before_seq": 4}),
        ({"after_seq": 8}, [9], {}, None, {"before_seq": 9}),
        ({"after_seq": 3}, [4], {"reached": 6}, {"after_seq": 6}, {"before_seq": 4}),
        ({"at": 1}, [4, 5], {}, {"after_seq": 5}, {"before_seq": 4}),
        ({"around_seq": 5}, [4, 5], {}, {"before_seq": 4}, {"after_seq": 5}),
    ],
)
def test_messages_go_on_to_older_ones_or_where_they_went(
    asked: dict[str, int], seqs: list[int], told: dict[str, int], after: Any, before: Any
) -> None:
    answer = {"messages": [{"seq": seq} for seq in seqs], "head": 9, **told}
    kept = {k: v for k, v in asked.items() if k == "by"}
    body, following, previous = turned(HISTORY, answer, **asked)
    assert following == (after and {**kept, **after})
    assert previous == (before and {**kept, **before})
    assert body["has_more"] == (after is not None)


def test_a_cursor_is_of_one_channel_s_list() -> None:
    list_ = pages(MEMBERS)
    cursor = list_.seal(TEA, "shop", b"s").sealed({"after": "ann"}, NOW_MS)
    for route, asked in ((MEMBERS, {"channel": "group:milk"}), (HISTORY, TEA)):
        other = pages(route)
        with pytest.raises(Rejected) as caught:
            other.begin({**asked, "cursor": cursor}, other.seal(asked, "shop", b"s"), NOW_MS)
        assert caught.value.error is CURSOR_INVALID
