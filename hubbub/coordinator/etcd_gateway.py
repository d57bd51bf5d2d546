"""etcd's JSON gateway (/v3) as bytes: what a request looks like and what an answer says. Pure.

Rules:
1. Keys live under `/NAMESPACE/`, so that several clusters share one etcd; callers never see it.
2. In this JSON 64-bit integers are strings, keys and values are base64, and what is false, 0 or
   empty is left out: a transaction without `succeeded` has failed.
3. Whatever the bytes are: an answer, or CoordinatorError that says what could not be read.
4. A member's refusal is sorted by what it says about the request: certainly not done, unknown, or
   never to be done.

Source: etcd's rpc.proto and its gateway's mapping of gRPC codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from msgspec import Meta, MsgspecError, Struct, field

from hubbub.coordinator.api import (
    CoordinatorError,
    CoordinatorUnavailable,
    Guard,
    Op,
    Put,
    Record,
    TransactionResult,
    check_transaction,
    prefix_end,
)
from hubbub.wire.codec import decode_json, encode_json

T = TypeVar("T")

NAMESPACE_DEFAULT: Final = "hubbub"

_GRPC_INVALID_ARGUMENT: Final = 3
_GRPC_REFUSALS: Final = frozenset({_GRPC_INVALID_ARGUMENT, 7, 12, 16})  # and: denied, no such call
_HTTP_NO_GATEWAY: Final = frozenset({404, 405, 501})
_MESSAGE_CHARACTERS_MAX: Final = 200  # of a stranger's answer in our error


class NotDone(CoordinatorUnavailable):
    """This member did nothing: any request may be asked again, of another one."""


class NotEtcd(CoordinatorError):
    """What answers is no etcd that may be used."""


class LeaseMissing(CoordinatorError):
    """A lease that the request names does not exist."""


class LeaseTaken(CoordinatorError):
    """There is a lease of this id already."""


class Answer(Struct, Generic[T], frozen=True):
    """What was asked for. `revision`: the store's, never lower than before; 0 where it may be."""

    value: T
    revision: int = 0


class Call(Struct, Generic[T], frozen=True):
    """One request: a path below /v3/, its body, and what makes an answer of the body that comes.

    `repeats`: a second one does no harm when it is unknown whether the first one was done.
    """

    path: str
    body: bytes
    read: Callable[[bytes], Answer[T]]
    repeats: bool = True


Integer: TypeAlias = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,19}\Z")]


class Header(Struct):
    """Of every answer."""

    revision: Integer = "0"


class KeyValue(Struct):
    """A record as etcd writes it; of a delete only the key and `mod_revision`."""

    key: bytes = b""
    value: bytes = b""
    create_revision: Integer = "0"
    mod_revision: Integer = "0"
    lease: Integer = "0"


class _Range(Struct):
    header: Header
    kvs: list[KeyValue] = field(default_factory=list)


class _Transaction(Struct):
    header: Header
    succeeded: bool = False


class _Lease(Struct):
    ttl: Integer = field(name="TTL", default="0")


class _KeptLease(Struct):
    result: _Lease | None = None


class _Refusal(Struct):
    message: str = ""
    code: int = 0


