"""What a run goes through: rates and faults, drawn from its seed; as text, and read again.

Rules:
1. A plan is drawn before the run and is all that is decided about it: the run itself only draws
   the chance of single messages, syncs and elections.
2. Swarm: each seed takes a subset of the faults of its profile, each at a rate of its own. A run
   with everything at once finds less than many runs with something.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import exp
from random import Random
from typing import Final, NamedTuple

from tests.sim.process import EFFECTS

CHAOS_MS: Final = 8_000
CALM_MS: Final = 8_000


class Fault(NamedTuple):
    """Something that happens at a time. `args` are numbers or words; see `tests.sim.faults`."""

    at_ms: int
    kind: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((str(self.at_ms), self.kind, *self.args))


@dataclass(slots=True)
class Plan:
    """One run."""

    seed: int
    profile: str = "quiet"
    nodes: int = 3
    members: int = 3
    clients: int = 4
    think_ms: float = 60.0
    loss: float = 0.0
    duplicates: float = 0.0
    tail: float = 0.0
    holds: float = 0.0
    delay_ms: float = 2.0
    sync_ms: float = 2.0
    sync_tail: float = 0.0
    watch_lag_ms: float = 5.0
    cas_loss: float = 0.0
    clock: float = 0.0  # how much faster or slower a node's clock may be
    wire: int = 0
    kept: int = 0  # entries that a log keeps at least; 0: all of them
    liar: int = -1  # the node whose disk lies
    chaos_ms: int = CHAOS_MS
    is_core: int = 0  # nothing is checked before the end
    faults: list[Fault] = field(default_factory=list)

    def text(self) -> str:
        """The plan as a script, which `parse` reads."""
        head = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if f.name != "faults"]
        return "\n".join([" ".join(head), *map(str, self.faults)])


def parse(text: str) -> Plan:
    """The plan in a script. Raises ValueError."""
    head, *lines = [line for line in text.strip().splitlines() if line.strip()]
    types = {f.name: type(getattr(Plan(0), f.name)) for f in fields(Plan)}
    values = dict(word.split("=", 1) for word in head.split())
    plan = Plan(**{name: types[name](value) for name, value in values.items()})
    for line in lines:
        at_ms, kind, *args = line.split()
        plan.faults.append(Fault(int(at_ms), kind, tuple(args)))
    return plan


@dataclass(frozen=True)
class Profile:
    """Which faults, how many of each in a run at most, and the rates that may be drawn."""

    faults: dict[str, float]
    always: tuple[str, ...] = ()
    loss: float = 0.2
    sync_ms: float = 8.0
    sync_tail: float = 0.05
    nodes: tuple[int, ...] = (3, 4, 5)
    sizes: tuple[int, ...] = (3, 3, 3, 1, 2, 4, 5)
    kept: tuple[int, ...] = (1, 5, 20, 80)
    chaos_ms: int = CHAOS_MS
    thinks: tuple[float, ...] = (15.0, 50.0, 100.0, 150.0)
    is_core: bool = False


EVERYTHING: Final[dict[str, float]] = {
    "crash": 8, "power": 2, "pause": 5, "arm": 8, "cut": 5, "oneway": 5, "isolate": 5, "split": 4,
    "slow": 4, "syncfail": 3, "bump": 10, "members": 6, "learner": 4, "stale": 6, "away": 2,
    "wipe": 1, "purge": 3, "jump": 4, "burst": 3,
}  # fmt: skip

PROFILES: Final[dict[str, Profile]] = {
    "swarm": Profile(EVERYTHING),
    # The slot core alone: short runs, judged by their end.
    "core": Profile(EVERYTHING, chaos_ms=3_000, thinks=(15.0, 30.0), is_core=True),
    "quiet": Profile({}, loss=0.02, sync_tail=0.0),
    "terms": Profile(
        {**EVERYTHING, "bump": 40, "arm": 25, "crash": 15}, always=("bump", "arm"), loss=0.1
    ),
    "storms": Profile(
        {**EVERYTHING, "members": 25, "bump": 15}, always=("members",), nodes=(4, 5)
    ),
    "slow": Profile({**EVERYTHING, "slow": 12}, always=("slow",), sync_ms=60.0, sync_tail=0.2),
    "partitions": Profile(
        {"cut": 10, "oneway": 10, "isolate": 10, "split": 10, "bump": 15, "stale": 5},
        always=("isolate", "split"),
    ),
    "pauses": Profile({"pause": 20, "bump": 15, "arm": 5, "crash": 5}, always=("pause",)),
    "power": Profile({"power": 6, "arm": 20, "crash": 15, "bump": 20}, always=("power", "arm")),
    "snapshots": Profile(
        {"isolate": 8, "members": 8, "crash": 8, "learner": 4, "purge": 5, "wipe": 1, "bump": 10,
         "arm": 15, "slow": 4, "oneway": 5, "split": 4, "burst": 4, "power": 2},
        always=("isolate", "members"), kept=(1, 3, 10), nodes=(4, 5),
    ),
    "rollback": Profile({"rollback": 2, "bump": 10, "crash": 6, "isolate": 4, "stale": 6},
                        always=("rollback",), sizes=(3,), kept=()),
    "lying": Profile({"crash": 12, "bump": 10, "isolate": 3},
                     always=("crash",), sizes=(3,), kept=()),
}  # fmt: skip


def draw(seed: int, profile: str) -> Plan:
    """The plan of a seed."""
    random, spec = Random(f"{seed}.{profile}"), PROFILES[profile]
    nodes = random.choice(spec.nodes)
    plan = Plan(seed, profile, nodes)
    plan.members = min(nodes, random.choice(spec.sizes))
    plan.clients = random.randint(2, 6)
    plan.think_ms = random.choice(spec.thinks)
    plan.chaos_ms, plan.is_core = spec.chaos_ms, int(spec.is_core)
    _draw_rates(plan, spec, random)
    if profile == "lying":
        plan.liar = random.randrange(nodes)
    for kind, most in spec.faults.items():
        if kind in spec.always or random.random() < 0.4:
            plan.faults += _draw_faults(kind, most, plan, random)
    plan.faults.sort()
    return plan


def _draw_rates(plan: Plan, spec: Profile, random: Random) -> None:
    """Each of them is left out by most seeds."""
    if random.random() < 0.6:
        plan.loss = round(spec.loss * random.random() ** 2, 3)
    if random.random() < 0.4:
        plan.duplicates = round(0.2 * random.random() ** 2, 3)
    if random.random() < 0.3:
        plan.tail = round(0.05 * random.random(), 3)
    if random.random() < 0.5:
        plan.holds = round(random.random(), 2)
    plan.delay_ms = random.choice((1.0, 2.0, 5.0, 20.0))
    plan.sync_ms = round(min(spec.sync_ms, 0.5 * exp(5.0 * random.random())), 1)
    if random.random() < 0.3:
        plan.sync_tail = round(spec.sync_tail * random.random(), 3)
    if random.random() < 0.3:
        plan.watch_lag_ms = random.choice((100.0, 500.0, 2_000.0))
    if random.random() < 0.3:
        plan.cas_loss = round(0.3 * random.random(), 2)
    if random.random() < 0.3:
        plan.clock = 0.05
    if spec.kept and random.random() < 0.6:
        plan.kept = random.choice(spec.kept)
    plan.wire = int(random.random() < 0.05)


def _draw_faults(kind: str, most: float, plan: Plan, random: Random) -> list[Fault]:
    count = random.randint(1, max(1, int(most)))
    if kind in ("wipe",):
        count = 1
    return [
        Fault(random.randrange(200, plan.chaos_ms), kind, _draw_args(kind, plan, random))
        for _ in range(count)
    ]


def _draw_args(kind: str, plan: Plan, random: Random) -> tuple[str, ...]:
    node = str(plan.liar if plan.liar >= 0 and kind == "crash" else random.randrange(plan.nodes))
    short = str(random.choice((1, 20, 100, 300, 1_000, 2_500)))
    match kind:
        case "crash" | "pause" | "isolate" | "syncfail":
            return node, short
        case "power" | "away":
            return (short,)
        case "arm":
            return node, random.choice(EFFECTS), str(random.choice((1, 1, 1, 2, 3, 8)))
        case "cut" | "oneway":
            return node, str(random.randrange(plan.nodes)), short
        case "split":
            return str(random.randrange(1, 1 << plan.nodes)), short
        case "slow":
            return node, str(random.choice((20, 100, 400, 1_000))), short
        case "members":
            return node, str(random.randrange(1, 1 << plan.nodes))
        case "rollback":
            return str(random.randint(1, 2)), random.choice("01")
        case "jump":
            return node, str(random.choice((100, 3_000, 100_000)))
        case "burst":
            return (str(random.choice((20, 100))),)
        case "stale":
            return node, str(random.randint(1, 8))
        case _:
            return (node,)


def without(plan: Plan, faults: list[Fault]) -> Plan:
    """The same plan with other faults."""
    return replace(plan, faults=faults)
