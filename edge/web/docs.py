"""`/docs`: the documents and the page that shows them, all from this package; nothing is fetched.

The documents are made when first asked for: an edge's start does not wait for them. They are asked
for once by each client: it gets 304 while they are the same, and gzip where it takes that.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from aiohttp import web

from edge.web.asyncapi import asyncapi
from edge.web.documents import Examples, openapi
from edge.web.pages import page
from edge.web.plain_pages import limits_page, llms
from hubbub.docs.error_tables import error_page
from hubbub.features.contract import Registry, Route
from hubbub.wire.codec import decode_json, dump_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EXAMPLES: Final = "examples.json"


def recorded() -> Examples:
    """The examples that belong to this version."""
    return decode_json((files("edge.web") / EXAMPLES).read_bytes(), dict[str, dict[str, object]])


def served(make: Callable[[], bytes], kind: str) -> Handler:
    """What answers with a text of this version."""

    @cache
    def made() -> tuple[bytes, bytes, str]:
        body = make()
        # 6 of 9: half of the time for the last two percent of the bytes
        return body, gzip.compress(body, 6, mtime=0), f'"{sha256(body).hexdigest()[:32]}"'

    async def answer(request: web.Request) -> web.Response:
        body, packed, etag = made()
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "no-cache",
            "ETag": etag,
            "Vary": "Accept-Encoding",
        }
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = packed, "gzip"
        charset = None if kind == "application/json" else "utf-8"
        return web.Response(body=body, content_type=kind, charset=charset, headers=headers)

    return answer


def routes(registry: Registry, own_rows: list[Route]) -> list[web.RouteDef]:
    """The documents, and the page for both; `/docs/errors#CODE` is what a problem's `type` says."""

    def document(make: Callable[[], object]) -> Handler:
        return served(lambda: dump_json(make()), "application/json")

    def markdown(make: Callable[[], str]) -> Handler:
        return served(lambda: make().encode(), "text/markdown")

    async def docs(_: web.Request) -> web.Response:
        return page("docs.html")

    def elsewhere(place: str) -> Handler:
        async def moved(_: web.Request) -> web.Response:
            raise web.HTTPFound(place)

        return moved

    return [
        web.get("/openapi.json", document(lambda: openapi(registry, own_rows, recorded()))),
        web.get("/asyncapi.json", document(lambda: asyncapi(registry))),
        web.get("/llms.txt", served(lambda: llms(registry, own_rows).encode(), "text/plain")),
        web.get("/docs/errors.md", markdown(error_page)),
        web.get("/docs/limits.md", markdown(lambda: limits_page(registry, own_rows))),
        web.get("/docs", docs),
        web.get("/docs/errors", docs),
        web.get("/docs/", elsewhere("/docs")),
        web.get("/docs/limits", elsewhere("/docs/limits.md")),
    ]
