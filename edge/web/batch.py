"""`POST /v1/batch`: up to 100 requests of one caller in one, each answered as if it had come alone.

Rules:
1. An operation is a method, a path (with its query) of `/v1` and a body; it has its own status, its
   own problem and its own idempotency key, and counts as one request of the caller's.
2. Operations that name the same channel, or else the same user, run in the order in which they
   stand; all others at once. One that is refused does not keep the next ones from running.
3. Commands of one stream that follow one another leave together and are run in one go; all else
   waits for the answers to what stands before it (decision record 0047).
4. Behind an operation of unknown outcome the rest of its place is not run, and is answered the same
   way: whoever sends the batch again under the same keys has his order.
5. Nothing is atomic over operations. A batch has no batch in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from edge.dispatch import Answered, Sealed
from hubbub.base.errors import UNKNOWN_OUTCOME, Rejected
from hubbub.base.units import KIB
from hubbub.wire.codec import dump_json, parse_json

OPERATIONS_MAX: Final = 100
# What leaves together. A leader runs it in one go: 50 take it some 8 ms, in which nobody else is
# answered. Half: a batch in one channel takes twice as long; double: others feel it.
TOGETHER_MAX: Final = 50
TOGETHER_BYTES_MAX: Final = 256 * KIB


class Operation(msgspec.Struct, frozen=True):
    """One request of a batch: `path` begins with /v1/ and may have a query."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]
    body: dict[str, msgspec.Raw] = {}
    idempotency_key: Annotated[str, msgspec.Meta(max_length=255)] = ""


class BatchRequest(msgspec.Struct, frozen=True):
    """POST /v1/batch."""

    operations: Annotated[
        tuple[Operation, ...], msgspec.Meta(min_length=1, max_length=OPERATIONS_MAX)
    ]


class Result(msgspec.Struct, frozen=True):
    """The answer to one operation: what its route answers, or a problem (`status` from 400 on)."""

    status: int
    body: dict[str, Any]


class BatchAnswer(msgspec.Struct, frozen=True):
    """In the order of the operations."""

    results: tuple[Result, ...]


Answer = tuple[int, bytes]  # status, JSON


class Held(NamedTuple):
    """An operation that is nothing but a command, and what its answer becomes."""

    sealed: Sealed
    finish: Callable[[Answered], Answer]


class Runner(Protocol):
    """Who runs operations. Nothing raises: a refusal is an answer."""

    def begin(self, operation: Operation) -> Held | Answer | None:
        """Count and check one. None: it is more than a command, so `run` it."""
        ...

    async def run(self, operation: Operation) -> Answer:
        """All of one that was begun."""
        ...

    async def leave(self, commands: Sequence[Sealed]) -> list[Answered]:
        """Run commands of one stream in this order: the answers of the first ones, at least one."""
        ...

    def refused(self, refusal: Rejected, operation: Operation) -> Answer:
        """The answer that says so."""
        ...


def parts(path: str) -> tuple[str, dict[str, str]]:
    """(path without its query, the query's parameters; of several with one name the last)."""
    split = urlsplit(path)
    return split.path, dict(parse_qsl(split.query, keep_blank_values=True))


def place(operation: Operation, number: int) -> str:
    """What an operation is about: those of one place keep their order."""
    steps = parts(operation.path)[0].split("/")
    for folder in ("channels", "users"):
        if len(steps) > 3 and steps[2] == folder:
            return f"{folder}/{unquote(steps[3])}"
    named = operation.body.get("channel")
    return f"channels/{parse_json(bytes(named))}" if named is not None else f"alone/{number}"


async def run_all(operations: Sequence[Operation], runner: Runner) -> bytes:
    """All answers in the operations' order, as the JSON of a BatchAnswer. At most as many tasks as
    operations; a cancel ends them all, and what was sent is decided all the same."""
    answers: dict[int, Answer] = {}
    lanes: dict[str, dict[int, Operation]] = {}
    for number, operation in enumerate(operations):
        lanes.setdefault(place(operation, number), {})[number] = operation
    async with asyncio.TaskGroup() as group:
        for name, lane in lanes.items():
            group.create_task(_Lane(lane, runner, answers).run(), name=f"batch {name}")
    return b'{"results":[' + b",".join(_row(answers, n) for n in range(len(operations))) + b"]}"


class _Lane:
    """The operations of one place, in order."""

    def __init__(
        self, operations: Mapping[int, Operation], runner: Runner, answers: dict[int, Answer]
    ) -> None:
        self._operations = operations
        self._runner = runner
        self._answers = answers
        self._held: list[tuple[int, Held]] = []  # begun, not sent
        self._held_bytes = 0
        self._is_lost = False  # nobody knows what became of one (rule 4)

    async def run(self) -> None:
        for number, operation in self._operations.items():
            if not self._is_lost:
                await self._take(number, operation)
        await self._leave()
        if self._is_lost:
            for number, operation in self._operations.items():
                if number not in self._answers:
                    lost = Rejected(UNKNOWN_OUTCOME)
                    self._answers[number] = self._runner.refused(lost, operation)

    async def _take(self, number: int, operation: Operation) -> None:
        begun = self._runner.begin(operation)
        if isinstance(begun, Held):
            byte_count = len(begun.sealed.submit.body)
            if self._held and not self._fits(begun, byte_count):
                await self._leave()
            self._held.append((number, begun))
            self._held_bytes += byte_count
        elif begun is not None:
            self._answers[number] = begun  # it never left, so it needs not wait
        else:
            await self._leave()
            if not self._is_lost:
                self._answers[number] = await self._runner.run(operation)

    def _fits(self, one: Held, byte_count: int) -> bool:
        return (
            one.sealed.key == self._held[0][1].sealed.key
            and len(self._held) < TOGETHER_MAX
            and self._held_bytes + byte_count <= TOGETHER_BYTES_MAX
        )

    async def _leave(self) -> None:
        """Until all that is held is answered, or one is lost."""
        while self._held and not self._is_lost:
            answered = await self._runner.leave([held.sealed for _, held in self._held])
            for (number, held), one in zip(self._held, answered, strict=False):
                self._answers[number] = held.finish(one)
                self._is_lost |= one[0] is not None and one[0].error is UNKNOWN_OUTCOME
            del self._held[: len(answered)]
        self._held_bytes = sum(len(held.sealed.submit.body) for _, held in self._held)


def _row(answers: Mapping[int, tuple[int, bytes]], number: int) -> bytes:
    status, body = answers[number]
    return b'{"status":' + dump_json(status) + b',"body":' + body + b"}"
