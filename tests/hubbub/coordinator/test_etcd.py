"""etcd's coordinator where a real member never goes: lost answers, strangers, lagging members.

What every coordinator does is in test_api.py; what a real cluster survives in tests/faults.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hubbub.coordinator.api import (
    Compacted,
    Coordinator,
    CoordinatorError,
    CoordinatorUnavailable,
    Delete,
    Guard,
    LeaseExpired,
    Put,
    WatchEvent,
)
from hubbub.coordinator.etcd import EtcdCoordinator
from hubbub.coordinator.etcd_gateway import NotDone, NotEtcd
from tests.hubbub.coordinator.conftest import EtcdStore
from tests.hubbub.coordinator.gateway import Member, at, refuses, says, version
from tests.support.etcd import Etcd, free_ports

DEADLINE_S = 20
WRITER = Path(__file__).with_name("writer.py")
ROOT = WRITER.parents[3]
QUICK_S = 0.3  # a request's deadline here, where a member that says nothing is part of the test


class Stage:
    """Members of the test's making, in front of the session's etcd or of nothing."""

    def __init__(self, stack: AsyncExitStack, etcd: Etcd, namespace: str) -> None:
        self.namespace = namespace
        self.etcd = etcd
        self._stack = stack

    async def member(self, *, real: bool = True, tls: ssl.SSLContext | None = None) -> Member:
        made = Member(self.etcd.urls[0] if real else None, tls)
        return await self._stack.enter_async_context(made.running())

    def open(self, *members: Member | str, **options: float) -> EtcdCoordinator:
        urls = [member if isinstance(member, str) else member.url for member in members]
        made = EtcdCoordinator(urls, self.namespace, **{"request_s": 2.0, "call_s": 5.0, **options})
        self._stack.push_async_callback(made.close)
        return made

    def real(self) -> EtcdCoordinator:
        """A connection with nothing in between."""
        return self.open(self.etcd.urls[0], request_s=5.0)


@pytest.fixture
async def stage(etcd: Etcd) -> AsyncIterator[Stage]:
    store = EtcdStore(etcd)
    async with AsyncExitStack() as stack:
        yield Stage(stack, etcd, store.namespace)
    await store.close()


def nobody() -> str:
    """A url that nobody listens on."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def take(watch: AsyncIterator[list[WatchEvent]], count: int) -> list[WatchEvent]:
    events: list[WatchEvent] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(events) < count:
            events += await anext(watch)
    return events


async def first_of_watch(coordinator: Coordinator) -> object:
    watch = coordinator.watch("/", 1)
    async with asyncio.timeout(DEADLINE_S):
        return await anext(aiter(watch))


FIRST_CALLS: dict[str, Callable[[Coordinator], Awaitable[object]]] = {
    "get": lambda it: it.get("/a"),
    "range": lambda it: it.range("/"),
    "transact": lambda it: it.transact([], [Put("/a", b"")]),
    "grant": lambda it: it.lease_grant(1_000),
    "keepalive": lambda it: it.lease_keepalive(7),
    "revoke": lambda it: it.lease_revoke(7),
    "watch": first_of_watch,
}
first_calls = pytest.mark.parametrize("call", FIRST_CALLS.values(), ids=FIRST_CALLS)


