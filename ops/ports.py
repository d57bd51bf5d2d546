"""Free ports, and who holds the one that is not.

Rule: a port that the kernel may hand to any outgoing connection is a bad one to listen on: while an
edge restarts, a thousand reconnecting clients could take it. So ports are drawn below that range.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LOWEST: Final = 15_000
EPHEMERAL_DEFAULT: Final = 32_768  # Linux' own default, and higher elsewhere
TRIES: Final = 1_000


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_ports(host: str, count: int, *, preferred: Iterable[int] = ()) -> list[int]:
    """`count` different free ports: the preferred ones as far as they are free, then any.

    Raises OSError if there are none.
    """
    chosen = [port for port in preferred if is_free(host, port)][:count]
    high = _ephemeral_start()
    for _ in range(TRIES):
        if len(chosen) == count:
            return chosen
        port = random.randrange(LOWEST, high)
        if port not in chosen and is_free(host, port):
            chosen.append(port)
    raise OSError(f"no {count} free ports from {LOWEST} to {high} on {host}")


def next_free(host: str, port: int, count: int) -> int:
    """The lowest port from `port` on where `count` neighbours are free. Raises OSError."""
    for first in range(port, 65_536 - count):
        if all(is_free(host, first + i) for i in range(count)):
            return first
    raise OSError(f"no {count} neighbouring free ports from {port} on {host}")


def holder(port: int) -> str:
    """Who listens on a port, as `pid 4121 (python3)`; `another process` if that stays hidden."""
    import psutil  # only a taken port pays for it

    try:
        for row in psutil.net_connections("tcp"):
            if row.laddr and row.laddr.port == port and row.status == psutil.CONN_LISTEN:
                return f"pid {row.pid} ({psutil.Process(row.pid).name()})"
    except (psutil.Error, OSError, TypeError):
        pass
    return "another process"


def _ephemeral_start() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = EPHEMERAL_DEFAULT
    return max(first, LOWEST + 5_000)
