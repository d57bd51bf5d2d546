"""The coordinator of many machines: etcd 3, over its JSON gateway.

Owns the connections to the members; what goes over them is `etcd_gateway`'s and `etcd_watch`'s
business, and who is asked `etcd_endpoints`'.

Rules:
1. A request goes to the members in turn, each within `request_s`, until one answers or `call_s` is
   over. Reads are linearizable. A transaction whose outcome is unknown is not sent again: that is
   CoordinatorUnavailable, and the caller's guards make its retry safe.
2. Each request asks the member whether it knows a leader (`hasleader`): one that was cut off from
   the others says no at once; without it, it would hold a watch in silence.
3. No answer that is ordered after another one may have a lower revision: that member lags, or etcd
   was restored from an older backup. It counts as no answer, and never reaches a caller.
4. A watch goes on from what it passed on last, on another member if need be, and ends only with an
   error. A stream that said nothing for `progress_s` is not trusted: the store is read, and the
   watch is made again on the next member.
5. A lease counts whole seconds, rounded up (and etcd has a least one, 1 s or 2 s by its election
   timeout). Its holder counts from before it asked, because a first try without an answer may have
   been the one that counts.

Not supported: users and passwords, client certificates. An https member needs a certificate that
this machine trusts.

Long because aiohttp has one owner here: the operations, and the members that they are asked of.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Final, TypeVar

import aiohttp
from msgspec import Struct

from hubbub.base.units import MIB
from hubbub.coordinator.api import (
    CoordinatorError,
    CoordinatorUnavailable,
    Guard,
    LeaseExpired,
    Op,
    Put,
    Record,
    TransactionResult,
    WatchEvent,
)
from hubbub.coordinator.etcd_endpoints import Endpoints, check_version, parse_place
from hubbub.coordinator.etcd_gateway import (
    Answer,
    Call,
    Keyspace,
    LeaseMissing,
    LeaseTaken,
    NotDone,
    NotEtcd,
    grant,
    keep_alive,
    refusal,
    revoke,
    time_to_live,
)
from hubbub.coordinator.etcd_watch import WatchLines

T = TypeVar("T")

# One member's time to answer; [M] a write takes 1.5 ms. Half fails on a disk that stalls for one
# fsync, double uses up a lease of 3 s before the second member was asked.
REQUEST_S: Final = 1.0
# All tries of one call: an election (1 to 2 s by default) fits in. Half does not outlast one.
CALL_S: Final = 3.0
# A watch without a sign of life; etcd's own sign comes every 10 minutes unless told otherwise, so
# an idle watch is made anew this often. Half costs twice the requests and finds little more.
PROGRESS_S: Final = 10.0
# Between rounds over all members: an election takes at least ten of them.
_PAUSE_S: Final = 0.1
# An answer in memory. A range of 16,384 slot records is 8 MiB; more than this is not our data.
_ANSWER_BYTES_MAX: Final = 64 * MIB

_HEADERS: Final = {"Content-Type": "application/json", "Grpc-Metadata-hasleader": "true"}


class EtcdStatistics(Struct, frozen=True):
    """What this process did with the store since it opened it."""

    watches: int
    transactions: int
    unavailable: int
    failed_tries: int
    rewatches: int


def open_etcd(place: str) -> EtcdCoordinator:
    """The coordinator at `HOST:PORT[,HOST:PORT...][/NAMESPACE]`. Raises ValueError."""
    urls, namespace = parse_place(place)
    return EtcdCoordinator(urls, namespace)


class EtcdCoordinator:
    """`Coordinator` over etcd's members; see there. Belongs to the loop of its first call.

    What cannot be trusted (a version, a server without gateway) is a CoordinatorError of the first
    call; afterwards it is a member without an answer, because a process that runs goes on.
    """

    def __init__(
        self,
        urls: Sequence[str],
        namespace: str,
        *,
        request_s: float = REQUEST_S,
        call_s: float = CALL_S,
        progress_s: float = PROGRESS_S,
    ) -> None:
        """Nothing is connected yet. Args: urls: of the members, `http://HOST:PORT`."""
        self._members = _Members(Endpoints(urls), request_s, call_s)
        self._keyspace = Keyspace(namespace)
        self._call_s = call_s
        self._progress_s = progress_s
        self._watches = self._transactions = self._rewatches = 0

    async def get(self, key: str) -> Record | None:
        answer = await self._members.ask(self._keyspace.get(key))
        return answer.value[0] if answer.value else None

    async def range(self, prefix: str) -> tuple[list[Record], int]:
        answer = await self._members.ask(self._keyspace.range(prefix))
        return answer.value, answer.revision

    async def transact(self, guards: Sequence[Guard], ops: Sequence[Op]) -> TransactionResult:
        try:
            answer = await self._members.ask(self._keyspace.transaction(guards, ops))
        except LeaseMissing:
            raise LeaseExpired(await self._lease_that_is_over(ops)) from None
        self._transactions += 1
        return answer.value

    async def lease_grant(self, ttl_ms: int) -> int:
        if ttl_ms <= 0:
            raise ValueError(f"ttl_ms must be more than 0, not {ttl_ms}")
        lease = secrets.randbits(63) or 1
        try:
            await self._members.ask(grant(lease, -(-ttl_ms // 1_000)))
        except LeaseTaken:
            pass  # by an earlier try of this call: nobody else draws the same 63 bits
        return lease

    async def lease_keepalive(self, lease: int) -> None:
        try:
            kept = await self._members.ask(keep_alive(lease))
        except LeaseMissing:
            raise LeaseExpired(lease) from None
        if not kept.value:
            raise LeaseExpired(lease)

    async def lease_revoke(self, lease: int) -> None:
        """As in the protocol; LeaseExpired may also mean that a try without answer ended it."""
        try:
            await self._members.ask(revoke(lease))
        except LeaseMissing:
            raise LeaseExpired(lease) from None

    async def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[list[WatchEvent]]:
        if from_revision < 1:
            raise ValueError(f"from_revision must be at least 1, not {from_revision}")
        lines = WatchLines(self._keyspace, prefix, from_revision)
        turn = 0
        failing_since: float | None = None
        self._watches += 1
        try:
            while True:
                opened = _now_s()
                try:
                    async with aclosing(
                        self._members.stream(lines, turn, self._progress_s)
                    ) as batches:
                        async for events in batches:
                            failing_since = None
                            yield events
                except CoordinatorUnavailable:
                    now = _now_s()
                    if failing_since is None or (lines.created and now - opened > self._call_s):
                        failing_since = now  # it stood for a while: that was another trouble
                    if self._members.closed or now - failing_since >= self._call_s:
                        raise
                    await asyncio.sleep(_PAUSE_S)
                turn += 1
                self._rewatches += 1
                await self._members.ask(self._keyspace.revision())
        finally:
            self._watches -= 1

    async def close(self) -> None:
        await self._members.close()

    def statistics(self) -> EtcdStatistics:
        """Counters since the start."""
        return EtcdStatistics(
            watches=self._watches,
            transactions=self._transactions,
            unavailable=self._members.unavailable,
            failed_tries=self._members.failed_tries,
            rewatches=self._rewatches,
        )

    async def _lease_that_is_over(self, ops: Sequence[Op]) -> int:
        """Which one: etcd only says that one of them is."""
        leases = list(dict.fromkeys(op.lease for op in ops if isinstance(op, Put) and op.lease))
        for lease in leases[1:]:
            if not (await self._members.ask(time_to_live(lease))).value:
                return lease
        return leases[0]


class _Members:
    """The members over HTTP: one call over all of them, one watch's stream from one of them."""

    def __init__(self, endpoints: Endpoints, request_s: float, call_s: float) -> None:
        self.closed = False
        self.unavailable = self.failed_tries = 0
        self._endpoints = endpoints
        self._request_s = request_s
        self._call_s = call_s
        self._http: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.StreamReader] = set()
        self._is_proven = False  # one of them answered once
        self._revision = 0  # the highest that was seen

    async def close(self) -> None:
        """Cut all connections, those of running watches too."""
        self.closed = True
        for content in self._streams:  # aiohttp would let their readers wait for ever
            content.set_exception(CoordinatorUnavailable("this connection was closed"))
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def ask(self, call: Call[T]) -> Answer[T]:
        """The first answer of any member.

        Raises CoordinatorUnavailable within call_s and two request_s; LeaseMissing; LeaseTaken;
        CoordinatorError.
        """
        floor = self._revision
        deadline = _now_s() + self._call_s
        while True:
            for url in self._endpoints.order(_now_s()):
                try:
                    answer = await self._try(url, call)
                    self._accept(url, answer.revision, floor)
                    return answer
                except CoordinatorUnavailable as error:
                    self._failed(url)
                    is_final = not call.repeats and not isinstance(error, NotDone)
                    if self.closed or is_final or _now_s() >= deadline:
                        self.unavailable += 1
                        raise
            await asyncio.sleep(_PAUSE_S)

    async def stream(
        self, lines: WatchLines, turn: int, progress_s: float
    ) -> AsyncGenerator[list[WatchEvent]]:
        """Batches of one stream, until it is silent for longer than `progress_s`.

        Raises CoordinatorUnavailable when it breaks off; NotEtcd; Compacted; CoordinatorError.
        """
        url = self._endpoints.in_turn(_now_s(), turn)
        body = lines.open()
        try:
            async with self._watching(url, body) as content:
                while (data := await self._read(content, lines, progress_s)) is not None:
                    for events in lines.feed(data):
                        self._revision = max(self._revision, events[-1].revision)
                        yield events
                    if lines.created:
                        self._accept(url, 0, 0)
        except (CoordinatorUnavailable, NotEtcd) as error:
            self._failed(url)
            raise self._named(url, error) from None

    async def _try(self, url: str, call: Call[T]) -> Answer[T]:
        """One member's answer; every error names it."""
        try:
            await self._prove(url)
            with _translated():
                async with (
                    asyncio.timeout(self._request_s),
                    self._session().post(
                        f"{url}/v3/{call.path}",
                        data=io.BytesIO(call.body),  # aiohttp warns of large plain bytes
                        headers=_HEADERS,
                        allow_redirects=False,
                    ) as response,
                ):
                    status, data = response.status, await _read_bounded(response)
            if status != 200:
                raise refusal(status, data)
            return call.read(data)
        except CoordinatorError as error:
            raise self._named(url, error) from None

    async def _prove(self, url: str) -> None:
        """Look at the member's version unless it answered since it failed last. Raises NotDone."""
        if self._endpoints.is_checked(url):
            return
        try:
            with _translated():
                async with (
                    asyncio.timeout(self._request_s),
                    self._session().get(f"{url}/version", allow_redirects=False) as response,
                ):
                    data = await _read_bounded(response)
        except CoordinatorUnavailable as error:
            raise NotDone(str(error)) from None
        check_version(data)

    @asynccontextmanager
    async def _watching(self, url: str, body: bytes) -> AsyncIterator[aiohttp.StreamReader]:
        """The answer to a watch request; the connection is cut at the end, which cancels it."""
        await self._prove(url)
        with _translated():
            async with asyncio.timeout(self._request_s):
                response = await self._session().post(
                    f"{url}/v3/watch", data=body, headers=_HEADERS, allow_redirects=False
                )
            try:
                if response.status != 200:
                    async with asyncio.timeout(self._request_s):
                        raise refusal(response.status, await _read_bounded(response))
                self._streams.add(response.content)
                yield response.content
            finally:
                self._streams.discard(response.content)
                response.close()

    async def _read(
        self, content: aiohttp.StreamReader, lines: WatchLines, progress_s: float
    ) -> bytes | None:
        """The next bytes; None: silent for too long. Raises CoordinatorUnavailable at the end."""
        try:
            async with asyncio.timeout(progress_s if lines.created else self._request_s):
                data = await content.readany()
        except TimeoutError:
            if lines.created:
                return None
            raise
        if not data:
            raise CoordinatorUnavailable("the watch broke off")
        return data

    def _accept(self, url: str, revision: int, floor: int) -> None:
        """Take an answer; a revision of 0 says nothing. Raises CoordinatorUnavailable."""
        if 0 < revision < floor:
            raise CoordinatorUnavailable(
                f"etcd at {url}: revision {revision} after {floor}: it lags, or etcd was restored "
                "from an older backup; then start this process again"
            )
        self._revision = max(self._revision, revision)
        self._is_proven = True
        self._endpoints.answered(url)

    def _failed(self, url: str) -> None:
        self.failed_tries += 1
        self._endpoints.failed(url, _now_s())

    def _named(self, url: str, error: CoordinatorError) -> CoordinatorError:
        """The error with its member. A stranger among members is one that does not answer."""
        kind = NotDone if isinstance(error, NotEtcd) and self._is_proven else type(error)
        return kind(f"etcd at {url}: {error}")

    def _session(self) -> aiohttp.ClientSession:
        if self.closed:
            raise CoordinatorUnavailable("this connection was closed")
        if self._http is None:
            # The deadlines are ours. A connection that cannot be made in half of one was certainly
            # not used for a request.
            times = aiohttp.ClientTimeout(total=None, sock_connect=self._request_s / 2)
            # Our processes import aiohttp without the system's authorities (`runtime.early`).
            authorities = ssl.create_default_context() if self._endpoints.is_https else True
            connector = aiohttp.TCPConnector(ssl=authorities)
            self._http = aiohttp.ClientSession(connector=connector, timeout=times)
        return self._http


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. Raises CoordinatorError if it has no end."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES_MAX:
            response.close()
            raise CoordinatorError(f"an answer of more than {_ANSWER_BYTES_MAX} bytes")
    return bytes(body)


@contextmanager
def _translated() -> Iterator[None]:
    """aiohttp's errors as ours: NotDone while nothing was sent, else CoordinatorUnavailable."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotDone(f"no connection: {error}") from None
    except TimeoutError:
        raise CoordinatorUnavailable("no answer in time") from None
    except (aiohttp.ClientError, OSError) as error:
        raise CoordinatorUnavailable(f"{type(error).__name__}: {error}") from None


def _now_s() -> float:
    return asyncio.get_running_loop().time()
