"""The chat page and its files: static, from this package, under a strict
Content-Security-Policy. And `/sdk/hubbub.js`, which pages of any origin may import, with its types,
and the same as a package for npm.

The chat page takes the lower half of the same library as `/static/hubbub.js`: its store is its
own. All its scripts and looks go without their comments, which are types for editors and words for
us, and without what indents them: a first load need not carry them."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from aiohttp import web

from edge.web.npm import PACKAGE, package

CONTENT_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".ts": "text/plain",
    ".md": "text/markdown",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
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


SDK: Final = "hubbub.js"
_UPPER_HALF: Final = b"\n// --- what a program uses"
_COMMENT: Final = re.compile(
    r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*$", re.DOTALL | re.MULTILINE
)
# Behind code: what no string of that line can be part of.
_ASIDE: Final = re.compile(r"""(?<=[;{},(\[]) // [^"'`\n]*$""", re.MULTILINE)
_INDENT: Final = re.compile(r"^[ \t]+", re.MULTILINE)
# Of a style sheet: blanks and ends of lines that part nothing. Before a colon they do, where it
# begins a selector.
_LOOSE: Final = re.compile(r"(?<=[:;,{}])\s+|\s+(?=[{}])")
LEAN: Final = (".js", ".css")
ANYWHERE: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


@cache
def _found(folder_name: str) -> dict[str, tuple[bytes, str]]:
    """Name → (bytes, type). Read once: the files belong to the installed version."""
    folder = files("edge.web") / folder_name
    return {
        entry.name: (entry.read_bytes(), kind)
        for entry in folder.iterdir()
        if (kind := CONTENT_TYPES.get(entry.name[entry.name.rfind(".") :])) is not None
    }


@cache
def sdk_files() -> dict[str, tuple[bytes, str]]:
    """The client library: name → (bytes, type)."""
    found = _found("sdk")
    packed = package({name: body for name, (body, _) in found.items()})
    return {**found, PACKAGE: (packed, "application/gzip")}


@cache
def lean(source: bytes) -> bytes:
    """The same script or style sheet without lines of comments alone, most comments behind code
    and indentation; its lines keep their numbers. No template literal of ours says anything by its
    indentation."""
    blank = _COMMENT.sub(lambda found: "\n" * found.group().count("\n"), source.decode())
    return _INDENT.sub("", _ASIDE.sub("", blank)).encode()


def as_served(name: str, source: bytes) -> bytes:
    """A file as the chat page gets it."""
    if name == SDK:
        source = source.partition(_UPPER_HALF)[0]
    body = lean(source) if name.endswith(LEAN) else source
    return _LOOSE.sub("", body.decode()).encode() if name.endswith(".css") else body


def page(name: str) -> web.Response:
    """One of the static files. Raises HTTPNotFound."""
    found = _found("sdk") if name == SDK else _found("static")
    if name not in found:
        raise web.HTTPNotFound
    body, kind = found[name]
    body = as_served(name, body)
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)


async def library(request: web.Request) -> web.Response:
    """The client library, or 304 for who has this very version. Raises HTTPNotFound."""
    found = sdk_files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    body, kind = found
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**ANYWHERE, "ETag": etag}
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


def routes() -> list[web.RouteDef]:
    """`/`, `/static/<file>`, the client library, and links to a message (`message.locate`)."""

    async def index(_: web.Request) -> web.Response:
        return page("index.html")

    async def static(request: web.Request) -> web.Response:
        return page(request.match_info["name"])

    async def message(request: web.Request) -> web.Response:
        """A link's place is told to the page alone: who may read it is asked there."""
        raise web.HTTPFound(f"/#{request.rel_url.raw_path}", headers=HEADERS)

    return [
        web.get("/", index),
        web.get("/m/{channel}/{id}", message),
        web.get("/static/{name}", static),
        web.get("/sdk/{name}", library),
    ]
