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

from hubbub.client.aio import Client, connected
from hubbub.client.events import Closed, Connected, Event, NoAnswer, Published, Refused, Reset
from ops.demo.conversations import ANSWERS, GREETING, WELCOME
from ops.demo.people import NAMES, ROBIN

RETRY_S: Final = 1.0
OWN_STREAM: Final = f"#{ROBIN}"


class Robin:
    """Runs until cancelled. `urls`: edges to try in turn; `token(user)` issues a fresh token."""

    def __init__(self, urls: Sequence[str], token: Callable[[str], str]) -> None:
        self._urls = urls
        self._token = token
        self._answers: dict[str, Iterator[str]] = {}
        self._heard: dict[str, int] = {}  # channel → highest seq that was looked at

    async def run(self) -> None:
        """Listens, over any number of connections."""
        while True:
            async with connected(self._urls, self._fresh_token, name="robin") as client:
                async for event in client:
                    await self._hear(client, event)
            await asyncio.sleep(RETRY_S)  # the server refused us for good: what is it now?

    async def _fresh_token(self) -> str:
        return await asyncio.to_thread(self._token, ROBIN)

    async def _hear(self, client: Client, event: Event) -> None:
        try:
            match event:
                case Connected(data=hello):
                    for channel in joined(hello or {}):
                        await self._follow(client, channel)
                case Reset(channel=channel) if channel != OWN_STREAM:
                    await self._look_back(client, channel)
                case Published(channel=channel, data=data):
                    await self._published(client, channel, data or {})
        except (Refused, NoAnswer, Closed):
            pass  # one word less: nobody waits for a bot's

    async def _follow(self, client: Client, channel: str) -> bool:
        """Subscribes, once. A dm whose last word is the other's is answered: Robin was away."""
        if channel in self._heard:
            return False
        self._heard[channel] = (await client.subscribe(channel)).offset
        await self._look_back(client, channel)
        return True

    async def _look_back(self, client: Client, channel: str) -> None:
        if is_dm(channel):
            page = await client.rpc("history.get", channel=channel, limit=1)
            for message in page["messages"]:
                self._heard[channel] = max(self._heard.get(channel, 0), message["seq"])
                for text in self._replies(channel, message):
                    await client.send(channel, text)

    async def _published(self, client: Client, channel: str, data: dict[str, Any]) -> None:
        if channel == OWN_STREAM:
            await self._own_news(client, data)
        elif data.get("seq", 0) > self._heard.get(channel, 0):
            self._heard[channel] = data["seq"]
            for text in self._replies(channel, data):
                await client.send(channel, text)

    async def _own_news(self, client: Client, data: dict[str, Any]) -> None:
        """A channel that Robin was added to is followed; whoever opened a dm is greeted."""
        channel = data.get("channel", "")
        if data.get("t") != "channel.added" or not await self._follow(client, channel):
            return
        if data.get("kind") == "dm":
            await client.send(channel, GREETING.format(name=first_name(data.get("peer", ""))))

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
    listed = hello.get("channels", [])
    return [row["channel"] for row in listed if row.get("state") == "joined"]


def first_name(user: str) -> str:
    """How to address a user: a demo person's first name, else the user id."""
    return NAMES.get(user, user).split()[0]


def is_dm(channel: str) -> bool:
    return channel.startswith("dm:")
