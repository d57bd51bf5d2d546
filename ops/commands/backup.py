"""`hubbub backup`: make a backup of a running cluster, list backups, read one to its last byte."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.answer import Exit, Failure, envelope, print_json, progress
from ops.cli import json_wanted, noun
from ops.commands.up import DIRECTORY
from ops.directory import Directory

if TYPE_CHECKING:
    from ops.backup.manifest import Manifest
    from ops.backup.signing import BackupKey

FROM = click.option(
    "--from",
    "place",
    required=True,
    metavar="URL[#ID]",
    help="A folder or an object store; without an id the newest backup there.",
)
KEY = click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ed25519 key (PEM) that the backup is signed with; the public half verifies.",
)
ALLOW_UNSIGNED = click.option(
    "--allow-unsigned",
    "is_unsigned_allowed",
    is_flag=True,
    help="Use a backup whose signature was not verified.",
)


@noun("backup")
def backup() -> None:
    """Backups of a running cluster: consistent, complete, signed.

    Keep a copy of keys/backup.pub of the cluster's directory elsewhere: a restore asks for it.
    Backups hold the apps' secrets and every message: whoever can read the place has them.

    \b
    Examples:
      hubbub backup create --dir data --to /mnt/backups
      hubbub backup create --dir data --to s3://bucket/hubbub
      hubbub backup list --from /mnt/backups
      hubbub backup verify --from /mnt/backups --key backup.pub
    """


@backup.verb("create")
@DIRECTORY
@click.option(
    "--to",
    "place",
    required=True,
    metavar="URL",
    help="A folder, file:///…, s3://…, gs://…, az://…",
)
@click.option(
    "--key",
    "key_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Private Ed25519 key (PEM) to sign with, instead of the cluster's own.",
)
@click.option("--fresh", "is_fresh", is_flag=True, help="Drop an unfinished backup.")
def create(root: Path, place: str, key_path: Path | None, is_fresh: bool) -> Exit:
    """Back up everything that is acknowledged when the command begins.

    Messages go on meanwhile. A command that was cut is continued by the same one again.

    \b
    Example: hubbub backup create --dir data --to /mnt/backups
    """
    from ops.backup.create import create as make
    from ops.backup.place import open_target
    from ops.backup.signing import make_key, read_key

    directory = Directory(root)
    if not directory.has_cluster:
        raise Failure(
            f"there is no cluster in {root}",
            exit_code=Exit.NOT_FOUND,
            tries=[f"hubbub up --dir {root}"],
        )
    target, named = open_target(place)
    if named:
        raise Failure("--to takes a place, not a backup", exit_code=Exit.USAGE)
    key = read_key(key_path or make_key(directory.keys))
    if key.private is None:
        key.sign(b"")  # says what is wrong before anything is done
    began_at = time.monotonic()
    made = make(directory, target, key, progress, is_fresh=is_fresh)
    manifest, warnings = made.manifest, warnings_of(made.manifest)
    data = {
        **row(manifest),
        "url": f"{target.url}#{manifest.id}",
        "key_id": made.key_id,
        "continued": made.continued,
        "took_s": round(time.monotonic() - began_at, 3),
    }
    if json_wanted():
        print_json(envelope("hubbub.backup_create/1", manifest.cluster.id, data, warnings=warnings))
        return Exit.DONE
    for warning in warnings:
        progress(f" warning: {warning}")
    print(f"backup {manifest.id}   {text(manifest)}   {data['took_s']} s")
    print(f"   signed with key {made.key_id}; whoever restores needs its public half")
    print(f"   next   hubbub backup verify --dir {root} --from {data['url']}")
    return Exit.DONE


@backup.verb("list")
@FROM
def list_(place: str) -> Exit:
    """What backups there are at a place, the oldest first.

    \b
    Example: hubbub backup list --from /mnt/backups
    """
    from ops.backup.place import open_target
    from ops.backup.verify import listed

    target, _ = open_target(place)
    found = listed(target)
    if json_wanted():
        rows = [
            {"id": one.id, "finished": False}
            if one.sealed is None
            else {**row(one.sealed.manifest), "finished": True, "key_id": one.sealed.key_id}
            for one in found
        ]
        print_json(envelope("hubbub.backup_list/1", "", {"url": target.url, "backups": rows}))
        return Exit.DONE
    for one in found:
        print(f"{one.id}   {text(one.sealed.manifest) if one.sealed else 'unfinished'}")
    if not found:
        print(f"there is no backup at {target.url}")
    return Exit.DONE


@backup.verb("verify")
@FROM
@DIRECTORY
@KEY
@ALLOW_UNSIGNED
@click.option("--quick", "is_quick", is_flag=True, help="Signature and hashes only.")
@click.option(
    "--scratch",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where databases are opened; from an object store one node's has to fit there.",
)
def verify(
    place: str,
    root: Path,
    key_path: Path | None,
    is_unsigned_allowed: bool,
    is_quick: bool,
    scratch: Path | None,
) -> Exit:
    """Check a backup: who signed it, every byte, and the log of every slot from its first entry.

    \b
    Example: hubbub backup verify --from /mnt/backups --key backup.pub
    """
    from ops.backup import verify as reading
    from ops.backup.place import open_target

    target, named = open_target(place)
    sealed = reading.open_backup(target, named)
    key = verifying_key(key_path, root)
    warnings = reading.judge(sealed, key, is_unsigned_allowed=is_unsigned_allowed)
    manifest = sealed.manifest
    warnings += warnings_of(manifest)
    for warning in warnings:
        progress(f" warning: {warning}")
    found = reading.verify(target, manifest, progress, is_quick=is_quick, scratch=scratch)
    if json_wanted():
        data = {**row(manifest), "quick": is_quick, "read": found.entries}
        data["damages"] = list(found.damages)
        print_json(envelope("hubbub.backup_verify/1", manifest.cluster.id, data, warnings=warnings))
    elif not found.damages:
        what = "signature and hashes" if is_quick else f"and {found.entries} entries in their order"
        print(
            f"backup {manifest.id} is whole: {found.files} files, {size_text(found.bytes)}, {what}"
        )
    if found.damages:
        if not json_wanted():
            lines = "\n  ".join(reading.named(found.damages))
            progress(f"error: backup {manifest.id} is damaged\n  {lines}")
        return Exit.FAILED
    return Exit.DONE


def verifying_key(path: Path | None, root: Path) -> BackupKey | None:
    """The key that was named, else that of the cluster's directory, if it is there."""
    from ops.backup.signing import PUBLIC_FILE, read_key

    own = Directory(root).keys / PUBLIC_FILE
    if path is None and not own.exists():
        return None
    return read_key(path or own)


