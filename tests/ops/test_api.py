"""Calls over HTTP to servers that answer well, badly, late and not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ops import api
from ops.answer import Exit, Failure
from ops.api import Rest


class Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        status = {"/readyz": 200, "/starting/readyz": 503, "/v1/no": 403}.get(self.path, 200)
        echo = {
            "method": self.command,
            "path": self.path,
            "body": body,
            "bearer": self.headers.get("Authorization"),
            "key": self.headers.get("Idempotency-Key"),
            "detail": "no such right",
        }
        data = b"plain text" if self.path == "/text" else json.dumps(echo).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_rest_sends_key_body_and_idempotency_key(url: str) -> None:
    echo = Rest(url, "k").need("POST", "/v1/x?limit=2", {"text": "é🙂"}, key="once")
    assert echo["body"] == {"text": "é🙂"}
    assert (echo["method"], echo["path"]) == ("POST", "/v1/x?limit=2")
    assert (echo["bearer"], echo["key"]) == ("Bearer k", "once")


def test_a_refusal_is_told_in_the_servers_words(url: str) -> None:
    with pytest.raises(Failure, match="no such right") as refused:
        Rest(url, "k").need("GET", "/v1/no")
    assert refused.value.exit_code is Exit.REFUSED
    assert Rest(url, "k").call("GET", "/v1/no").status == 403


def test_nobody_there_is_unreachable(nobody: str) -> None:
    with pytest.raises(Failure, match="did not answer") as failed:
        Rest(nobody, "k", timeout_s=1).need("GET", "/v1/x")
    assert failed.value.exit_code is Exit.UNREACHABLE


def test_readiness(url: str, nobody: str, mute: str) -> None:
    assert api.is_ready(url)
    assert not api.is_ready(f"{url}/starting")
    assert not api.is_ready(nobody)
    assert not api.is_ready(mute, timeout_s=0.1)


def test_all_are_asked_and_the_silent_ones_are_none(url: str, nobody: str, mute: str) -> None:
    urls = {
        "a": f"{url}/readyz",
        "b": f"{nobody}/readyz",
        "c": f"{mute}/readyz",
        "d": f"{url}/text",
    }
    answers = api.ask_all(urls, timeout_s=0.3)
    assert list(answers) == ["a", "b", "c", "d"]
    assert answers["a"] is not None
    assert answers["a"].status == 200
    assert answers["b"] is answers["c"] is None
    assert answers["d"] is not None
    assert answers["d"].body == "plain text"
    assert api.ask_all({}, timeout_s=0.1) == {}
