"""Requests and answers of etcd's gateway, byte by byte; and any bytes at all."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.coordinator.api import (
    TRANSACTION_OPS_MAX,
    CoordinatorError,
    CoordinatorUnavailable,
    Delete,
    Guard,
    Put,
    Record,
    TransactionResult,
)
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

KEYS = Keyspace("demo")
CALLS: list[Call[Any]] = [
    KEYS.get("/a"),
    KEYS.range("/"),
    KEYS.revision(),
    KEYS.transaction([], []),
    grant(1, 1),
    keep_alive(1),
    revoke(1),
    time_to_live(1),
]
HEADER = {"cluster_id": "1", "member_id": "2", "revision": "7", "raft_term": "2"}


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def sent(call: Call[Any]) -> Any:
    return json.loads(call.body)


def answered(call: Call[Any], **body: object) -> Answer[Any]:
    return call.read(json.dumps({"header": HEADER, **body}).encode())


class TestKeys:
    def test_they_live_in_their_namespace(self) -> None:
        assert KEYS.stored("/cluster") == b"/demo//cluster"
        assert KEYS.stored("") == b"/demo/"
        assert KEYS.key(b"/demo//cluster") == "/cluster"

    def test_namespaces_never_overlap(self) -> None:
        """Not even one whose name begins like the other's."""
        inner, outer = sent(Keyspace("a").range("")), Keyspace("ab").stored("/x")
        assert not inner["key"] <= b64(outer) < inner["range_end"]
        assert (inner["key"], inner["range_end"]) == (b64("/a/"), b64("/a0"))

    @pytest.mark.parametrize("name", ["", "a/b", "/a", "a b", "ä", "-a", ".", "a" * 65, "a\n"])
    def test_a_name_is_plain(self, name: str) -> None:
        with pytest.raises(ValueError, match="namespace"):
            Keyspace(name)

    def test_a_strange_key_is_an_error(self) -> None:
        with pytest.raises(CoordinatorError, match="outside"):
            KEYS.key(b"/other/x")
        with pytest.raises(CoordinatorError, match="UTF-8"):
            KEYS.key(b"/demo/\xff")

    @given(st.text())
    def test_every_key_comes_back(self, key: str) -> None:
        if key == key.encode("utf-8", "ignore").decode():  # no lone surrogates
            assert KEYS.key(KEYS.stored(key)) == key


class TestRequests:
    def test_get_and_range(self) -> None:
        assert KEYS.get("/a").path == "kv/range"
        assert sent(KEYS.get("/a")) == {"key": b64("/demo//a")}
        assert sent(KEYS.range("/a")) == {"key": b64("/demo//a"), "range_end": b64("/demo//b")}
        assert sent(KEYS.revision()) == {"key": b64("/demo/"), "count_only": True}

    def test_a_transaction(self) -> None:
        call = KEYS.transaction(
            [Guard("/a", 5), Guard("/b", 0)], [Put("/a", b"\xff", 9), Put("/b", b""), Delete("/c")]
        )
        assert call.path == "kv/txn"
        assert not call.repeats
        compare = {"target": "MOD", "result": "EQUAL"}
        assert sent(call) == {
            "compare": [
                {"key": b64("/demo//a"), "mod_revision": "5", **compare},
                {"key": b64("/demo//b"), "mod_revision": "0", **compare},
            ],
            "success": [
                {"request_put": {"key": b64("/demo//a"), "value": b64(b"\xff"), "lease": "9"}},
                {"request_put": {"key": b64("/demo//b"), "value": "", "lease": "0"}},
                {"request_delete_range": {"key": b64("/demo//c")}},
            ],
        }

    def test_what_no_coordinator_takes_is_not_sent(self) -> None:
        with pytest.raises(ValueError, match="at most once"):
            KEYS.transaction([], [Delete("/a"), Delete("/a")])
        with pytest.raises(ValueError, match="at least one"):
            KEYS.transaction([], [Put("", b"")])
        with pytest.raises(ValueError, match="at most 128"):
            KEYS.transaction([Guard("/a", 1)] * (TRANSACTION_OPS_MAX + 1), [])

    def test_leases(self) -> None:
        lease = (1 << 63) - 1
        assert (grant(lease, 3).path, sent(grant(lease, 3))) == (
            "lease/grant",
            {"ID": str(lease), "TTL": "3"},
        )
        for call, path in (
            (keep_alive(lease), "lease/keepalive"),
            (revoke(lease), "lease/revoke"),
            (time_to_live(lease), "lease/timetolive"),
        ):
            assert (call.path, sent(call), call.repeats) == (path, {"ID": str(lease)}, True)

    def test_a_watch(self) -> None:
        assert json.loads(KEYS.watch_request("/n/", 12)) == {
            "create_request": {
                "key": b64("/demo//n/"),
                "range_end": b64("/demo//n0"),
                "start_revision": "12",
                "progress_notify": True,
            }
        }


