"""A small server of the client protocol: one log, one connection at a time, a network that loses.

It does what an edge promises: commands are stored once for each cmid, publications are pushed in
order, a recovery gives what was missed or says that it does not (more than RECOVERY_MAX), pages of
history give the rest.
"""

from __future__ import annotations

import json
from typing import Any

from hubbub.client.core import Core
from hubbub.client.events import Dial, Event, HangUp, Write

ROOM = "group:x"
EPOCH = "e"
RECOVERY_MAX = 2
PAGE_MAX = 3


class ModelServer:
    """`up` and `down`: frames on their way. Nothing moves unless it is told to."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.now_ms = 1_000
        self.log: list[str] = []
        self.seqs: dict[str, int] = {}  # cmid → seq
        self.events: list[Event] = []
        self.up: list[str] = []
        self.down: list[str] = []
        self.is_open = False
        self.is_following = False
        self.connects = 0

    # --- the network

    def obey(self) -> None:
        """What the core orders; events are kept."""
        for output in self.core.take():
            match output:
                case Dial():
                    self.connects += 1
                    self.is_open = True
                    self.core.opened("token", self.now_ms)
                    self.obey()
                case Write(text):
                    if self.is_open:
                        self.up.append(text)
                case HangUp():
                    self.drop()
                case _:
                    self.events.append(output)

    def drop(self) -> None:
        """The connection is gone with all that was under way."""
        self.is_open = self.is_following = False
        self.up.clear()
        self.down.clear()

    def cut(self) -> None:
        """The network fails, and the client hears of it."""
        if self.is_open:
            self.drop()
            self.core.lost(0, "cut", self.now_ms)
            self.obey()

    def to_server(self) -> None:
        if self.up:
            for line in self.up.pop(0).split("\n"):
                self._command(json.loads(line))

    def to_client(self) -> None:
        if self.down:
            self.core.received(self.down.pop(0).encode(), self.now_ms)
            self.obey()

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms
        self.core.tick(self.now_ms)
        self.obey()

    def settle(self) -> None:
        """Everything arrives; time passes until nothing is due any more."""
        for _ in range(10_000):
            if self.up:
                self.to_server()
            elif self.down:
                self.to_client()
            else:
                due_ms = self.core.next_ms()
                is_asking = self.core._asked or len(self.core._requests)
                is_idle = self.is_following and not is_asking
                if due_ms is None or (is_idle and due_ms > self.now_ms + 1_000):
                    return
                self.pass_time(max(0, due_ms - self.now_ms))
        raise AssertionError("never at rest")

    # --- the server

    def append(self, text: str) -> int:
        self.log.append(text)
        if self.is_following:
            self.say({"push": {"channel": ROOM, "pub": self._publication(len(self.log))}})
        return len(self.log)

    def say(self, reply: dict[str, Any]) -> None:
        self.down.append(json.dumps(reply))

    def _command(self, command: dict[str, Any]) -> None:
        number = command.get("id", 0)
        if "connect" in command:
            self.say({"id": number, "connect": {"client": "c", "ping": 25, "pong": True}})
        elif "subscribe" in command:
            self.say({"id": number, "subscribe": self._subscribe(command["subscribe"])})
        elif "history" in command:
            after = command["history"]["since"]["offset"]
            page = range(after + 1, min(after + PAGE_MAX, len(self.log)) + 1)
            found = [self._publication(seq) for seq in page]
            result = {"publications": found, "offset": len(self.log), "epoch": EPOCH}
            self.say({"id": number, "history": result})
        elif "rpc" in command:
            data = command["rpc"]["data"]
            if data["cmid"] not in self.seqs:
                self.seqs[data["cmid"]] = self.append(data["text"])
            self.say({"id": number, "rpc": {"data": {"seq": self.seqs[data["cmid"]]}}})

    def _subscribe(self, request: dict[str, Any]) -> dict[str, Any]:
        self.is_following = True
        head = len(self.log)
        result: dict[str, Any] = {"recoverable": True, "epoch": EPOCH, "offset": head}
        if request.get("recover"):
            missed = range(request["offset"] + 1, head + 1)
            if len(missed) <= RECOVERY_MAX:
                result |= {
                    "recovered": True,
                    "offset": request["offset"],
                    "publications": [self._publication(seq) for seq in missed],
                }
        return result

    def _publication(self, seq: int) -> dict[str, Any]:
        return {"data": {"text": self.log[seq - 1]}, "offset": seq}
