"""The client core on threads, over `websocket-client`: for locust, whose threads are greenlets.

gevent is not named here: locust patches the standard library, and with it what this file uses.

Rules:
1. One thread a client dials and reads. Whoever asks waits in his own thread, keeps the core's time
   meanwhile, and writes by himself.
2. The core and the socket's sending side belong to whoever holds `_turn`. Events are told under it,
   in order: `on_event` must not wait.
"""

from __future__ import annotations

import os
import socket as sockets
import threading
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from random import random
from typing import Any, Final

import websocket

from hubbub.base.ids import uuid7
from hubbub.client.core import Core, socket_url
from hubbub.client.events import (
    Answered,
    Dial,
    Event,
    Failed,
    HangUp,
    Json,
    NoAnswer,
    Refused,
    Renew,
    Stopped,
    Write,
)
from hubbub.client.requests import ANSWER_MS

# How long one read waits at least: a socket's time-out is its writers', too.
READ_S_MIN, READ_S_MAX = 1.0, 30.0
LOST: Final = (OSError, websocket.WebSocketException)


class _Answer:
    __slots__ = ("end", "is_there")

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self.end: Answered | Failed | None = None


class Client:
    """Connects from `start` on, to `urls` in turn, with a fresh `token()` each time."""

    def __init__(
        self,
        urls: Sequence[str],
        token: Callable[[], str],
        on_event: Callable[[Event], None],
        *,
        name: str = "",
    ) -> None:
        self._addresses = cycle([socket_url(url) for url in urls])
        self._token = token
        self._on_event = on_event
        self._core = Core(random=random, new_cmid=_new_cmid, name=name)
        self._turn = threading.RLock()
        self._wake = threading.Event()
        self._waiting: dict[int, _Answer] = {}
        self._socket: Any = None
        self._dials = False
        self._is_over = False
        self._reader = threading.Thread(target=self._run, name="client.line", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        with self._turn:
            self._core.start(_now_ms())
            self._handle()
        self._reader.start()

    def rpc(self, method: str, data: dict[str, Json]) -> Json:
        """A question, asked once. Raises Refused, NoAnswer."""
        return self._ask(method, data, repeats=False, is_patient=False)

    def command(self, method: str, data: dict[str, Json], *, is_patient: bool = True) -> Json:
        """A command, repeated under one cmid until it is answered. Raises Refused, NoAnswer."""
        return self._ask(method, data, repeats=True, is_patient=is_patient)

    def subscribe(self, channel: str) -> None:
        """Follow a channel over all cuts: what happens in it comes to `on_event`."""
        with self._turn:
            self._core.subscribe(channel, _now_ms())
            self._handle()

    def close(self) -> None:
        """Ends everything. The reader's thread leaves by itself."""
        with self._turn:
            self._core.stop()
            self._handle()

    # --- inside

    def _ask(self, method: str, data: dict[str, Json], *, repeats: bool, is_patient: bool) -> Json:
        answer = _Answer()
        with self._turn:
            number = self._core.request(
                method, data, _now_ms(), repeats=repeats, is_patient=is_patient
            )
            self._waiting[number] = answer
            self._handle()
        while not answer.is_there.wait(self._delay_s()):
            self._tick()
        end = answer.end
        if isinstance(end, Answered):
            return end.data
        raise end.error if end is not None else NoAnswer("")

    def _tick(self) -> None:
        with self._turn:
            self._core.tick(_now_ms())
            self._handle()

    def _delay_s(self) -> float:
        with self._turn:
            due_ms = self._core.next_ms()
        return READ_S_MAX if due_ms is None else max(0, due_ms - _now_ms()) / 1_000

    def _handle(self) -> None:
        """Obey and tell, under `_turn`."""
        for output in self._core.take():
            match output:
                case Write(text):
                    self._write(text)
                case Dial():
                    self._dials = True
                    self._wake.set()
                case Renew():
                    pass  # the server closes what has expired; the next try brings a fresh token
                case HangUp():
                    self._hang_up()
                case Answered(number) | Failed(number):
                    answer = self._waiting.pop(number, None)
                    if answer is not None:
                        answer.end = output
                        answer.is_there.set()
                case _:
                    if isinstance(output, Stopped):
                        self._is_over = True
                        self._wake.set()
                    self._on_event(output)

    def _write(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(text)
        except LOST:
            self._wake_reader(self._socket)  # the reader tells the core

    def _hang_up(self) -> None:
        gone, self._socket, self._dials = self._socket, None, False
        if gone is not None:
            self._wake_reader(gone)

    def _wake_reader(self, connection: Any) -> None:
        """End a read that may be waiting in another thread; the reader closes the socket."""
        try:
            connection.sock.shutdown(sockets.SHUT_RDWR)
        except (OSError, AttributeError):
            pass  # closed already

    # --- the reader's thread

    def _run(self) -> None:
        while not self._is_over:
            self._tick()
            if self._dials:
                self._dials = False
                self._serve()
            else:
                self._wake.wait(self._delay_s())
            self._wake.clear()

    def _serve(self) -> None:
        """One connection, from its dialling to its end."""
        connection: Any = None
        code, reason = 0, "closed"
        try:
            connection = websocket.create_connection(
                next(self._addresses), timeout=ANSWER_MS / 1_000
            )
            with self._turn:
                self._socket = connection if self._core.is_dialling else None
                self._core.opened(self._token(), _now_ms())
                self._handle()
            code, reason = self._read(connection)
        except LOST as failure:
            reason = f"{type(failure).__name__}: {failure}"
        with self._turn:
            is_ours = self._socket is connection
            if is_ours:
                self._socket = None
                self._core.lost(code, reason, _now_ms())
                self._handle()
        if connection is not None:
            connection.shutdown()

    def _read(self, connection: Any) -> tuple[int, str]:
        """Hand on frames until the connection ends; its close code, or 0, and the reason."""
        while self._socket is connection:
            connection.settimeout(min(max(self._delay_s(), READ_S_MIN), READ_S_MAX))
            try:
                opcode, frame = connection.recv_data()
            except websocket.WebSocketTimeoutException:
                self._tick()  # what of a frame came already is kept
                continue
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(frame[:2], "big"), frame[2:].decode(errors="replace")
            with self._turn:
                if self._socket is connection:
                    self._core.received(frame, _now_ms())
                    self._handle()
        return 0, "closed"


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _new_cmid() -> str:
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


__all__ = ["Client", "NoAnswer", "Refused"]
