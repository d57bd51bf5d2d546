"""What takes several steps: the edge asks, hands the answer on, asks what follows. Pure.

Rules (`features.contract.Errand`, decision record 0023):
1. One step is under way at a time; the reply comes once, after the last one.
2. A refusal is the errand's to handle; what it does not handle is the reply.
3. STEPS_MAX steps and DEADLINE_MS from the first to the last one; beyond it `unknown_outcome`.
4. Heads are asked in one batch a leader, at most HEADS_AT_ONCE of all leaders together; then the
   next ones. Those of a leader that does not answer are asked again at each tick, until AGAIN_MS
   have gone since the step began; then the step is refused as temporary: half a list would look
   like a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from edge.carriers import Stream
from edge.dispatch import App, Reply
from edge.memory import Memory
from edge.rolls import Want
from hubbub.base.errors import INTERNAL, UNKNOWN_OUTCOME, Rejected
from hubbub.base.roll import Roll
from hubbub.features.contract import (
    Command,
    Errand,
    HeadsCall,
    Keep,
    Local,
    QueryCall,
    Recall,
    SearchCall,
    SearchFound,
    Several,
    Steps,
)
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import HeadAsk, HeadRow, Json, Viewer

STEPS_MAX: Final = 64
DEADLINE_MS: Final = 4_500  # client SDKs give up at 5 s
# Of three leaders each is busy for some 70 ms where nothing of it is in memory: nobody else waits
# for longer. Half: a long list takes more turns; double: a node that answers nobody for 140 ms.
HEADS_AT_ONCE: Final = 1_000
AGAIN_MS: Final = 3_500  # as long as a router waits for a new leader

Turned = Callable[[Command | Several | QueryCall | Local, App, Viewer, Reply], None]
Rows = list[tuple[HeadAsk, HeadRow]]
AskHeads = Callable[[list[HeadAsk], Callable[[Rows], None], Callable[[list[Stream]], None]], None]
AskNewest = Callable[
    [str, Sequence[str], int, tuple[int, str] | None, Callable[[list[HeadRow] | None], None]], None
]
AskRoll = Callable[[str, Roll, Want, Callable[[list[HeadRow] | None], None]], None]
AskSearch = Callable[[SearchCall, str, Callable[[Rejected | None, SearchFound | None], None]], None]


class Errands:
    """Starts errands; each goes its own way. `search` and `ask_roll` are set by the wiring.

    Args: turned: sends a command or query, may raise Rejected. now_ms: monotonic.
    """

    search: AskSearch
    ask_roll: AskRoll

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
        self.memory = Memory()
        self.again: list[tuple[int, Callable[[], None], Callable[[], None]]] = []

    def tick(self) -> None:
        """What no leader answered is asked again, or given up."""
        waiting, self.again = self.again, []
        for ends_ms, ask, give_up in waiting:
            (ask if self.now_ms() < ends_ms else give_up)()

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
            while isinstance(step, Recall | Keep):
                step = self._steps.send(self._memory(step))
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

    def _memory(self, step: Recall | Keep) -> Any:
        memory, app = self._errands.memory, self._app.name
        if isinstance(step, Recall):
            return memory.recall(app, step.key)
        memory.keep(app, step.key, step.value, step.weight)
        return None

    def _ask(self, step: Command | Several | QueryCall | Local) -> None:
        try:
            self._errands.turned(step, self._app, self._viewer, self._answered)
        except Rejected as refusal:
            self.go(refusal, None)

    def _answered(self, refusal: Rejected | None, data: Json) -> None:
        self.go(refusal, data)

    def _found(self, refusal: Rejected | None, found: SearchFound | None) -> None:
        self.go(refusal, found)

    def _newest(self, call: HeadsCall) -> None:
        errands, ends_ms = self._errands, self._step_ends_ms()

        def ask() -> None:
            app, best, after = self._app.name, call.best, call.after
            if call.roll is None:
                errands.ask_newest(app, call.keys, best, after, answered)
            elif call.unread:
                want = Want(unread_of=call.user, blocked=call.blocked)
                errands.ask_roll(app, call.roll, want, answered)
            else:
                errands.ask_roll(app, call.roll, Want(best, after), answered)

        def answered(rows: list[HeadRow] | None) -> None:
            if rows is None:
                errands.again.append((ends_ms, ask, self._give_up))
            else:
                self.go(None, {row.key: row for row in rows})

        ask()

    def _step_ends_ms(self) -> int:
        return min(self._ends_ms, self._errands.now_ms() + AGAIN_MS)

    def _give_up(self) -> None:
        self.go(_leaderless(), None)

    def _heads(self, call: HeadsCall) -> None:
        app, errands = self._app.name, self._errands
        if call.roll or (call.best and call.keys):
            self._newest(call)
            return
        users = (call.user,) if call.user else ()
        args = encode_json(call.args) if call.args is not None else b""
        by = self._viewer if call.query else None
        blocked = (call.blocked,) if users and call.blocked else ()
        asks = [
            HeadAsk(
                errands.slot_of(app, key),
                app,
                key,
                users,
                preview=call.preview,
                query=call.query,
                args=args,
                viewer=by,
                blocked=blocked,
            )
            for key in dict.fromkeys(call.keys)
        ]
        if not asks:
            self.go(None, {})
            return
        self._ask_all(asks)

    def _ask_all(self, asks: list[HeadAsk]) -> None:
        """Portion by portion, until all are answered or the step has no time left."""
        errands = self._errands
        found: dict[str, HeadRow] = {}
        asked: dict[str, HeadAsk] = {}
        lost = list[HeadAsk]()
        ends_ms = self._step_ends_ms()

        def ask() -> None:
            portion = asks[:HEADS_AT_ONCE]
            del asks[:HEADS_AT_ONCE]
            asked.update((ask.key, ask) for ask in portion)
            errands.ask_heads(portion, answered, gone)

        def settle() -> None:
            if asked:
                return
            if asks:
                (ask if errands.now_ms() < self._ends_ms else self._give_up)()
            elif lost:
                errands.again.append((ends_ms, ask_lost, self._give_up))
            else:
                self.go(None, found)

        def ask_lost() -> None:
            asks.extend(lost)
            lost.clear()
            ask()

        def answered(rows: Rows) -> None:
            for _, row in rows:
                if asked.pop(row.key, None) is not None:
                    found[row.key] = row
            if rows:
                settle()

        def gone(streams: list[Stream]) -> None:
            lost.extend(asked.pop(key) for _, key in streams if key in asked)
            if streams:
                settle()

        ask()


def _leaderless() -> Rejected:
    return Rejected(INTERNAL, "some channels have no leader just now")
