"""Robin, the demo's bot: an ordinary client that greets people and answers whoever writes to it.

It knows what any program with a user's token knows: its channels come with the connection and by
its own stream `#robin`, everything else by its subscriptions. Rules: it answers people in a dm, and
welcomes them to a room; it never answers itself, and nothing twice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ops.answer import Failure
from ops.demo.connection import Connection, ConnectionLost, Refused, connect
from ops.demo.conversations import ANSWERS, GREETING, WELCOME
from ops.demo.people import NAMES, ROBIN

RETRY_S: Final = 1.0
OWN_STREAM: Final = f"#{ROBIN}"


class Robin:
    """Runs until cancelled. `urls`: edges to try in turn; `token(user)` issues a fresh token."""

    def __init__(self, urls: Sequence[str], token: Callable[[str], str]) -> None:
        self._urls = itertools.cycle(urls)
        self._token = token
        self._answers: dict[str, Iterator[str]] = {}
        self._heard: dict[str, int] = {}  # channel → highest seq that was looked at

    async def run(self) -> None:
        """Connects, listens, and connects again after a loss."""
        while True:
            try:
                token = await asyncio.to_thread(self._token, ROBIN)
                async with connect(next(self._urls), token) as (line, hello):
                    for channel in joined(hello):
                        await self._follow(line, channel)
                    while True:
                        await self._hear(line, await line.next_push())
            except (ConnectionLost, Refused, Failure):
                await asyncio.sleep(RETRY_S)

    async def _follow(self, line: Connection, channel: str) -> None:
        """Subscribes. A dm whose last word is the other's is answered: Robin was away."""
        result = await line.command(subscribe={"channel": channel})
        self._heard.setdefault(channel, int(result.get("offset", 0)))
        if is_dm(channel):
            page = await line.rpc("history.get", channel=channel, limit=1)
            for message in page["messages"]:
                self._heard[channel] = max(self._heard[channel], message["seq"])
                for text in self._replies(channel, message):
                    await line.send(channel, text)

    async def _hear(self, line: Connection, push: dict[str, Any]) -> None:
        channel = push.get("channel", "")
        data = push.get("pub", {}).get("data") or {}
        if channel == OWN_STREAM:
            await self._own_news(line, data)
        elif data.get("seq", 0) > self._heard.get(channel, 0):
            self._heard[channel] = data["seq"]
            for text in self._replies(channel, data):
                await line.send(channel, text)

    async def _own_news(self, line: Connection, data: dict[str, Any]) -> None:
        """A channel that Robin was added to is followed; whoever opened a dm is greeted."""
        channel = data.get("channel", "")
        if data.get("t") != "channel.added" or channel in self._heard:
            return
        await self._follow(line, channel)
        if data.get("kind") == "dm":
            await line.send(channel, GREETING.format(name=first_name(data.get("peer", ""))))

    def _replies(self, channel: str, data: dict[str, Any]) -> list[str]:
        """What Robin says to one event of a channel."""
        if data.get("deleted") or data.get("by") == ROBIN:
            return []
        if data.get("t") == "message.created" and is_dm(channel):
            answers = self._answers.setdefault(channel, itertools.cycle(ANSWERS))
            return [next(answers).format(name=first_name(data["by"]))]
        if data.get("t") == "member.joined" and not is_dm(channel):
            return [
                WELCOME.format(name=first_name(user))
                for user in data.get("users", [])
                if user != ROBIN
            ]
        return []


def joined(hello: dict[str, Any]) -> list[str]:
    """The channels of the list that came with the connection."""
    listed = (hello.get("data") or {}).get("channels", [])
    return [row["channel"] for row in listed if row.get("state") == "joined"]


def first_name(user: str) -> str:
    """How to address a user: a demo person's first name, else the user id."""
    return NAMES.get(user, user).split()[0]


def is_dm(channel: str) -> bool:
    return channel.startswith("dm:")
