"""What an operation of a batch is about, and in which order they run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from edge.dispatch import Answered, Sealed
from edge.web.batch import TOGETHER_MAX, Answer, Held, Operation, parts, place, run_all
from hubbub.base.errors import OVERLOADED, UNKNOWN_OUTCOME, Rejected
from hubbub.wire.codec import decode_json, dump_json
from hubbub.wire.shapes import Submit, Viewer


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


class Cluster:
    """Plays the runner. Paths: …/held is a command (its stream is the body's `key`), …/no is
    refused here, anything else is more than a command. `refused`: texts that a node refuses."""

    def __init__(self, **refused: Rejected) -> None:
        self.refusals = refused
        self.log: list[Any] = []  # what was run: a path, or the texts that left together
        self.gates: dict[str, asyncio.Event] = {}  # path → what its answer waits for
        self.opens: dict[str, asyncio.Event] = {}  # path → what opens when it is run

    def begin(self, operation: Operation) -> Held | Answer | None:
        if operation.path.endswith("/no"):
            return 403, b"{}"
        if not operation.path.endswith("/held"):
            return None
        body = {name: json.loads(bytes(raw)) for name, raw in operation.body.items()}
        submit = Submit("say", Viewer("ann"), body["text"], b"x" * body.get("byte_count", 1))

        def finish(answered: Answered) -> Answer:
            refusal, data = answered
            return self.refused(refusal, operation) if refusal is not None else (201, data)

        return Held(Sealed(body.get("key", "group:a"), submit), finish)

    async def run(self, operation: Operation) -> Answer:
        path = operation.path
        self.log.append(path)
        if path in self.opens:
            self.opens[path].set()
        if path in self.gates:
            await self.gates[path].wait()
        return 200, dump_json({"path": path})

    async def leave(self, commands: Any) -> list[Answered]:
        """As a leader does: nothing behind what is refused; nobody knows of what is unknown."""
        self.log.append([one.submit.cmid for one in commands])
        answers: list[Answered] = []
        for one in commands:
            refusal = self.refusals.get(one.submit.cmid)
            if refusal is not None and refusal.error is UNKNOWN_OUTCOME:
                return [(refusal, b"")] * len(commands)
            answers.append((refusal, b"" if refusal else dump_json({"text": one.submit.cmid})))
            if refusal is not None:
                break
        return answers

    def refused(self, refusal: Rejected, operation: Operation) -> Answer:
        return 400, dump_json({"code": refusal.error.name})


def sends(*texts: str, **more: Any) -> list[Operation]:
    return [operation("/v1/channels/a/held", text=text, **more) for text in texts]


async def results(operations: list[Operation], cluster: Cluster) -> list[Any]:
    return list(json.loads(await run_all(operations, cluster))["results"])


async def test_one_place_waits_and_others_do_not() -> None:
    paths = ["/v1/channels/a/1", "/v1/channels/a/2", "/v1/channels/b/1"]
    cluster = Cluster()
    # so a/1 ends only because b/1 did not wait for it
    cluster.gates[paths[0]] = cluster.opens[paths[2]] = asyncio.Event()
    rows = await results([operation(path) for path in paths], cluster)
    assert cluster.log == [paths[0], paths[2], paths[1]]
    assert [row["body"]["path"] for row in rows] == paths, "in the order asked"


async def test_commands_of_one_stream_leave_together_and_a_read_waits_for_them() -> None:
    cluster = Cluster()
    read = "/v1/channels/a/messages"
    rows = await results(
        [*sends("1", "2"), operation("/v1/channels/a/no"), *sends("3"), operation(read)], cluster
    )
    assert cluster.log == [["1", "2", "3"], read]
    assert [row["status"] for row in rows] == [201, 201, 403, 201, 200]
    assert [row["body"].get("text") for row in rows] == ["1", "2", None, "3", None]


async def test_another_stream_of_the_same_place_waits() -> None:
    cluster = Cluster()
    await results([*sends("1"), *sends("2", key="members:a"), *sends("3", "4")], cluster)
    assert cluster.log == [["1"], ["2"], ["3", "4"]]


async def test_what_is_refused_does_not_keep_the_next_ones_from_running() -> None:
    cluster = Cluster(**{"2": Rejected(OVERLOADED), "3": Rejected(OVERLOADED)})
    rows = await results(sends("1", "2", "3", "4", "5"), cluster)
    assert cluster.log == [["1", "2", "3", "4", "5"], ["3", "4", "5"], ["4", "5"]]
    assert [row["status"] for row in rows] == [201, 400, 400, 201, 201]


async def test_behind_an_unknown_outcome_nothing_of_its_place_runs() -> None:
    cluster = Cluster(**{"2": Rejected(UNKNOWN_OUTCOME)})
    wanted = [
        *sends("1"),
        operation("/v1/channels/a/1"),
        *sends("2", "3"),
        operation("/v1/channels/a/2"),
        operation("/v1/channels/b/1"),
    ]
    rows = await results(wanted, cluster)
    assert "/v1/channels/b/1" in cluster.log
    cluster.log.remove("/v1/channels/b/1")
    assert cluster.log == [["1"], "/v1/channels/a/1", ["2", "3"]]
    lost = {"status": 400, "body": {"code": "unknown_outcome"}}
    assert rows[2:5] == [lost] * 3
    assert (rows[1]["status"], rows[5]["status"]) == (200, 200)


async def test_what_leaves_together_is_bounded() -> None:
    cluster = Cluster()
    await results(sends(*map(str, range(TOGETHER_MAX + 1))), cluster)
    assert [len(texts) for texts in cluster.log] == [TOGETHER_MAX, 1]
    heavy = Cluster()
    await results(sends("1", "2", "3", byte_count=100_000), heavy)
    assert heavy.log == [["1", "2"], ["3"]]