class TestStrangers:
    @first_calls
    async def test_a_bad_version_is_refused_at_first_use(
        self, stage: Stage, call: Callable[[Coordinator], Awaitable[object]]
    ) -> None:
        member = await stage.member()
        member.answers["version"] = version("3.5.2")
        with pytest.raises(NotEtcd, match=r"3\.5\.2 is refused.*use 3\.4\.22") as caught:
            await call(stage.open(member))
        assert member.url in str(caught.value)
        assert {path for path, _ in member.asked} == {"version"}

    @first_calls
    async def test_a_server_without_gateway_is_refused(
        self, stage: Stage, call: Callable[[Coordinator], Awaitable[object]]
    ) -> None:
        member = await stage.member(real=False)
        paths = ("range", "txn"), ("grant", "keepalive", "revoke")
        for path in (*(f"kv/{p}" for p in paths[0]), *(f"lease/{p}" for p in paths[1]), "watch"):
            member.answers[path] = lambda _: (404, b"404 page not found\n")
        with pytest.raises(NotEtcd, match="--enable-grpc-gateway"):
            await call(stage.open(member))

    @first_calls
    async def test_where_nobody_listens_it_is_unavailable(
        self, stage: Stage, call: Callable[[Coordinator], Awaitable[object]]
    ) -> None:
        with pytest.raises(CoordinatorUnavailable, match="no connection"):
            await call(stage.open(nobody(), call_s=0.05))

    async def test_another_program_is_refused(self, stage: Stage) -> None:
        member = await stage.member(real=False)
        member.answers["version"] = lambda _: (200, b"<html>hello")
        with pytest.raises(NotEtcd, match="no etcd"):
            await stage.open(member).get("/a")

    async def test_what_speaks_no_http_is_unavailable(self, stage: Stage) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail ready\r\n")
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(CoordinatorUnavailable):
                await stage.open(url, call_s=0.1).get("/a")

    async def test_once_it_runs_a_stranger_is_a_member_without_answer(self, stage: Stage) -> None:
        """What was downgraded under our feet must not end processes that chat."""
        first, second = await stage.member(), await stage.member()
        coordinator = stage.open(first, second, call_s=0.5, request_s=QUICK_S)
        await coordinator.get("/a")
        first.answers["version"] = second.answers["version"] = version("3.5.0")
        first.held = {"kv/range"}
        with pytest.raises(NotDone, match=r"3\.5\.0 is refused"):
            await coordinator.get("/a")
        second.answers["version"] = version("3.5.9")
        assert await coordinator.get("/a") is None

    async def test_redirects_are_not_followed(self, stage: Stage) -> None:
        member = await stage.member()
        member.answers["kv/range"] = lambda _: (302, b"")
        with pytest.raises(CoordinatorUnavailable, match="302"):
            await stage.open(member, call_s=0.1).get("/a")


