"""Hubbub for a Python program: `async with connect(url, token) as chat`.

Rules:
1. Three outcomes, never two: an answer; Refused (a subclass says of what kind, `reason` the code);
   NoAnswer: it may or may not have happened.
2. `call` knows which verbs are commands: these are repeated under one cmid until answered. `send`,
   `edit` and `delete` go through the outbox (`hubbub.client.outbox`): offline they wait, and with a
   FileStore they outlive the program. A channel's entries keep their order.
3. What a feed hands on is acknowledged as delivered (`hubbub.client.acks`): after 250 ms, or at
   once with the 32nd message; one acknowledgement at a time.
4. Everything else is in `verbs`, typed, by the names of the API's documents, and a `call` away
   where the verb is not known before. `rows` reads what comes in pages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypedDict

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.aio import Client, Token, connected
from hubbub.client.calls import PAGED, Verbs
from hubbub.client.events import (
    Closed,
    Conflict,
    Connected,
    Cut,
    Ended,
    Invalid,
    Json,
    Limited,
    NoAnswer,
    NotAllowed,
    NotFound,
    OutboxFull,
    Presence,
    Published,
    Refused,
    Reset,
    Unavailable,
)
from hubbub.client.feeds import Feed
from hubbub.client.outbox import Entry, Outbox
from hubbub.client.positions import Change, Positions
from hubbub.client.stores import FileStore, MemoryStore, Store
from hubbub.client.verbs import COMMANDS

if TYPE_CHECKING:
    from hubbub.client.shapes import HistoryPage, Message

# What a program needs beside: one import is enough.
__all__ = [
    "Change",
    "Channel",
    "Chat",
    "Closed",
    "Conflict",
    "FileStore",
    "Invalid",
    "Limited",
    "MemoryStore",
    "NoAnswer",
    "NotAllowed",
    "NotFound",
    "OutboxFull",
    "Presence",
    "Published",
    "Refused",
    "Reset",
    "Sent",
    "Store",
    "Unavailable",
    "connect",
]


class Sent(TypedDict, total=False):
    """What was stored. `dup`: an earlier try had stored it."""

    seq: int
    id: str
    ts: str
    dup: bool
    rev: int


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
    token: str | Token,
    *,
    name: str = "",
    outbox: Store | None = None,
    acks: bool = True,
) -> AsyncIterator[Chat]:
    """A chat that connects, again and again, until the block is left.

    Args: url: of one edge or several, `http://…`. token: or an async function that gives a fresh
        one for each connection. outbox: where unsent messages are kept; in memory by default.
        acks: whether senders are told that messages were delivered here.
    """
    urls = [url] if isinstance(url, str) else list(url)
    failure: Exception | None = None

    async def given() -> str:
        return token if isinstance(token, str) else await token()

    async with connected(urls, given, name=name) as client, asyncio.TaskGroup() as group:
        chat = Chat(client, group, outbox or MemoryStore(), acks=acks)
        try:
            yield chat
        except Exception as raised:  # noqa: BLE001 - boundary: raised below, outside of the group
            failure = raised
        finally:
            chat.close()
    if failure is not None:
        raise failure


class Chat:
    """Made by `connect`."""

    def __init__(
        self, client: Client, group: asyncio.TaskGroup, outbox: Store, *, acks: bool = True
    ) -> None:
        self._client = client
        self._group = group
        self.verbs = Verbs(self.call)
        self._outbox = Outbox(outbox)
        self._feeds: dict[str, list[Feed]] = {}
        self._settled: dict[int, asyncio.Future[Sent]] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._online = asyncio.Event()
        self._acknowledging = Acknowledging(self._delivered, group)
        self._acks = self._acknowledging.acks
        self._acks.is_off = not acks
        self._tasks = {group.create_task(self._pump(), name="chat.pump")}
        for channel in self._outbox.channels():
            self._send_later(channel)

    @property
    def unsent(self) -> int:
        """How many entries the outbox holds."""
        return len(self._outbox)

    def channel(self, name: str) -> Channel:
        """A handle; nothing is asked for yet."""
        return Channel(self, name)

    async def call(self, verb: str, **data: Json) -> Json:
        """Any verb. Raises Refused, NoAnswer (15 s for a command, else 5), Closed."""
        ask = self._client.command if verb in COMMANDS else self._client.rpc
        return await ask(verb, **data)

    async def rows(self, verb: str, **data: Json) -> AsyncIterator[Json]:
        """Every row of a list, page by page. Raises as `call`; ValueError for what is no list."""
        if verb not in PAGED:
            raise ValueError(f"{verb} is no list that goes on: {', '.join(PAGED)}")
        place, name = PAGED[verb]
        while True:
            page = await self.call(verb, **data)
            for row in page[name]:
                yield row
            if not page.get("next"):
                return
            data[place] = page["next"]

    async def sign(self, verb: str, channel: str) -> None:
        """What is not worth repeating: once too often or lost, it is forgotten. Raises Refused for
        other reasons, Closed."""
        with suppress(Limited, NoAnswer):
            await self._client.rpc(verb, channel=channel)

    async def sync(self, store: Store) -> AsyncIterator[Change]:
        """All changes since the store's positions, after weeks too; ends at the present. A change
        counts as taken when the next one is asked for; positions are stored when all of an answer
        are taken. A cut does not end it. Raises Refused, NoAnswer (15 s), Closed."""
        positions = Positions(store.load())
        while (asked := positions.ask()) is not None:
            for change in positions.take(await self._client.read("sync", **asked)):
                if change.snapshot and not change.channel:
                    positions.listed(await self._listed(change.snapshot))
                yield change
                positions.reached(change)
            store.save(positions.saved())

    async def _listed(self, snapshot: Json) -> list[str]:
        """All channels that a bootstrap begins to list."""
        lines, following = list(snapshot["channels"]), snapshot.get("next", "")
        while following:
            page = await self._client.read("user.channels", before=following)
            lines += page["channels"]
            following = page["next"]
        return [line["channel"] for line in lines if line.get("state") == "joined"]

    # --- subscriptions

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Feed]:
        """A channel's events over all cuts, until the block is left. Raises Refused, Closed."""
        feed = Feed(channel)
        self._feeds.setdefault(channel, []).append(feed)
        try:
            if len(self._feeds[channel]) == 1:
                await self._client.subscribe(channel)
            yield feed
        finally:
            self._feeds[channel].remove(feed)
            if not self._feeds[channel]:
                del self._feeds[channel]
                self._acks.forget(channel)
                self._client.unsubscribe(channel)

    async def _delivered(self, marks: dict[str, int]) -> Json:
        return await self._client.rpc("mark.delivered", marks=marks)

    async def _pump(self) -> None:
        async for event in self._client:
            match event:
                case Connected():
                    self._acks.user = _user_of(event.data)
                    self._online.set()
                case Cut():
                    self._online.clear()
                case Published() | Reset() | Presence():
                    for feed in self._feeds.get(event.channel, ()):
                        feed.put(event)
                    if isinstance(event, Published):
                        self._acknowledging.got(event)
                case Ended():
                    for feed in self._feeds.get(event.channel, ()):
                        feed.end(event)
        self._online.set()  # who waits shall see that it is over
        for feed in [feed for feeds in self._feeds.values() for feed in feeds]:
            feed.end(Closed(f"{self._client.stopped}"))

    # --- the outbox

    def post(self, method: str, channel: str, data: dict[str, Json]) -> asyncio.Future[Sent]:
        """Into the outbox; the future is its outcome (Refused, NoAnswer). Nobody needs to wait.
        Raises OutboxFull, Closed."""
        if self._client.stopped is not None:
            raise Closed(f"{self._client.stopped}")
        number = self._outbox.add(method, channel, data)
        future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._settled[number] = future
        self._send_later(channel)
        return future

    def _send_later(self, channel: str) -> None:
        if channel not in self._senders:
            task = self._group.create_task(self._send_all(channel), name="chat.send")
            self._senders[channel] = task

    async def _send_all(self, channel: str) -> None:
        """A channel's entries, one after the other, until none is left."""
        while self._client.stopped is None:
            await self._online.wait()  # what is not tried yet needs no cmid
            taken = self._outbox.take(channel, _unix_ms(), self._client.new_cmid)
            if taken is None:
                break
            entry, may_be_sent = taken
            if not may_be_sent:
                self._end(entry, NoAnswer("too old to be sent again"))
                continue
            try:
                data = {**entry.data, "channel": channel, "cmid": entry.cmid}
                self._end(entry, await self._client.command(entry.method, **data))
            except Refused as refused:
                if self._client.learned(refused):
                    self._outbox.renew(entry.number)
                else:
                    self._end(entry, refused)
            except NoAnswer:
                continue  # its 15 seconds are over: again, under the same cmid
            except Closed:
                break
        del self._senders[channel]

    def _end(self, entry: Entry, outcome: Sent | Refused | NoAnswer) -> None:
        self._outbox.end(entry.number)
        future = self._settled.pop(entry.number, None)
        if future is None or future.done():
            return
        if isinstance(outcome, Refused | NoAnswer):
            future.set_exception(outcome)
            future.exception()  # looked at: nobody has to wait for it
        else:
            future.set_result(outcome)

    def close(self) -> None:
        """Ends everything; `connect` calls it. What is unsent stays in the outbox's store."""
        self._acknowledging.close()
        for task in (*self._tasks, *self._senders.values()):
            task.cancel()
        for future in self._settled.values():
            future.cancel()


