"""Who is there: clients in lists, users by their leases, numbers in larger channels.

The cores are `presence`, `leases` and `audiences`. Here are their moments: subscriptions, reports
of edges, ticks, and what is kept in the log when somebody is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from hubbub.base.errors import Rejected
from hubbub.base.ids import uuid7
from hubbub.base.names import StreamKind
from hubbub.features.contract import Access, namespace_for, stream_kind
from hubbub.runtime.clock import entropy
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import encode_json
from hubbub.wire.presence import Live
from hubbub.wire.shapes import HeadAsk, Outcome, Presence, Submit, Subscribe, Viewer
from node.audiences import Audiences
from node.copies import Copies
from node.engine import SYSTEM, Engine, FeatureFailed
from node.intake import Intake, Request
from node.leases import GRACE_MS, SILENT_MS, Leases
from node.presence import PresenceLists, StreamName
from node.publishing import Publishing
from node.ready import Publication, Result
from node.replies import Replies
from node.signs import Signs
from node.slot import Now, Slot
from node.store.api import StoreError
from node.tallies import Tallies

_CMID_ENTROPY_BYTES: Final = 10
_log = get_logger()


class Attendance:
    """Of the streams that are led here."""

    def __init__(
        self,
        intake: Intake,
        engine: Engine,
        publishing: Publishing,
        replies: Replies,
        copies: Copies,
        run: Callable[[Slot, Request, str, str, Submit], None],
    ) -> None:
        """Args: run: proposes a command of this node."""
        self._intake = intake
        self._engine = engine
        self._publishing = publishing
        self._replies = replies
        self._copies = copies
        self._run = run
        self._led: dict[int, int] = {}  # slot → since when (monotonic ms)
        self.presence = PresenceLists()
        self.leases = Leases()
        self.audiences = Audiences(self.presence.by_edge)
        self.tallies = Tallies()
        self.signs = Signs()

    def lead(self, number: int) -> None:
        """A term began here: nobody is reported yet."""
        self._led[number] = self._intake.clock.monotonic_ms()

    def forget(self, number: int) -> None:
        """A term ended."""
        self._led.pop(number, None)
        target_of = self._engine.target_of
        self.presence.forget([n for n in self.presence.streams() if target_of(*n) == number])
        self.leases.forget([n for n in self.leases.users() if target_of(*n) == number])
        self.audiences.forget([n for n in self.audiences.streams() if target_of(*n) == number])
        self.tallies.forget([n for n in self.tallies.streams() if target_of(*n) == number])
        self.signs.forget([n for n in self.signs.streams() if target_of(*n) == number])

    def tick(self, live_edges: Collection[str], now: Now) -> None:
        """Once a second."""
        self.edges_are(live_edges)
        self._publishing.announce(self.presence.tick(live_edges, now.mono_ms))
        for (app, key), number in self.audiences.tick(live_edges, now.mono_ms):
            slot = self._intake.active(self._engine.target_of(app, key))
            if slot is not None and self._engine.registry.lease is not None:
                self._tell_number(slot, app, key, number, now)
        self.signs.tick(now.mono_ms)
        for name in self.tallies.take_stirred():
            self._count_anew(name, now)
        for (app, key), number in self.tallies.tick(now.mono_ms):
            slot = self._intake.active(self._engine.target_of(app, key))
            if slot is not None:
                signal = self._engine.tallied(app, key, number, now.wall_ms)
                self._publishing.publish(slot, Publication(app, key, (), (signal,)))

    def _tell_number(self, slot: Slot, app: str, key: str, number: int, now: Now) -> None:
        try:
            signal = self._engine.counted(slot.overlay, app, key, number, now.wall_ms)
        except (FeatureFailed, Rejected) as failure:
            _log.error("attendance.not_told", key=key, error=repr(failure))
            return
        if signal is not None:
            self._publishing.publish(slot, Publication(app, key, (), (signal,)))

    def signed(self, publication: Publication) -> None:
        """Somebody gives a sign, or gives it no more."""
        if publication.sign is not None:
            name, now_ms = (publication.app, publication.key), self._intake.clock.monotonic_ms()
            user, sign = publication.sign
            if sign.is_named:
                self.signs.note(name, (user, sign.where), sign.ms, now_ms)
            else:
                self.tallies.note(name, user, sign.ms, now_ms)

    def hushed(self, slot: Slot, publication: Publication) -> Publication:
        """Who types may have to stop: said right behind the event that says why; a number is made
        anew at the tick. The publication without that note."""
        mine = self._engine.registry.tally_of
        others = tuple(noted for noted in publication.pulses if noted[0] != mine)
        if len(others) == len(publication.pulses):
            return publication
        app, key = name = publication.app, publication.key
        self.tallies.stir(name)
        now, stopped = self._intake.now(), []
        for user, where in self.signs.of(name, now.mono_ms):
            if not self._may_sign(slot, app, key, user, now):
                self.signs.note(name, (user, where), 0, now.mono_ms)
                stopped.append(self._engine.sign_ended(app, key, user, where, now.wall_ms))
        signals = (*publication.signals, *stopped)
        return msgspec.structs.replace(publication, pulses=others, signals=signals)

    def _may_sign(self, slot: Slot, app: str, key: str, user: str, now: Now) -> bool:
        try:
            return self._engine.may_sign(slot.overlay, app, key, user, now.wall_ms)
        except (Rejected, FeatureFailed, StoreError) as error:
            _log.error("sign.failed", slot=slot.number, error=str(error))
            return True  # it ends by itself

    def _count_anew(self, name: StreamName, now: Now) -> None:
        """Without those who may not type any more."""
        slot = self._intake.active(self._engine.target_of(*name))
        if slot is None:
            return
        for user in self.tallies.users(name):
            if not self._may_sign(slot, *name, user, now):
                self.tallies.note(name, user, 0, now.mono_ms)

    def edges_are(self, live_edges: Collection[str]) -> None:
        """The edges (name.boot_id) that are alive; at once when one of them is not any more."""
        for app, key in self.presence.silent(live_edges):
            slot = self._intake.active(self._engine.target_of(app, key))
            if slot is not None:
                try:
                    self._look_at(slot, app, key, SILENT_MS)
                except (Rejected, StoreError) as error:
                    _log.error("lease.failed", slot=slot.number, error=str(error))

    def subscribed(self, slot: Slot, app: str, key: str, ask: Subscribe, access: Access) -> None:
        """Somebody came."""
        viewer = ask.viewer
        if access.presence and viewer.client:
            joined = self.presence.join(
                app, key, ask.edge, viewer.client, viewer.info, is_announced=access.join_leave
            )
            self._publishing.announce(joined)
            self._look_at(slot, app, key)

    def reported(self, slot: Slot, edge: str, ask: HeadAsk) -> None:
        """An edge says with its question whom it has there, or how many."""
        if ask.clients is not None:
            reported = self.presence.report(
                ask.app,
                ask.key,
                edge,
                ask.clients,
                is_announced=self._announces(ask.app, ask.key),
            )
            self._publishing.announce(reported)
            self._look_at(slot, ask.app, ask.key)
        elif ask.watchers is not None:
            self._counted(ask.app, ask.key, edge, ask.watchers)

    def changed(self, slot: Slot, app: str, key: str, report: Presence) -> None:
        """Some came, some left, some changed what they show."""
        self.presence.change(app, key, report.edge, report.changed)
        if report.watchers is not None:
            self._counted(app, key, report.edge, report.watchers)
        left = self.presence.leave(app, key, report.edge, report.left)
        self._publishing.announce(left)
        self._look_at(slot, app, key)

    def stirred(self, slot: Slot, publication: Publication) -> Publication:
        """What a user chose may be another; the publication without that note."""
        mine = self._engine.registry.lease_of
        others = tuple(noted for noted in publication.pulses if noted[0] != mine)
        if len(others) == len(publication.pulses):
            return publication
        self._look_at(slot, publication.app, publication.key)
        self.leases.stir((publication.app, publication.key))
        return msgspec.structs.replace(publication, pulses=others)

    def live(self, app: str, key: str, slot: int) -> Live:
        """What is in memory of a stream, for queries."""
        if key[:1] != "#":
            return Live(watchers=self.audiences.watchers((app, key)))
        now_ms = self._intake.clock.monotonic_ms()
        is_new = now_ms - self._led.get(slot, now_ms) < GRACE_MS
        return self.leases.live((app, key), is_new=is_new)

    def tick_leases(self) -> None:
        """Some times a second: tell the edges that watch, keep since when somebody is gone."""
        now = self._intake.now()
        for app, key in self.leases.tick(now.mono_ms):
            slot = self._intake.active(self._engine.target_of(app, key))
            if slot is not None and self._publishing.interest.peers(app, key):
                self._tell_lease(slot, app, key)
        for ended in self.leases.take_ended(now.mono_ms) if self._intake.takes else ():
            self._keep_ended(ended, now)

    def _tell_lease(self, slot: Slot, app: str, key: str) -> None:
        live = self.live(app, key, slot.number)
        try:
            signal = self._engine.shown(slot.overlay, app, key, live)
        except (FeatureFailed, StoreError) as error:
            _log.error("lease.failed", slot=slot.number, error=str(error))
            return
        self._publishing.publish(slot, Publication(app, key, (), (signal,)))

    def _keep_ended(self, ended: tuple[StreamName, int], now: Now) -> None:
        (app, key), gone_ms = ended
        slot = self._intake.active(self._engine.target_of(app, key))
        lease = self._engine.registry.lease
        if slot is None or lease is None or slot.number in self._intake.paused:
            return  # taken again within a second, or forgotten
        user = key[1:]
        command = lease.ended(user, gone_ms)
        cmid = uuid7(now.wall_ms, entropy(_CMID_ENTROPY_BYTES))
        submit = Submit(command.TAG, Viewer(user, SYSTEM), cmid, encode_json(command))
        request = Request("", 0, slot.number, ended=ended)
        try:
            self._run(slot, request, app, key, submit)
        except StoreError as error:
            self._copies.unreadable(slot, error)

    def ended_answered(self, ended: tuple[StreamName, int], result: Result) -> None:
        """Since when a user is gone is kept, or cannot be; else it is tried again."""
        if isinstance(result, Rejected):
            self._replies.count_refusal(result)
        if isinstance(result, Outcome) or (
            isinstance(result, Rejected) and not result.error.temporary
        ):
            self.leases.kept(*ended)

    def _look_at(self, slot: Slot, app: str, key: str, ago_ms: int = 0) -> None:
        """A user's connections changed, or what he chose; `ago_ms`: since when, at the least."""
        lease = self._engine.registry.lease
        if lease is None or key[:1] != "#" or not slot.is_active:
            return
        settings = self._engine.context(app, key, Viewer(""), 0).settings
        if stream_kind(key, settings) is not StreamKind.USER:
            return
        now, overlay = self._intake.now(), slot.overlay
        tables = overlay.committed(overlay.stream(app, key))
        self.leases.update(
            (app, key),
            self.presence.activity(app, key),
            is_hidden=lease.hides(tables),
            is_out=lease.is_out(tables, now.wall_ms),
            wall_ms=now.wall_ms,
            mono_ms=now.mono_ms,
            ago_ms=ago_ms,
        )

    def _announces(self, app: str, key: str) -> bool:
        settings = self._engine.context(app, key, Viewer(""), 0).settings
        space = namespace_for(key, settings)
        return space is not None and space.join_leave

    def _counted(self, app: str, key: str, edge: str, number: int) -> None:
        """An edge says a number: whom it had listed before is in it."""
        self.audiences.report((app, key), edge, number)
        self.presence.report(app, key, edge, (), is_announced=False)