class TestTries:
    async def test_each_request_asks_for_a_leader(self, stage: Stage) -> None:
        """Without it a member that was cut off keeps a watch in silence."""
        member = await stage.member()
        coordinator = stage.open(member)
        start = (await coordinator.transact([], [Put("/a", b"")])).revision
        await take(coordinator.watch("/", start), 1)
        await coordinator.lease_keepalive(await coordinator.lease_grant(60_000))
        paths = {path for path, _ in member.asked}
        assert paths == {"version", "kv/txn", "watch", "lease/grant", "lease/keepalive"}
        for (path, _), headers in zip(member.asked, member.headers, strict=True):
            assert path == "version" or headers["Grpc-Metadata-hasleader"] == "true"

    async def test_a_dead_member_is_passed_over_by_reads_and_writes(self, stage: Stage) -> None:
        alive = await stage.member()
        coordinator = stage.open(nobody(), alive)
        assert (await coordinator.transact([], [Put("/a", b"1")])).succeeded
        assert await coordinator.get("/a") is not None
        assert coordinator.statistics().failed_tries == 1  # and is asked last from then on

    async def test_one_without_leader_is_passed_over_and_the_write_is_done_once(
        self, stage: Stage
    ) -> None:
        cut_off, other = await stage.member(), await stage.member()
        cut_off.answers["kv/txn"] = refuses(503, 14, "etcdserver: no leader")
        coordinator = stage.open(cut_off, other)
        result = await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])
        assert result.succeeded
        assert (len(cut_off.bodies("kv/txn")), len(other.bodies("kv/txn"))) == (1, 1)

    async def test_a_silent_member_costs_a_read_one_deadline(self, stage: Stage) -> None:
        silent, other = await stage.member(), await stage.member()
        coordinator = stage.open(silent, other, request_s=QUICK_S)
        await coordinator.get("/a")
        silent.held = {"kv/range", "version"}
        assert await coordinator.get("/a") is None
        assert await coordinator.get("/a") is None
        assert len(silent.bodies("kv/range")) == 2  # the second one here was held

    async def test_a_write_without_answer_is_not_sent_again(self, stage: Stage) -> None:
        """Sent twice, the second one would find the guard false and say that it failed."""
        silent, other = await stage.member(), await stage.member()
        coordinator = stage.open(silent, other, request_s=QUICK_S)
        await coordinator.get("/a")
        silent.held = {"kv/txn"}
        with pytest.raises(CoordinatorUnavailable, match="no answer in time") as caught:
            await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])
        assert not isinstance(caught.value, NotDone)
        assert (len(silent.bodies("kv/txn")), len(other.bodies("kv/txn"))) == (1, 0)
        assert (await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])).succeeded
        assert len(other.bodies("kv/txn")) == 1

    async def test_a_write_is_not_risked_on_a_member_that_stands_still(self, stage: Stage) -> None:
        """It failed: before the next write it must tell its version."""
        still, other = await stage.member(), await stage.member()
        coordinator = stage.open(still, other, request_s=QUICK_S)
        await coordinator.get("/a")
        still.held = {"kv/range", "kv/txn", "version"}
        await coordinator.get("/a")
        coordinator._members._endpoints._avoid_s = 0.0  # its time of being asked last is over
        assert (await coordinator.transact([], [Put("/a", b"1")])).succeeded
        assert still.bodies("kv/txn") == []

    async def test_after_a_lost_answer_the_guard_makes_the_retry_safe(self, stage: Stage) -> None:
        """The swap was done, but its answer never came: the retry must not do it again."""
        member = await stage.member()
        coordinator = stage.open(member)
        await coordinator.get("/a")
        member.lost = {"kv/txn"}
        with pytest.raises(CoordinatorUnavailable):
            await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])
        member.lost = set()
        again = await coordinator.transact([Guard("/a", 0)], [Put("/a", b"1")])
        assert not again.succeeded
        found = await coordinator.get("/a")
        assert found is not None
        assert (found.value, found.create_revision) == (b"1", found.mod_revision)

    async def test_with_no_member_left_it_is_unavailable_and_comes_back(self, stage: Stage) -> None:
        members = [await stage.member(), await stage.member()]
        coordinator = stage.open(*members, call_s=0.5)
        await coordinator.get("/a")
        for member in members:
            member.answers["kv/range"] = refuses(503, 14, "etcdserver: request timed out")
        with pytest.raises(CoordinatorUnavailable, match="timed out"):
            await coordinator.get("/a")
        for member in members:
            del member.answers["kv/range"]
        assert await coordinator.get("/a") is None
        assert coordinator.statistics().unavailable == 1

    async def test_an_election_is_waited_for(self, stage: Stage) -> None:
        """Both survivors have no leader for a moment: no caller need hear of it."""
        member = await stage.member()
        coordinator = stage.open(member)
        member.answers["kv/txn"] = refuses(503, 14, "etcdserver: no leader")
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(coordinator.transact([], [Put("/a", b"1")]))
            await until(lambda: len(member.bodies("kv/txn")) >= 3)
            del member.answers["kv/txn"]
        assert writing.result().succeeded

    async def test_closing_ends_what_is_under_way(self, stage: Stage) -> None:
        member = await stage.member()
        member.held = {"kv/range"}
        coordinator = stage.open(member, call_s=60.0, request_s=QUICK_S)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_error_of(coordinator.get("/a")))
            await until(lambda: bool(member.bodies("kv/range")))
            await coordinator.close()
        assert isinstance(reading.result(), CoordinatorUnavailable)


async def _error_of(call: Awaitable[object]) -> BaseException | None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await call
    except CoordinatorError as error:
        return error
    return None


