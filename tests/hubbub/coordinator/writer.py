"""A process of its own for the tests: `python writer.py URL COMMAND ...`.

count NAME N    N compare-and-swap increments of /counter, each with a record /done/NAME/i;
                prints i when it was acknowledged
lease NAME MS   registers /alive/NAME with a lease of MS, prints "ready" and keeps it until killed
"""

from __future__ import annotations

import asyncio
import sys

import hubbub.runtime.early  # noqa: F401 - as each of our processes does
from hubbub.coordinator.api import Coordinator, Guard, Put
from hubbub.coordinator.open import open_coordinator


async def count(coordinator: Coordinator, name: str, number: int) -> None:
    for i in range(number):
        while True:
            found = await coordinator.get("/counter")
            value = int(found.value) if found else 0
            guard = Guard("/counter", found.mod_revision if found else 0)
            ops = [Put("/counter", b"%d" % (value + 1)), Put(f"/done/{name}/{i:06d}", b"")]
            if (await coordinator.transact([guard], ops)).succeeded:
                break
        print(i, flush=True)


async def lease(coordinator: Coordinator, name: str, ttl_ms: int) -> None:
    held = await coordinator.lease_grant(ttl_ms)
    await coordinator.transact([], [Put(f"/alive/{name}", b"", held)])
    print("ready", flush=True)
    while True:
        await asyncio.sleep(ttl_ms / 3_000)
        await coordinator.lease_keepalive(held)


async def main(url: str, command: str, name: str, number: int) -> None:
    coordinator = open_coordinator(url)
    await {"count": count, "lease": lease}[command](coordinator, name, number)
    await coordinator.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
