"""Commands that came in one request: their answers gathered into one. Pure.

Rules (decision record 0047):
1. They run in order, in one go. One that is refused ends it: a retry whose first answer was lost
   finds the earlier ones in the log and decides the rest where it would have stood.
2. There is one answer, once every command that ran has its own. Where one of them is neither yes
   nor no, so is the whole; asked again, what was stored answers as before.
"""

from __future__ import annotations

from hubbub.base.errors import Rejected
from hubbub.wire.shapes import Outcome
from node.ready import Redirected, Result, Unknown


class Bundle:
    """The answers of one SUBMITS."""

    __slots__ = ("_is_closed", "_is_taken", "_results", "_waiting")

    def __init__(self) -> None:
        self._results: list[Result | None] = []
        self._waiting = 0
        self._is_closed = False
        self._is_taken = False

    def begin(self) -> int:
        """One command more is about to run; its place."""
        self._results.append(None)
        self._waiting += 1
        return len(self._results) - 1

    def give_up_last(self) -> None:
        """The last one broke: whoever asked hears of the others only, and asks for it again."""
        if self._results.pop() is None:
            self._waiting -= 1

    def answered(self, place: int, result: Result) -> None:
        """A command has its result."""
        if place < len(self._results) and self._results[place] is None:
            self._results[place] = result
            self._waiting -= 1

    @property
    def goes_on(self) -> bool:
        """The next command may run: none was refused."""
        last = self._results[-1]
        return last is None or isinstance(last, Outcome)

    def close(self) -> None:
        """No further command runs."""
        self._is_closed = True

    def take(self) -> list[Outcome | Rejected] | Redirected | Unknown | None:
        """The answer, once; None while commands wait for theirs."""
        if self._waiting or not self._is_closed or self._is_taken:
            return None
        self._is_taken = True
        answers: list[Outcome | Rejected] = []
        for result in self._results:
            if isinstance(result, Outcome | Rejected):
                answers.append(result)
            else:
                return result if isinstance(result, Redirected) and not answers else Unknown()
        return answers