class TestAnswers:
    async def test_a_lagging_member_never_takes_a_reader_back(self, stage: Stage) -> None:
        lagging, good = await stage.member(), await stage.member()
        coordinator = stage.open(lagging, good)
        revision = (await coordinator.transact([], [Put("/a", b"1")])).revision
        lagging.answers["kv/range"] = says(at(revision - 1))
        records, now = await coordinator.range("/")
        assert now >= revision
        assert [record.key for record in records] == ["/a"]
        assert await coordinator.get("/a") == records[0]
        assert len(lagging.bodies("kv/range")) == 1

    async def test_what_a_watch_saw_counts_too(self, stage: Stage) -> None:
        member = await stage.member(real=False)
        kv = {"key": b64encode(f"/{stage.namespace}//a".encode()).decode(), "mod_revision": "20"}
        events = {"result": at(20, events=[{"kv": kv}])}
        member.answers["watch"] = says({"result": at(20, created=True)}, events)
        member.answers["kv/range"] = says(at(19))
        coordinator = stage.open(member, call_s=0.1)
        assert [event.revision for event in await take(coordinator.watch("/", 3), 1)] == [20]
        with pytest.raises(CoordinatorUnavailable, match="revision 19 after 20"):
            await coordinator.get("/a")

    async def test_a_store_that_went_back_is_unavailable_and_says_why(self, stage: Stage) -> None:
        member = await stage.member(real=False)
        coordinator = stage.open(member, call_s=0.1)
        member.answers["kv/range"] = says(at(10))
        assert await coordinator.range("/") == ([], 10)
        member.answers["kv/range"] = says(at(9))
        for call in (coordinator.range("/"), coordinator.get("/a")):
            with pytest.raises(CoordinatorUnavailable, match=r"revision 9 after 10.*older backup"):
                await call

    async def test_what_cannot_be_read_is_an_error(self, stage: Stage) -> None:
        member = await stage.member(real=False)
        coordinator = stage.open(member)
        for body in (b"<html>", b'{"header":{"revision":"x"}}', b'{"header":{},"kvs":[{}]}'):
            member.answers["kv/range"] = lambda _, body=body: (200, body)  # type: ignore[misc]
            with pytest.raises(CoordinatorError, match=member.url) as caught:
                await coordinator.get("/a")
            assert not isinstance(caught.value, CoordinatorUnavailable)

    async def test_a_strangers_key_in_the_namespace_is_an_error(self, stage: Stage) -> None:
        key = b64encode(f"/{stage.namespace}/".encode() + b"\xff").decode()
        await asyncio.to_thread(stage.etcd.post, 0, "kv/put", {"key": key})
        with pytest.raises(CoordinatorError, match="UTF-8"):
            await stage.real().range("")

    async def test_too_much_for_one_request_is_an_error(self, stage: Stage) -> None:
        coordinator = stage.real()
        for size in (1_600_000, 4_000_000):
            with pytest.raises(CoordinatorError, match="large") as caught:
                await coordinator.transact([], [Put("/a", b"x" * size)])
            assert not isinstance(caught.value, CoordinatorUnavailable)
        assert await coordinator.get("/a") is None

    async def test_namespaces_share_an_etcd_and_nothing_else(self, stage: Stage) -> None:
        ours = stage.real()
        theirs = EtcdCoordinator(stage.etcd.urls, stage.namespace + "0")
        start = (await ours.transact([], [Put("/a", b"ours")])).revision
        assert (await theirs.transact([Guard("/a", 0)], [Put("/a", b"theirs")])).succeeded
        assert [record.value for record in (await ours.range(""))[0]] == [b"ours"]
        await theirs.transact([], [Delete("/a")])
        await ours.transact([], [Put("/b", b"")])
        events = await take(ours.watch("", start), 2)
        assert [event.key for event in events] == ["/a", "/b"]
        assert events[1].revision == start + 3  # the others' changes leave gaps
        await theirs.close()