class Keyspace:
    """One namespace's keys in etcd. Raises ValueError for a name that cannot be one."""

    def __init__(self, namespace: str = NAMESPACE_DEFAULT) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", namespace):
            raise ValueError(
                f"namespace {namespace!r}: letters, digits, '.', '_' and '-' only, at most 64"
            )
        self._prefix = f"/{namespace}/".encode()

    def stored(self, key: str) -> bytes:
        """Where a key is in etcd. A key's own slash stays: `/hubbub//cluster`."""
        return self._prefix + key.encode()

    def key(self, stored: bytes) -> str:
        """The key of a place in etcd. Raises CoordinatorError."""
        if not stored.startswith(self._prefix):
            raise CoordinatorError(f"etcd sent {stored!r}, which is outside of {self._prefix!r}")
        try:
            return stored[len(self._prefix) :].decode()
        except UnicodeDecodeError:
            raise CoordinatorError(f"etcd holds {stored!r}: a key must be UTF-8") from None

    def record(self, kv: KeyValue) -> Record:
        """A record, under the caller's key. Raises CoordinatorError."""
        return Record(
            self.key(kv.key),
            kv.value,
            int(kv.create_revision),
            int(kv.mod_revision),
            int(kv.lease),
        )

    # --- requests, with what reads their answers

    def get(self, key: str) -> Call[list[Record]]:
        """The record of one key, or none."""
        return Call("kv/range", encode_json({"key": self.stored(key)}), self._read_range)

    def range(self, prefix: str) -> Call[list[Record]]:
        """All records of a prefix, by key."""
        return Call("kv/range", encode_json(self._bounds(prefix)), self._read_range)

    def revision(self) -> Call[list[Record]]:
        """No record, only the store's revision."""
        return Call(
            "kv/range", encode_json({"key": self._prefix, "count_only": True}), self._read_range
        )

    def transaction(self, guards: Sequence[Guard], ops: Sequence[Op]) -> Call[TransactionResult]:
        """Compare and swap. Raises ValueError as `Coordinator.transact`."""
        check_transaction(guards, ops)
        compare = [
            {
                "key": self.stored(guard.key),
                "target": "MOD",
                "result": "EQUAL",
                "mod_revision": str(guard.mod_revision),  # 0 while it does not exist, as here
            }
            for guard in guards
        ]
        body = {"compare": compare, "success": [self._operation(op) for op in ops]}
        return Call("kv/txn", encode_json(body), _read_transaction, repeats=False)

    def watch_request(self, prefix: str, start: int) -> bytes:
        """The only message of a watch. Fragments are not asked for: a revision stays whole."""
        create = {**self._bounds(prefix), "start_revision": str(start), "progress_notify": True}
        return encode_json({"create_request": create})

    def _bounds(self, prefix: str) -> dict[str, bytes]:
        start = self.stored(prefix)
        end = prefix_end(start)
        assert end is not None, "the namespace's slash is below 0xFF"
        return {"key": start, "range_end": end}

    def _operation(self, op: Op) -> dict[str, dict[str, object]]:
        key = self.stored(op.key)
        if isinstance(op, Put):
            return {"request_put": {"key": key, "value": op.value, "lease": str(op.lease)}}
        return {"request_delete_range": {"key": key}}

    def _read_range(self, body: bytes) -> Answer[list[Record]]:
        answer = read(body, _Range)
        return Answer([self.record(kv) for kv in answer.kvs], int(answer.header.revision))


def grant(lease: int, ttl_s: int) -> Call[None]:
    """A new lease. The id is ours, so that a repeated request makes no second one."""
    return Call("lease/grant", encode_json({"ID": str(lease), "TTL": str(ttl_s)}), _read_done)


def keep_alive(lease: int) -> Call[bool]:
    """Renew it: whether it lives."""
    return Call("lease/keepalive", _name(lease), _read_kept)


def revoke(lease: int) -> Call[None]:
    """End it."""
    return Call("lease/revoke", _name(lease), _read_done)


def time_to_live(lease: int) -> Call[bool]:
    """Whether it lives, without renewing it."""
    return Call("lease/timetolive", _name(lease), _read_time_to_live)


def _name(lease: int) -> bytes:
    return encode_json({"ID": str(lease)})


def _read_transaction(body: bytes) -> Answer[TransactionResult]:
    answer = read(body, _Transaction)
    revision = int(answer.header.revision)
    return Answer(TransactionResult(answer.succeeded, revision), revision)


def _read_done(body: bytes) -> Answer[None]:
    read(body, _Lease)
    return Answer(None)


def _read_kept(body: bytes) -> Answer[bool]:
    kept = read(body, _KeptLease)
    return Answer(kept.result is not None and int(kept.result.ttl) > 0)


def _read_time_to_live(body: bytes) -> Answer[bool]:
    return Answer(int(read(body, _Lease).ttl) > 0)


def read(body: bytes, shape: type[T]) -> T:
    """An answer as `shape`. Raises CoordinatorError."""
    try:
        return decode_json(body, shape)
    except (MsgspecError, ValueError, RecursionError) as error:
        raise CoordinatorError(f"etcd answered what cannot be read: {error}") from None


def refusal(status: int, body: bytes) -> CoordinatorError:
    """What an answer other than 200 says.

    CoordinatorUnavailable: the outcome is unknown; NotDone: certainly not done; NotEtcd;
    LeaseMissing; LeaseTaken; any other CoordinatorError: asking again is of no use.
    """
    try:
        said = decode_json(body, _Refusal)
    except (MsgspecError, ValueError, RecursionError):
        if status in _HTTP_NO_GATEWAY:
            return NotEtcd(
                f"no JSON gateway at /v3 (HTTP {status}): start it with --enable-grpc-gateway=true"
            )
        return CoordinatorUnavailable(f"HTTP {status} without a reason")
    return _sorted_refusal(said.code, said.message[:_MESSAGE_CHARACTERS_MAX])


def _sorted_refusal(code: int, message: str) -> CoordinatorError:
    if "requested lease not found" in message:
        return LeaseMissing(message)
    if "lease already exists" in message:
        return LeaseTaken(message)
    if "no leader" in message or "too many requests" in message:
        return NotDone(message)  # refused before it was proposed to anyone
    if "space exceeded" in message:
        return CoordinatorUnavailable(f"{message}: compact, defragment and disarm its alarm")
    if code in _GRPC_REFUSALS or "larger than max" in message:
        return CoordinatorError(message)
    return CoordinatorUnavailable(message)
