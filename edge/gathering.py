"""What many users ask of one stream, gathered into one command of the edge's own. Pure.

Rules (`features.contract.Gather`):
1. The first request for a stream waits GATHER_MS for others; a stream gets one command an interval.
   More users than fit into a command fill the next one, which then leaves at once.
2. Each request is answered once, by its part of the command's answer: after the commit.
3. Of whoever was not refused the figures have changed; his sessions are told (`changed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edge.dispatch import App, Reply
from hubbub.base.errors import Rejected
from hubbub.base.units import SECOND_MS
from hubbub.features.contract import Command, Gather
from hubbub.wire.shapes import Viewer

GATHER_MS: Final = 250  # double: a badge is felt to lag; half: hardly more goes into one entry
INTERVAL_MS: Final = SECOND_MS  # one entry a stream, edge and second, whatever its size
EDGE: Final = Viewer(user="", authority="edge")

Send = Callable[[Command, App, Viewer, Reply], None]
Place = tuple[str, str, str]  # app, stream key, tag of the command


class _Batch:
    __slots__ = ("app", "commands", "due_ms", "gather", "replies")

    def __init__(self, gather: Gather, app: App, due_ms: int) -> None:
        self.gather = gather
        self.app = app
        self.due_ms = due_ms
        self.commands: dict[str, list[Command]] = {}
        self.replies: list[tuple[str, Reply]] = []


class Gathering:
    """All batches of an edge.

    Args: send: may raise Rejected. changed(app, user, stream key). now_ms: monotonic.
    """

    def __init__(
        self, send: Send, changed: Callable[[str, str, str], None], now_ms: Callable[[], int]
    ) -> None:
        self._send = send
        self._changed = changed
        self._now_ms = now_ms
        self._batches: dict[Place, _Batch] = {}
        self._sent_ms: dict[Place, int] = {}  # within the last interval

    def add(self, gather: Gather, command: Command, app: App, user: str, reply: Reply) -> None:
        """Take a user's checked command."""
        place = (app.name, command.stream_key(), command.TAG)
        batch = self._batches.get(place)
        is_full = batch is not None and len(batch.commands) >= gather.users_max
        if batch is not None and is_full and user not in batch.commands:
            self._leave(place)
            batch = None
        if batch is None:
            batch = self._batches[place] = _Batch(gather, app, self._due_ms(place))
        batch.commands.setdefault(user, []).append(command)
        batch.replies.append((user, reply))

    def tick(self) -> None:
        """Send what is due."""
        now = self._now_ms()
        for place in [place for place, batch in self._batches.items() if batch.due_ms <= now]:
            self._leave(place)
        self._sent_ms = {p: ms for p, ms in self._sent_ms.items() if now - ms < INTERVAL_MS}

    def _due_ms(self, place: Place) -> int:
        gathered = self._now_ms() + GATHER_MS
        sent = self._sent_ms.get(place)
        return gathered if sent is None else max(gathered, sent + INTERVAL_MS)

    def _leave(self, place: Place) -> None:
        batch = self._batches.pop(place)
        self._sent_ms[place] = self._now_ms()

        def done(refusal: Rejected | None, answer: bytes) -> None:
            self._answered(place, batch, refusal, answer)

        try:
            self._send(batch.gather.merge(batch.commands), batch.app, EDGE, done)
        except Rejected as refusal:
            done(refusal, b"")

    def _answered(
        self, place: Place, batch: _Batch, refusal: Rejected | None, answer: bytes
    ) -> None:
        parts = {} if refusal else batch.gather.split(answer, batch.commands)
        broken: list[Exception] = []
        for user, reply in batch.replies:
            part = refusal or parts[user]
            try:
                if isinstance(part, Rejected):
                    reply(part, b"")
                else:
                    reply(None, part)
            except Exception as failure:  # noqa: BLE001 - boundary: the others are answered first
                broken.append(failure)
        for user, part in parts.items():
            if not isinstance(part, Rejected):
                self._changed(place[0], user, place[1])
        if broken:
            raise broken[0]
