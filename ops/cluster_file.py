"""D/run/cluster.json: what an outside program needs to drive a running cluster.

Its names are fixed: `supervisor_pid`, `app`, `server_key`, `token_secret`, `root_key`, and
`edges`, `routers`, `nodes`: lists of `{name, pid, url}`, where an edge's `url` is its public one
and a router's or node's is that of its admin server; an edge's admin server is `admin_url`.

Rules: a stale file is deleted before anything starts; the file is written when everything is ready
and replaced, as a whole, when a pid changes. It holds secrets: mode 0600.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.answer import Exit, Failure

PLURALS = {"edge": "edges", "router": "routers", "node": "nodes"}


@dataclass(frozen=True)
class ProcessEntry:
    """One process as outside programs see it. For an edge, `url` is the public one."""

    role: str
    name: str
    pid: int
    url: str
    admin_url: str

    def row(self) -> dict[str, object]:
        row: dict[str, object] = {"name": self.name, "pid": self.pid, "url": self.url}
        if self.role == "edge":
            row["admin_url"] = self.admin_url
        return row


@dataclass(frozen=True)
class ClusterFile:
    """The content of cluster.json."""

    supervisor_pid: int
    app: str
    server_key: str
    token_secret: str
    processes: Sequence[ProcessEntry]
    root_key: str = ""

    def content(self) -> dict[str, object]:
        content: dict[str, object] = {
            "supervisor_pid": self.supervisor_pid,
            "app": self.app,
            "server_key": self.server_key,
            "token_secret": self.token_secret,
            "root_key": self.root_key,
        }
        for role, plural in PLURALS.items():
            content[plural] = [entry.row() for entry in self.processes if entry.role == role]
        return content


def write(path: Path, content: ClusterFile) -> None:
    """Replaces the file as a whole: a reader sees the old one or the new one."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content.content(), file, indent=1)
        file.write("\n")
    os.replace(part, path)


def read(path: Path) -> ClusterFile:
    """The content of a file. Raises Failure(NOT_FOUND) if there is no (readable) one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _parse(content)
    except FileNotFoundError:
        root = path.parent.parent
        raise Failure(
            f"no cluster runs in {root}",
            exit_code=Exit.NOT_FOUND,
            cause=[f"{path} does not exist"],
            tries=[f"hubbub up --dir {root}", "hubbub demo"],
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"cannot read {path}", cause=[repr(error)]) from None


def _parse(content: dict[str, Any]) -> ClusterFile:
    entries = [
        ProcessEntry(
            role, row["name"], int(row["pid"]), row["url"], row.get("admin_url", row["url"])
        )
        for role, plural in PLURALS.items()
        for row in content[plural]
    ]
    return ClusterFile(
        int(content["supervisor_pid"]),
        content["app"],
        content["server_key"],
        content["token_secret"],
        entries,
        content.get("root_key", ""),
    )
