"""The private server of every process: is it well, what does it count, how loud does it log.

Rules:
1. It binds `admin_host`, loopback by default: there is no login, so it is never the public port.
2. It answers from memory at once; whoever needs another process asks that one.
3. It changes nothing but the log level, and that only for a JSON body, which no web page can send
   to another origin unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec
from aiohttp import web

from hubbub.base.errors import Rejected
from hubbub.runtime import logs, tasks
from hubbub.runtime.metrics import CONTENT_TYPE, Metrics
from hubbub.wire.codec import dump_json, parse_json

# Empty: ready. Else what is missing, as lower-case words: ["no_router", "slots_unassigned"].
Readiness = Callable[[], Sequence[str]]
CLOSE_DEADLINE_S = 0.5  # scrapes under way; nobody loses anything by a cut one


class HasStatistics(Protocol):
    """A long-lived thing that tells what it holds, as an immutable record."""

    def statistics(self) -> object: ...


@runtime_checkable
class HasRows(Protocol):
    """One that is too large to be told whole: `row` is a part of it, None if there is no such."""

    def row(self, name: str) -> object | None: ...


class AdminServer:
    """Serves /healthz, /readyz, /metrics, /statistics[/NAME/ROW] and POST /log-level."""

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._registered: dict[str, Callable[[], object]] = {
            "logs": logs.statistics,
            "tasks": tasks.statistics,
            "counts": metrics.statistics,
        }
        self._rows: dict[str, Callable[[str], object | None]] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""
        metrics.gauge("ready", lambda: 0.0 if self._readiness() else 1.0)

    def register(self, name: str, subject: HasStatistics) -> None:
        """Show an object under /statistics, and its rows below its name.

        Raises ValueError if the name is taken.
        """
        if name in self._registered:
            raise ValueError(f"statistics {name!r} are registered already")
        self._registered[name] = subject.statistics
        if isinstance(subject, HasRows):
            self._rows[name] = subject.row

    async def start(self, host: str, port: int) -> str:
        """Bind and serve; the url, with the port that the kernel chose. Raises OSError."""
        app = web.Application(client_max_size=4_096)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._render_metrics),
                web.get("/statistics", self._statistics),
                web.get("/statistics/{name}/{row}", self._row),
                web.post("/log-level", self._log_level),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_DEADLINE_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{bound[1]}"
        return self.url

    async def close(self) -> None:
        """Stop serving. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _json({"alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reasons = list(self._readiness())
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _render_metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE}
        return web.Response(body=self._metrics.render(), headers=headers)

    async def _statistics(self, _request: web.Request) -> web.Response:
        return _json({name: read() for name, read in self._registered.items()})

    async def _row(self, request: web.Request) -> web.Response:
        read = self._rows.get(request.match_info["name"])
        found = None if read is None else read(request.match_info["row"])
        if found is None:
            return _json({"error": f"there is no {request.path}"}, 404)
        return _json(found)

    async def _log_level(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _json({"error": "the body must be application/json"}, 415)
        try:
            wanted = parse_json(await request.read())
            logs.set_level(wanted["level"])
        except (Rejected, ValueError, TypeError, KeyError):
            return _json({"error": f'expected {{"level": one of {", ".join(logs.LEVELS)}}}'}, 400)
        return _json({"level": wanted["level"]})


def _json(value: Any, status: int = 200) -> web.Response:
    body = dump_json(msgspec.to_builtins(value, str_keys=True))
    return web.Response(body=body, status=status, content_type="application/json")
