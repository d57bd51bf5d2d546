"""The chat page's files: types, policy, and nothing beside them."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from edge.web.pages import CONTENT_TYPES, as_served, lean, sdk_files
from tests.edge.web.rest import Rest, serve

STATIC = files("edge.web") / "static"
NAMES = sorted(entry.name for entry in STATIC.iterdir() if not entry.name.startswith("."))


def check_headers(response: object) -> None:
    headers = response.headers  # type: ignore[attr-defined]
    policy = dict(
        [*part.split(maxsplit=1), ""][:2] for part in headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


async def get(rest: Rest, path: str) -> tuple[object, bytes]:
    async with rest.session.get(path) as response:
        return response, await response.read()


async def test_the_page_and_its_files() -> None:
    async with serve() as rest:
        response, body = await get(rest, "/")
        assert response.status == 200  # type: ignore[attr-defined]
        assert response.content_type == "text/html"  # type: ignore[attr-defined]
        check_headers(response)
        assert body == (STATIC / "index.html").read_bytes()
        for name in NAMES:
            response, body = await get(rest, f"/static/{name}")
            assert response.status == 200, name  # type: ignore[attr-defined]
            kind = CONTENT_TYPES["." + name.rsplit(".", 1)[1]]
            assert response.content_type == kind  # type: ignore[attr-defined]
            check_headers(response)
            source = (STATIC / name).read_bytes()
            is_lean = name.endswith((".js", ".css"))
            assert body == (as_served(name, source) if is_lean else source)
        _, body = await get(rest, "/static/hubbub.js")
        library = (files("edge.web") / "sdk" / "hubbub.js").read_bytes()
        assert body == as_served("hubbub.js", library)
        assert b"class Outbox " in body  # what the page takes
        assert b"class Chat " not in body  # what it does not


def test_a_script_goes_without_comments_and_indentation_and_with_every_other_line() -> None:
    source = b"""// Who.
/**
 * @type {string}
 */
const url = "http://x"; // goes
const odd = "; // stays"; // "stays"
  // goes
  let a = 1; /* stays */
/* stays */ let b = 2;
/* goes */
"""
    assert lean(source).splitlines() == [
        *(b"", b"", b"", b"", b'const url = "http://x";'),
        *(b'const odd = "; // stays"; // "stays"', b"", b"let a = 1; /* stays */"),
        *(b"/* stays */ let b = 2;", b""),
    ]


def test_a_style_sheet_goes_without_what_parts_nothing() -> None:
    source = b"""/* Goes. */
.a :is(b, i) > .c:not(:hover), .d::before { margin: 0 -4px; width: calc(1rem - 2px); }
@media (min-width: 10em) { .e { font: 1rem/1.4 "A B", serif !important; } }
"""
    assert as_served("x.css", source).strip() == (
        b".a :is(b,i) > .c:not(:hover),.d::before{margin:0 -4px;width:calc(1rem - 2px);}"
        b'@media (min-width:10em){.e{font:1rem/1.4 "A B",serif !important;}}'
    )


def test_no_text_over_several_lines_would_miss_its_indentation() -> None:
    for name in NAMES:
        for line in lean((STATIC / name).read_bytes()).decode().splitlines():
            # A pattern of format.js has one in a set of characters.
            assert line.count("`") % 2 == 0 or "'`" in line or not name.endswith(".js"), (
                name,
                line,
            )


async def test_the_client_library_may_be_imported_from_anywhere_and_is_asked_for_once() -> None:
    async with serve() as rest:
        response, body = await get(rest, "/sdk/hubbub.js")
        assert response.content_type == "text/javascript"  # type: ignore[attr-defined]
        headers = response.headers  # type: ignore[attr-defined]
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert body == (files("edge.web") / "sdk" / "hubbub.js").read_bytes()
        known = {"If-None-Match": headers["ETag"]}
        async with rest.session.get("/sdk/hubbub.js", headers=known) as again:
            assert (again.status, await again.read()) == (304, b"")
        response, body = await get(rest, "/sdk/verbs.d.ts")
        assert response.content_type == "text/plain"  # type: ignore[attr-defined]
        assert b"export interface Verbs" in body
        response, body = await get(rest, "/sdk/hubbub.tgz")
        assert response.content_type == "application/gzip"  # type: ignore[attr-defined]
        assert body == sdk_files()["hubbub.tgz"][0]
        response, _ = await get(rest, "/sdk/other.js")
        assert response.status == 404  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpages.py", "%2e%2e/pages.py", "a/b.js", ""])
async def test_nothing_else_is_served(name: str) -> None:
    async with serve() as rest:
        response, body = await get(rest, f"/static/{name}")
        assert response.status == 404  # type: ignore[attr-defined]
        assert b"import" not in body


def test_the_page_keeps_to_its_policy() -> None:
    """No inline script, style or handler, and nothing from elsewhere: the policy would stop it."""
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    for source in re.findall(r"""(?:src|href)=["']([^"']+)""", html):
        assert not re.match(r"(https?:)?//", source), source
        if source.startswith("/static/"):
            assert source.removeprefix("/static/") in NAMES, source


def test_every_import_of_a_script_is_there() -> None:
    for name in NAMES:
        if name.endswith(".js"):
            script = (STATIC / name).read_text()
            for source in re.findall(r"""(?:from|import)\s*\(?["']([^"']+)["']""", script):
                if source == "/static/hubbub.js":  # the library, leaner
                    continue
                assert source.startswith(("./", "/static/")), (name, source)
                assert source.rsplit("/", 1)[1] in NAMES, (name, source)
