"""Asks a cluster: its directory, its coordinator, and every process that is known of.

Rules:
1. Whatever answers is used, the rest is named. Only a directory where no cluster ever was is a
   failure.
2. Known are the processes of cluster.json, those that are registered, and the nodes that hold
   slots. A registered process's address is newer than the file's.
3. All questions of one round go out side by side: a round takes as long as the slowest answer, and
   `timeout_s` at most. The coordinator has its own patience, a few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hubbub.coordinator.cluster import ClusterView, ProcessRecord
from ops import cluster_file
from ops.answer import Exit, Failure
from ops.api import Response, ask_all
from ops.cluster_file import ClusterFile
from ops.directory import Directory
from ops.records import Records

ROLES: Final = ("node", "router", "edge")


@dataclass(frozen=True)
class Known:
    """A process that should be there. `pid` 0 and empty texts: not known."""

    role: str
    name: str
    pid: int = 0
    url: str = ""
    admin_url: str = ""
    record: ProcessRecord | None = None


class Answers:
    """What came of one round, by process and path."""

    def __init__(self, responses: Mapping[str, Response | None]) -> None:
        self._responses = responses

    def response(self, name: str, path: str) -> Response | None:
        """The answer, whatever its status; None if there was none."""
        return self._responses.get(f"{name} {path}")

    def body(self, name: str, path: str) -> Any:
        """The body of an answer with status 200, else None."""
        found = self.response(name, path)
        return found.body if found is not None and found.status == 200 else None


class Survey:
    """One cluster directory, and everybody in it who can be asked; `close` it."""

    def __init__(self, directory: Directory, timeout_s: float) -> None:
        """Raises Failure(NOT_FOUND) if there is no cluster here."""
        self.directory = directory
        self.timeout_s = timeout_s
        self.content: ClusterFile | None = None
        self.records: Records | None = None
        self.coordinator_error = ""
        not_running: Failure | None = None
        try:
            self.content = cluster_file.read(directory.cluster_file)
        except Failure as failure:
            not_running = failure
        try:
            self.records = Records.open(directory)
        except Failure as failure:
            if not_running is not None:
                raise (not_running if failure.exit_code == Exit.NOT_FOUND else failure) from None
            self.coordinator_error = _words(failure)
        self.known = self._known()

    def close(self) -> None:
        if self.records is not None:
            self.records.close()

    def __enter__(self) -> Survey:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def app(self) -> str:
        """The cluster's default app."""
        if self.content is not None:
            return self.content.app
        return self.records.app if self.records is not None else ""

    @property
    def view(self) -> ClusterView | None:
        """The coordinator's word as of the last look, None if it does not answer."""
        if self.records is None or self.coordinator_error:
            return None
        return self.records.view

    def refresh(self) -> None:
        """Read the coordinator again; `coordinator_error` says if that failed."""
        if self.records is not None:
            try:
                self.records.refresh()
                self.coordinator_error = ""
            except Failure as failure:
                self.coordinator_error = _words(failure)
        self.known = self._known()

    def ask(self, wanted: Mapping[str, Sequence[str]]) -> Answers:
        """GET of paths of admin servers, by the processes' names, side by side."""
        urls = {one.name: one.admin_url for one in self.known}
        questions = {
            f"{name} {path}": urls[name] + path
            for name, paths in wanted.items()
            for path in paths
            if urls.get(name)
        }
        return Answers(ask_all(questions, timeout_s=self.timeout_s))

    def node_of(self, storage: str) -> str:
        """The name of the node that holds a copy; a beginning of its id if nobody knows it."""
        names = {one.record.storage_id: one.name for one in self.known if one.record is not None}
        for name, known in (self.records.storage_ids if self.records is not None else {}).items():
            names.setdefault(known, name)
        return names.get(storage, f"disk {storage[:8]}")

    def _known(self) -> list[Known]:
        """Rule 2; nodes first, each role by number."""
        found: dict[str, Known] = {}
        for entry in self.content.processes if self.content is not None else ():
            found[entry.name] = Known(entry.role, entry.name, entry.pid, entry.url, entry.admin_url)
        for name in self.records.nodes if self.records is not None else ():
            found.setdefault(name, Known("node", name))
        view = self.view
        for records in (view.nodes, view.routers, view.edges) if view is not None else ():
            for record in records.values():
                before = found.get(record.name, Known(record.role, record.name))
                found[record.name] = _registered(before, record)
        return sorted(found.values(), key=in_order)


def in_order(known: Known) -> tuple[int, str, int]:
    """Nodes, routers, edges; node-2 before node-10."""
    head, _, number = known.name.rpartition("-")
    is_numbered = bool(head) and number.isdecimal()
    return (
        ROLES.index(known.role),
        head if is_numbered else known.name,
        int(number) if is_numbered else 0,
    )


def _registered(known: Known, record: ProcessRecord) -> Known:
    # What clients dial stands in the file: behind a proxy it is not what the edge has bound.
    is_public = record.role == "edge"
    url = known.url or record.address if is_public else record.admin_url
    return replace(known, url=url, admin_url=record.admin_url, record=record)


def _words(failure: Failure) -> str:
    return ": ".join([failure.text, *failure.cause])
