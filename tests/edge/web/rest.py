"""The public port of an edge on loopback, with the cluster played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from edge.blocking import NOBODY, Blocked
from edge.origins import Origins
from edge.server import BODY_S, IDLE_S, Server
from edge.streams import StreamEndpoints
from edge.web import demo, docs
from edge.web.api import Api
from edge.web.compat import Compat
from edge.websocket import WebSocketEndpoint
from hubbub.coordinator.api import CoordinatorUnavailable, Guard, Op, Record, TransactionResult
from hubbub.coordinator.app_register import AppRegister, Records
from hubbub.features.registry import REGISTRY
from hubbub.runtime.metrics import Metrics
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.shapes import (
    CommandAnswer,
    Kind,
    Outcome,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    Status,
    Submit,
    Submits,
    SubmitsAnswer,
)
from tests.edge.stage import SERVER_KEY, Ask, EdgeStage
from tests.support.clock import SeededEntropy

BODY_BYTES_MAX = 4_096
BY_KEY = {"Authorization": f"Bearer {SERVER_KEY}"}


class Rest:
    """An HTTP client of the edge. The cluster answers every request with `answer`."""

    def __init__(self, stage: EdgeStage, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self.session = session
        self.reasons: list[str] = []
        self.asked: list[Ask] = []
        self.answer: Any = self._done
        stage.on_ask = self._on_ask

    def _on_ask(self, ask: Ask) -> None:
        self.asked.append(ask)
        self.answer(ask)

    @staticmethod
    def _done(ask: Ask) -> None:
        if ask.kind is Kind.SUBMIT:
            ask.ok(encode_pack(Outcome(9, 1_760_000_000_000, "mid")))
        elif ask.kind is Kind.SUBMITS:
            count = len(decode_pack(ask.body, Submits).commands)
            done = CommandAnswer(Status.OK, encode_pack(Outcome(9, 1_760_000_000_000, "mid")))
            ask.ok(encode_pack(SubmitsAnswer((done,) * count)))
        elif ask.kind is Kind.QUERIES:
            asks = decode_pack(ask.body, Queries).asks
            row = QueryAnswer(Status.OK, b'{"found":true,"lines":[]}')
            ask.ok(encode_pack(QueriesAnswer((row,) * len(asks))))
        else:
            ask.ok(b'{"found":true}')

    @property
    def submit(self) -> Submit:
        return decode_pack(self.asked[-1].body, Submit)

    @property
    def query(self) -> Query:
        return decode_pack(self.asked[-1].body, Query)

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any
    ) -> tuple[aiohttp.ClientResponse, Any]:
        """The response and its body (JSON where it says so, else text)."""
        async with self.session.request(
            method, path, headers=BY_KEY if headers is None else headers, **rest
        ) as response:
            if response.content_type.endswith("json"):
                return response, await response.json(content_type=None)
            return response, await response.text()


class Away:
    """A coordinator that never answers."""

    async def get(self, key: str) -> Record | None:
        raise CoordinatorUnavailable("away")

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        raise CoordinatorUnavailable("away")

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        raise CoordinatorUnavailable("away")


def api_of(
    stage: EdgeStage,
    coordinator: Records | None = None,
    blocked: Blocked | None = NOBODY,
    origins: tuple[str, ...] = (),
) -> Api:
    """The `/v1` part over a stage. `blocked`: what a session knows; None: no session is here."""
    return Api(
        REGISTRY,
        stage.dispatch,
        stage.auth,
        stage.apps,
        now_ms=stage.clock.wall_ms,
        entropy=SeededEntropy(),
        body_bytes_max=BODY_BYTES_MAX,
        blocked_of=lambda _, __: blocked,
        register=AppRegister(coordinator or Away(), stage.clock.wall_ms, SeededEntropy(7)),
        origins=Origins(origins),
    )


@asynccontextmanager
async def serve(
    coordinator: Records | None = None,
    blocked: Blocked | None = NOBODY,
    origins: tuple[str, ...] = (),
    idle_s: float = IDLE_S,
    body_s: float = BODY_S,
    **app_changes: Any,
) -> AsyncIterator[Rest]:
    """The server on a free port of loopback."""
    stage = EdgeStage(**app_changes)
    api = api_of(stage, coordinator, blocked, origins)

    async def forward(process: str, session_id: str, data: bytes) -> bool:
        return False

    origins = Origins(())
    reasons: list[str] = []
    extra: list[web.RouteDef] = [
        *Compat(api, stage.auth, stage.apps).routes(),
        *demo.routes(api, stage.apps, "demo"),
    ]
    server = Server(
        websocket=WebSocketEndpoint(
            stage.clients, stage.flusher, origins, message_bytes_max=BODY_BYTES_MAX
        ),
        streams=StreamEndpoints(
            stage.clients,
            stage.flusher,
            origins,
            node="edge-1.1",
            forward=forward,
            session_id=lambda: "secret",
            frame_bytes_max=BODY_BYTES_MAX,
        ),
        api=api,
        extra=[*extra, *docs.routes(REGISTRY, api.own_rows())],
        metrics=Metrics("edge"),
        readiness=lambda: reasons,
        body_bytes_max=BODY_BYTES_MAX,
        silence_s=10.0,
        idle_s=idle_s,
        body_s=body_s,
    )
    port = await server.start("127.0.0.1", 0, 16)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            rest = Rest(stage, session)
            rest.reasons = reasons
            yield rest
    finally:
        await server.close()
