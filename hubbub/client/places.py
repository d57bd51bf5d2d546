"""Where a client stands in a channel: every publication once, in order, over any number of cuts.
Pure.

Phases: WANTED → ASKED (subscribe sent) → LIVE, or → PAGING (too much was missed for one answer:
the rest is read page by page) → LIVE. A cut leads back to WANTED; the position stays.

Rules:
1. A position moves by one, or by a Reset that says so.
2. While pages are read, live publications that are ahead are passed over: the pages reach them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from hubbub.client.events import Event, Json, Published, Reset, Subscribed
from hubbub.client.replies import HistoryResult, Publication, SubscribeResult


class Phase(Enum):
    """See the module."""

    WANTED = "wanted"
    ASKED = "asked"
    PAGING = "paging"
    LIVE = "live"


class Place:
    """One channel. `is_own`: subscribed by the server, with the connection."""

    __slots__ = (
        "_emit",
        "_target",
        "attempt",
        "channel",
        "due_ms",
        "epoch",
        "is_own",
        "offset",
        "phase",
    )

    def __init__(self, channel: str, emit: Callable[[Event], None], *, is_own: bool) -> None:
        self.channel = channel
        self.is_own = is_own
        self.phase = Phase.WANTED
        self.offset = 0
        self.epoch = ""  # empty: nothing to resume
        self.attempt = 0
        self.due_ms = 0  # when to ask (again)
        self._target = 0
        self._emit = emit

    def since(self) -> dict[str, Json]:
        """The position for a request that resumes; empty the first time."""
        if not self.epoch:
            return {}
        return {"recover": True, "offset": self.offset, "epoch": self.epoch}

    def subscribed(self, result: SubscribeResult) -> None:
        """The server's answer. Afterwards LIVE or PAGING."""
        is_same = bool(self.epoch) and result.epoch == self.epoch
        was_at, resumes = self.offset, bool(self.epoch)
        pages = is_same and not result.recovered and not self.is_own and result.offset > was_at
        is_whole = is_same and (result.recovered or pages or result.offset == was_at)
        self.phase, self.attempt = Phase.LIVE, 0
        self.epoch = result.epoch if result.recoverable else ""
        if not is_whole:
            self.offset = result.offset
        self._emit(Subscribed(self.channel, self.offset, result.data, is_whole))
        if resumes and not is_whole:
            self._emit(Reset(self.channel, self.offset))
        if pages:
            self.phase, self._target = Phase.PAGING, result.offset
        elif is_whole:
            for publication in result.publications:
                self._fetched(publication)

    def paged(self, page: HistoryResult) -> None:
        """A page that was asked for since our position. PAGING still: ask for the next one."""
        before = self.offset
        for publication in page.publications:
            self._fetched(publication)
        if self.offset == before and before < self._target:
            self.give_up_pages()
        if self.offset >= self._target:
            self.phase = Phase.LIVE

    def give_up_pages(self) -> None:
        """The log does not say what is missing."""
        self.phase, self.offset = Phase.LIVE, self._target
        self._emit(Reset(self.channel, self.offset))

    def live(self, publication: Publication) -> bool:
        """A live publication. False: one before it is missing."""
        offset = publication.offset
        if self.phase in (Phase.WANTED, Phase.ASKED):
            return True  # of a subscription that is over: the next one's answer holds it
        if not offset or not self.epoch:
            self._publish(publication)
        elif offset == self.offset + 1:
            self.offset = offset
            self._publish(publication)
        elif offset > self.offset:
            self._target = max(self._target, offset)
            return self.phase is Phase.PAGING
        return True

    def _fetched(self, publication: Publication) -> None:
        """One of what was missed: it ascends; a hole is what retention took."""
        if publication.offset <= self.offset:
            return
        if publication.offset > self.offset + 1:
            self._emit(Reset(self.channel, publication.offset - 1))
        self.offset = publication.offset
        self._publish(publication)

    def _publish(self, publication: Publication) -> None:
        self._emit(Published(self.channel, publication.offset, publication.data, publication.info))
