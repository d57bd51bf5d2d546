"""All scenarios, and which bugs of replication.md 2.16 have none here, with the reason."""

from __future__ import annotations

from typing import Final

from tests.sim.scenarios import commands, logs, members, terms, trimmed
from tests.sim.scenarios.play import PLAYS

__all__ = ["ELSEWHERE", "PLAYS", "commands", "logs", "members", "terms", "trimmed"]

ELSEWHERE: Final = {
    13: "a clean tail after corruption is the store's: acked.map, tests/node/store",
    18: "linearizable reads are not built; a read of committed rows is scenario 17",
    20: "copies are not deleted yet; the simulator's own driver shows the rule (I15)",
    22: "the interpreter's lock is no part of a simulation: tests/faults",
    23: "retry budgets are the router's and the clients': tests/router, tests/hubbub/client",
    25: "hours of dedup are decided by entries: tests/node/test_dedup.py, test_slot.py",
    28: "leases are the coordinator's: tests/hubbub/coordinator",
    30: "there are no backups yet",
}
