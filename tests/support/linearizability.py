"""Is there an order of overlapping calls that a register could have answered like this? Pure.

The search of Wing and Gong with the cache of Lowe: calls are taken one after another, always one
that began before any other one left had ended; a call that the register would have answered
otherwise is put back; a set of taken calls met before in the same state is not tried again.

Rules:
1. Each key is a register of its own and is searched alone; the verdict is about all of them.
2. A call without an answer (`result` UNKNOWN, `ended_at` infinite) may have happened at any time
   since it began, or never. A call that was refused did not happen: leave it out.
3. Calls whose times are equal overlap: no order is concluded from them.
4. The search is bounded by steps, so that a verdict can be repeated on any machine. Past the bound
   it is UNDECIDED, which is neither yes nor no.

Source: J. M. Wing, C. Gong, "Testing and Verifying Concurrent Objects", 1993; G. Lowe, "Testing for
linearizability", 2017.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from math import inf
from typing import Any, Final, NamedTuple, Protocol

# About a second and 200 MB. Half of it leaves more histories of twenty overlapping calls undecided;
# double hardly decides one more, since the number of orders grows faster.
STEPS_MAX: Final = 1_000_000


class Unknown(Enum):
    """The answer that nobody got."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class Call(NamedTuple):
    """One call of one client: what was asked of a key, what it answered, and when."""

    key: Hashable
    began_at: float
    ended_at: float
    action: tuple[Any, ...]  # as ("write", 5), ("read",), ("swap", 5, 6)
    result: Hashable = None
    client: str = ""


class Model(Protocol):
    """A register, one call after another."""

    def initial(self) -> Hashable:
        """What it holds before any call."""

    def step(self, state: Hashable, action: tuple[Any, ...]) -> tuple[Hashable, Hashable]:
        """What it holds afterwards, and what it answers."""


class Register:
    """Holds what was written last. Membership is one for each (channel, user), of True and False.

    Actions: ("write", x) → None; ("read",) → x; ("swap", old, new) → whether old was held.
    """

    def __init__(self, initial: Hashable = None) -> None:
        self._initial = initial

    def initial(self) -> Hashable:
        return self._initial

    def step(self, state: Hashable, action: tuple[Any, ...]) -> tuple[Hashable, Hashable]:
        match action:
            case ("write", value):
                return value, None
            case ("read",):
                return state, state
            case ("swap", old, new):
                return (new, True) if state == old else (state, False)
        raise ValueError(f"a register knows no {action}")


class HighMark:
    """Holds the highest number that it was raised to, as a read mark does.

    Actions: ("raise", n) → the mark as it stands then; ("read",) → the mark.
    """

    def initial(self) -> Hashable:
        return 0

    def step(self, state: Hashable, action: tuple[Any, ...]) -> tuple[Hashable, Hashable]:
        match action, state:
            case ("raise", int(seq)), int(mark):
                return max(mark, seq), max(mark, seq)
            case ("read",), _:
                return state, state
        raise ValueError(f"a mark knows no {action}")


class Answer(Enum):
    """What the search found out."""

    LINEARIZABLE = "linearizable"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


class Verdict(NamedTuple):
    """`story` names the key and the calls at which every order ends; empty if there is one."""

    answer: Answer
    story: str = ""

    @property
    def is_clean(self) -> bool:
        return self.answer is Answer.LINEARIZABLE


def check(calls: Iterable[Call], model: Model, steps_max: int = STEPS_MAX) -> Verdict:
    """The verdict about all keys; `steps_max` is for each. A violation outweighs what is undecided.

    Raises ValueError for a call that ended before it began.
    """
    keys: defaultdict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if call.ended_at < call.began_at:
            raise ValueError(f"ended before it began: {call}")
        keys[call.key].append(call)
    undecided = Verdict(Answer.LINEARIZABLE)
    for key, its_calls in keys.items():
        verdict = _Search(key, its_calls, model).run(steps_max)
        if verdict.answer is Answer.VIOLATED:
            return verdict
        if verdict.answer is Answer.UNDECIDED:
            undecided = verdict
    return undecided


class _Search:
    """The search over one key.

    The times are a doubly linked list of entries: call n begins at entry n and ends at entry
    n + count; `_after` and `_before` link what is left, with the head at 2 * count.
    """

    def __init__(self, key: Hashable, calls: Sequence[Call], model: Model) -> None:
        self._key = key
        self._calls = calls
        self._model = model
        count = self._count = len(calls)
        # Beginnings before ends at equal times: such calls overlap (rule 3).
        times = [(call.began_at, 0, n) for n, call in enumerate(calls)]
        times += [(_end_of(call), 1, n + count) for n, call in enumerate(calls)]
        order = [entry for _, _, entry in sorted(times)]
        self._head = 2 * count
        self._after = [0] * (2 * count + 1)
        self._before = [0] * (2 * count + 1)
        for left, right in zip([self._head, *order], [*order, self._head], strict=True):
            self._after[left], self._before[right] = right, left
        self._must = sum(1 << n for n, call in enumerate(calls) if _end_of(call) < inf)

    def run(self, steps_max: int) -> Verdict:
        """Depth first, by hand: a history may be longer than Python's stack is deep."""
        state, taken = self._model.initial(), 0
        met: set[tuple[int, Hashable]] = set()
        path: list[tuple[int, Hashable]] = []  # (call, state before it)
        deepest: tuple[int, Hashable, int] = (-1, state, 0)
        entry, steps = self._after[self._head], 0
        while taken & self._must != self._must:
            steps += 1
            if steps > steps_max:
                return Verdict(Answer.UNDECIDED, f"{self._key}: no verdict in {steps_max} steps")
            if entry < self._count:
                after, result = self._model.step(state, self._calls[entry].action)
                node = (taken | 1 << entry, after)
                if self._fits(entry, result) and node not in met:
                    met.add(node)
                    path.append((entry, state))
                    taken, state = node
                    self._take(entry)
                    entry = self._after[self._head]
                else:
                    entry = self._after[entry]
                continue
            # An end: what began later cannot come first, so the last choice was wrong.
            if len(path) > deepest[0]:
                deepest = (len(path), state, entry - self._count)
            if not path:
                return Verdict(Answer.VIOLATED, self._story(deepest))
            entry, state = path.pop()
            taken ^= 1 << entry
            self._put_back(entry)
            entry = self._after[entry]
        return Verdict(Answer.LINEARIZABLE)

    def _fits(self, entry: int, result: Hashable) -> bool:
        said = self._calls[entry].result
        return said is UNKNOWN or said == result

    def _take(self, call: int) -> None:
        for entry in (call, call + self._count):
            left, right = self._before[entry], self._after[entry]
            self._after[left], self._before[right] = right, left

    def _put_back(self, call: int) -> None:
        for entry in (call + self._count, call):
            left, right = self._before[entry], self._after[entry]
            self._after[left] = self._before[right] = entry

    def _story(self, deepest: tuple[int, Hashable, int]) -> str:
        depth, state, stuck = deepest
        return (
            f"{self._key}: no order explains its {self._count} calls; the best one takes {depth}, "
            f"holds {state!r} then, and cannot go past {self._calls[stuck]}"
        )


def _end_of(call: Call) -> float:
    """When it ended; what was never answered goes on (rule 2)."""
    return inf if call.result is UNKNOWN else call.ended_at
