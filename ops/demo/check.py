"""The demo's self-test: a message from one edge to the other, back out of the history, and an
answer of the bot."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubbub.client.aio import Client, Token, connected
from hubbub.client.events import Closed, NoAnswer, Published, Refused
from ops.answer import Failure
from ops.api import Rest
from ops.demo.people import ROBIN
from ops.demo.seed import open_dm

DEADLINE_S = 10.0
SENDER, READER = "alice", "bob"


@dataclass(frozen=True)
class Outcome:
    """`delivered_ms`: from the sender's call to the reader's push."""

    channel: str
    sender_edge: str
    reader_edge: str
    delivered_ms: float

    def line(self) -> str:
        return (
            f"{SENDER}@{self.sender_edge} -> {READER}@{self.reader_edge} delivered in "
            f"{self.delivered_ms:.0f} ms, read back from the history; robin answers"
        )


async def check(edges: Sequence[tuple[str, str]], server_key: str) -> Outcome:
    """Runs the self-test over the first and the last edge, (name, url) each. Raises Failure."""
    first, last = edges[0], edges[-1]
    rest = Rest(first[1], server_key)
    channel = await asyncio.to_thread(open_dm, rest, SENDER, READER)
    bots = await asyncio.to_thread(open_dm, rest, SENDER, ROBIN)
    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            connected([first[1]], _token(rest, SENDER), name="check") as sender,
            connected([last[1]], _token(rest, READER), name="check") as reader,
        ):
            delivered_ms = await _exchange(sender, reader, channel)
            await _talk_to_robin(sender, bots)
    except (Closed, NoAnswer, Refused, TimeoutError) as error:
        raise Failure("the self-test failed", cause=[f"{type(error).__name__}: {error}"]) from None
    return Outcome(channel, first[0], last[0], delivered_ms)


async def _exchange(sender: Client, reader: Client, channel: str) -> float:
    """Sends, waits for the delivery, reads the history. Returns the milliseconds of the first."""
    text = f"self-test {os.urandom(6).hex()}"
    await reader.subscribe(channel)
    began_at = time.monotonic()
    sent = await sender.send(channel, text)
    data = await _next_message(reader, channel)
    took_ms = (time.monotonic() - began_at) * 1000
    if (data["text"], data["seq"], data["by"]) != (text, sent["seq"], SENDER):
        raise Failure("the self-test failed", cause=[f"sent {sent}, delivered {data}"])
    page = await reader.rpc("history.get", channel=channel, before_seq=sent["seq"] + 1, limit=1)
    if [message.get("text") for message in page["messages"]] != [text]:
        raise Failure("the self-test failed", cause=[f"the history says {page}"])
    return took_ms


async def _talk_to_robin(sender: Client, channel: str) -> None:
    await sender.subscribe(channel)
    await sender.send(channel, "Hello Robin, are you there?")
    while (await _next_message(sender, channel))["by"] != ROBIN:
        continue


async def _next_message(client: Client, channel: str) -> dict[str, Any]:
    """The next message of a channel."""
    async for event in client:
        if not isinstance(event, Published) or event.channel != channel:
            continue
        if event.data.get("t") == "message.created":
            return dict(event.data)
    raise Closed("the connection was refused")


def _token(rest: Rest, user: str) -> Token:
    async def fresh() -> str:
        made = await asyncio.to_thread(rest.need, "POST", "/v1/tokens", {"user": user})
        token: str = made["token"]
        return token

    return fresh
