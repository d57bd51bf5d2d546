"""The smallest cluster that can be backed up: one real node on the records of a directory."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from hubbub.settings.schema import NodeConfig
from hubbub.wire.codec import encode_json
from ops.api import is_ready
from ops.directory import Directory
from ops.processes import SOURCE_ROOT
from ops.records import Records, Wanted
from tests.node.process import RouterPlayer
from tests.support.cluster import wait_for
from tests.support.processes import Process, process

SLOTS = 16
APP = "demo"
DEADLINE_S = 30.0


class Small:
    """A directory, and a process `node-1`; `close` it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="hb-", dir="/tmp"))  # short: an ipc path
        self.directory = Directory(self.root / "d")
        self.directory.make()
        wanted = Wanted(nodes=1, copies=1, slots=SLOTS, app=APP, profile="bench")
        Records.open_or_create(self.directory, wanted).close()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, directory: Directory | None = None) -> subprocess.Popen[bytes]:
        """Start the node of a directory, and wait until it leads every slot or has ended."""
        directory = directory or self.directory
        config = NodeConfig(
            name="node-1",
            app=APP,
            coordinator=f"solo:{directory.coordinator}",
            listen=self.address(directory),
            data_dir=str(directory.node_data("node-1")),
        )
        path = directory.config("node-1")
        path.write_bytes(encode_json(config))
        with directory.log("node-1").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "node", "--config", str(path)],
                cwd=SOURCE_ROOT,
                stdout=log,
                stderr=log,
            )
        records = Records.open(directory)
        try:
            ends_at = time.monotonic() + DEADLINE_S
            while self.process.poll() is None:
                records.look_for_processes()
                url = records.admin_url("node-1")
                if url and is_ready(url):
                    break
                assert time.monotonic() < ends_at, self.said(directory)
                time.sleep(0.02)
        finally:
            records.close()
        return self.process

    def address(self, directory: Directory) -> str:
        return f"ipc://{directory.run}/n"

    def said(self, directory: Directory | None = None) -> str:
        return (directory or self.directory).log("node-1").read_text()

    def submit(self, *commands: tuple[str, str, dict[str, Any]]) -> list[Any]:
        """(key, tag, body) each; their answers. To the directory's node."""

        async def submit_all() -> list[Any]:
            router = RouterPlayer(f"solo:{self.directory.coordinator}")
            await router.connect(self.address(self.directory))
            try:
                return [await router.submit(*command) for command in commands]
            finally:
                await router.close()

        return asyncio.run(submit_all())

    def chat(self, room: str, count: int) -> list[Any]:
        """A new room with messages; their answers."""
        made = (room, "channel.create", {"channel": room})
        texts = [(room, "message.send", {"channel": room, "text": f"m{n}"}) for n in range(count)]
        return self.submit(made, *texts)[1:]

    def kill(self) -> None:
        """Kill the node, and wait for its search child as well: it writes until it finds out."""
        if self.process is None:
            return
        children: list[Process] = []
        if self.process.poll() is None:
            children = _children(self.process.pid)
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None
        wait_for(lambda: not any(child.is_alive for child in children), DEADLINE_S, self.said)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.root)


def _children(pid: int) -> list[Process]:
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(ProcessLookupError):
            found.append(process(child.pid))
    return found
