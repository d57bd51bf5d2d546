"""What an operation of a batch is about, and in which order they run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from edge.web.batch import Operation, parts, place, run_all
from hubbub.wire.codec import decode_json, dump_json


def operation(path: str, **body: Any) -> Operation:
    return decode_json(dump_json({"method": "POST", "path": path, "body": body}), Operation)


def test_a_path_has_a_query() -> None:
    assert parts("/v1/users/a%20b?limit=5&after=x%26y&limit=6&z=") == (
        "/v1/users/a%20b",
        {"limit": "6", "after": "x&y", "z": ""},
    )


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (operation("/v1/channels/group:a/messages"), "channels/group:a"),
        (operation("/v1/channels/group%3Aa?x=1"), "channels/group:a"),
        (operation("/v1/channels", channel="group:a"), "channels/group:a"),
        (operation("/v1/users/ann/read_all"), "users/ann"),
        (operation("/v1/directory"), "alone/7"),
        (operation("/v1/channels", kind="dm"), "alone/7"),
    ],
)
def test_what_an_operation_is_about(one: Operation, expected: str) -> None:
    assert place(one, 7) == expected


async def test_one_place_waits_and_others_do_not() -> None:
    began: list[str] = []
    gate = asyncio.Event()

    async def run(one: Operation) -> tuple[int, bytes]:
        began.append(one.path)
        if one.path.endswith("a/1"):
            await gate.wait()
        if one.path.endswith("b/1"):
            gate.set()  # so a/1 ends only because b/1 did not wait for it
        return 200, dump_json({"path": one.path})

    paths = ["/v1/channels/a/1", "/v1/channels/a/2", "/v1/channels/b/1"]
    answer = json.loads(await run_all([operation(path) for path in paths], run))
    assert began == [paths[0], paths[2], paths[1]]
    assert [row["body"]["path"] for row in answer["results"]] == paths, "in the order asked"
