"""The demo beside its supervisor: seeds, tests itself if asked to, then lets Robin live.

Runs in a thread of its own with its own event loop, because the supervisor has none and must go on
watching. Whatever fails here ends the demo through `Signals.request_stop`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ops.answer import Failure
from ops.api import Rest
from ops.demo.check import Outcome, check
from ops.demo.people import PEOPLE, ROOMS
from ops.demo.robin import Robin
from ops.demo.seed import seed
from ops.directory import Directory

MARKER: Final = "demo.json"  # in the demo's directory: what may be wiped, and what was seeded
SEED_VERSION: Final = 1
STOP_S: Final = 1.0


@dataclass
class Show:
    """The thread. After it ended, `failure` or `outcome` tells how.

    Args:
        edges: (name, url) of each edge.
        on_seeded: called with a sentence when the data is there.
        on_end: called when the self-test ended or anything failed.
    """

    directory: Directory
    edges: Sequence[tuple[str, str]]
    server_key: str
    only_check: bool
    on_seeded: Callable[[str], None]
    on_end: Callable[[], None]
    failure: Failure | None = None
    outcome: Outcome | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _robin: asyncio.Task[None] | None = None
    _is_stopping: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="demo show", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends Robin; a seeding that is under way is left to fail with its edges."""
        with self._lock:
            self._is_stopping = True
            if self._loop is not None and self._robin is not None:
                self._loop.call_soon_threadsafe(self._robin.cancel)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            self.on_seeded(self._seed())
            asyncio.run(self._live())
        except Failure as failure:
            self._fail(failure)
        except Exception as error:  # noqa: BLE001 - this thread's boundary: a bug ends the demo
            self._fail(Failure("the demo's own program failed", cause=[repr(error)]))

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self.on_end()

    async def _live(self) -> None:
        """Robin, and beside it the self-test if that is all that was asked for."""
        robin = Robin([url for _, url in self.edges], self._token)
        try:
            async with asyncio.TaskGroup() as tasks:
                with self._lock:
                    if self._is_stopping:
                        return
                    self._loop = asyncio.get_running_loop()
                    self._robin = tasks.create_task(robin.run(), name="robin")
                if self.only_check:
                    self.outcome = await check(self.edges, self.server_key)
                    self._robin.cancel()
        except* Failure as failed:
            self.failure = next(e for e in failed.exceptions if isinstance(e, Failure))
        finally:
            with self._lock:
                self._robin = None  # the loop closes next: `stop` must not call into it
        if self.only_check or self.failure:
            self.on_end()

    def _seed(self) -> str:
        people, rooms = len(PEOPLE), len(ROOMS)
        marker = self.directory.root / MARKER
        if read_marker(marker).get("seeded") == SEED_VERSION:
            return f"{people} people, as you left them"
        count = seed(Rest(self.edges[0][1], self.server_key))
        write_marker(marker, SEED_VERSION)
        return f"{people} people, {rooms} rooms, their dms, {count} messages"

    def _token(self, user: str) -> str:
        rest = Rest(self.edges[0][1], self.server_key)
        token: str = rest.need("POST", "/v1/tokens", {"user": user})["token"]
        return token


def read_marker(path: Path) -> dict[str, object]:
    """The marker's content; empty if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_marker(path: Path, seeded: int) -> None:
    path.write_text(json.dumps({"made_by": "hubbub demo", "seeded": seeded}), encoding="utf-8")
