"""Pages for programs and terminals: short, generated, and every link of theirs is answered."""

from __future__ import annotations

import gzip
import re
import shlex

import pytest

from edge.web.docs import recorded
from edge.web.documents import buckets_of, curl
from hubbub.base.errors import all_errors
from hubbub.features.contract import Command
from hubbub.features.registry import REGISTRY
from tests.edge.web.rest import serve

LLMS_BYTES_MAX = 10_000
ROUTES = {f"{row.method} {row.path}": row for row in REGISTRY.routes}


async def test_llms_txt_is_short_and_all_its_links_are_answered() -> None:
    async with serve() as rest:
        response, text = await rest.call("GET", "/llms.txt", headers={})
        assert (response.status, response.content_type) == (200, "text/plain")
        assert text.startswith("# Hubbub\n\n> ")
        assert len(text) <= LLMS_BYTES_MAX
        links = re.findall(r"\]\((/[^)]*)\)", text)
        assert len(links) > 5
        for link in links:
            response, _ = await rest.call("GET", link, headers={})
            assert response.status == 200, link
        paths = dict(re.findall(r"^- `(/v1[^`]*)` (.+)$", text, re.MULTILINE))
        told = {f"{method} {path}" for path, said in paths.items() for method in said.split()}
        assert ROUTES.keys() < told


async def test_every_code_has_its_row_and_every_route_its_limits() -> None:
    async with serve() as rest:
        _, errors = await rest.call("GET", "/docs/errors.md", headers={})
        for row in all_errors():
            assert f"| `{row.name}` | {row.http_status} |" in errors
        _, limits = await rest.call("GET", "/docs/limits.md", headers={})
        for label in ROUTES:
            assert f"| `{label}` |" in limits
        _, body = await rest.call("GET", "/v1/limits")
        for row in body["limits"]:
            assert f"| `{row['policy']}` |" in limits


def test_what_sends_is_marked_and_nothing_else() -> None:
    """Of a feature whose command counts as a message exactly one route does."""
    senders = {command.__module__ for command in REGISTRY.commands.values() if command.SENDS}
    marked = [row for row in REGISTRY.routes if row.sends]
    assert sorted(row.shape.__module__ for row in marked) == sorted(senders)
    for row in REGISTRY.routes:
        is_command = issubclass(row.shape, Command)
        assert row.sends or not is_command or not row.shape.SENDS, row.path
        assert ("sign" in buckets_of(row)) == (is_command and row.shape.PACED)


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json", "/llms.txt"])
async def test_a_document_is_sent_once_and_packed_where_that_is_taken(path: str) -> None:
    async with serve() as rest:
        rest.session._auto_decompress = False
        response, plain = await rest.call("GET", path, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in response.headers
        async with rest.session.get(path, headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            body = gzip.decompress(await packed.read())
        assert (body.decode() if isinstance(plain, str) else len(body) > 10_000) in (plain, True)
        same = {"If-None-Match": response.headers["ETag"]}
        response, _ = await rest.call("GET", path, headers=same)
        assert response.status == 304


def test_a_sample_is_one_line_for_a_shell() -> None:
    said = curl("PUT", "/v1/users/ann", {"name": "Ann's $HOME"})
    assert shlex.split(said) == [
        *("curl", "-X", "PUT", "$HUB/v1/users/ann"),
        *("-H", "Authorization: Bearer $KEY", "-d", '{"name":"Ann\'s $HOME"}'),
    ]
    for label, example in recorded().items():
        method = label.partition(" ")[0]
        words = shlex.split(curl(method, example["path"], example["request"]))
        assert words[0] == "curl"
        assert not set(example["path"]) & set(' "$`\\'), "a shell would read more into it"
