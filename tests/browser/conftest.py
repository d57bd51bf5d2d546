"""A real demo cluster and Chromium for the tests of the chat page.

Rules: one cluster for all tests, which use channels and pairs of people of their own; every page is
watched, and a test fails for whatever its console says or its policy refuses. Screenshots go to the
folder that HUBBUB_SCREENSHOTS names.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from ops.api import Rest
from ops.cluster_file import read
from ops.processes import SOURCE_ROOT
from tests.support.cluster import wait_for
from tests.support.requirement import program

READY_S = 60.0
STOP_S = 10.0
WAIT_MS = 15_000
WRITERS = 4
# What Chromium itself says of a network that a test has cut.
CUT = ("net::ERR_", "WebSocket connection to")


class Demo:
    """`hubbub demo` with its people, in its own process."""

    def __init__(self, root: Path) -> None:
        self.dir = root / "demo"
        self.log = root / "demo.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", "demo", "--dir", str(self.dir), "--port", "0"],
                cwd=SOURCE_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self._is_ready, READY_S, lambda: f"the demo was not ready:\n{self.said()}")
        except AssertionError:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the demo ended:\n{self.said()}")
        return "READY" in self.said()

    def said(self) -> str:
        return self.log.read_text()

    @property
    def edges(self) -> list[tuple[int, str]]:
        """(pid, url) of each edge as it is now."""
        found = read(self.dir / "run" / "cluster.json").processes
        return [(entry.pid, entry.url) for entry in found if entry.role == "edge"]

    @property
    def url(self) -> str:
        return self.edges[0][1]

    def rest(self, method: str, path: str, body: object = None) -> Any:
        """The body of a 2xx answer; ops.answer.Failure otherwise."""
        file = read(self.dir / "run" / "cluster.json")
        return Rest(self.url, file.server_key).need(method, path, body)

    def group(self, channel: str, members: list[str], **more: object) -> str:
        """A new group."""
        body = {"channel": channel, "members": members, "owner": members[0], **more}
        name: str = self.rest("POST", "/v1/channels", body)["channel"]
        return name

    def write(self, channel: str, by: str, text: str) -> Any:
        """A message of a user."""
        path = f"/v1/channels/{quote(channel, safe=':')}/messages"
        return self.rest("POST", path, {"by": by, "text": text})

    def fill(self, channel: str, by: str, count: int) -> None:
        """Many messages, several at a time: their order is the server's."""
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda n: self.write(channel, by, f"line {n}"), range(count)))

    def kill_edge(self, place: int) -> int:
        """SIGKILL to an edge. Returns its pid."""
        pid = self.edges[place][0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return program("chromium")


@pytest.fixture(scope="session")
def demo(chromium_path: str) -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
    try:
        running = Demo(root)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path)
        yield chromium
        await chromium.close()


class Chat:
    """Opens watched pages of the demo."""

    def __init__(self, browser: Browser, demo: Demo, shots: Path) -> None:
        self._browser = browser
        self._demo = demo
        self._shots = shots
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.is_cut = False  # the test cuts the network: Chromium may say so

    async def context(self, width: int = 1440, height: int = 900, **more: Any) -> BrowserContext:
        made = await self._browser.new_context(viewport={"width": width, "height": height}, **more)
        self._contexts.append(made)
        made.set_default_timeout(WAIT_MS)
        return made

    async def open(self, path: str, context: BrowserContext | None = None, **more: Any) -> Page:
        """A page at `path` of the first edge; `more`: see `context`."""
        page = await (context or await self.context(**more)).new_page()
        self.watch(page)
        await page.goto(self._demo.url + path)
        return page

    def watch(self, page: Page) -> None:
        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not self._is_expected(message.text):
                self.complaints.append(f"{message.type}: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error.stack}"))

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()

    def _is_expected(self, text: str) -> bool:
        return self.is_cut and any(word in text for word in CUT)

    async def shoot(self, page: Page, name: str) -> None:
        """A screenshot for people."""
        await page.screenshot(path=self._shots / f"{name}.png", animations="disabled")


@pytest_asyncio.fixture(loop_scope="session")
async def chat(browser: Browser, demo: Demo, tmp_path: Path) -> AsyncIterator[Chat]:
    """Pages whose consoles must stay silent."""
    shots = Path(os.environ.get("HUBBUB_SCREENSHOTS") or tmp_path)
    await asyncio.to_thread(shots.mkdir, parents=True, exist_ok=True)
    opened = Chat(browser, demo, shots)
    yield opened
    await opened.close()
    assert opened.complaints == []
