"""A process that does what ops relies on, and nothing else: reads its config, serves the real admin
server, registers in the real coordinator, holds the lifeline, stops on SIGTERM.

    python fake_process.py --config FILE [--config FILE …]

With several files it is all of these, as a compact process is.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import hubbub.runtime.early  # noqa: F401 - as each of our processes does
from hubbub.coordinator.cluster import ClusterView, ProcessRecord, claim_slots, register
from hubbub.coordinator.open import open_coordinator
from hubbub.runtime.admin import AdminServer
from hubbub.runtime.metrics import Metrics


def read_storage_id(config: dict[str, Any]) -> str:
    return (Path(config["data_dir"]) / "storage_id").read_text()


async def main(configs: list[dict[str, Any]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(configs[0]["lifeline_fd"], lambda: os._exit(0))
    async with asyncio.TaskGroup() as group:
        for config in configs:
            group.create_task(be(config, stopping))


async def be(config: dict[str, Any], stopping: asyncio.Event) -> None:
    """One role until the stop."""
    role, name = config["role"], config["name"]
    coordinator = open_coordinator(config["coordinator"])
    admin = AdminServer(Metrics(role), lambda: [])
    boot_id = secrets.randbits(63)
    record = ProcessRecord(
        name=name,
        role=role,
        boot_id=boot_id,
        address=config["listen"],
        admin_url=await admin.start("127.0.0.1", 0),
    )
    if role == "edge":
        await asyncio.start_server(lambda _r, w: w.close(), config["host"], config["port"])
    registration = await register(coordinator, record)
    if role == "node":
        view = ClusterView(coordinator)
        await view.load()
        storage_id = read_storage_id(config)
        slots = range(view.cluster.slots)
        await claim_slots(coordinator, view, name, boot_id, slots, member=storage_id)
    keeping = asyncio.get_running_loop().create_task(registration.keep())
    await stopping.wait()
    keeping.cancel()
    await registration.release()
    await admin.close()
    await coordinator.close()


if __name__ == "__main__":
    asyncio.run(main([json.loads(Path(path).read_text()) for path in sys.argv[2::2]]))
