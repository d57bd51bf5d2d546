"""What was committed, and what is told beside it, on its way to the routers that want it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubbub.runtime.logs import get_logger
from node.engine import Engine, FeatureFailed
from node.intake import Intake
from node.presence import PresenceSignal
from node.publish import Interest, encode_presence_signal, encode_publication
from node.pulses import Pulses
from node.ready import Publication
from node.slot import Slot

_log = get_logger()


class Publishing:
    """One message for each router that has interest; a full window drops it, which shows as a
    hole."""

    def __init__(self, intake: Intake, engine: Engine) -> None:
        self._intake = intake
        self._engine = engine
        self.interest = Interest()
        self.pulses = Pulses()

    def publish(self, slot: Slot, publication: Publication) -> None:
        self._intake.counts.events_total += len(publication.events)
        self._intake.counts.signals_total += len(publication.signals)
        peers = self.interest.peers(publication.app, publication.key)
        if not peers:
            return
        if publication.pulses:
            self.pulses.note((publication.app, publication.key), publication.pulses)
        for message in encode_publication(slot.number, slot.term, publication):
            self._fan_out(peers, message)

    def tell_pulses(self) -> None:
        """What was noted since the last tick, of the streams that are still led here."""
        for (app, key), noted in self.pulses.take().items():
            slot = self._intake.slots.get(self._engine.target_of(app, key))
            if slot is None or not slot.is_active:
                continue
            signals = []
            for one in noted:
                try:
                    signal = self._engine.told(slot.overlay, app, key, one)
                except FeatureFailed as failure:
                    _log.error("pulse.failed", feature=one[0], reason=str(failure))
                    continue
                if signal is not None:
                    signals.append(signal)
            self.publish(slot, Publication(app, key, (), tuple(signals)))

    def announce(self, signals: Sequence[PresenceSignal]) -> None:
        for signal in signals:
            peers = self.interest.peers(signal.app, signal.key)
            slot = self._intake.slots.get(self._engine.target_of(signal.app, signal.key))
            if peers and slot is not None:
                self._fan_out(peers, encode_presence_signal(slot.number, slot.term, signal))

    def _fan_out(self, peers: Iterable[str], message: bytes) -> None:
        for peer in peers:
            self._intake.counts.published_total += 1
            if not self._intake.links.send_windowed(peer, message):
                self._intake.counts.dropped_total += 1
