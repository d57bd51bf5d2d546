"""kill -9 of a real node under load: what was acknowledged is there, in order, once."""

from __future__ import annotations

import asyncio
import json
import random
import signal

import pytest

from hubbub.wire.frame import Message
from hubbub.wire.shapes import Kind, Outcome
from tests.node.process import NodeProcess, RouterPlayer, answer_of, command

ROOMS = [f"group:{i}" for i in range(5)]
MESSAGES = 400
OUTSTANDING = 40


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_under_load_loses_nothing_that_was_acknowledged(seed: int) -> None:
    node, rng = NodeProcess(), random.Random(seed)
    sent: dict[str, Outcome] = {}  # text → answer
    bodies: dict[str, tuple[str, bytes]] = {}
    try:
        await node.prepare()
        node.start()
        router = await connected(node)
        for room in ROOMS:
            assert (await router.submit(room, "channel.create", {"channel": room})).seq == 1
        begun: dict[str, asyncio.Future[Message]] = {}
        answered = asyncio.Semaphore(OUTSTANDING)

        def count(_: asyncio.Future[Message]) -> None:
            answered.release()
            if sum(f.done() for f in begun.values()) == MESSAGES // 2:
                node.send_signal(signal.SIGKILL)  # now, while the others are on their way

        for number in range(MESSAGES):
            room, text = rng.choice(ROOMS), f"message {number}"
            body = command("message.send", {"channel": room, "text": text}, "alice")
            bodies[text] = (room, body)
            if node.is_running:
                await answered.acquire()
                begun[text] = router.begin(Kind.SUBMIT, room, body)
                begun[text].add_done_callback(count)
        node.kill()
        sent = {text: answer_of(f.result()) for text, f in begun.items() if f.done()}
        await router.close()
        assert MESSAGES // 2 <= len(sent) < len(begun), "the kill came in the middle"

        node.start()
        router = await connected(node)
        for text, (room, body) in bodies.items():
            again = answer_of(await router.ask(Kind.SUBMIT, room, body))
            assert isinstance(again, Outcome), again
            if text in sent:
                assert (again.seq, again.id, again.dup) == (sent[text].seq, sent[text].id, True)
        stored: list[str] = []
        for room in ROOMS:
            stored += await texts(router, room)
        assert sorted(stored) == sorted(bodies)
        await router.close()
    finally:
        node.close()


async def connected(node: NodeProcess) -> RouterPlayer:
    router = RouterPlayer(node.coordinator)
    await router.connect(str(node.config["listen"]))
    return router


async def texts(router: RouterPlayer, room: str) -> list[str]:
    """All messages of a room; their seqs have no hole."""
    found: list[str] = []
    after = 0
    while True:
        args = {"channel": room, "after_seq": after, "limit": 50}
        page = json.loads(await router.query(room, "history.get", args))
        if not page["messages"]:
            assert after == page["head"]
            return found
        for message in page["messages"]:
            assert message["seq"] == max(after, 1) + 1  # seq 1 is the channel's creation
            after = message["seq"]
            found.append(message["text"])
