"""A cluster's records in its coordinator, for a program without an event loop of its own.

The first start makes them: the cluster (id, slots, seed), the app with its secrets, the nodes with
the ids of their disks, and where each slot goes. Later starts read them, and refuse to be told
otherwise: slots are fixed, nodes and copies change while the cluster runs (`hubbub nodes`, `hubbub
rebalance`), and a compatibility profile has weaker secrets than the others.

Members of a slot are storage ids, not names: a wiped disk is another member, so that an emptied
node can never pass for the one that held the data.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from hubbub.coordinator.api import CoordinatorError, Guard, Put
from hubbub.coordinator.cluster import (
    AppRecord,
    ClusterView,
    ProcessRecord,
    SigningKey,
    app_key,
    create_app,
    create_cluster,
    place_slots,
)
from hubbub.coordinator.open import open_coordinator
from hubbub.coordinator.records import APPS_PREFIX, CLUSTER_KEY, ClusterRecord
from hubbub.model.server_keys import hash_of, is_key, new_root_key
from hubbub.ring.placement import PlacementError, PlacementNode, propose
from hubbub.settings.profiles import PROFILES, resolve
from hubbub.wire.codec import decode_json, encode_json
from ops.answer import Exit, Failure
from ops.directory import Directory

T = TypeVar("T")
COPIES_DEFAULT: Final = 3  # of a cluster that has as many nodes; else there is one
DEFAULT_NODES, DEFAULT_SLOTS, DEFAULT_APP, DEFAULT_PROFILE = 1, 1024, "main", "default"
SECRET_BYTES: Final = 32
STORAGE_ID_FILE: Final = "storage_id"  # in a node's data folder; node/store reads the same
_CHANGES: Final = {
    "nodes": ("hubbub nodes --help",),
    "copies": ("hubbub rebalance start --copies COUNT",),
}
PROCESS_PREFIXES: Final = ("/nodes/", "/routers/", "/edges/")
_ROOT_ROUNDS_MAX: Final = 5  # only a restore or a further `up` of this directory writes there
NODES_KEY: Final = "/ops/nodes"  # {"node-1": its storage id, …}: which nodes this directory has


@dataclass(frozen=True)
class Wanted:
    """What the person asked for; None: whatever the cluster has, or the default of a new one."""

    nodes: int | None = None
    copies: int | None = None
    slots: int | None = None
    app: str | None = None
    profile: str | None = None
    token_keys: tuple[SigningKey, ...] = ()


class Records:
    """The records of one cluster directory; `close` it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._runner = asyncio.Runner()
        try:
            self._coordinator = open_coordinator(directory.coordinator_url)
        except (CoordinatorError, ValueError) as error:
            self._runner.close()
            text = f"cannot open {directory.coordinator_url}"
            raise Failure(text, exit_code=Exit.USAGE, cause=[str(error)]) from None
        self._view = ClusterView(self._coordinator)
        self.storage_ids: dict[str, str] = {}
        self._processes: dict[str, ProcessRecord] = {}
        self.copies = 0
        self.slots = 0
        self._app: AppRecord | None = None
        self.root_key = ""

    @classmethod
    def open(cls, directory: Directory) -> Records:
        """The records of an existing cluster. Raises Failure(NOT_FOUND) if there is none."""
        if not directory.has_cluster:
            raise Failure(
                f"there is no cluster in {directory.root}",
                exit_code=Exit.NOT_FOUND,
                tries=[f"hubbub up --dir {directory.root}"],
            )
        records = cls(directory)
        records._load()
        return records

    @classmethod
    def open_or_create(cls, directory: Directory, wanted: Wanted) -> Records:
        """The records, made at the first start. Raises Failure when `wanted` contradicts them."""
        _check(wanted)
        records = cls(directory)
        try:
            records._run(records._create(wanted))
            records._run(records._ensure_root_key())
            records._load()
            records._compare(wanted)
        except BaseException:
            records.close()
            raise
        return records

    def close(self) -> None:
        self._runner.run(self._coordinator.close())
        self._runner.close()

    @property
    def nodes(self) -> list[str]:
        """The names of all nodes."""
        return list(self.storage_ids)

    # --- the app

    @property
    def app(self) -> str:
        return self._app_record.app

    @property
    def server_key(self) -> str:
        return self._app_record.server_key

    @property
    def token_secret(self) -> str:
        return self._app_record.token_secret

    @property
    def profile(self) -> str:
        return self._app_record.profile

    @property
    def view(self) -> ClusterView:
        """As of the last `refresh`."""
        return self._view

    # --- processes

    def look_for_nodes(self) -> list[str]:
        """Reads which nodes there should be; they were added or removed while the cluster ran."""
        self.storage_ids = self._run(self._read_nodes())
        return self.nodes

    def refresh(self) -> None:
        """Reads everything again."""
        self._run(self._view.load())

    def admin_url(self, name: str) -> str:
        """The admin server that a process had registered at the last look; empty if none."""
        record = self._processes.get(name)
        return record.admin_url if record is not None else ""

    def look_for_processes(self) -> None:
        """Reads who is registered. A process that was restarted has another admin url."""
        self._processes = self._run(self._registered())

    async def _registered(self) -> dict[str, ProcessRecord]:
        found = []
        for prefix in PROCESS_PREFIXES:
            found += (await self._coordinator.range(prefix))[0]
        records = (decode_json(record.value, ProcessRecord) for record in found)
        return {record.name: record for record in records}

    # --- making and checking

    async def _create(self, wanted: Wanted) -> None:
        cluster = await create_cluster(self._coordinator, wanted.slots or DEFAULT_SLOTS)
        apps, _ = await self._coordinator.range(APPS_PREFIX)
        if not apps:
            profile = wanted.profile or DEFAULT_PROFILE
            await create_app(self._coordinator, new_app(wanted.app or DEFAULT_APP, profile))
        present, _ = await self._coordinator.range("/slots/")
        if len(present) < cluster.slots:
            ids = await self._make_nodes(wanted.nodes or DEFAULT_NODES)
            plan = place(
                list(ids.values()), cluster.slots, wanted.copies or default_copies(len(ids))
            )
            await place_slots(self._coordinator, plan)

    async def _ensure_root_key(self) -> None:
        """The text lies in this directory, its hash in the records; where the two do not belong
        together (a first start, a restore, a file that was removed) both are made anew."""
        path = self._directory.root_key
        text = path.read_text(encoding="ascii").strip() if path.exists() else ""
        for _ in range(_ROOT_ROUNDS_MAX):
            found = await self._coordinator.get(CLUSTER_KEY)
            assert found is not None
            cluster = decode_json(found.value, ClusterRecord)
            if not is_key(text, cluster.root_key_hash):
                text = new_root_key(secrets.token_bytes(SECRET_BYTES))
                _write_private(path, text)
                changed = replace(cluster, root_key_hash=hash_of(text))
                guard = Guard(CLUSTER_KEY, found.mod_revision)
                put = Put(CLUSTER_KEY, encode_json(changed))
                if not (await self._coordinator.transact([guard], [put])).succeeded:
                    continue
            self.root_key = text
            return
        raise Failure("the cluster's record changes all the time", exit_code=Exit.CONFLICT)

    async def _make_nodes(self, count: int) -> dict[str, str]:
        """The ids of the nodes' disks; drawn and recorded unless an earlier, cut start did it."""
        found = await self._coordinator.get(NODES_KEY)
        if found is not None:
            return decode_json(found.value, dict[str, str])
        names = [f"node-{i}" for i in range(1, count + 1)]
        ids = {name: make_storage_id(self._directory, name) for name in names}
        await self._coordinator.transact([Guard(NODES_KEY, 0)], [Put(NODES_KEY, encode_json(ids))])
        return ids

    def _load(self) -> None:
        self.refresh()
        self.storage_ids = self._run(self._read_nodes())
        slot_map = self._view.slot_map
        self.slots = slot_map.slots
        members = [record.members for _, record in slot_map.items()]
        self.copies = max(map(len, members), default=0)
        self._app = self._view.apps[self._run(self._first_app())]

    async def _first_app(self) -> str:
        """The app that the cluster was made with: later ones come beside it."""
        apps, _ = await self._coordinator.range(APPS_PREFIX)
        by_age = sorted(apps, key=lambda record: (record.create_revision, record.key))
        return by_age[0].key.removeprefix(APPS_PREFIX)

    async def _read_nodes(self) -> dict[str, str]:
        found = await self._coordinator.get(NODES_KEY)
        return decode_json(found.value, dict[str, str]) if found is not None else {}

    def _compare(self, wanted: Wanted) -> None:
        for name, storage_id in self.storage_ids.items():
            _check_disk_is(self._directory, name, storage_id)
        present = Wanted(len(self.nodes), self.copies, self.slots, self.app)
        for field in ("nodes", "copies", "slots", "app"):
            asked, has = getattr(wanted, field), getattr(present, field)
            if asked is not None and asked != has:
                raise Failure(
                    f"this cluster has --{field} {has}, not {asked}",
                    exit_code=Exit.CONFLICT,
                    cause=[
                        "slots and app are fixed when a cluster is made; nodes are added and "
                        "removed, and copies moved, while it runs"
                    ],
                    tries=[
                        f"the same command without --{field}, or another --dir",
                        *_CHANGES.get(field, ()),
                    ],
                )
        if wanted.profile not in (None, self.profile):
            self._change_profile(wanted.profile or DEFAULT_PROFILE)
        if wanted.token_keys:
            self._add_token_keys(wanted.token_keys)

    def _change_profile(self, profile: str) -> None:
        """Limits may change; secrets that another profile would not allow may not."""
        old, new = PROFILES[self.profile], PROFILES[profile]
        if old.token_secret_bytes_min != new.token_secret_bytes_min:
            raise Failure(
                f"this cluster was made with --profile {self.profile}",
                exit_code=Exit.CONFLICT,
                cause=["the secrets of a compatibility profile are public, others must not be"],
                tries=["another --dir"],
            )
        self._app = self._run(self._put_app(replace(self._app_record, profile=profile)))

    def _add_token_keys(self, keys: tuple[SigningKey, ...]) -> None:
        """Keys by kid: a new one joins, one that is there is replaced."""
        by_kid = {key.kid: key for key in (*self._app_record.token_keys, *keys)}
        changed = replace(self._app_record, token_keys=tuple(by_kid.values()))
        if changed != self._app_record:
            self._app = self._run(self._put_app(changed))

    async def _put_app(self, changed: AppRecord) -> AppRecord:
        key = app_key(self.app)
        found = await self._coordinator.get(key)
        assert found is not None
        guard = Guard(key, found.mod_revision)
        done = await self._coordinator.transact([guard], [Put(key, encode_json(changed))])
        if not done.succeeded:
            raise Failure("the app's settings changed meanwhile", exit_code=Exit.CONFLICT)
        return changed

    @property
    def _app_record(self) -> AppRecord:
        assert self._app is not None
        return self._app

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
        except CoordinatorError as error:
            raise Failure(
                "the coordinator does not answer",
                exit_code=Exit.UNREACHABLE,
                cause=[str(error)],
                tries=["hubbub status"],
            ) from None


