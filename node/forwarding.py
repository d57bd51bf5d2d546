"""Forwards on their way: to this node itself, or through a router; again until they are answered.

`outbox` says what leaves when; here it leaves, and answers find what they answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from hubbub.base.errors import Rejected, error_by_code
from hubbub.ring.hashing import rendezvous
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import Kind, Outcome, Refusal, Status, Submit, Viewer
from node.engine import SYSTEM, QueuedForward
from node.intake import Intake, Request
from node.outbox import Outbox
from node.ready import Result
from node.slot import Slot

_MS_LEFT: Final = 4_000


class Forwarding:
    """The links' side of the outbox."""

    def __init__(
        self,
        intake: Intake,
        outbox: Outbox,
        random: Callable[[], float],
        run: Callable[[Slot, Request, str, str, Submit], None],
    ) -> None:
        """Args: run: proposes a command of this node."""
        self._intake = intake
        self._outbox = outbox
        self._random = random
        self._run = run
        self._sent: dict[int, QueuedForward] = {}  # request id → what it carries
        self._ids: dict[tuple[int, int], int] = {}  # (source, target) → newest request id
        self._leaving: deque[QueuedForward] = deque()
        self._is_sending = False
        self._is_held = False
        self._next_id = 1

    def __len__(self) -> int:
        """How many wait for an answer or for their turn."""
        return len(self._outbox)

    def hold(self, is_held: bool) -> None:
        """While a backup freezes the slots: nothing leaves, nothing is forgotten as answered."""
        self._is_held = is_held
        self._send(())

    def add(self, forwards: Sequence[QueuedForward]) -> None:
        """What a slot wants forwarded."""
        self._send(self._outbox.add(forwards, self._intake.clock.monotonic_ms()))

    def forget(self, number: int) -> None:
        """The slot is led by somebody else, who sends what it has."""
        self._outbox.forget(number)

    def tick(self, now_ms: int) -> dict[int, list[tuple[int, int]]]:
        """Once a second: what was not answered leaves again. What is done, by slot."""
        if self._is_held:
            return {}
        self._send(self._outbox.tick(now_ms, self._random()))
        return self._outbox.take_finished()

    def answer(self, _: str, message: Message) -> None:
        """The answer to one of our Forwards."""
        forward = self._sent.pop(message.request_id, None)
        if forward is None:
            return
        del self._ids[forward.source, forward.target]
        status = Status(message.flags)
        is_rejected = status is Status.REJECTED
        refusal = _refused(decode_pack(message.body, Refusal)) if is_rejected else None
        self._settle(forward, refusal, is_done=status is Status.OK)

    def answered(self, forward: QueuedForward, result: Result) -> None:
        """What a slot that is led here made of it."""
        refusal = result if isinstance(result, Rejected) else None
        self._settle(forward, refusal, is_done=isinstance(result, Outcome))

    def _settle(self, forward: QueuedForward, refusal: Rejected | None, *, is_done: bool) -> None:
        now_ms = self._intake.clock.monotonic_ms()
        is_refused = refusal is not None and not refusal.error.temporary
        if is_done or is_refused:
            self._send(self._outbox.finished(forward, now_ms, is_dropped=is_refused))
        else:
            self._outbox.failed(forward, now_ms, self._random())

    def _send(self, forwards: Sequence[QueuedForward]) -> None:
        """Send, and whatever an answer given at once lets leave next; without recursion."""
        self._leaving.extend(forwards)
        if self._is_sending or self._is_held or not self._intake.takes:
            return
        self._is_sending = True
        try:
            while self._leaving:
                self._send_one(self._leaving.popleft())
        finally:
            self._is_sending = False

    def _send_one(self, forward: QueuedForward) -> None:
        """To ourselves if the target is led here, else through the target's first live router."""
        row, source = forward.row, self._intake.slots[forward.source]
        submit = Submit(
            row.tag,
            Viewer(row.user, SYSTEM),
            "",
            row.body,
            forward.source,
            source.incarnation,
            forward.n,
        )
        target = self._intake.slots.get(forward.target)
        if forward.target in self._intake.paused:
            self._outbox.failed(forward, self._intake.clock.monotonic_ms(), self._random())
            return
        if target is not None and target.is_active:
            request = Request("", 0, forward.target, forward=forward)
            self._run(target, request, row.app, row.key, submit)
            return
        request_id = self._next_id
        self._next_id += 1
        message = encode_message(
            Kind.SUBMIT,
            encode_pack(submit),
            slot=forward.target,
            request_id=request_id,
            ms_left=_MS_LEFT,
            app=row.app,
            key=row.key,
        )
        router = next(iter(rendezvous(forward.target, sorted(self._intake.routers))), "")
        if not router or not self._intake.links.send(router, message):
            self._outbox.failed(forward, self._intake.clock.monotonic_ms(), self._random())
            return
        pair = (forward.source, forward.target)
        self._sent.pop(self._ids.get(pair, 0), None)  # an earlier try of the same pair
        self._ids[pair] = request_id
        self._sent[request_id] = forward


def _refused(refusal: Refusal) -> Rejected:
    return Rejected(error_by_code(refusal.code), refusal.text)
