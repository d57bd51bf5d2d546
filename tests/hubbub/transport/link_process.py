"""A process at the other end of a link, driven by its arguments and by what it is sent.

    link_process.py ROLE NAME BOOT ADDRESS [--keys DIR] [--claim NAME] [--server NAME]

`dial` connects to `--server`, `listen` binds. It answers each REQUEST-like message (SUBMIT) with
an EVENT of the same body. A body of b"sleep" blocks the process for 1.5 s; b"mute" stops reading
acknowledgements by blocking for ever. It prints one line for each thing that happens.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from hubbub.runtime.clock import SystemClock
from hubbub.transport.curve import Keys
from hubbub.transport.peer import Peers
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind


class Echo:
    def __init__(self) -> None:
        self.peers: Peers | None = None

    def say(self, *words: object) -> None:
        print(*words, flush=True)

    def peer_up(self, peer: str, boot_id: int) -> None:
        self.say("up", peer, boot_id)

    def peer_down(self, peer: str) -> None:
        self.say("down", peer)

    def peer_hole(self, peer: str) -> None:
        self.say("hole", peer)

    def receive(self, peer: str, messages: list[Message]) -> None:
        assert self.peers is not None
        for message in messages:
            if message.body == b"sleep":
                time.sleep(1.5)
            if message.type == Kind.SUBMIT:
                self.peers.send(peer, encode_message(Kind.EVENT, message.body))

    def beat(self, peer: str) -> bytes:
        return b""

    def beat_received(self, peer: str, body: bytes) -> None:
        self.say("beat", peer)


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("role", "name", "boot", "address"):
        parser.add_argument(name)
    for name in ("--keys", "--claim", "--server"):
        parser.add_argument(name, default="")
    args = parser.parse_args()
    echo = Echo()
    keys = Keys(args.keys, args.name) if args.keys else None
    echo.peers = Peers(args.claim or args.name, int(args.boot), 1, echo, SystemClock(), keys=keys)
    if args.role == "listen":
        echo.say("bound", echo.peers.listen(args.address))
    else:
        echo.peers.dial(args.server, args.address)
        echo.say("dialled")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until our parent ends
    await echo.peers.close()


if __name__ == "__main__":
    asyncio.run(main())
