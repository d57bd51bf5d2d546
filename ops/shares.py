"""Which node leads and holds how much, against the mean: `hubbub ring show`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hubbub.ring.map import SlotMap


@dataclass(frozen=True)
class Share:
    """One node. `leads` and `holds` count slots, as the map has it."""

    name: str
    state: str
    domain: str
    leads: int
    holds: int


@dataclass(frozen=True)
class Shares:
    """All nodes."""

    app: str
    slots: int
    copies: int
    revision: int
    digest: str
    nodes: Sequence[Share]

    @property
    def leads_mean(self) -> float:
        return self.slots / max(1, len(self.nodes))

    @property
    def holds_mean(self) -> float:
        return sum(node.holds for node in self.nodes) / max(1, len(self.nodes))

    def data(self) -> dict[str, object]:
        """The `data` of `hubbub.ring-show/1`."""
        return {
            "slots": self.slots,
            "copies": self.copies,
            "map_revision": self.revision,
            "map_digest": self.digest,
            "leads_mean": round(self.leads_mean, 1),
            "holds_mean": round(self.holds_mean, 1),
            "nodes": [
                {
                    "name": node.name,
                    "state": node.state,
                    "domain": node.domain,
                    "leads": node.leads,
                    "holds": node.holds,
                    "leads_share": round(node.leads / max(1, self.slots), 4),
                }
                for node in self.nodes
            ],
        }

    def lines(self) -> list[str]:
        """What a person reads, within 80 columns for usual names."""
        copies = "1 copy" if self.copies == 1 else f"{self.copies} copies"
        lines = [
            f"{self.app}   {self.slots} slots, {copies} on {len(self.nodes)} nodes   "
            f"map {self.revision}   digest {self.digest}",
            "",
            f"{'NODE':<14}{'STATE':<10}{'DOMAIN':<20}{'LEADS':>7}{'':>7}{'HOLDS':>8}",
        ]
        lines += [
            f"{node.name:<14}{node.state:<10}{node.domain or '-':<20}"
            f"{node.leads:>7}{against(node.leads, self.leads_mean):>7}"
            f"{node.holds:>8}{against(node.holds, self.holds_mean):>7}"
            for node in self.nodes
        ]
        return [*lines, "", "the percentages are against the mean of all nodes"]


def shares_of(
    slot_map: SlotMap, names: Sequence[str], node_of: Callable[[str], str]
) -> Mapping[str, tuple[int, int]]:
    """Name → (leads, holds). Args: names: nodes that are known. node_of: the node of a copy."""
    leads: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    for slot in range(slot_map.slots):
        record = slot_map.record_of(slot)
        if record is None:
            continue
        holds.update(node_of(storage) for storage in record.members)
        if record.leader is not None:
            leads[record.leader.node] += 1
    every = dict.fromkeys([*names, *sorted(leads.keys() | holds.keys())])
    return {name: (leads[name], holds[name]) for name in every}


def against(count: int, mean: float) -> str:
    """ "+54%" above the mean; empty if there is no mean."""
    return f"{round((count / mean - 1) * 100):+d}%" if mean else ""