def new_app(app: str, profile: str) -> AppRecord:
    """An app with fresh secrets, or those that a compatibility profile names."""
    settings = resolve(profile)
    return AppRecord(
        app=app,
        id_secret=secrets.token_urlsafe(SECRET_BYTES),
        token_secret=settings.token_secret_initial or secrets.token_urlsafe(SECRET_BYTES),
        server_key=settings.server_key_initial or secrets.token_urlsafe(SECRET_BYTES),
        profile=profile,
        created_ms=time.time_ns() // 1_000_000,
    )


def place(names: list[str], slots: int, copies: int) -> dict[int, tuple[str, ...]]:
    """Where each slot goes. All nodes of one machine share its failure domain, and that is said."""
    nodes = [PlacementNode(name, "this-machine") for name in names]
    try:
        return propose(nodes, slots, copies, allow_same_domain=True)
    except PlacementError as error:
        raise Failure(str(error), exit_code=Exit.USAGE) from None


def _check(wanted: Wanted) -> None:
    """What is wrong whatever the cluster has."""
    if wanted.profile is not None and wanted.profile not in PROFILES:
        raise Failure(
            f"there is no profile {wanted.profile!r}; there are {', '.join(PROFILES)}",
            exit_code=Exit.USAGE,
        )
    if wanted.slots is not None and wanted.slots & (wanted.slots - 1):
        raise Failure(f"--slots must be a power of two, not {wanted.slots}", exit_code=Exit.USAGE)


def default_copies(nodes: int) -> int:
    """Three where that is possible: any one node or disk may be lost. Else one."""
    return COPIES_DEFAULT if nodes >= COPIES_DEFAULT else 1


def make_storage_id(directory: Directory, name: str) -> str:
    """The id of a new node's disk, written into its data folder, where the node reads it."""
    folder = directory.node_data(name)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / STORAGE_ID_FILE
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    made = str(uuid.uuid4())
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="ascii") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return made


def _write_private(path: Path, text: str) -> None:
    """A file of mode 0600, replaced as a whole."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _check_disk_is(directory: Directory, name: str, storage_id: str) -> None:
    """Raises Failure if a node's folder is not the one that was given slots."""
    path = directory.node_data(name) / STORAGE_ID_FILE
    found = path.read_text(encoding="ascii").strip() if path.exists() else "missing"
    if found != storage_id:
        raise Failure(
            f"the data of {name} is not in {path.parent}",
            cause=[f"its disk has the id {storage_id}, {path.name} there is {found}"],
            tries=["put the folder back, or restore it from a backup", "another --dir"],
        )
