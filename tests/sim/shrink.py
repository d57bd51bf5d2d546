"""A failing plan made small: fewer faults, fewer kinds of trouble, the same broken rule.

Delta debugging: leave out half of the faults, then quarters, and so on down to single ones; then
set each rate back to nothing. What is left is a script that people can read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

from tests.sim.profiles import Fault, Plan
from tests.sim.run import run_plan

RUNS_MAX: Final = 400  # some 20 s; what is not small then is small enough
_KEPT: Final = frozenset({"seed", "profile", "nodes", "members", "faults", "liar"})


def shrink(plan: Plan, *, runs_max: int = RUNS_MAX) -> Plan:
    """The smallest plan found that breaks the same rule. Raises ValueError if it breaks none."""
    rule = run_plan(plan).rule
    if not rule:
        raise ValueError("this plan breaks nothing")
    left = runs_max

    def breaks(candidate: Plan) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and run_plan(candidate).rule == rule

    smaller = _fewer_faults(plan, breaks)
    return _fewer_rates(smaller, breaks)


def _fewer_faults(plan: Plan, breaks: Callable[[Plan], bool]) -> Plan:
    size = max(1, len(plan.faults) // 2)
    while plan.faults:
        at = 0
        while at < len(plan.faults):
            fewer: list[Fault] = plan.faults[:at] + plan.faults[at + size :]
            candidate = replace(plan, faults=fewer)
            if breaks(candidate):
                plan = candidate
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return plan


def _fewer_rates(plan: Plan, breaks: Callable[[Plan], bool]) -> Plan:
    plain = Plan(plan.seed)
    for field in fields(Plan):
        name = field.name
        if name in _KEPT or getattr(plan, name) == getattr(plain, name):
            continue
        candidate = replace(plan, **{name: getattr(plain, name)})
        if breaks(candidate):
            plan = candidate
    for clients in range(1, plan.clients):
        candidate = replace(plan, clients=clients)
        if breaks(candidate):
            return candidate
    return plan
