"""Where one channel's slot is and what each of its copies has: `hubbub ring locate`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hubbub.ring.map import SlotRecord
from ops.render import place, sentences


@dataclass(frozen=True)
class CopyPlace:
    """One copy. What is None is not known: its node did not answer.

    `where`: its link address. `lag`: entries that it lacks of the leader's log.
    """

    node: str
    storage: str
    role: str
    state: str
    domain: str
    where: str
    term: int | None = None
    applied: int | None = None
    commit: int | None = None
    last_index: int | None = None
    lag: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class Location:
    """One stream key and its slot."""

    app: str
    key: str
    slot: int
    slots: int
    revision: int
    term: int
    leader: str
    is_served: bool
    copies: Sequence[CopyPlace]

    @property
    def unreachable(self) -> list[str]:
        return [copy.node for copy in self.copies if copy.last_index is None]

    def data(self) -> dict[str, object]:
        """The `data` of `hubbub.ring-locate/1`."""
        return {
            "app": self.app,
            "key": self.key,
            "slot": self.slot,
            "slots": self.slots,
            "map_revision": self.revision,
            "term": self.term,
            "leader": self.leader,
            "is_served": self.is_served,
            "copies": [asdict(copy) for copy in self.copies],
        }

    def lines(self) -> list[str]:
        """What a person reads, within 80 columns for usual names."""
        led = f"led by {self.leader}" if self.leader else "led by nobody"
        lines = [
            f"{self.key}   app {self.app}   slot {self.slot} of {self.slots}",
            f"{led}   term {self.term}   map {self.revision}",
            "",
            f"{'COPY':<10}{'ROLE':<10}{'STATE':<8}{'APPLIED':>8}{'COMMIT':>8}{'LOG':>8}{'LAG':>5}"
            "  DOMAIN, ADDRESS",
        ]
        lines += [
            f"{one.node:<10}{one.role:<10}{one.state:<8}{_number(one.applied):>8}"
            f"{_number(one.commit):>8}{_number(one.last_index):>8}{_number(one.lag):>5}  "
            f"{one.domain or '-'} {place(one.where)}".rstrip()
            for one in self.copies
        ]
        return [*lines, *([""] if self._wrong() else []), *self._wrong()]

    def _wrong(self) -> list[str]:
        given_up = [one for one in self.copies if one.failure]
        lines = [f"what now   {one.node} gave this copy up: {one.failure}" for one in given_up]
        if not self.is_served:
            lines.append("what now   nobody serves it: it waits for a majority of its copies")
        return sentences(lines)


def copies_of(
    record: SlotRecord, known: Mapping[str, CopyPlace], told: Mapping[str, Any]
) -> list[CopyPlace]:
    """The copies of a slot, members first.

    Args: known: storage → its node as far as it is known. told: storage → the row of its node.
    """
    leader_row = next(
        (row for row in told.values() if isinstance(row, Mapping) and row.get("role") == "active"),
        {},
    )
    longest = max((row["last_index"] for row in told.values() if _is_row(row)), default=None)
    found = []
    for storage in dict.fromkeys((*record.members, *record.learners, *record.prev)):
        one, row = known[storage], told.get(storage)
        if storage not in record.members:
            one = replace(one, role="learner" if storage in record.learners else "leaving")
        if _is_row(row):
            assert row is not None
            lag = leader_row.get("copies", {}).get(storage, {}).get("lag")
            if lag is None and longest is not None:
                lag = longest - row["last_index"]
            one = replace(
                one,
                role=_role(row) if storage in record.members else one.role,
                term=row.get("term"),
                applied=row.get("applied"),
                commit=row.get("commit"),
                last_index=row["last_index"],
                lag=lag,
                failure=str(row.get("failure", "")),
            )
        found.append(one)
    return found


def _is_row(row: Any) -> bool:
    return isinstance(row, Mapping) and isinstance(row.get("last_index"), int)


def _role(row: Mapping[str, Any]) -> str:
    """ "active" is the leader; every other state says itself."""
    role = "leader" if row.get("role") == "active" else str(row.get("role"))
    return "recovering" if row.get("recall") and role == "follower" else role


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
