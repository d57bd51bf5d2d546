"""Requests on their way to a slot's leader and back. No sockets, no clock.

Rules (ARCHITECTURE.md 3, contracts.md 5):
1. Each request gets exactly one RESULT: the leader's, UNKNOWN when its time is up, or a refusal
   when the table is full. A RESULT that nobody waits for is dropped and counted.
2. Time: what the request has left, at most `budget_ms`. No clock of another machine is compared.
3. A request is sent again, under the same id of ours: at once when the slot gets another leader or
   term, when the leader's link begins anew or lost something; after `retry_ms` (doubling) when
   nobody leads, the link does not take it, or the node cannot say; after SILENCE_MS (doubling) when
   the leader says nothing. Twice is once: commands carry a cmid, the rest only reads.
4. A request of a process that is gone is forgotten: its next boot counts request ids anew.
5. Bodies are not read, but for the body of a REDIRECT.
6. Due times are kept in buckets of BUCKET_MS, so that a request costs an append and no heap.
7. A QUERY_ANY is first sent to one of the copies, each in its turn; when that one sends it on, or
   is silent, to the leader like any other request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from hubbub.base.errors import OVERLOADED
from hubbub.ring.hashing import slot_of
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.frame import Message, encode_message, readdress
from hubbub.wire.shapes import FOR_A_NODE, REQUESTS, Kind, Redirect, Refusal, Status
from hubbub.wire.tracing import SLOW_MS, TRACED, without_trace
from router.leaders import Leaders, Moved

BUCKET_MS: Final = 20
# How late a leader's silence, or the end of a request's time, may be noticed. A busy router always
# has requests under way: [M] looking every 20 ms woke it half as often as its messages at 200/s.
QUIET_MS: Final = 100
# A lost frame shows as a hole, which resends at once; so silence is a leader that is slow or stuck,
# and asking again only adds to its load: [M] at 500 ms a loaded node was driven into collapse.
SILENCE_MS: Final = 1_500

_RESULT: Final = Kind.RESULT
_KIND_AT: Final = 4  # in a message, behind its length
_REQUESTS: Final = frozenset(map(int, REQUESTS))
_FOR_A_NODE: Final = frozenset(map(int, FOR_A_NODE))
_QUERY_ANY: Final = int(Kind.QUERY_ANY)
_REDIRECT: Final = int(Status.REDIRECT)  # an enum's member costs ten times a global's look-up
_UNKNOWN: Final = int(Status.UNKNOWN)
_OVERLOADED: Final = encode_pack(Refusal(OVERLOADED.code, OVERLOADED.text))


class Send(NamedTuple):
    """A request for a node. If the link does not take it: `Relay.unsent`."""

    node: str
    request_id: int
    message: bytes


class Reply(NamedTuple):
    """A RESULT for whoever asked."""

    peer: str
    message: bytes


class Told(NamedTuple):
    """A traced request that took long, or got no answer: for the log."""

    trace: str
    kind: int
    slot: int
    node: str
    took_ms: int
    attempts: int
    is_answered: bool


Output: TypeAlias = Send | Reply | Moved | Told


class RelayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Units in the names; the reasons stand in `settings.schema.RouterConfig`."""

    budget_ms: int = 3_500
    retry_ms_min: int = 20
    retry_ms_max: int = 250
    requests_max: int = 50_000
    bytes_max: int = 128 * 1024 * 1024


class RelayCounts(msgspec.Struct):
    """What the relay has counted."""

    requests_total: int = 0
    results_total: int = 0
    resent_total: int = 0
    redirects_total: int = 0
    unknown_total: int = 0  # requests whose time was up
    overloaded_total: int = 0
    late_total: int = 0  # results that nobody waited for any more
    malformed_total: int = 0


class _Request:
    __slots__ = (
        "attempts",
        "began_ms",
        "deadline_ms",
        "due_ms",
        "is_any",
        "node",
        "origin",
        "origin_id",
        "raw",
        "slot",
        "trace",
    )

    def __init__(
        self, origin: str, origin_id: int, slot: int, raw: bytes, deadline_ms: int
    ) -> None:
        self.origin = origin
        self.origin_id = origin_id
        self.slot = slot
        self.raw = raw
        self.deadline_ms = deadline_ms
        self.due_ms = 0  # of the next look at it; an older entry in a bucket means nothing
        self.attempts = 0
        self.is_any = False  # it goes to some copy first
        self.node = ""  # who has it now, empty: nobody
        self.trace = b""  # the body's end, where it is traced
        self.began_ms = 0


_Concerns: TypeAlias = Callable[[_Request], bool]


