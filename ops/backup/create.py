"""Makes a backup of a running cluster: every node freezes its database, the command copies it away.

Order: HOLD (no Forward moves; why: hubbub.coordinator.backups), CHECKPOINT (each node freezes and
says what it has), COPY (nodes go on), then the files, then the coordinator's records, and last the
manifest. Whatever was acknowledged before HOLD is in it. Logs come before everything that they
speak of: an app's record is exported after the entries that need it, and uploaded files, once there
are any, belong behind the logs for the same reason.

Rules:
1. A slot that is not covered fails the backup, and is named; nothing is left behind on the nodes.
2. From COPY on the plan and a journal of what was stored lie in D/run/backups: a command that died
   is continued by the next one with the same place. Before COPY it is begun anew.
3. One command at a time and directory: a lock that the kernel frees.
4. The files are read where the nodes froze them: on the machine of the command.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from hubbub import VERSION
from hubbub.coordinator.backups import HOLD_MS_MAX, AnswerState, BackupRequest, NodeAnswer, Phase
from hubbub.coordinator.records import ClusterRecord
from hubbub.ring.map import SlotRecord
from hubbub.wire.codec import decode_json, encode_json
from ops.answer import Exit, Failure
from ops.backup import transfer
from ops.backup.coverage import Coverage, Frozen, cover
from ops.backup.desk import Answers, Desk
from ops.backup.manifest import (
    EXPORT_FILE,
    FORMAT,
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    NodeEntry,
    SlotEntry,
    canonical,
    seal,
    slot_entry,
    unseal,
)
from ops.backup.signing import BackupKey
from ops.backup.target import Target
from ops.directory import Directory

# A node sees the request within 0.1 s; one that died is registered for 3 s more. Half gives up on a
# stalled disk; double keeps everybody's Forwards waiting for one sick node.
HOLD_S: Final = 10.0
CHECKPOINT_S: Final = 30.0  # hard links, after up to 96 MiB were written to files
assert (HOLD_S + CHECKPOINT_S) * 1_000 < HOLD_MS_MAX, "nodes hold as long as the command needs it"
_SLOTS_NAMED: Final = 10  # in a failure; the rest is a number

Say = Callable[[str], None]


class FrozenNode(msgspec.Struct, frozen=True):
    """A node of the plan. `path`: of its checkpoint; empty if it is not needed."""

    name: str
    storage_id: str
    path: str = ""
    sequence: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the backup will be: everything that is known once the nodes have frozen."""

    id: str
    target: str
    began_ms: int
    cluster: ClusterRecord
    copies: int
    term_max: int
    nodes: tuple[FrozenNode, ...]
    slots: tuple[SlotEntry, ...]
    silent: tuple[str, ...]
    unheld: tuple[str, ...]


class Created(msgspec.Struct, frozen=True):
    """What was made; `continued`: the files of an earlier command were there already."""

    manifest: Manifest
    key_id: str
    continued: bool


def create(
    directory: Directory, target: Target, key: BackupKey, say: Say, *, is_fresh: bool = False
) -> Created:
    """Make a backup, or finish the one that a command left behind. Raises Failure.

    Args: is_fresh: drop what was left behind instead.
    """
    folder = directory.run / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder), Desk(directory) as desk:
        plan = _left_behind(desk, folder, target, is_fresh=is_fresh)
        continued = plan is not None
        if plan is None:
            plan = freeze(desk, folder, target, say)
        else:
            say(f"continuing backup {plan.id}")
        journal = transfer.CopyJournal(folder / f"{plan.id}.journal")
        try:
            manifest = _finish(desk, plan, target, journal, key, say)
        except Failure as failure:
            more = ["the same command again: it goes on from here", "--fresh: begin anew"]
            raise Failure(
                failure.text,
                exit_code=failure.exit_code,
                cause=failure.cause,
                tries=[*failure.tries, *more],
            ) from None
        desk.end(plan.id)
        journal.remove()
        _plan_path(folder, plan.id).unlink()
        return Created(manifest, key.id, continued)


