"""All scenarios, and which bugs of replication.md 2.16 have none here, with the reason."""

from __future__ import annotations

from typing import Final

from tests.sim.scenarios import around, commands, logs, members, reads, terms, trimmed
from tests.sim.scenarios.play import PLAYS

__all__ = [
    "ELSEWHERE",
    "PLAYS",
    "around",
    "commands",
    "logs",
    "members",
    "reads",
    "terms",
    "trimmed",
]

ELSEWHERE: Final = {
    30: "of a real node: `test_what_rows_may_name…` in tests/ops/backup/test_create.py",
}
