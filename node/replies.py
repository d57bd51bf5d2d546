"""RESULT messages: what was asked is answered once, and refusals say why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hubbub.base.errors import Rejected
from hubbub.runtime.logs import get_logger
from hubbub.wire.codec import dump_json, encode_pack
from hubbub.wire.frame import Message, encode_message
from hubbub.wire.shapes import (
    CommandAnswer,
    Kind,
    Outcome,
    Redirect,
    Refusal,
    Status,
    SubmitsAnswer,
)
from hubbub.wire.tracing import SLOW_MS, without_trace
from node.engine import FeatureFailed
from node.intake import Intake, Request
from node.ready import Redirected, Result
from node.slot import Slot

_RESULT: Final = Kind.RESULT  # an enum's member costs ten times a global's look-up
_OK: Final = Status.OK
TRACES_MAX: Final = 10_000  # that wait for their answer; the oldest is forgotten
_log = get_logger()


class Replies:
    """Answers to routers and other nodes."""

    def __init__(self, intake: Intake, leader_of: Callable[[int], tuple[int, str]]) -> None:
        """Args: leader_of: slot → (term, name) by the map, "" = nobody."""
        self._intake = intake
        self._leader_of = leader_of
        self._traces: dict[tuple[str, int], tuple[str, int]] = {}  # → id, since when

    # --- the ids that requests carry

    def traced(self, peer: str, message: Message) -> Message:
        """The message without its id, which is remembered until it is answered."""
        body, trace = without_trace(message.body)
        if trace:
            if len(self._traces) >= TRACES_MAX:
                del self._traces[next(iter(self._traces))]
            known = self._traces.get((peer, message.request_id))
            began_ms = known[1] if known is not None else self._intake.clock.monotonic_ms()
            self._traces[(peer, message.request_id)] = trace, began_ms
        return message._replace(body=body, flags=0)

    def _told(self, peer: str, request_id: int, status: int) -> None:
        """A request is answered: log it if it is traced and took long."""
        known = self._traces.pop((peer, request_id), None)
        if known is None:
            return
        trace, began_ms = known
        took_ms = self._intake.clock.monotonic_ms() - began_ms
        if took_ms >= SLOW_MS or status == Status.UNKNOWN:
            _log.warning(
                "request.slow", request_id=trace, status=Status(status).name, took_ms=took_ms
            )

    def trace_of(self, peer: str, message: Message) -> str:
        """The id that a request carried, if any."""
        return self._traces.get((peer, message.request_id), ("", 0))[0]

    # --- answers

    def reply(self, peer: str, message: Message, status: Status, body: bytes) -> None:
        """The answer to a request that is answered at once."""
        if self._traces:
            self._told(peer, message.request_id, status)
        answer = encode_message(
            Kind.RESULT,
            body,
            slot=message.slot,
            term=message.term,
            request_id=message.request_id,
            flags=status,
        )
        self._intake.links.send(peer, answer)

    def reject(self, peer: str, message: Message, refusal: Rejected) -> None:
        """The answer is no; to what expects none, nothing."""
        if message.type == Kind.RESULT or not message.request_id:
            return
        self.count_refusal(refusal)
        self.reply(peer, message, Status.REJECTED, refusal_of(refusal))

    def result(self, slot: Slot, request: Request, result: Result | list[Any]) -> None:
        """To a request whose command is through, or all of whose commands are."""
        if isinstance(result, list):
            rows = tuple(CommandAnswer(*self._encode(slot, one)) for one in result)
            status, body = _OK, encode_pack(SubmitsAnswer(rows))
        else:
            status, body = self._encode(slot, result)
        if self._traces:
            self._told(request.peer, request.id, status)
        self._intake.links.send(
            request.peer,
            encode_message(
                _RESULT,
                body,
                slot=slot.number,
                term=slot.term,
                request_id=request.id,
                flags=status,
            ),
        )

    def redirect(self, peer: str, message: Message) -> None:
        """Somebody else answers this."""
        self._intake.counts.redirects_total += 1
        self.reply(peer, message, Status.REDIRECT, self._redirection(message.slot))

    def _encode(self, slot: Slot, result: Result) -> tuple[Status, bytes]:
        if isinstance(result, Outcome):
            return _OK, encode_pack(result)
        if isinstance(result, Rejected):
            self.count_refusal(result)
            return Status.REJECTED, refusal_of(result)
        if isinstance(result, Redirected):
            return Status.REDIRECT, self._redirection(slot.number)
        return Status.UNKNOWN, b""

    def count_refusal(self, refusal: Rejected) -> None:
        """For /metrics; a feature that failed is logged."""
        self._intake.counts.rejected_total += 1
        if isinstance(refusal.__cause__, FeatureFailed):
            self._intake.counts.features_failed_total += 1
            _log.error("feature.failed", exc_info=refusal.__cause__)

    def _redirection(self, slot: int) -> bytes:
        return encode_pack(Redirect(*self._leader_of(slot)))


def refusal_of(refusal: Rejected) -> bytes:
    """The body of a REJECTED."""
    details: dict[str, Any] = refusal.details
    body = dump_json(details) if details else b""
    return encode_pack(Refusal(refusal.error.code, refusal.text, body))
