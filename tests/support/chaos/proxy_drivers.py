"""The chaos proxy outside of the test's event loop: in a thread, or in a child process.

A `ThreadProxy` costs nothing to start and serves tests without a loop, or whose loop is busy. A
`ChildProxy` shares no interpreter with what it measures, and can itself be paused or killed.
Both obey `proxy_orders.Controls`, each order with a deadline.

Shape of the pipe to a child: one JSON array `[verb, words]` a line; one JSON value a line back,
first of all its address. The child ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tests.support.chaos.proxy import ChaosProxy
from tests.support.chaos.proxy_orders import Controls

T = TypeVar("T")

ORDER_S: Final = 10.0
STOP_S: Final = 10.0
ROOT: Final = Path(__file__).resolve().parents[3]


class _Driver(Controls):
    """A proxy that runs elsewhere: a context manager."""

    address: tuple[str, int]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End it, and whatever runs it."""


class ThreadProxy(_Driver):
    """A chaos proxy with an event loop and a thread of its own."""

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        self._proxy = ChaosProxy(target, seed=seed)
        self.address = self._proxy.address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy")
        self._thread.start()
        self._call(self._proxy.start)

    def order(self, verb: str, words: Mapping[str, Any]) -> Any:
        """As Controls.order. Raises TimeoutError where the thread does not answer."""
        return self._call(self._proxy.order, verb, words)

    def close(self) -> None:
        """As _Driver.close. May be called twice."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._proxy.close(), self._loop).result(STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        async def run() -> T:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(ORDER_S)


class ChildProxy(_Driver):
    """A chaos proxy in a process of its own, `pid`."""

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        words = [sys.executable, "-m", __name__, target[0], str(target[1]), str(seed)]
        self._process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self._process.pid
        self._unread = b""
        try:
            host, port = self._answer()
        except BaseException:
            self.close()
            raise
        self.address = (host, port)

    def order(self, verb: str, words: Mapping[str, Any]) -> Any:
        """As Controls.order. Raises TimeoutError where the child does not answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, dict(words)]).encode() + b"\n")
        return self._answer()

    def close(self) -> None:
        """As _Driver.close; a child that does not go is killed. May be called twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        ends_at = time.monotonic() + ORDER_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(ends_at - time.monotonic()):
                    raise TimeoutError(f"the proxy {self.pid} does not answer")
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    raise EOFError(f"the proxy {self.pid} has ended")
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)


def main(words: list[str]) -> None:
    """The child: obeys its standard input until that ends."""
    with ThreadProxy((words[0], int(words[1])), seed=int(words[2])) as proxy:
        print(json.dumps(proxy.address), flush=True)
        for line in sys.stdin:
            verb, how = json.loads(line)
            print(json.dumps(proxy.order(verb, how)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