class Relay:
    """The request table."""

    def __init__(
        self,
        leaders: Leaders,
        seed: int,
        limits: RelayLimits,
        *,
        first_id: int = 1,
        copies_of: Callable[[int], Sequence[str]] = lambda _: (),
    ) -> None:
        """Args: first_id: differs from boot to boot, so that an answer to the process that had our
        name before is not taken for one to us. copies_of: slot → the nodes that hold it."""
        self.counts = RelayCounts()
        self._leaders = leaders
        self._seed = seed
        self._limits = limits
        self._copies_of = copies_of
        self._requests: dict[int, _Request] = {}
        self._bytes = 0
        self._next_id = first_id
        self._live: set[str] = set()
        self._buckets: dict[int, list[int]] = {}
        self._swept = -1  # the last bucket that was looked at
        self.is_hurried = False  # a retry was planned since the last tick

    def __len__(self) -> int:
        """Requests that wait for their RESULT."""
        return len(self._requests)

    # --- messages

    def receive(self, peer: str, messages: Iterable[Message], now_ms: int) -> list[Output]:
        """Take requests and RESULTs of one peer, in order; anything else is counted."""
        outputs: list[Output] = []
        for message in messages:
            kind = message.type
            if kind == _RESULT:
                self._result(message, now_ms, outputs)
            elif kind in _REQUESTS:
                self._request(peer, message, now_ms, outputs)
            else:
                self.counts.malformed_total += 1
        return outputs

    def unsent(self, request_id: int, now_ms: int) -> None:
        """A Send was not taken by the link: try again soon."""
        request = self._requests.get(request_id)
        if request is not None:
            request.node = ""
            self._later(request_id, request, self._retry_ms(request), now_ms)

    def tick(self, now_ms: int) -> list[Output]:
        """Deadlines and retries, while requests wait: within BUCKET_MS of a retry (`is_hurried`),
        else within QUIET_MS."""
        outputs: list[Output] = []
        self.is_hurried = False
        bucket = now_ms // BUCKET_MS
        if not self._requests:
            self._buckets.clear()
            self._swept = bucket
            return outputs
        for due in sorted(b for b in self._buckets if b <= bucket):
            for request_id in self._buckets.pop(due):
                request = self._requests.get(request_id)
                if request is not None and request.due_ms // BUCKET_MS <= due:
                    self._due(request_id, request, now_ms, outputs)
        self._swept = bucket
        return outputs

    # --- peers and leaders

    def node_up(self, node: str, now_ms: int) -> list[Output]:
        """A node's link begins: what waits for it goes at once, also what it had before."""
        self._live.add(node)
        return self._again(lambda request: self._leaders.name(request.slot) == node, now_ms)

    def node_down(self, node: str) -> None:
        """Nothing can be sent to it; what it has is not lost yet."""
        self._live.discard(node)

    def node_hole(self, node: str, now_ms: int) -> list[Output]:
        """RESULTs of the node may be lost: ask again."""
        return self._again(lambda request: request.node == node, now_ms)

    def moved(self, slots: set[int], now_ms: int) -> list[Output]:
        """These slots have another leader or term: what waits for them goes there at once."""
        return self._again(lambda request: request.slot in slots, now_ms)

    def forget(self, origin: str) -> None:
        """Whoever asked is gone (rule 4)."""
        gone = [i for i, request in self._requests.items() if request.origin == origin]
        for request_id in gone:
            self._remove(request_id)

    # ---

    def _request(self, peer: str, message: Message, now_ms: int, outputs: list[Output]) -> None:
        self.counts.requests_total += 1
        limits = self._limits
        if len(self._requests) >= limits.requests_max or self._bytes >= limits.bytes_max:
            self.counts.overloaded_total += 1
            outputs.append(_reply(peer, message.request_id, message.slot, Status.REJECTED))
            return
        slot = message.slot
        if message.type not in _FOR_A_NODE:
            slot = slot_of(message.app, message.key, self._leaders.slots, self._seed)
        elif slot >= self._leaders.slots:
            self.counts.malformed_total += 1
            outputs.append(_reply(peer, message.request_id, slot, Status.UNKNOWN))
            return
        left_ms = min(message.ms_left or limits.budget_ms, limits.budget_ms)
        request = _Request(peer, message.request_id, slot, message.raw, now_ms + left_ms)
        request.is_any = message.type == _QUERY_ANY
        if message.flags == TRACED:
            request.trace, request.began_ms = message.body, now_ms
        request_id = self._next_id
        self._next_id = request_id + 1
        self._requests[request_id] = request
        self._bytes += len(message.raw)
        self._send(request_id, request, now_ms, outputs)

    def _result(self, message: Message, now_ms: int, outputs: list[Output]) -> None:
        request = self._requests.get(message.request_id)
        if request is None:
            self.counts.late_total += 1
            return
        status = message.flags
        if status == _REDIRECT:
            self._redirected(message, request, now_ms, outputs)
        elif status == _UNKNOWN:  # it stops, or lost the slot: somebody will know
            self.unsent(message.request_id, now_ms)
        else:
            self._remove(message.request_id)
            self.counts.results_total += 1
            if request.trace and now_ms - request.began_ms >= SLOW_MS:
                outputs.append(_told(request, now_ms, is_answered=True))
            answer = readdress(
                message.raw,
                slot=request.slot,
                term=message.term,
                request_id=request.origin_id,
                ms_left=0,
            )
            outputs.append(Reply(request.origin, answer))

    def _redirected(
        self, message: Message, request: _Request, now_ms: int, outputs: list[Output]
    ) -> None:
        self.counts.redirects_total += 1
        try:
            redirect = decode_pack(message.body, Redirect)
        except msgspec.MsgspecError:
            redirect = Redirect(0, "")
        moved = self._leaders.from_node(request.slot, redirect.term, redirect.leader)
        if moved is None and request.node not in ("", self._leaders.name(request.slot)):
            request.node = ""  # that copy was no help: the leader is
            self._send(message.request_id, request, now_ms, outputs)
            return
        if moved is None:
            self.unsent(message.request_id, now_ms)
            return
        outputs.append(moved)
        outputs += self.moved({request.slot}, now_ms)

    def _again(self, concerns: _Concerns, now_ms: int) -> list[Output]:
        outputs: list[Output] = []
        for request_id, request in self._requests.items():
            if concerns(request) and now_ms < request.deadline_ms:  # else the next tick answers
                request.attempts = 0  # another addressee, another patience
                self._send(request_id, request, now_ms, outputs)
        return outputs

    def _send(self, request_id: int, request: _Request, now_ms: int, outputs: list[Output]) -> None:
        """To the slot's leader if its link is up, else later."""
        slot = request.slot
        node = self._leaders.name(slot)
        if request.is_any:
            request.is_any = False
            node = self._some_copy(request_id, slot) or node
        if node not in self._live:
            request.node = ""
            self._later(request_id, request, self._retry_ms(request), now_ms)
            return
        if request.node:
            self.counts.resent_total += 1
        request.node = node
        message = readdress(
            request.raw,
            slot=slot,
            term=self._leaders.term(slot),
            request_id=request_id,
            ms_left=request.deadline_ms - now_ms,
        )
        outputs.append(Send(node, request_id, message))
        self._later(request_id, request, SILENCE_MS << min(request.attempts, 4), now_ms)

    def _some_copy(self, request_id: int, slot: int) -> str:
        """A live one, each in its turn; empty if none is known."""
        live = [name for name in self._copies_of(slot) if name in self._live]
        return live[request_id % len(live)] if live else ""

    def _due(self, request_id: int, request: _Request, now_ms: int, outputs: list[Output]) -> None:
        if now_ms < request.deadline_ms:
            self._send(request_id, request, now_ms, outputs)
            return
        self._remove(request_id)
        self.counts.unknown_total += 1
        if request.trace:
            outputs.append(_told(request, now_ms, is_answered=False))
        outputs.append(_reply(request.origin, request.origin_id, request.slot, Status.UNKNOWN))

    def _later(self, request_id: int, request: _Request, delay_ms: int, now_ms: int) -> None:
        """Look at it again after the delay, or when its time is up."""
        if delay_ms < SILENCE_MS:
            self.is_hurried = True
        request.attempts += 1
        request.due_ms = min(now_ms + delay_ms, request.deadline_ms)
        bucket = -(-request.due_ms // BUCKET_MS)
        request.due_ms = bucket * BUCKET_MS
        self._buckets.setdefault(max(bucket, self._swept + 1), []).append(request_id)

    def _retry_ms(self, request: _Request) -> int:
        limits = self._limits
        return min(limits.retry_ms_min << min(request.attempts, 10), limits.retry_ms_max)

    def _remove(self, request_id: int) -> None:
        self._bytes -= len(self._requests.pop(request_id).raw)


def _told(request: _Request, now_ms: int, *, is_answered: bool) -> Told:
    _, trace = without_trace(request.trace)
    kind = request.raw[_KIND_AT]
    took_ms = now_ms - request.began_ms
    return Told(trace, kind, request.slot, request.node, took_ms, request.attempts, is_answered)


def _reply(peer: str, request_id: int, slot: int, status: Status) -> Reply:
    """A RESULT of our own."""
    body = _OVERLOADED if status is Status.REJECTED else b""
    message = encode_message(Kind.RESULT, body, flags=status, slot=slot, request_id=request_id)
    return Reply(peer, message)