class Channel:
    """One channel's verbs. What takes `more` passes on further fields of the verb."""

    def __init__(self, chat: Chat, name: str) -> None:
        self.name = name
        self._chat = chat

    async def send(self, text: str, **more: Json) -> Sent:
        """Waits, however long, for its outcome; `post` does not wait. Cancellation: it stays in the
        outbox and is sent."""
        return await asyncio.shield(self.post(text, **more))

    def post(self, text: str, **more: Json) -> asyncio.Future[Sent]:
        """A message into the outbox, sent as soon as that is possible."""
        return self._chat.post("message.send", self.name, {"text": text, **more})

    async def edit(self, id: str, text: str, **more: Json) -> Sent:
        """Behind what was sent before."""
        data = {"id": id, "text": text, **more}
        return await asyncio.shield(self._chat.post("message.edit", self.name, data))

    async def delete(self, id: str) -> Sent:
        """Behind what was sent before."""
        return await asyncio.shield(self._chat.post("message.delete", self.name, {"id": id}))

    async def call(self, verb: str, **data: Json) -> Json:
        """Any verb with this channel."""
        return await self._chat.call(verb, channel=self.name, **data)

    async def react(self, id: str, emoji: str, *, remove: bool = False) -> Json:
        """{count, annotation_rev}."""
        verb = "reaction.remove" if remove else "reaction.add"
        return await self.call(verb, id=id, emoji=emoji)

    async def history(self, **place: Json) -> HistoryPage:
        """A page: `after_seq`, `before_seq`, `around_seq` or `at`; `limit`."""
        page: HistoryPage = await self.call("history.get", **place)
        return page

    async def messages(self, **which: Json) -> AsyncIterator[Message]:
        """All of them from the newest to the oldest, page by page. `which`: as of `history.get`."""
        while True:
            page = await self.history(**which)
            found = page["messages"]
            for message in reversed(found):
                yield message
            reached = page.get("reached") or min((m["seq"] for m in found), default=0)
            if reached <= 1:
                return
            which["before_seq"] = reached

    def subscribe(self) -> AbstractAsyncContextManager[Feed]:
        """`async with channel.subscribe() as events: async for event in events`."""
        return self._chat.subscribe(self.name)

    async def mark_read(self, upto: int) -> Json:
        """{upto, rev}."""
        return await self.call("mark.read", upto=upto)

    async def typing(self, *, stop: bool = False) -> None:
        """A sign that passes by itself. Give it as often as you like: what is too often, or has no
        connection, is left out."""
        await self._chat.sign("typing.stop" if stop else "typing.start", self.name)

    async def members(self) -> AsyncIterator[Json]:
        """All of them, page by page."""
        async for member in self._chat.rows("members.list", channel=self.name):
            yield member


def _user_of(bootstrap: Json) -> str:
    return str(bootstrap.get("user", "")) if isinstance(bootstrap, dict) else ""


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