def _finish(
    desk: Desk,
    plan: Plan,
    target: Target,
    journal: transfer.CopyJournal,
    key: BackupKey,
    say: Say,
) -> Manifest:
    """From frozen databases to a manifest at the place, which may be there already."""
    name = f"{plan.id}/{MANIFEST_FILE}"
    if target.size(name) is not None:
        return unseal(b"".join(target.read(name)), name).manifest
    manifest = copy(desk, plan, target, journal, say)
    target.write(name, [seal(manifest, key)], is_new=True)
    return manifest


# --- freezing


def freeze(desk: Desk, folder: Path, target: Target, say: Say) -> Plan:
    """Ask the nodes, hear what they have, and let them go on; a plan that outlives this command.

    Raises Failure; then nothing stays frozen.
    """
    now_ms = time.time_ns() // 1_000_000
    request = BackupRequest(_new_id(now_ms), target.url, now_ms)
    before = desk.slots()
    try:
        desk.put(request)
        held = desk.wait(request.id, {AnswerState.HELD}, HOLD_S)
        if not held.given:
            raise _no_answer(held)
        desk.put(replace(request, phase=Phase.CHECKPOINT))
        states = {AnswerState.MADE, AnswerState.FAILED}
        answers = desk.wait(request.id, states, CHECKPOINT_S)
        plan = _plan(desk, request, held, answers, [before, desk.slots()])
        _write_plan(folder, plan)
        desk.put(replace(request, phase=Phase.COPY))
    except BaseException:
        desk.end(request.id)
        raise
    say(f"frozen: {len(plan.slots)} slots on {sum(bool(n.path) for n in plan.nodes)} nodes")
    return plan


def _plan(
    desk: Desk,
    request: BackupRequest,
    held: Answers,
    answers: Answers,
    maps: list[Mapping[int, SlotRecord]],
) -> Plan:
    made = {n: a for n, a in answers.given.items() if a.state is AnswerState.MADE}
    copies = {answer.storage_id: desk.copies(request.id, answer) for answer in made.values()}
    cluster = desk.cluster()
    frozen = [Frozen(storage, slots) for storage, slots in copies.items()]
    coverage = cover(cluster.slots, maps, frozen)
    if not made or coverage.uncovered:
        raise _not_covered(cluster.slots, coverage, answers)
    terms = [record.term for records in maps for record in records.values()]
    terms += [max(c.promised, c.last_term) for slots in copies.values() for c in slots.values()]
    return Plan(
        id=request.id,
        target=request.target,
        began_ms=request.asked_ms,
        cluster=cluster,
        copies=max(len(record.members) for record in maps[-1].values()),
        term_max=max(terms),
        nodes=_nodes(desk.storage_ids(), made, coverage),
        slots=tuple(
            slot_entry(storage, copies[storage][slot]) for slot, storage in coverage.chosen.items()
        ),
        silent=tuple(sorted({*answers.silent, *(answers.given.keys() - made.keys())})),
        unheld=tuple(sorted(held.silent)),
    )


def _nodes(
    storage_ids: Mapping[str, str], made: Mapping[str, NodeAnswer], coverage: Coverage
) -> tuple[FrozenNode, ...]:
    """All nodes that there should be; a path for those whose database is needed."""
    nodes = []
    for name in sorted({*storage_ids, *made}):
        answer = made.get(name)
        if answer is not None and answer.storage_id in coverage.storage_ids:
            node = FrozenNode(name, answer.storage_id, answer.path, answer.sequence)
        else:
            node = FrozenNode(name, storage_ids.get(name) or made[name].storage_id)
        nodes.append(node)
    return tuple(nodes)


def _no_answer(answers: Answers) -> Failure:
    return Failure(
        "no node answers",
        exit_code=Exit.UNREACHABLE,
        cause=[f"{name} does not answer" for name in answers.silent]
        or ["no node is alive; a backup is made of a running cluster"],
        tries=["hubbub up", "hubbub status"],
    )