def row(manifest: Manifest) -> dict[str, object]:
    """What machines hear of a backup."""
    return {
        "id": manifest.id,
        "at": time_text(manifest.began_ms),
        "cluster": manifest.cluster.id,
        "generation": manifest.cluster.generation,
        "slots": len(manifest.slots),
        "nodes": [node.name for node in manifest.nodes],
        "databases": [node.name for node in manifest.nodes if node.files],
        "entries": manifest.entries,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "silent": list(manifest.silent),
    }


def text(manifest: Manifest) -> str:
    """What people hear of it."""
    nodes = sum(bool(node.files) for node in manifest.nodes)
    return (
        f"{time_text(manifest.began_ms)}   {len(manifest.slots)} slots, {manifest.entries} entries"
        f"   {len(manifest.files)} files of {nodes} nodes, {size_text(manifest.bytes)}"
    )


def warnings_of(manifest: Manifest) -> list[str]:
    """What is less than perfect in a backup that is nevertheless complete."""
    found = []
    if manifest.silent:
        found.append(f"did not answer: {', '.join(manifest.silent)}; others had all of their slots")
    if manifest.unheld:
        found.append(
            f"{', '.join(manifest.unheld)} may have gone on sending consequences while the others "
            "froze: a user's list of channels may lack what happened in these seconds"
        )
    return found


def size_text(byte_count: int) -> str:
    """Megabytes."""
    return f"{byte_count / 1_000_000:,.1f} MB"


def time_text(at_ms: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
