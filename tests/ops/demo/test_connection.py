"""The demo's client connection against scripted frames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.demo.connection import ConnectionLost, Refused, connect
from tests.ops.demo.fake_edge import FakeEdge, Script, serve


def scripted(answer: Script) -> FakeEdge:
    """Answers `connect` well and everything else by `answer`."""

    def script(command: dict[str, Any]) -> list[str] | None:
        if "connect" in command:
            return [reply(command, connect={"client": "c", "token": command["connect"]["token"]})]
        return answer(command)

    return FakeEdge(script)


def reply(command: dict[str, Any], **result: Any) -> str:
    return json.dumps({"id": command["id"], **result}, ensure_ascii=False)


def push(text: str) -> str:
    data = {"t": "message.created", "text": text}
    return json.dumps(
        {"push": {"channel": "dm:x", "pub": {"data": data, "offset": 1}}}, ensure_ascii=False
    )


async def test_a_reply_is_found_between_pushes_and_pings() -> None:
    pongs: list[dict[str, Any]] = []

    def answer(command: dict[str, Any]) -> list[str]:
        if "rpc" not in command:
            pongs.append(command)
            return []
        odd = "line\u2028separator and next\u0085line"  # splitlines would cut here
        return [
            f"{push('one')}\n{{}}",
            f"{push(odd)}\n{reply(command, rpc={'data': {'seq': 7}})}\n{push('three')}\n",
        ]

    async with serve(scripted(answer)) as edge, connect(edge.url, "t") as (line, hello):
        assert hello["token"] == "t"
        assert await line.rpc("message.send", channel="dm:x") == {"seq": 7}
        texts = [(await line.next_push())["pub"]["data"]["text"] for _ in range(3)]
        assert texts == ["one", "line\u2028separator and next\u0085line", "three"]
        await line.rpc("again")
    assert pongs[0] == {}


async def test_an_error_reply_is_a_refusal() -> None:
    def answer(command: dict[str, Any]) -> list[str]:
        return [reply(command, error={"code": 103, "message": "permission denied"})]

    async with serve(scripted(answer)) as edge, connect(edge.url, "t") as (line, _):
        with pytest.raises(Refused, match="103 permission denied"):
            await line.command(subscribe={"channel": "group:x"})


async def test_a_closed_connection_is_lost() -> None:
    async with serve(scripted(lambda _: None)) as edge, connect(edge.url, "t") as (line, _):
        with pytest.raises(ConnectionLost):
            await line.rpc("anything")


async def test_nobody_there_is_lost_too() -> None:
    async with serve(FakeEdge()) as edge:
        url = edge.url
    with pytest.raises(ConnectionLost):
        async with connect(url, "t"):
            raise AssertionError("nobody should have answered")
