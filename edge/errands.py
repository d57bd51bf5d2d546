"""What takes several steps: the edge asks, hands the answer on, asks what follows. Pure.

Rules (`features.contract.Errand`, decision record 0023):
1. One step is under way at a time; the reply comes once, after the last one.
2. A refusal is the errand's to handle; what it does not handle is the reply.
3. STEPS_MAX steps and DEADLINE_MS from the first to the last one; beyond it `unknown_outcome`.
4. Heads are asked in one batch a leader. If one of them does not answer, the step is refused as
   temporary: half a list would look like a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from edge.carriers import Stream
from edge.dispatch import App, Reply
from hubbub.base.errors import INTERNAL, UNKNOWN_OUTCOME, Rejected
from hubbub.features.contract import (
    Command,
    Errand,
    HeadsCall,
    Local,
    QueryCall,
    SearchCall,
    SearchFound,
    Several,
    Steps,
)
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import HeadAsk, HeadRow, Json, Viewer

STEPS_MAX: Final = 64
DEADLINE_MS: Final = 4_500  # client SDKs give up at 5 s

Turned = Callable[[Command | Several | QueryCall | Local, App, Viewer, Reply], None]
Rows = list[tuple[HeadAsk, HeadRow]]
AskHeads = Callable[[list[HeadAsk], Callable[[Rows], None], Callable[[list[Stream]], None]], None]
AskNewest = Callable[
    [str, Sequence[str], int, tuple[int, str] | None, Callable[[list[HeadRow] | None], None]], None
]
AskSearch = Callable[[SearchCall, str, Callable[[Rejected | None, SearchFound | None], None]], None]


class Errands:
    """Starts errands; each goes its own way. `search` is set by the wiring.

    Args: turned: sends a command or query, may raise Rejected. now_ms: monotonic.
    """

    search: AskSearch

    def __init__(
        self,
        turned: Turned,
        ask_heads: AskHeads,
        ask_newest: AskNewest,
        slot_of: Callable[[str, str], int],
        now_ms: Callable[[], int],
    ) -> None:
        self.turned = turned
        self.ask_heads = ask_heads
        self.ask_newest = ask_newest
        self.slot_of = slot_of
        self.now_ms = now_ms

    def start(self, errand: Errand, app: App, viewer: Viewer, reply: Reply) -> None:
        """Take the first step."""
        _Way(self, errand.steps(), app, viewer, reply).go(None, None)


class _Way:
    """One errand under way."""

    __slots__ = ("_app", "_ends_ms", "_errands", "_left", "_reply", "_steps", "_viewer")

    def __init__(
        self, errands: Errands, steps: Steps, app: App, viewer: Viewer, reply: Reply
    ) -> None:
        self._errands = errands
        self._steps = steps
        self._app = app
        self._viewer = viewer
        self._reply = reply
        self._left = STEPS_MAX
        self._ends_ms = errands.now_ms() + DEADLINE_MS

    def go(self, refusal: Rejected | None, answer: Any) -> None:
        """The last step was answered: take the next one."""
        try:
            step = self._steps.send(answer) if refusal is None else self._steps.throw(refusal)
        except StopIteration as end:
            self._reply(None, end.value)
            return
        except Rejected as refused:
            self._reply(refused, b"")
            return
        self._left -= 1
        if self._left < 0 or self._errands.now_ms() >= self._ends_ms:
            self._steps.close()
            self._reply(Rejected(UNKNOWN_OUTCOME), b"")
        elif isinstance(step, HeadsCall):
            self._heads(step)
        elif isinstance(step, SearchCall):
            self._errands.search(step, self._app.name, self._found)
        else:
            self._ask(step)

    def _ask(self, step: Command | Several | QueryCall | Local) -> None:
        try:
            self._errands.turned(step, self._app, self._viewer, self._answered)
        except Rejected as refusal:
            self.go(refusal, None)

    def _answered(self, refusal: Rejected | None, data: Json) -> None:
        self.go(refusal, data)

    def _found(self, refusal: Rejected | None, found: SearchFound | None) -> None:
        self.go(refusal, found)

    def _newest(self, rows: list[HeadRow] | None) -> None:
        if rows is None:
            self.go(_leaderless(), None)
        else:
            self.go(None, {row.key: row for row in rows})

    def _heads(self, call: HeadsCall) -> None:
        app, errands = self._app.name, self._errands
        if call.best and call.keys:
            errands.ask_newest(app, call.keys, call.best, call.after, self._newest)
            return
        users = (call.user,) if call.user else ()
        args = encode_json(call.args) if call.args is not None else b""
        by = self._viewer if call.query else None
        asks = [
            HeadAsk(
                errands.slot_of(app, key), app, key, users, None, call.preview, call.query, args, by
            )
            for key in dict.fromkeys(call.keys)
        ]
        if not asks:
            self.go(None, {})
            return
        found: dict[str, HeadRow] = {}
        waiting, failed = len(asks), 0

        def settle(count: int) -> None:
            nonlocal waiting
            waiting -= count
            if waiting or not count:
                return
            if failed:
                self.go(_leaderless(), None)
            else:
                self.go(None, found)

        def answered(rows: Rows) -> None:
            found.update((row.key, row) for _, row in rows)
            settle(len(rows))

        def gone(streams: list[Stream]) -> None:
            nonlocal failed
            failed += len(streams)
            settle(len(streams))

        errands.ask_heads(asks, answered, gone)


def _leaderless() -> Rejected:
    return Rejected(INTERNAL, "some channels have no leader just now")
