"""A chat user for locust: connects, subscribes, sends and waits for the ack, receives, reads back.

Rules:
1. One connection a user, read by a greenlet of its own (`websocket-client` under gevent).
2. A send is retried under its cmid until it is acknowledged; only then it counts, with the whole
   time since it was first tried. What the server throttles is reported as `throttled`, apart from
   failures.
3. `deliver` is the time from a send, stamped in its text, to the moment a member receives it;
   sender and receiver share the clock of this machine.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

import gevent
import websocket
from gevent.event import AsyncResult, Event
from gevent.lock import Semaphore
from locust import User

from hubbub.base.ids import uuid7
from loadtests.cluster import Cluster, next_url

REPLY_TIMEOUT_S = 5.0
SEND_DEADLINE_S = 15.0
RECONNECT_S = 0.2
RATE_LIMITED = 111
STAMP_DIGITS = 19


class Refused(Exception):
    """An error reply."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']} {error['message']}")
        self.code: int = error["code"]
        self.is_temporary = bool(error.get("temporary"))


class Gone(Exception):
    """The connection was lost, or an answer did not come."""


class ChatConnection:
    """One WebSocket in the Centrifuge JSON protocol, resumed by position after a cut."""

    def __init__(self, user: ChatUser, name: str, channel: str) -> None:
        self._user = user
        self._name = name
        self._channel = channel
        self._ids = itertools.count(1)
        self._waiting: dict[int, AsyncResult] = {}
        self._socket: websocket.WebSocket | None = None
        self._writing = Semaphore()
        self._subscribed = Event()
        self._offset, self._epoch = -1, ""
        self._is_closing = False
        self._reader = gevent.spawn(self._run)

    def rpc(self, method: str, data: dict[str, Any]) -> Any:
        """The answer's data. Raises Refused or Gone."""
        if not self._subscribed.wait(REPLY_TIMEOUT_S):
            raise Gone("not connected")
        return self._ask({"rpc": {"method": method, "data": data}})["rpc"]["data"]

    def close(self) -> None:
        """Ends the connection and its greenlet."""
        self._is_closing = True
        if self._socket is not None:
            self._socket.close()
        self._reader.kill()

    def _run(self) -> None:
        while not self._is_closing:
            try:
                self._connect()
                self._read()
            except (OSError, websocket.WebSocketException, Gone, Refused) as lost:
                self._fail_waiting(lost)
                if not self._is_closing:
                    self._user.lost(lost)
                    gevent.sleep(RECONNECT_S)

    def _connect(self) -> None:
        """Connects and subscribes, in one frame; both are reported as one `connect`."""
        started = time.perf_counter()
        cluster = self._user.cluster
        url = next_url(cluster).replace("http", "ws", 1) + "/connection/websocket"
        self._socket = websocket.create_connection(url, timeout=REPLY_TIMEOUT_S)
        connect = {"token": cluster.token(self._name), "name": "locust"}
        subscribe: dict[str, Any] = {"channel": self._channel}
        if self._offset >= 0:
            subscribe |= {"recover": True, "offset": self._offset, "epoch": self._epoch}
        self._write({"id": next(self._ids), "connect": connect})
        self._write({"id": (last := next(self._ids)), "subscribe": subscribe})
        while not self._subscribed.is_set():
            for reply in self._frame():
                if "error" in reply:
                    raise Refused(reply["error"])
                if reply.get("id") == last:
                    self._resumed(reply["subscribe"])
                    self._user.took("connect", started)
                else:
                    self._handle(reply)

    def _resumed(self, result: dict[str, Any]) -> None:
        if self._offset >= 0 and not result.get("recovered"):
            self._user.failed("recover", "position could not be recovered")
        self._epoch, self._offset = result["epoch"], result.get("offset", 0)
        for publication in result.get("publications", []):
            self._take(publication)
        assert self._socket is not None
        self._socket.settimeout(None)
        self._subscribed.set()

    def _read(self) -> None:
        while True:
            for reply in self._frame():
                self._handle(reply)

    def _handle(self, reply: dict[str, Any]) -> None:
        if "push" in reply:
            push = reply["push"]
            if push.get("channel") == self._channel and "pub" in push:
                self._take(push["pub"])
        elif "id" in reply:
            wait = self._waiting.pop(reply["id"], None)
            if wait is not None:
                wait.set(reply)
        else:
            self._write({})  # a ping is answered by a pong

    def _frame(self) -> list[dict[str, Any]]:
        assert self._socket is not None
        frame = self._socket.recv()
        if not frame:
            raise Gone("closed by the server")
        text = frame.decode() if isinstance(frame, bytes) else frame
        # Not splitlines(): a text may hold other line ends, such as U+2028.
        return [json.loads(line) for line in text.split("\n") if line]

    def _take(self, publication: dict[str, Any]) -> None:
        offset = publication.get("offset", 0)
        if not offset:
            return
        if offset != self._offset + 1:
            self._user.failed("order", f"offset {offset} after {self._offset}")
        self._offset = offset
        self._user.received(publication["data"])

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        wait = self._waiting[number] = AsyncResult()
        try:
            self._write({"id": number, **command})
            reply: dict[str, Any] = wait.get(timeout=REPLY_TIMEOUT_S)
        except gevent.Timeout:
            raise Gone("no answer") from None
        except (OSError, websocket.WebSocketException) as lost:
            raise Gone(str(lost)) from None
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply

    def _write(self, command: dict[str, Any]) -> None:
        assert self._socket is not None
        with self._writing:  # a frame is written in several steps; greenlets must not mix them
            self._socket.send(json.dumps(command, ensure_ascii=False))

    def _fail_waiting(self, lost: Exception) -> None:
        self._subscribed.clear()
        waiting, self._waiting = self._waiting, {}
        for wait in waiting.values():
            wait.set_exception(Gone(str(lost)))


