"""`POST /v1/batch`: up to 100 requests of one caller in one, each answered as if it had come alone.

Rules:
1. An operation is a method, a path (with its query) of `/v1` and a body; it has its own status, its
   own problem and its own idempotency key, and counts as one request of the caller's.
2. Operations that name the same channel, or else the same user, run in the order in which they
   stand, each after the answer to the one before; all others at once. One that is refused does not
   keep the next ones from running.
3. Nothing is atomic over operations. A batch has no batch in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from hubbub.wire.codec import dump_json, parse_json

OPERATIONS_MAX: Final = 100


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


Run = Callable[[Operation], Awaitable[tuple[int, bytes]]]  # never raises: a refusal is an answer


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


async def run_all(operations: Sequence[Operation], run: Run) -> bytes:
    """All answers in the operations' order, as the JSON of a BatchAnswer. At most as many tasks as
    operations; a cancel ends them all, and what was sent is decided all the same."""
    answers: dict[int, tuple[int, bytes]] = {}
    lanes: dict[str, list[int]] = {}
    for number, operation in enumerate(operations):
        lanes.setdefault(place(operation, number), []).append(number)

    async def lane(numbers: Sequence[int]) -> None:
        for number in numbers:
            answers[number] = await run(operations[number])

    async with asyncio.TaskGroup() as group:
        for name, numbers in lanes.items():
            group.create_task(lane(numbers), name=f"batch {name}")
    return b'{"results":[' + b",".join(_row(answers, n) for n in range(len(operations))) + b"]}"


def _row(answers: Mapping[int, tuple[int, bytes]], number: int) -> bytes:
    status, body = answers[number]
    return b'{"status":' + dump_json(status) + b',"body":' + body + b"}"
