"""What a list's request and answer have as HTTP."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from edge.web.links import links, listed, once
from edge.web.paging import Beside
from hubbub.base.errors import BAD_REQUEST, Rejected

TEA = "/v1/channels/group:tea/messages"
BESIDE = Beside(has_more=True, next_cursor="n-n", prev_cursor="p-p")


def test_links_keep_the_filters_and_drop_the_places() -> None:
    query = {"limit": "1", "by": "a&b", "before_seq": "8", "cursor": "old"}
    following, previous = links(TEA, query, BESIDE).split(", ")
    assert following == f'<{TEA}?limit=1&by=a%26b&cursor=n-n>; rel="next"'
    assert previous == f'<{TEA}?limit=1&by=a%26b&cursor=p-p>; rel="prev"'
    assert links(TEA, query, Beside()) == ""


def test_an_answer_has_its_links_where_another_get_can_follow_them() -> None:
    got = listed(make_mocked_request("GET", f"{TEA}?limit=1"), 200, b"{}", BESIDE)
    assert 'limit=1&cursor=n-n>; rel="next"' in got.headers["Link"]
    posted = listed(make_mocked_request("POST", "/v1/users/query"), 200, b"{}", BESIDE)
    assert "Link" not in posted.headers
    last = listed(make_mocked_request("GET", TEA), 200, b"{}", Beside(has_more=False))
    assert "Link" not in last.headers


def test_a_parameter_that_is_given_twice_is_named() -> None:
    assert once(make_mocked_request("GET", f"{TEA}?limit=1&by=a")) == {
        "limit": "1",
        "by": "a",
    }
    with pytest.raises(Rejected, match="limit is given twice") as caught:
        once(make_mocked_request("GET", f"{TEA}?limit=1&limit=2"))
    assert caught.value.error is BAD_REQUEST