class ChatUser(User):
    """A person in one channel. Subclasses name the cluster and have tasks, which are actions."""

    abstract = True
    cluster: Cluster

    def open(self, name: str, channel: str) -> None:
        """Joins a channel that this user is a member of."""
        self.name, self.channel = name, channel
        self.seqs: list[int] = []
        self.connection = ChatConnection(self, name, channel)

    def on_stop(self) -> None:
        self.connection.close()

    def send(self, words: str) -> None:
        """Sends one message and waits for its acknowledgement, whatever it takes."""
        started = time.perf_counter()
        cmid = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
        text = f"{time.time_ns():0{STAMP_DIGITS}d} {words}"
        data = {"channel": self.channel, "cmid": cmid, "text": text}
        while time.perf_counter() - started < SEND_DEADLINE_S:
            try:
                self.seqs.append(self.connection.rpc("message.send", data)["seq"])
            except Refused as refused:
                if refused.code == RATE_LIMITED:
                    self.took("throttled", started)
                    return
                if not refused.is_temporary:
                    self.failed("send", str(refused))
                    return
                gevent.sleep(RECONNECT_S)
            except Gone:
                gevent.sleep(RECONNECT_S)
            else:
                self.took("send to ack", started)
                return
        self.failed("send", f"no acknowledgement within {SEND_DEADLINE_S:.0f} s")

    def read_history(self, limit: int = 50) -> None:
        """Reads one page below a place that this user knows of, or the newest one."""
        place = {"before_seq": self.seqs[0]} if self.seqs else {}
        started = time.perf_counter()
        request = {"channel": self.channel, "limit": limit, **place}
        try:
            page = self.connection.rpc("history.get", request)
        except (Refused, Gone) as failure:
            self.failed("history", str(failure))
            return
        seqs = [message["seq"] for message in page["messages"]]
        if seqs != sorted(set(seqs)):
            self.failed("history", "a page out of order")
        self.took("history page", started, length=len(seqs))

    # --- what the connection tells

    def received(self, data: dict[str, Any]) -> None:
        """A publication of the channel: how long it took since it was sent."""
        stamp = str(data.get("text", ""))[:STAMP_DIGITS]
        if data.get("t") == "message.created" and stamp.isdigit():
            self._report("deliver", (time.time_ns() - int(stamp)) / 1e6)

    def lost(self, why: Exception) -> None:
        """The connection ended; it resumes by itself unless it was refused for good."""
        if isinstance(why, Refused) and not why.is_temporary:
            self.failed("connect", str(why))
            self.stop(force=True)
        else:
            self._report("reconnect", 0.0)

    def took(self, name: str, started: float, *, length: int = 0) -> None:
        """Reports a success with its time since `started`."""
        self._report(name, (time.perf_counter() - started) * 1_000, length=length)

    def failed(self, name: str, why: str) -> None:
        """Reports a failure."""
        self._report(name, 0.0, failure=Gone(why))

    def _report(
        self, name: str, ms: float, *, length: int = 0, failure: Exception | None = None
    ) -> None:
        self.environment.events.request.fire(
            request_type="chat",
            name=name,
            response_time=ms,
            response_length=length,
            exception=failure,
            context={},
        )
