"""`/docs`: the documents and the page that shows them, all from this package; nothing is fetched.

The documents are made when first asked for: an edge's start does not wait for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

from edge.web.asyncapi import asyncapi
from edge.web.documents import Examples, openapi
from edge.web.pages import page
from hubbub.features.contract import Registry, Route
from hubbub.wire.codec import decode_json, dump_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EXAMPLES: Final = "examples.json"


def recorded() -> Examples:
    """The examples that belong to this version."""
    return decode_json((files("edge.web") / EXAMPLES).read_bytes(), dict[str, dict[str, object]])


def routes(registry: Registry, own_rows: list[Route]) -> list[web.RouteDef]:
    """The documents, and the page for both; `/docs/errors#CODE` is what a problem's `type` says."""

    def document(make: Callable[[], object]) -> Handler:
        made = cache(lambda: dump_json(make()))

        async def answer(_: web.Request) -> web.Response:
            return web.Response(
                body=made(),
                content_type="application/json",
                headers={"Access-Control-Allow-Origin": "*"},
            )

        return answer

    async def docs(_: web.Request) -> web.Response:
        return page("docs.html")

    return [
        web.get("/openapi.json", document(lambda: openapi(registry, own_rows, recorded()))),
        web.get("/asyncapi.json", document(lambda: asyncapi(registry))),
        web.get("/docs", docs),
        web.get("/docs/errors", docs),
    ]
