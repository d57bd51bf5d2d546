"""What falls due is proposed at its time, and tried again where it could not be.

`due` keeps what is due by time; here are the clock and the slots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hubbub.base.errors import Rejected
from hubbub.runtime.clock import entropy
from node import keys
from node.copies import Copies
from node.due import LOOK_MS_MAX, Dues
from node.intake import ENTROPY_BYTES, Intake, Request
from node.ready import Fired, Ready, Result
from node.replies import Replies
from node.slot import Now, Slot
from node.store.api import StoreError

# Both clocks are read one after the other, and the wall clock may be slewed: this is neither.
_SET_BACK_MS: Final = 20


class Firing:
    """Of the slots that are led here."""

    def __init__(
        self,
        intake: Intake,
        replies: Replies,
        copies: Copies,
        obey: Callable[[Slot, Ready], None],
        random: Callable[[], float],
    ) -> None:
        """`wake` is called when something may fall due earlier than `fire` has said; `fired` with
        its delay in seconds."""
        self._intake = intake
        self._replies = replies
        self._copies = copies
        self._obey = obey
        self._random = random
        self._led: set[int] = set()
        self._unsure: set[int] = set()  # led slots whose log time may be ahead of the wall clock
        self._looked_ms = 0
        self._looked_wall_ms = 0
        self.dues = Dues(lambda number, after, limit: intake.slots[number].due_keys(after, limit))
        self.wake: Callable[[], None] = _nothing
        self.fired: Callable[[float], None] = _nothing_of

    def lead(self, number: int) -> None:
        """A term began here."""
        self._led.add(number)
        self._unsure.add(number)  # its leader before had another clock
        self.dues.lead(number)
        self.wake()

    def forget(self, number: int) -> None:
        """A term ended."""
        self._led.discard(number)
        self._unsure.discard(number)
        self.dues.forget(number)

    def fire(self) -> int:
        """Propose what has fallen due; the ms after which to call again at the latest."""
        now = self._intake.now()
        if self._intake.takes:
            for due in self.dues.take(now.wall_ms, now.mono_ms, self._ahead(now)):
                self._propose(due, now)
        return self.dues.look_in_ms(now.wall_ms, now.mono_ms)

    def _ahead(self, now: Now) -> dict[int, int]:
        """Once a second: slots with a log time behind which the wall clock was set back, or that of
        the leader before was ahead. While the clock only goes on no others come to that.
        """
        passed_ms = now.mono_ms - self._looked_ms
        if passed_ms < LOOK_MS_MAX:
            return {}
        if now.wall_ms - self._looked_wall_ms < passed_ms - _SET_BACK_MS:
            self._unsure = set(self._led)
        self._looked_ms, self._looked_wall_ms = now.mono_ms, now.wall_ms
        times = ((number, self._intake.slots[number].log_time(now)) for number in self._unsure)
        found = {number: log_ms for number, log_ms in times if log_ms > now.wall_ms}
        self._unsure = set(found)
        return found

    def _propose(self, due: bytes, now: Now) -> None:
        number = keys.slot_of_meta(due)
        slot = self._intake.slots.get(number)
        if slot is None or number in self._intake.paused:
            self.dues.failed(due, now.mono_ms, 0.0)
            return
        request = Request("", 0, number, due=due)
        try:
            ready = slot.submit_due(request, due, now, entropy(ENTROPY_BYTES))
        except StoreError as error:
            self.dues.failed(due, now.mono_ms, self._random())
            self._copies.unreadable(slot, error)
            return
        self._obey(slot, ready)
        self._copies.note(slot)

    def answered(self, due: bytes, result: Result) -> None:
        now = self._intake.now()
        if isinstance(result, Fired):
            self.dues.fired(due, is_refused=result.is_refused, is_gone=result.is_gone)
            if not result.is_gone:
                self.fired(max(0, now.wall_ms - keys.due_ms(due)) / 1_000)
            return
        retry_after_ms = 0
        if isinstance(result, Rejected):
            self._replies.count_refusal(result)
            told = result.details.get("retry_after_ms")
            retry_after_ms = told if isinstance(told, int) else 0
        self.dues.failed(due, now.mono_ms, self._random(), retry_after_ms=retry_after_ms)


def _nothing() -> None:
    return


def _nothing_of(_: float) -> None:
    return
