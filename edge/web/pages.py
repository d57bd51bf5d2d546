"""The chat page and its files: static, from this package, under a strict
Content-Security-Policy."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@cache
def _found() -> dict[str, tuple[bytes, str]]:
    """Name → (bytes, type). Read once: the files belong to the installed version."""
    folder = files("edge.web") / "static"
    return {
        entry.name: (entry.read_bytes(), kind)
        for entry in folder.iterdir()
        if (kind := CONTENT_TYPES.get(entry.name[entry.name.rfind(".") :])) is not None
    }


def page(name: str) -> web.Response:
    """One of the static files. Raises HTTPNotFound."""
    if name not in _found():
        raise web.HTTPNotFound
    body, kind = _found()[name]
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)


def routes() -> list[web.RouteDef]:
    """`/` and `/static/<file>`."""

    async def index(_: web.Request) -> web.Response:
        return page("index.html")

    async def static(request: web.Request) -> web.Response:
        return page(request.match_info["name"])

    return [web.get("/", index), web.get("/static/{name}", static)]
