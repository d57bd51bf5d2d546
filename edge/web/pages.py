"""The chat page and its files: static, from this package, under a strict
Content-Security-Policy."""

from __future__ import annotations

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


def routes() -> list[web.RouteDef]:
    """`/` and `/static/<file>`. Files are read once: they belong to the installed version."""
    folder = files("edge.web") / "static"
    found = {
        entry.name: (entry.read_bytes(), kind)
        for entry in folder.iterdir()
        if (kind := CONTENT_TYPES.get(entry.name[entry.name.rfind(".") :])) is not None
    }

    def answer(name: str) -> web.Response:
        if name not in found:
            raise web.HTTPNotFound
        body, kind = found[name]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)

    async def index(_: web.Request) -> web.Response:
        return answer("index.html")

    async def static(request: web.Request) -> web.Response:
        return answer(request.match_info["name"])

    return [web.get("/", index), web.get("/static/{name}", static)]
