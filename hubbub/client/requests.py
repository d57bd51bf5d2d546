"""Requests that wait for their answer, over any number of connections. Pure.

Rules:
1. Each ends exactly once: Answered or Failed, at the latest at its deadline.
2. A request that repeats (a command: it bears a cmid, so twice is once; a read that asks for it) is
   sent again after a cut, a temporary error or silence; the others are sent once and fail with the
   connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from hubbub.base.backoff import full_jitter_ms
from hubbub.base.errors import RATE_LIMITED
from hubbub.client.events import Answered, Event, Failed, NoAnswer, Refused

RETRY_MS, RETRY_MS_MAX = 50, 2_000
ANSWER_MS: Final = 5_000  # an edge answers within 4 s; the official SDKs give up at 5


class Request:
    """`body`: the rpc as JSON. `id`: of the command that carries it now, 0 = none."""

    __slots__ = (
        "_attempt",
        "body",
        "deadline_ms",
        "due_ms",
        "id",
        "is_patient",
        "number",
        "repeats",
    )

    def __init__(
        self, number: int, body: str, deadline_ms: int, *, repeats: bool, is_patient: bool
    ) -> None:
        self.number = number
        self.body = body
        self.deadline_ms = deadline_ms
        self.repeats = repeats
        self.is_patient = is_patient
        self.id = 0
        self.due_ms = 0  # without id: when to send; with one: when to give this try up
        self._attempt = 0

    def postpone(self, now_ms: int, random: float, least_ms: int = 0) -> None:
        """Try again later."""
        self._attempt += 1
        delay = full_jitter_ms(self._attempt, base_ms=RETRY_MS, max_ms=RETRY_MS_MAX, random=random)
        self.id, self.due_ms = 0, now_ms + max(delay, least_ms)


class Requests:
    """All of them. `emit` takes their ends; `random` is passed in."""

    def __init__(self, emit: Callable[[Event], None], random: Callable[[], float]) -> None:
        self._emit = emit
        self._random = random
        self._all: dict[int, Request] = {}
        self._by_id: dict[int, Request] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._all)

    def add(self, body: str, deadline_ms: int, *, repeats: bool, is_patient: bool) -> int:
        """A new request; its number."""
        self._last += 1
        self._all[self._last] = Request(
            self._last, body, deadline_ms, repeats=repeats, is_patient=is_patient
        )
        return self._last

    def forget(self, number: int) -> None:
        """Nobody waits for it any more."""
        request = self._all.pop(number, None)
        if request is not None:
            self._by_id.pop(request.id, None)

    def to_send(self, now_ms: int) -> Iterable[Request]:
        """What is due on an open connection."""
        return [r for r in self._all.values() if not r.id and r.due_ms <= now_ms]

    def sent(self, request: Request, id: int, now_ms: int) -> None:
        """It went out as command `id`."""
        request.id, request.due_ms = id, now_ms + ANSWER_MS
        self._by_id[id] = request

    def answered(self, id: int, data: object, error: Refused | None, now_ms: int) -> bool:
        """An answer came. False: to none of these."""
        request = self._by_id.pop(id, None)
        if request is None:
            return False
        if error is None:
            self._end(request, Answered(request.number, data))
        elif not (request.repeats and error.temporary) or (
            error.code == RATE_LIMITED.code and not request.is_patient
        ):
            self._end(request, Failed(request.number, error))
        else:
            wait_ms = error.details.get("retry_after_ms", 0)
            request.postpone(now_ms, self._random(), wait_ms if isinstance(wait_ms, int) else 0)
        return True

    def lost(self, now_ms: int) -> None:
        """The connection is gone, and with it what was asked on it."""
        self._by_id.clear()
        for request in [r for r in self._all.values() if r.id]:
            if request.repeats:
                request.id, request.due_ms = 0, now_ms
            else:
                self._end(request, Failed(request.number, NoAnswer("the connection was lost")))

    def tick(self, now_ms: int, why: str = "") -> None:
        """Deadlines, and tries that nobody answers. `why`: what keeps all from being answered."""
        for request in list(self._all.values()):
            if request.deadline_ms <= now_ms:
                text = why or "not answered in time"
                self._end(request, Failed(request.number, NoAnswer(text)))
            elif request.id and request.due_ms <= now_ms:
                self._by_id.pop(request.id, None)
                request.postpone(now_ms, self._random())

    def fail_all(self, why: str) -> None:
        """The client has ended."""
        for request in list(self._all.values()):
            self._end(request, Failed(request.number, NoAnswer(why)))

    def next_ms(self, *, online: bool) -> int | None:
        """When `tick` or `to_send` has something to do."""
        times = [
            min(r.deadline_ms, r.due_ms) if r.id or online else r.deadline_ms
            for r in self._all.values()
        ]
        return min(times, default=None)

    def _end(self, request: Request, event: Event) -> None:
        self.forget(request.number)
        self._emit(event)