class TestLeases:
    async def test_seconds_are_rounded_up(self, stage: Stage) -> None:
        member = await stage.member()
        coordinator = stage.open(member)
        for ttl_ms in (1, 1_000, 1_001, 2_500):
            await coordinator.lease_grant(ttl_ms)
        asked = [json.loads(body) for body in member.bodies("lease/grant")]
        assert [grant["TTL"] for grant in asked] == ["1", "1", "2", "3"]
        assert all(0 < int(grant["ID"]) < 1 << 63 for grant in asked)

    async def test_a_grant_without_answer_makes_no_second_lease(self, stage: Stage) -> None:
        loses, other = await stage.member(), await stage.member()
        loses.lost = {"lease/grant"}
        coordinator = stage.open(loses, other)
        lease = await coordinator.lease_grant(60_000)
        ids = [json.loads(b)["ID"] for m in (loses, other) for b in m.bodies("lease/grant")]
        assert ids == [str(lease)] * 2
        await coordinator.lease_keepalive(lease)

    async def test_a_renewal_without_answer_is_asked_of_the_next(self, stage: Stage) -> None:
        silent, other = await stage.member(), await stage.member()
        coordinator = stage.open(silent, other, request_s=QUICK_S)
        lease = await coordinator.lease_grant(60_000)
        silent.held = {"lease/keepalive"}
        await coordinator.lease_keepalive(lease)
        assert len(other.bodies("lease/keepalive")) == 1

    async def test_ended_without_answer_is_over(self, stage: Stage) -> None:
        member = await stage.member()
        coordinator = stage.open(member)
        lease = await coordinator.lease_grant(60_000)
        await coordinator.transact([], [Put("/a", b"", lease)])
        member.lost = {"lease/revoke"}
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(_error_of(coordinator.lease_revoke(lease)))
            await until(lambda: bool(member.bodies("lease/revoke")))
            member.lost = set()
        assert ending.result() is None or isinstance(ending.result(), LeaseExpired)
        assert await coordinator.get("/a") is None


