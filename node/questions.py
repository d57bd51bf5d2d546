"""Questions: what is read, recovered and searched; answered by what is committed.

Who may answer: the leader; for QUERY_ANY any copy that is whole and not behind the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from hubbub.base.errors import INTERNAL, Rejected
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message
from hubbub.wire.search import Search, SearchAnswer
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    HeadsAnswer,
    HeadsQuery,
    Json,
    Kind,
    Lines,
    NewestAsk,
    Presence,
    Queries,
    QueriesAnswer,
    Query,
    QueryAnswer,
    QueryAsk,
    Status,
    Subscribe,
    Viewer,
)
from node.attendance import Attendance
from node.copies import Copies
from node.intake import Intake, Request
from node.lines import NOT_LED
from node.reads import Reads, Unreadable
from node.ready import Ready
from node.replies import Replies, refusal_of
from node.search.answers import Answers
from node.slot import Slot
from node.store.api import StoreError

_ELSEWHERE: Final = QueryAnswer(Status.REDIRECT)
_NO_ROOM: Final = QueryAnswer(Status.UNKNOWN)
_log = get_logger()


class Questions:
    """Handlers of the kinds that append nothing."""

    def __init__(
        self,
        intake: Intake,
        reads: Reads,
        replies: Replies,
        attendance: Attendance,
        copies: Copies,
        obey: Callable[[Slot, Ready], None],
        redirect: Callable[[str, Message], None],
    ) -> None:
        """Args: redirect: sends a request to who answers it, or keeps it until that is known.
        `searches` is set before anything is received."""
        self._intake = intake
        self._reads = reads
        self._replies = replies
        self._attendance = attendance
        self._copies = copies
        self._obey = obey
        self._redirect = redirect
        self.searches: Answers

    def query(self, peer: str, message: Message) -> None:
        """QUERY, QUERY_ANY: one answer."""
        self._intake.counts.queries_total += 1
        slot = self._intake.led(message)
        if slot is None and message.type != Kind.QUERY_ANY:
            return self._redirect(peer, message)
        query = decode_pack(message.body, Query)
        if slot is None:
            slot = self._read_slot(message, query)
            if slot is None:
                return self._redirect(peer, message)
            self._intake.counts.copy_reads_total += 1
        elif query.linear or query.min_seq > _seq(slot, message):
            # Whoever has seen more than we have may know of another leader: we ask first.
            return self._query_linear(peer, message, slot)
        return self._replies.reply(peer, message, Status.OK, self._answer(slot, message, query))

    def _answer(self, slot: Slot, message: Message, query: Query) -> bytes:
        now_ms = self._intake.clock.wall_ms()
        return self._reads.query(slot, message.app, message.key, query, now_ms)

    def _read_slot(self, message: Message, query: Query) -> Slot | None:
        """The slot of a QUERY that this node may answer as a follower: whole, in touch with the
        leader, and not behind the caller."""
        slot = self._intake.slots.get(message.slot)
        if query.linear or slot is None or not self._intake.takes:
            return None
        if not self._copies.may_read(slot):
            return None
        return slot if 0 < query.min_seq <= _seq(slot, message) else None

    def _query_linear(self, peer: str, message: Message, slot: Slot) -> None:
        """Answered by `read_now`, once a majority says that nobody else leads."""
        now = self._intake.now()
        deadline_ms = now.mono_ms + message.ms_left if message.ms_left else 0
        request = Request(peer, message.request_id, message.slot, deadline_ms, read=message)
        self._obey(slot, slot.confirm(request, now))
        self._copies.note(slot)

    def read_now(self, peer: str, message: Message) -> None:
        """A read that `_query_linear` began: nobody else leads."""
        self._intake.counts.linear_reads_total += 1
        slot, query = self._intake.slots[message.slot], decode_pack(message.body, Query)
        self._replies.reply(peer, message, Status.OK, self._answer(slot, message, query))

    def queries(self, peer: str, message: Message) -> None:
        """QUERIES: many at once, each of its own slot."""
        batch = decode_pack(message.body, Queries)
        rows: list[QueryAnswer] = []
        byte_count = 0
        for ask in batch.asks:
            if byte_count >= batch.bytes_max:
                rows.append(_NO_ROOM)
                continue
            row = self._one_query(message.app, batch.viewer, ask)
            byte_count += len(row.body)
            rows.append(row)
        self._replies.reply(peer, message, Status.OK, encode_pack(QueriesAnswer(tuple(rows))))

    def _one_query(self, app: str, viewer: Viewer, ask: QueryAsk) -> QueryAnswer:
        self._intake.counts.queries_total += 1
        slot = self._intake.slots.get(ask.slot)
        if slot is None or not slot.is_active or not self._intake.takes:
            return _ELSEWHERE
        query = Query(ask.name, viewer, ask.args)
        try:
            answer = self._reads.query(slot, app, ask.key, query, self._intake.clock.wall_ms())
        except Rejected as refusal:
            self._replies.count_refusal(refusal)
            return QueryAnswer(Status.REJECTED, refusal_of(refusal))
        except StoreError as error:  # it is another slot's than the message's
            self._copies.unreadable(slot, error)
            return _ELSEWHERE
        except Exception as error:  # noqa: BLE001 - boundary: one query fails, the others go on
            self._intake.counts.features_failed_total += 1
            _log.error("query.failed", name=ask.name, exc_info=error)
            return QueryAnswer(Status.REJECTED, refusal_of(Rejected(INTERNAL)))
        return QueryAnswer(Status.OK, answer)

    def search(self, peer: str, message: Message) -> None:
        """SEARCH: what the index finds in slots led here."""
        self._intake.counts.searches_total += 1

        def done(answer: SearchAnswer) -> None:
            self._replies.reply(peer, message, Status.OK, encode_pack(answer))

        self.searches.start(message.app, decode_pack(message.body, Search), done)

    def subscribe(self, peer: str, message: Message) -> None:
        """SUBSCRIBE: where the caller stands, what it lacks, and that it is here."""
        self._intake.counts.subscribes_total += 1
        slot = self._intake.led(message)
        if slot is None:
            return self._redirect(peer, message)
        ask, app, key = decode_pack(message.body, Subscribe), message.app, message.key
        answer, access = self._reads.subscribe(slot, app, key, ask, self._intake.clock.wall_ms())
        if ask.heads and not answer.recovered and not answer.blocks:
            lines = self._lines(app, key[1:], answer.channels[: ask.heads])
            answer = replace(answer, heads=lines)
        self._replies.reply(peer, message, Status.OK, encode_pack(answer))
        return self._attendance.subscribed(slot, app, key, ask, access)

    def heads(self, peer: str, message: Message) -> None:
        """HEADS: where many streams stand."""
        self._intake.counts.heads_total += 1
        query = decode_pack(message.body, HeadsQuery)
        rows = [self._head(query.edge, ask) for ask in query.asks]
        answer = HeadsAnswer(tuple(rows))
        if query.newest is not None:
            answer = self._newest(query.newest)
        elif query.lines:
            told = [self._lines(ask.app, ask.user, ask.keys, ask.slots) for ask in query.lines]
            answer = HeadsAnswer((), lines=tuple(told))
        self._replies.reply(peer, message, Status.OK, encode_pack(answer))

    def _newest(self, ask: NewestAsk) -> HeadsAnswer:
        """Of the slots that can be read here; who leads the others next will know."""
        lost: set[int] = set()

        def slot_of(number: int) -> Slot | None:
            return None if number in lost else self._intake.active(number)

        while True:  # once for each slot that cannot be read
            try:
                return self._reads.newest(ask, slot_of)
            except Unreadable as broken:
                self._copies.unreadable(broken.slot, broken.error)
                lost.add(broken.slot.number)

    def _head(self, edge: str, ask: HeadAsk) -> HeadRow:
        slot = self._intake.slots.get(ask.slot)
        if slot is None or not slot.is_active:
            return HeadRow(ask.app, ask.key, led=False)
        try:
            row = self._reads.head(slot, ask, self._intake.clock.wall_ms())
        except StoreError as error:  # it is another slot's than the message's
            self._copies.unreadable(slot, error)
            return HeadRow(ask.app, ask.key, led=False)
        self._attendance.reported(slot, edge, ask)
        return row

    def _lines(
        self, app: str, user: str, keys: tuple[str, ...], slots: Sequence[int] | None = None
    ) -> Lines:
        """Of the streams that are led here."""

        def slots_of() -> Sequence[int]:
            return slots or [self._reads.slot_of(app, key) for key in keys]

        return self._reads.lines.tell(app, user, keys, slots_of, self._intake.slots, self._line)

    def _line(self, slot: Slot, app: str, key: str, user: str) -> tuple[int, Json]:
        try:
            return self._reads.line(slot, app, key, user)
        except StoreError as error:
            self._copies.unreadable(slot, error)
            return NOT_LED, b""

    def presence(self, peer: str, message: Message) -> None:
        """PRESENCE: who came and left at an edge."""
        self._intake.counts.presences_total += 1
        slot = self._intake.led(message)
        if slot is None:
            return self._redirect(peer, message)
        report = decode_pack(message.body, Presence)
        self._attendance.changed(slot, message.app, message.key, report)
        return self._replies.reply(peer, message, Status.OK, b"")


def _seq(slot: Slot, message: Message) -> int:
    """How far this copy has the message's stream."""
    return slot.overlay.stream(message.app, message.key).committed.seq