class TestAnswers:
    def test_what_is_left_out_is_zero(self) -> None:
        """A failed transaction has no `succeeded`, an empty value no `value`."""
        assert answered(KEYS.range("/")) == Answer([], 7)
        kv = {"key": b64("/demo//a"), "create_revision": "3", "mod_revision": "4", "version": "2"}
        assert answered(KEYS.range("/"), kvs=[kv], count="1") == Answer(
            [Record("/a", b"", 3, 4)], 7
        )
        failed = answered(KEYS.transaction([], []))
        assert failed == Answer(TransactionResult(False, 7), 7)
        done = answered(KEYS.transaction([], []), succeeded=True, responses=[{"x": {}}])
        assert done.value == TransactionResult(True, 7)

    def test_a_whole_record(self) -> None:
        kv = {
            "key": b64("/demo//a"),
            "value": b64(b"\x00\xff"),
            "create_revision": "9007199254740993",  # not a double any more
            "mod_revision": "9223372036854775807",
            "lease": "8",
        }
        (record,) = answered(KEYS.get("/a"), kvs=[kv]).value
        assert record == Record("/a", b"\x00\xff", 9007199254740993, (1 << 63) - 1, 8)

    def test_leases(self) -> None:
        assert answered(grant(5, 3), ID="5", TTL="3").value is None
        assert answered(revoke(5)).value is None
        kept = {"header": HEADER, "ID": "5", "TTL": "3"}
        assert keep_alive(5).read(json.dumps({"result": kept}).encode() + b"\n").value is True
        del kept["TTL"]
        assert keep_alive(5).read(json.dumps({"result": kept}).encode()).value is False
        assert keep_alive(5).read(b"{}").value is False
        assert answered(time_to_live(5), TTL="2").value is True
        assert answered(time_to_live(5), TTL="-1").value is False

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"<html>",
            b'{"header":{"revision":"x"}}',
            b'{"header":{"revision":7}}',
            b'{"header":{"revision":""}}',
            b'{"header":{"revision":"99999999999999999999"}}',
            b'{"header":{"revision":"1"},"kvs":[{"key":"L2RlbW8vYQ","value":"QQ=="}]}',
            b'{"header":{"revision":"1"},"kvs":[{"key":"L2RlbW8vYQ==","value":"!"}]}',
            b'{"header":{"revision":"1"},"kvs":[{"key":"L290aGVyL2E="}]}',
            b'{"header":{"revision":"1"},"kvs":[{"key":"L2RlbW8v/w=="}]}',
            b'{"header":{"revision":"1"},"kvs":[null]}',
            b"[" * 100_000,
        ],
    )
    def test_what_cannot_be_read_is_said(self, body: bytes) -> None:
        with pytest.raises(CoordinatorError) as caught:
            KEYS.range("/").read(body)
        assert not isinstance(caught.value, CoordinatorUnavailable)
        assert "etcd" in str(caught.value)

    @given(st.sampled_from(CALLS), st.binary())
    def test_any_bytes_are_an_answer_or_an_error(self, call: Call[Any], body: bytes) -> None:
        _read(call, body)

    @given(st.sampled_from(CALLS), st.data())
    def test_damaged_answers_too(self, call: Call[Any], data: st.DataObject) -> None:
        body = bytearray(WHOLE)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        _read(call, bytes(body))


WHOLE = json.dumps(
    {
        "header": HEADER,
        "succeeded": True,
        "kvs": [{"key": b64("/demo//a"), "value": b64("v"), "mod_revision": "4"}],
        "result": {"ID": "1", "TTL": "3"},
        "TTL": "3",
    }
).encode()


def _read(call: Call[Any], body: bytes) -> None:
    try:
        assert isinstance(call.read(body), Answer)
    except CoordinatorError:
        pass


def refused(status: int, code: int, message: str) -> CoordinatorError:
    return refusal(
        status, json.dumps({"error": message, "message": message, "code": code}).encode()
    )


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code", "message", "kind"),
        [
            (404, 5, "etcdserver: requested lease not found", LeaseMissing),
            (412, 9, "etcdserver: lease already exists", LeaseTaken),
            (503, 14, "etcdserver: no leader", NotDone),
            (429, 8, "etcdserver: too many requests", NotDone),
            (503, 14, "etcdserver: request timed out", CoordinatorUnavailable),
            (503, 14, "etcdserver: leader changed", CoordinatorUnavailable),
            (503, 14, "etcdserver: server stopped", CoordinatorUnavailable),
            (500, 2, "who knows", CoordinatorUnavailable),
            (429, 8, "etcdserver: mvcc: database space exceeded", CoordinatorUnavailable),
            (400, 3, "etcdserver: request is too large", CoordinatorError),
            (400, 3, "etcdserver: user name is empty", CoordinatorError),
            (403, 7, "etcdserver: permission denied", CoordinatorError),
            (429, 8, "grpc: received message larger than max (3 vs. 2)", CoordinatorError),
        ],
    )
    def test_each_says_what_it_means_for_the_request(
        self, status: int, code: int, message: str, kind: type[CoordinatorError]
    ) -> None:
        error = refused(status, code, message)
        assert type(error) is kind
        assert message in str(error)

    def test_a_full_store_names_the_cure(self) -> None:
        error = refused(429, 8, "etcdserver: mvcc: database space exceeded")
        assert "defragment" in str(error)

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_a_server_without_gateway_names_the_cure(self, status: int) -> None:
        error = refusal(status, b"404 page not found\n")
        assert type(error) is NotEtcd
        assert "--enable-grpc-gateway" in str(error)

    def test_anything_else_may_have_been_done(self) -> None:
        for status, body in ((502, b"<html>Bad Gateway"), (500, b""), (302, b"")):
            error = refusal(status, body)
            assert type(error) is CoordinatorUnavailable
            assert str(status) in str(error)

    def test_a_strangers_text_is_cut(self) -> None:
        assert len(str(refused(500, 2, "x" * 10_000))) < 1_000

    @given(st.integers(100, 599), st.binary())
    def test_any_bytes_are_a_refusal(self, status: int, body: bytes) -> None:
        assert isinstance(refusal(status, body), CoordinatorError)