def _not_covered(slots: int, coverage: Coverage, answers: Answers) -> Failure:
    why = [
        f"{name}: {answer.reason}"
        for name, answer in answers.given.items()
        if answer.state is AnswerState.FAILED
    ]
    if not answers.given:
        return _no_answer(answers)
    why += [f"{name} does not answer" for name in answers.silent]
    missing = list(coverage.uncovered.items())
    why += [f"slot {slot}: {text}" for slot, text in missing[:_SLOTS_NAMED]]
    if len(missing) > _SLOTS_NAMED:
        why.append(f"and {len(missing) - _SLOTS_NAMED} more slots")
    return Failure(
        f"{len(missing)} of {slots} slots are not covered: there is no backup",
        exit_code=Exit.PARTIAL,
        cause=why,
        tries=["hubbub status", "the same command once these nodes are back"],
    )


# --- copying


def copy(
    desk: Desk, plan: Plan, target: Target, journal: transfer.CopyJournal, say: Say
) -> Manifest:
    """Store what was frozen and the coordinator's records; what the manifest will say."""
    nodes = []
    for node in plan.nodes:
        files = tuple(_copy_node(plan, node, target, journal)) if node.path else ()
        nodes.append(NodeEntry(node.name, node.storage_id, node.sequence, files))
        if files:
            say(f"{node.name}: {len(files)} files, {sum(file.bytes for file in files)} bytes")
    export = desk.export()
    data = canonical(msgspec.to_builtins(export))
    coordinator = transfer.store(target, f"{plan.id}/{EXPORT_FILE}", [data])
    return Manifest(
        format=FORMAT,
        id=plan.id,
        version=VERSION,
        began_ms=plan.began_ms,
        made_ms=time.time_ns() // 1_000_000,
        cluster=plan.cluster,
        copies=plan.copies,
        term_max=plan.term_max,
        coordinator=coordinator,
        revision=export.revision,
        nodes=tuple(nodes),
        slots=plan.slots,
        silent=plan.silent,
        unheld=plan.unheld,
    )


def _copy_node(
    plan: Plan, node: FrozenNode, target: Target, journal: transfer.CopyJournal
) -> Iterator[FileEntry]:
    folder = Path(node.path)
    if not folder.is_dir():
        raise Failure(
            f"{node.name} froze its database at {node.path}, which is not on this machine",
            cause=["a backup reads the nodes' disks: run it where they are"],
            tries=["hubbub backup create --fresh"],
        )
    for path in sorted(folder.iterdir()):
        name = f"{plan.id}/nodes/{node.name}/{path.name}"
        entry = journal.find(target, name)
        if entry is None:
            entry = transfer.store(target, name, transfer.pieces_of(path))
            journal.add(entry)
        yield entry


# --- what a command leaves behind


def _left_behind(desk: Desk, folder: Path, target: Target, *, is_fresh: bool) -> Plan | None:
    """The backup to go on with. Others of which nothing can become are ended."""
    found: Plan | None = None
    for request in desk.unfinished():
        path = _plan_path(folder, request.id)
        usable = request.phase is Phase.COPY and path.exists() and not is_fresh and found is None
        if not usable:
            desk.end(request.id)
            path.unlink(missing_ok=True)
            (folder / f"{request.id}.journal").unlink(missing_ok=True)
        elif request.target != target.url:
            raise Failure(
                f"backup {request.id} to {request.target} is not finished",
                exit_code=Exit.CONFLICT,
                tries=[
                    f"hubbub backup create --to {request.target}",
                    "--fresh: drop it and begin anew",
                ],
            )
        else:
            found = decode_json(path.read_bytes(), Plan)
    return found


def _plan_path(folder: Path, backup: str) -> Path:
    return folder / f"{backup}.plan"


def _write_plan(folder: Path, plan: Plan) -> None:
    path = _plan_path(folder, plan.id)
    draft = path.with_suffix(".draft")
    draft.write_bytes(encode_json(plan))
    draft.replace(path)


def _new_id(now_ms: int) -> str:
    """Sorts by time, and is unique."""
    at = datetime.fromtimestamp(now_ms / 1_000, UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                "another backup of this cluster is being made", exit_code=Exit.CONFLICT
            ) from None
        yield
    finally:
        os.close(descriptor)
