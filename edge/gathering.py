"""What many users ask of one stream, gathered into one command of the edge's own. Pure.

Rules (`features.contract.Gather`):
1. The first request for a stream waits GATHER_MS for others; a stream gets one command an interval.
   More users than fit into a command fill the next one, which then leaves at once; so does what
   is more than ASKED_MAX commands of one user. The verbs of a group are gathered together, so that
   a user's commands keep their order.
2. Each request is answered once, by its part of the command's answer: after the commit.
3. Of whoever was not refused the figures have changed; his sessions are told (`changed`), unless
   all he asked for changes none.
4. An edge that is about to close lets everything leave and be answered first (`flush`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edge.dispatch import App, Reply
from hubbub.base.errors import Rejected
from hubbub.base.units import KIB, SECOND_MS
from hubbub.features.contract import Command, Gather
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Viewer

GATHER_MS: Final = 250  # double: a badge is felt to lag; half: hardly more goes into one entry
INTERVAL_MS: Final = SECOND_MS  # one entry a stream, edge and second, whatever its size

Send = Callable[[Command, App, Viewer, Reply], None]
Place = tuple[str, str, str]  # app, stream key, group
# Of a batch's users as JSON, counted generously: a command of 64 KiB is refused.
USERS_BYTES_MAX: Final = 48 * KIB
ASKED_MAX: Final = 200  # of one user in a batch: he has more where his app has no limits
_USER_BYTES: Final = 64  # beside his name: seqs and punctuation


class _Batch:
    __slots__ = ("app", "byte_count", "commands", "due_ms", "figures", "gather", "replies")

    def __init__(self, gather: Gather, app: App, due_ms: int) -> None:
        self.gather = gather
        self.app = app
        self.due_ms = due_ms
        self.commands: dict[str, list[Command]] = {}
        self.replies: list[tuple[str, Reply]] = []
        self.figures: set[str] = set()  # users whose figures change
        self.byte_count = 0


class Gathering:
    """All batches of an edge.

    Args: send: may raise Rejected. changed(app, user, stream key). now_ms: monotonic. name: of this
    edge's process (name.boot_id), by which it knows its own marks.
    """

    def __init__(
        self,
        send: Send,
        changed: Callable[[str, str, str], None],
        now_ms: Callable[[], int],
        name: str,
    ) -> None:
        self._viewer = Viewer(user="", authority="edge", client=name)
        self._send = send
        self._changed = changed
        self._now_ms = now_ms
        self._batches: dict[Place, _Batch] = {}
        self._sent_ms: dict[Place, int] = {}  # within the last interval
        self._under_way = 0  # commands without an answer

    def add(self, gather: Gather, command: Command, app: App, user: str, reply: Reply) -> None:
        """Take a user's checked command."""
        place = (app.name, command.stream_key(), gather.group)
        batch = self._batches.get(place)
        if batch is not None and _is_full(batch, user):
            self._leave(place)
            batch = None
        if batch is None:
            batch = self._batches[place] = _Batch(gather, app, self._due_ms(place))
        asked = batch.commands.setdefault(user, [])
        if type(command) not in {type(other) for other in asked}:
            batch.byte_count += 2 * (len(encode_json(user)) + _USER_BYTES)
        asked.append(command)
        if gather.changes_figures:
            batch.figures.add(user)
        batch.replies.append((user, reply))

    def tick(self) -> None:
        """Send what is due."""
        now = self._now_ms()
        for place in [place for place, batch in self._batches.items() if batch.due_ms <= now]:
            self._leave(place)
        self._sent_ms = {p: ms for p, ms in self._sent_ms.items() if now - ms < INTERVAL_MS}

    def flush(self) -> bool:
        """Send all, due or not; False when there is nothing that waits for an answer."""
        for place in list(self._batches):
            self._leave(place)
        return self._under_way > 0

    def _due_ms(self, place: Place) -> int:
        gathered = self._now_ms() + GATHER_MS
        sent = self._sent_ms.get(place)
        return gathered if sent is None else max(gathered, sent + INTERVAL_MS)

    def _leave(self, place: Place) -> None:
        batch = self._batches.pop(place)
        self._sent_ms[place] = self._now_ms()

        def done(refusal: Rejected | None, answer: bytes) -> None:
            self._under_way -= 1
            self._answered(place, batch, refusal, answer)

        self._under_way += 1
        try:
            self._send(batch.gather.merge(batch.commands), batch.app, self._viewer, done)
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
            if user in batch.figures and not isinstance(part, Rejected):
                self._changed(place[0], user, place[1])
        if broken:
            raise broken[0]


def _is_full(batch: _Batch, user: str) -> bool:
    """Nothing more of this user fits into its command."""
    asked = batch.commands.get(user)
    if asked is not None:
        return len(asked) >= ASKED_MAX
    return len(batch.commands) >= batch.gather.users_max or batch.byte_count >= USERS_BYTES_MAX
