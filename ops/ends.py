"""How each process ended last, from what the supervisor notes in events.ndjson."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.restarts import REFUSALS
from ops.supervisor import exit_text


@dataclass(frozen=True)
class End:
    """One end, at the supervisor's time. `text`: "killed by SIGKILL", "exit code 5"."""

    at: datetime
    text: str
    is_refusal: bool  # it is not started again

    def ago_s(self, now: datetime) -> float:
        """Seconds until `now`, never negative: the clock may have been set back."""
        return max(0.0, (now - self.at).total_seconds())


def last_ends(lines: Iterable[str]) -> dict[str, End]:
    """The end of each process that was not started again since, by name. Bad lines are skipped."""
    found: dict[str, End] = {}
    for line in lines:
        try:
            event = json.loads(line)
            if event["event"] == "process.ended":
                at = datetime.fromisoformat(event["at"]).astimezone(UTC)
                code = int(event["exit_code"])
                found[event["name"]] = End(at, exit_text(code), code in REFUSALS)
            elif event["event"] == "process.started":
                found.pop(event["name"], None)
        except (ValueError, KeyError, TypeError):
            continue
    return found