class TestWatches:
    async def test_a_mute_stream_is_read_again_on_the_next_member(self, stage: Stage) -> None:
        """It stands, with a leader behind it, and says nothing: nobody else would ever notice."""
        mute, other = await stage.member(), await stage.member()
        coordinator = stage.open(mute, other, progress_s=0.2)
        start = (await coordinator.range(""))[1] + 1
        mute.mute = True
        watch = coordinator.watch("/", start)
        async with asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(take(watch, 3))
            await until(lambda: bool(mute.bodies("watch")))
            writer = stage.real()
            for i in range(3):
                await writer.transact([], [Put(f"/{i}", b"")])
        assert [event.key for event in seen.result()] == ["/0", "/1", "/2"]
        assert other.bodies("watch")
        assert mute.bodies("kv/range") or other.bodies("kv/range")  # the store was read between
        assert coordinator.statistics().rewatches >= 1

    async def test_signs_of_progress_keep_a_stream(self, stage: Stage) -> None:
        member = await stage.member(real=False)
        member.answers["kv/range"] = says(at(5))
        member.answers["watch"] = says({"result": at(5, created=True)}, {"result": at(9)})
        coordinator = stage.open(member, progress_s=0.2)
        watch = coordinator.watch("/", 6)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_error_of(anext(aiter(watch))))
            await until(lambda: len(member.bodies("watch")) >= 3)
            await coordinator.close()
        assert isinstance(waiting.result(), CoordinatorUnavailable)
        starts = [
            json.loads(body)["create_request"]["start_revision"] for body in member.bodies("watch")
        ]
        assert starts[:3] == ["5", "9", "9"]  # what was heard of need not be kept by the server

    async def test_cut_streams_lose_and_double_nothing(self, stage: Stage) -> None:
        members = [await stage.member(), await stage.member()]
        coordinator = stage.open(*members)
        writer = stage.real()
        start = (await writer.range(""))[1] + 1
        async with asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(take(coordinator.watch("/", start), 100))
            for i in range(100):
                await writer.transact([], [Put("/n", b"%d" % i)])
                if i % 20 == 10:
                    for member in members:
                        member.cut_streams()
        values = [event.record and event.record.value for event in seen.result()]
        assert values == [b"%d" % i for i in range(100)]
        assert coordinator.statistics().rewatches >= 1

    async def test_a_watch_that_nobody_serves_is_unavailable(self, stage: Stage) -> None:
        """Reads work, but no stream ever stands: it must not wait in silence."""
        member = await stage.member()
        coordinator = stage.open(member, call_s=0.1, request_s=QUICK_S)
        await coordinator.get("/a")
        for answer in (
            refuses(503, 14, "etcdserver: no leader"),
            says({"error": {"grpc_code": 14, "message": "etcdserver: no leader"}}),
            says({"result": at(5, created=True, canceled=True, cancel_reason="denied")}),
            lambda _: (200, b""),
        ):
            member.answers["watch"] = answer
            with pytest.raises(CoordinatorUnavailable):
                await first_of_watch(coordinator)
        assert coordinator.statistics().watches == 0

    async def test_what_cannot_be_read_ends_it_with_an_error(self, stage: Stage) -> None:
        member = await stage.member()
        member.answers["watch"] = says({"result": at(5, created=True)}, {"result": {"events": 1}})
        with pytest.raises(CoordinatorError) as caught:
            await first_of_watch(stage.open(member))
        assert not isinstance(caught.value, CoordinatorUnavailable)

    async def test_a_delete_where_history_was_cut_is_never_missed(self, stage: Stage) -> None:
        """Some versions forget the deletes of the revision that they compact to, and let a watch
        start there: it would miss them without a word.
        """
        coordinator = stage.real()
        await coordinator.transact([], [Put("/a", b"")])
        deleted = (await coordinator.transact([], [Delete("/a")])).revision
        await coordinator.transact([], [Put("/b", b"")])
        body = {"revision": str(deleted), "physical": True}
        await asyncio.to_thread(stage.etcd.post, 0, "kv/compaction", body)
        with pytest.raises(Compacted) as caught:
            await take(coordinator.watch("/", deleted), 1)
        assert caught.value.compact_revision == deleted + 1
        events = await take(coordinator.watch("/", deleted + 1), 1)
        assert [event.key for event in events] == ["/b"]

    async def test_closing_ends_one_that_waits(self, stage: Stage) -> None:
        """Nothing would ever come over its connection: it must not sit out its deadline."""
        coordinator = stage.open(stage.etcd.urls[0], progress_s=600.0)
        start = (await coordinator.transact([], [Put("/a", b"")])).revision
        watch = coordinator.watch("/", start)
        await take(watch, 1)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_error_of(anext(watch)))
            await asyncio.sleep(0)
            await coordinator.close()
        assert isinstance(waiting.result(), CoordinatorUnavailable)

    async def test_many_of_one_connection_are_counted_and_released(self, stage: Stage) -> None:
        coordinator = stage.real()
        start = (await coordinator.transact([], [Put("/a", b"")])).revision
        watches = [coordinator.watch("/", start) for _ in range(4)]
        for watch in watches:
            assert len(await take(watch, 1)) == 1
        assert coordinator.statistics().watches == 4
        for watch in watches:
            await watch.aclose()
        assert coordinator.statistics().watches == 0


class TestHttps:
    async def test_a_member_of_a_trusted_certificate(self, stage: Stage, tmp_path: Path) -> None:
        """In a process of its own: what is trusted is read when the libraries are loaded."""
        member = await stage.member(tls=_certified(tmp_path))
        place = f"etcd={member.url}/{stage.namespace}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(WRITER),
            *(place, "count", "a", "3"),
            env={**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(tmp_path / "cert")},
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            out, _ = await process.communicate()
        assert (process.returncode, out.split()) == (0, [b"0", b"1", b"2"])
        found = await stage.real().get("/counter")
        assert found is not None
        assert found.value == b"3"

    async def test_any_other_is_no_connection(self, stage: Stage, tmp_path: Path) -> None:
        member = await stage.member(tls=_certified(tmp_path))
        with pytest.raises(CoordinatorUnavailable, match=r"(?i)certificate"):
            await stage.open(member, call_s=0.05).get("/a")
        assert member.asked == []


def _certified(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate of its own making, which is also in `folder`/cert."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "etcd of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def test_any_of_it_may_be_made_without_a_loop() -> None:
    made: Any = EtcdCoordinator(["http://127.0.0.1:1"], "demo")
    assert made.statistics().watches == 0
