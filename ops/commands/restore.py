"""`hubbub restore`: a new cluster directory from a backup, and what that would be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.answer import Exit, envelope, print_json, progress
from ops.cli import json_wanted, noun
from ops.commands.backup import ALLOW_UNSIGNED, FROM, KEY, row, size_text, text, warnings_of

if TYPE_CHECKING:
    from ops.backup.restore import Restoration
    from ops.backup.target import Target

NEW = click.option(
    "--dir",
    "root",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The new directory; it must be empty or not there.",
)
GENERATION = click.option(
    "--generation",
    type=int,
    help="Of the new cluster (the backed-up one's + 1). Give a higher one if another cluster that "
    "was restored from the same backup still runs.",
)


@noun("restore")
def restore() -> None:
    """Bring a backup back as a new cluster directory; nothing is ever restored over another one.

    Tokens and server keys stay valid. Clients load their streams anew; whatever was acknowledged
    when the backup began is there, with its numbers, and retries of it store nothing.

    \b
    Examples:
      hubbub restore plan --from /mnt/backups --key backup.pub --dir data2
      hubbub restore run --from /mnt/backups --key backup.pub --dir data2
      hubbub up --dir data2
    """


@restore.verb("plan")
@FROM
@NEW
@KEY
@ALLOW_UNSIGNED
@GENERATION
def plan(
    place: str,
    root: Path,
    key_path: Path | None,
    is_unsigned_allowed: bool,
    generation: int | None,
) -> Exit:
    """Say what a restore would make; change nothing. Exit code 7 if files are missing.

    \b
    Example: hubbub restore plan --from /mnt/backups --key backup.pub --dir data2
    """
    from ops.backup.restore import check_new
    from ops.backup.verify import missing, named

    target, wanted, warnings = _wanted(place, key_path, is_unsigned_allowed, generation)
    check_new(root)
    manifest = wanted.manifest
    lacks = missing(target, manifest)
    if json_wanted():
        data = {**row(manifest), "new_generation": wanted.generation, "missing": lacks}
        data["leads"] = {name: slots for name, slots, _ in wanted.nodes}
        print_json(envelope("hubbub.restore_plan/1", manifest.cluster.id, data, warnings=warnings))
    else:
        print(f"backup {manifest.id}   {text(manifest)}")
        print(f"   cluster    {manifest.cluster.id}, generation {wanted.generation}")
        print(f"   in         {root}")
        for name, slots, size in wanted.nodes:
            what = f"{slots} slots, {size_text(size)}" if size else "empty"
            print(f"   {name:<10} {what}")
        for line in named(lacks):
            progress(f"error: {line}")
    return Exit.PARTIAL if lacks else Exit.DONE


@restore.verb("run")
@FROM
@NEW
@KEY
@ALLOW_UNSIGNED
@GENERATION
def run(
    place: str,
    root: Path,
    key_path: Path | None,
    is_unsigned_allowed: bool,
    generation: int | None,
) -> Exit:
    """Make the directory. `hubbub up` starts it.

    \b
    Example: hubbub restore run --from /mnt/backups --key backup.pub --dir data2
    """
    from ops.backup.restore import restore as make

    target, wanted, warnings = _wanted(place, key_path, is_unsigned_allowed, generation)
    led = make(target, wanted, root, progress)
    manifest = wanted.manifest
    notes = [
        "tokens and server keys of the backed-up cluster stay valid: revoke them in the app's "
        "settings if it was broken into"
    ]
    if manifest.copies > 1:
        notes.append(f"each slot has one copy now, not {manifest.copies}")
    if json_wanted():
        data = {**row(manifest), "dir": str(root), "new_generation": wanted.generation}
        data |= {"leads": led, "copies": 1, "notes": notes}
        print_json(envelope("hubbub.restore_run/1", manifest.cluster.id, data, warnings=warnings))
        return Exit.DONE
    print(f"restored {manifest.id} into {root}: generation {wanted.generation}")
    for note in notes:
        print(f"   note   {note}")
    print(f"   next   hubbub up --dir {root} --nodes {len(manifest.nodes)}")
    if manifest.copies > 1:
        print(f"   then   hubbub rebalance start --dir {root} --copies {manifest.copies}")
    return Exit.DONE


def _wanted(
    place: str, key_path: Path | None, is_unsigned_allowed: bool, generation: int | None
) -> tuple[Target, Restoration, list[str]]:
    """The place, what to make, and warnings, which are said at once. Raises Failure."""
    from ops.backup.place import open_target
    from ops.backup.restore import restoration
    from ops.backup.signing import read_key
    from ops.backup.verify import judge, open_backup

    target, named = open_target(place)
    sealed = open_backup(target, named)
    key = read_key(key_path) if key_path is not None else None
    warnings = judge(sealed, key, is_unsigned_allowed=is_unsigned_allowed)
    warnings += warnings_of(sealed.manifest)
    for warning in warnings:
        progress(f" warning: {warning}")
    return target, restoration(sealed.manifest, generation), warnings
