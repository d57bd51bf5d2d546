"""A feed: order, overflow, and its end."""

from __future__ import annotations

import pytest

from hubbub.client.events import Closed, Ended, NotAllowed, Published, Reset
from hubbub.client.feeds import UNREAD_MAX, Feed


def published(offset: int) -> Published:
    return Published("group:x", offset, {"n": offset}, None)


async def test_what_waits_is_read_before_the_end() -> None:
    feed = Feed("group:x")
    feed.put(published(1))
    feed.put(published(2))
    feed.end(Closed("over"))
    assert [event async for event in feed] == [published(1), published(2)]


async def test_a_subscription_that_the_server_ended_raises() -> None:
    feed = Feed("group:x")
    feed.end(Ended("group:x", NotAllowed(1, "no", False, {})))
    with pytest.raises(NotAllowed):
        await anext(feed)


async def test_a_slow_reader_gets_one_reset_for_all_that_waited() -> None:
    feed = Feed("group:x")
    for offset in range(1, UNREAD_MAX + 2):
        feed.put(published(offset))
    feed.put(published(UNREAD_MAX + 2))
    assert await anext(feed) == Reset("group:x", UNREAD_MAX + 1)
    assert await anext(feed) == published(UNREAD_MAX + 2)
