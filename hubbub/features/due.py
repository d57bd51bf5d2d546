"""What falls due: rows of each stream, in one table that no feature declares.

A feature sets and takes back by effects (`contract.Due`, `contract.Undue`); nothing else writes
here. The row is the truth; beside it the node keeps an index by time, so that a leader finds what
is next. The entry of a command that fell due deletes its row before its events are applied, so the
events may set the same name anew.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.features.contract import DUE_NAME_BYTES_MAX, DUE_TABLE, Due, Rows, Table, Undue
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Json

AT_MS_MAX: Final = (1 << 63) - 1


class DueRow(Struct, frozen=True, array_like=True, gc=False):
    """A command that waits: when, which, and whose it is."""

    at_ms: int
    tag: str
    by: str
    cmid: str
    body: Json


DUE: Final[Table[str, DueRow]] = Table(DUE_TABLE, str, DueRow)


def change_due(effect: Due | Undue, by: str, rows: Rows[str, DueRow]) -> list[tuple[int, bool]]:
    """Write what an effect says. Args: by: the actor of the event.

    Returns what becomes of the index: (time, whether the name stands there from now on).
    """
    old, changes = rows.get(effect.name), []
    if old is not None:
        changes.append((old.at_ms, False))
    if isinstance(effect, Due):
        command = effect.command
        assert 0 <= effect.at_ms <= AT_MS_MAX, effect.at_ms
        assert 0 < len(effect.name.encode()) <= DUE_NAME_BYTES_MAX, effect.name
        row = DueRow(
            effect.at_ms, command.TAG, command.by or by, command.cmid, encode_json(command)
        )
        rows.put(effect.name, row)
        changes.append((effect.at_ms, True))
    elif old is not None:
        rows.delete(effect.name)
    return changes
