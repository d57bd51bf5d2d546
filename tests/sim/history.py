"""The end of a run: what clients were told against what the log holds. Pure.

An append-only log makes this easy: numbers are unique and totally ordered, so that each check is
one pass. It trusts neither the simulator's bookkeeping nor the replicas' words: only the clients'
memories and the bytes on the disks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.clients import NEVER, Message
from tests.sim.machine import NO_STREAM, Line
from tests.sim.world import Violation


def check_history(messages: Sequence[Message], log: Iterable[Line]) -> None:
    """Raises Violation for a message that is lost, doubled, invented, moved or out of order."""
    by_cmid = {message.cmid: message for message in messages}
    heads: dict[int, int] = {}
    latest: dict[int, float] = {}  # stream → when the latest sent message below was sent
    stored: dict[int, int] = {}
    for line in log:
        if line.stream == NO_STREAM:
            continue
        message = by_cmid.get(line.cmid)
        if message is None or message.stream != line.stream:
            raise Violation("phantom", f"nobody sent {line}")
        if line.cmid in stored:
            raise Violation("doubled", f"{line} is there as {stored[line.cmid]} already")
        if line.seq != heads.get(line.stream, 0) + 1:
            raise Violation("gap", f"{line} follows {heads.get(line.stream, 0)}")
        if message.is_refused:
            raise Violation("I8", f"{line} was refused")
        if message.acked < latest.get(line.stream, -1.0):
            raise Violation("order", f"{line} was acknowledged before an earlier one was sent")
        heads[line.stream] = line.seq
        stored[line.cmid] = line.seq
        latest[line.stream] = max(latest.get(line.stream, -1.0), message.sent)
    for message in messages:
        if message.acked != NEVER and stored.get(message.cmid) != message.seq:
            raise Violation(
                "lost", f"{message.cmid} was acknowledged at {message.seq} of {message.stream}"
            )
