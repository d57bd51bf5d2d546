"""Calls to a cluster's HTTP servers with the standard library: admin servers and REST.

Rules: every call has a deadline; calls to several processes run side by side; one that does not
answer is named, never hidden. No server code and no aiohttp here: this must work, and fast, when
much else does not.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ops.answer import Exit, Failure


@dataclass(frozen=True)
class Response:
    """One HTTP answer; `body` is the parsed JSON, or the text if it is none."""

    status: int
    body: Any


def call(
    method: str,
    url: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 5.0,
) -> Response:
    """One request. Raises OSError if there is no answer in time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    path = parts.path or "/"
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})} if data else headers or {}
    try:
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, data, sent)
        answer = connection.getresponse()
        return Response(answer.status, _parsed(answer.read()))
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from None
    finally:
        connection.close()


def is_ready(admin_url: str, *, timeout_s: float = 0.5) -> bool:
    """Whether a process says that it serves."""
    try:
        return call("GET", f"{admin_url}/readyz", timeout_s=timeout_s).status == 200
    except OSError:
        return False


def ask_all(urls: Mapping[str, str], *, timeout_s: float) -> dict[str, Response | None]:
    """GET of every url side by side, by name; None for what did not answer in time."""

    def ask(url: str) -> Response | None:
        try:
            return call("GET", url, timeout_s=timeout_s)
        except OSError:
            return None

    if not urls:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(urls), 32)) as pool:
        return dict(zip(urls, pool.map(ask, urls.values()), strict=True))


@dataclass(frozen=True)
class Rest:
    """The public REST interface of one edge, with a server key."""

    url: str
    server_key: str
    timeout_s: float = 10.0

    def call(self, method: str, path: str, body: object = None, *, key: str = "") -> Response:
        """One request under /v1. `key` is its Idempotency-Key. Raises Failure if none answers."""
        headers = {"Authorization": f"Bearer {self.server_key}"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            return call(
                method, self.url + path, body=body, headers=headers, timeout_s=self.timeout_s
            )
        except OSError as error:
            raise Failure(
                f"{self.url} did not answer {method} {path}",
                exit_code=Exit.UNREACHABLE,
                cause=[str(error)],
                tries=["hubbub status"],
            ) from None

    def need(self, method: str, path: str, body: object = None, *, key: str = "") -> Any:
        """The body of a 2xx answer. Raises Failure with the server's own words otherwise."""
        answer = self.call(method, path, body, key=key)
        if not 200 <= answer.status < 300:
            said = answer.body if isinstance(answer.body, dict) else {"detail": str(answer.body)}
            words = said.get("detail") or said.get("title") or said
            raise Failure(
                f"{method} {path} was refused with {answer.status}: {words}",
                exit_code=Exit.REFUSED if answer.status in (401, 403) else Exit.FAILED,
            )
        return answer.body


def _parsed(data: bytes) -> Any:
    text = data.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
