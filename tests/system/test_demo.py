"""`hubbub demo` as a person starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.api import Rest, call
from ops.cluster_file import read
from ops.demo import asides, conversations, people
from ops.processes import SOURCE_ROOT
from tests.support.client import Client

READY_S = 40.0  # a busy test machine; the promise of 10 s is measured elsewhere
STOP_S = 5.0


class Demo:
    """`hubbub demo --json` in its own process."""

    def __init__(self, root: Path, *words: str) -> None:
        self.dir = root / "demo"
        command = [sys.executable, "-m", "ops", "demo", "--dir", str(self.dir), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--json", *words],
            cwd=SOURCE_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if '"hubbub.demo/1"' not in line:
            raise AssertionError(line + self.process.communicate()[1])
        self.ready: dict[str, Any] = json.loads(line)
        self.file = read(self.dir / "run" / "cluster.json")
        self.urls: list[str] = self.ready["data"]["urls"]

    def stop(self) -> str:
        """Ctrl-C; what was said on stderr."""
        began_at = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=READY_S)[1]
        assert self.process.returncode == 0, said
        assert time.monotonic() - began_at < STOP_S
        assert not any(Path(f"/proc/{entry.pid}").exists() for entry in self.file.processes)
        return said


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hub-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def demo(root: Path) -> Iterator[Demo]:
    running = Demo(root)
    yield running
    if running.process.poll() is None:
        running.process.kill()  # its children leave with it
        running.process.communicate()


async def test_the_demo_from_the_first_look_to_ctrl_c(demo: Demo, root: Path) -> None:
    assert demo.ready["schema"] == "hubbub.demo/1"
    assert demo.ready["data"]["process_count"] == 8
    assert all(url.startswith("http://127.0.0.1:") for url in demo.urls)
    token = await sign_in(demo.urls[0], "alice")
    page = call("GET", f"{demo.urls[0]}/demo/people").body["people"]
    assert {p["user"]: p["name"] for p in page} == {u: people.NAMES[u] for u in people.HUMANS}
    rest = Rest(demo.urls[0], demo.file.server_key)
    async with Client(demo.urls[0], token) as alice:
        listed = alice.connected["data"]["channels"]
        names = {row["channel"] for row in listed} | {row.get("peer", "") for row in listed}
        assert {"group:trail-run", "group:launch", "open:lobby", "bob", "robin"} <= names
        robin = next(row["channel"] for row in listed if row.get("peer") == "robin")
        result = await alice.subscribe(robin)
        await alice.send(robin, "hello")
        answer = (await alice.wait_publications(robin, 2))[-1]
        assert answer["data"]["by"] == "robin"
        assert "Alice" in answer["data"]["text"]
        assert answer["offset"] == result["offset"] + 2
    written = sum(count_messages(rest, room.channel) for room in people.ROOMS)
    polls = sum(map(len, asides.POLLS.values()))
    assert written == sum(map(len, conversations.ROOMS.values())) + polls
    profile = rest.need("GET", "/v1/users/chloe")
    assert profile["name"] == "Chloé Lefèvre"
    said = demo.stop()
    assert f"the data is in {demo.dir}" in said
    again = Demo(root)
    try:
        rest = Rest(again.urls[0], again.file.server_key)
        assert count_messages(rest, "open:lobby") == len(conversations.ROOMS["open:lobby"])
        said = again.stop()
        assert "as you left them" in said
    finally:
        again.process.kill()
        again.process.communicate()


def test_check_passes_and_leaves_nothing(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "demo", "--check", "--json"],
        cwd=SOURCE_ROOT,
        env=None,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["data"]["passed"] is True
    assert "sample data" in done.stderr
    assert list(root.iterdir()) == []


async def sign_in(url: str, user: str) -> str:
    """As the demo's page does: no password, seeded people only."""
    answer = call("POST", f"{url}/demo/token", body={"user": user})
    assert answer.status == 200, answer.body
    token: str = answer.body["token"]
    return token


def count_messages(rest: Rest, channel: str) -> int:
    """How many messages a channel's history has, page by page."""
    count, after = 0, 0
    while True:
        page = rest.need("GET", f"/v1/channels/{channel}/messages?after_seq={after}&limit=100")
        if not page["messages"]:
            return count
        count += len(page["messages"])
        after = page["messages"][-1]["seq"]
