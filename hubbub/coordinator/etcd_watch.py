"""One watch's answers, from bytes to batches of changes. Pure: bytes in, batches out.

| the line says | what follows |
|---|---|
| `created` | the watch stands; must come first |
| events | those from `start` on, as one batch; `start` moves behind them |
| nothing (progress) | everything up to its revision was sent: `start` moves behind it |
| `canceled` with `compact_revision` | Compacted |
| `canceled` or an error | CoordinatorUnavailable: watch again from `start` |

Rules:
1. `start` only grows, over any number of streams. A member that lags, or was restored from a
   snapshot, may send what was there already: that is dropped, never passed on.
2. The server is asked from one revision earlier. Some versions (3.4.23 is one) forget the deletes
   of the very revision that they compact to, and yet accept a watch from there: what we need must
   not lie on that edge. It costs up to 100 ms before a stream's first change: etcd looks at what
   is past ten times a second. A line's events are whole revisions: no fragments are asked for.
3. A line has a bound; a longer one is an error, because half of it cannot be passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct, field

from hubbub.base.units import MIB
from hubbub.coordinator.api import (
    Compacted,
    CoordinatorError,
    CoordinatorUnavailable,
    WatchEvent,
)
from hubbub.coordinator.etcd_gateway import Header, Integer, Keyspace, KeyValue, read

# The server puts up to 1,000 revisions into a line; ours are 20 kB at most (64 slot records). Half
# still takes those; more than this in base64 would stand in a process's memory three times.
LINE_BYTES_MAX: Final = 64 * MIB


class _Event(Struct):
    kv: KeyValue
    type: Literal["PUT", "DELETE"] = "PUT"


class _Result(Struct):
    header: Header = field(default_factory=Header)
    created: bool = False
    canceled: bool = False
    compact_revision: Integer = "0"
    cancel_reason: str = ""
    watch_id: Integer = "0"
    events: list[_Event] = field(default_factory=list)


class _Error(Struct):
    message: str = ""


class _Line(Struct):
    result: _Result | None = None
    error: _Error | str | None = None


class WatchLines:
    """A prefix's changes from a revision on, through one stream after another."""

    def __init__(self, keyspace: Keyspace, prefix: str, start: int) -> None:
        self.start = start  # the lowest revision that was not passed on yet
        self.created = False
        self._keyspace = keyspace
        self._prefix = prefix
        self._rest = bytearray()
        self._searched = 0

    def open(self) -> bytes:
        """Forget the stream that broke off; the request that makes the next one."""
        self.created = False
        self._rest.clear()
        self._searched = 0
        return self._keyspace.watch_request(self._prefix, max(1, self.start - 1))

    def feed(self, data: bytes) -> Iterator[list[WatchEvent]]:
        """The batches that these bytes complete, none of them empty.

        Raises Compacted; CoordinatorUnavailable: watch again; CoordinatorError: unreadable. What
        came before the error was yielded.
        """
        self._rest += data
        while (end := self._rest.find(b"\n", self._searched)) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            self._searched = 0
            if line.strip():
                yield from self._line(line)
        self._searched = len(self._rest)
        if len(self._rest) > LINE_BYTES_MAX:
            raise CoordinatorError(
                f"etcd sent more than {LINE_BYTES_MAX} bytes of changes at once: start again, "
                "which reads the records instead"
            )

    def _line(self, line: bytes) -> Iterator[list[WatchEvent]]:
        said = read(line, _Line)
        if said.error is not None or said.result is None:
            reason = said.error.message if isinstance(said.error, _Error) else said.error
            raise CoordinatorUnavailable(f"the watch ended: {reason or 'no reason'}")
        result = said.result
        if result.canceled:
            compacted = int(result.compact_revision)
            if compacted > 0:
                raise Compacted(compacted + 1)  # rule 2: from there on nothing is missing
            raise CoordinatorUnavailable(f"the watch ended: {result.cancel_reason or 'canceled'}")
        if result.created:
            self.created = True
        elif not self.created:
            raise CoordinatorUnavailable("the watch began without saying so")
        elif not result.events and int(result.watch_id) >= 0:
            self.start = max(self.start, int(result.header.revision) + 1)
        events = [self._event(event) for event in result.events]
        new = [event for event in events if event.revision >= self.start]
        if new:
            self.start = new[-1].revision + 1
            yield new

    def _event(self, event: _Event) -> WatchEvent:
        record = self._keyspace.record(event.kv)
        deleted = event.type == "DELETE"
        return WatchEvent(record.key, None if deleted else record, record.mod_revision)
