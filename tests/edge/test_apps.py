"""Apps of an edge: records, the `@app` snapshot, revocations."""

from __future__ import annotations

import pytest

from edge.apps import Apps
from edge.auth import Auth
from edge.hub import Hub
from hubbub.base.errors import CLOSE_BANNED, CLOSE_DEACTIVATED, USER_BANNED, Rejected
from hubbub.coordinator.records import AppRecord
from hubbub.features.apps import AppSnapshot, Revocations, TokenRevoked
from hubbub.features.exclusions import Exclusion, UserExclusionSet
from hubbub.wire.codec import decode_pack, encode_json, encode_pack
from hubbub.wire.event import encode_event_body, encode_row
from hubbub.wire.shapes import Kind, SignalKind, Status, Subscribe, Subscribed
from tests.edge.stage import Ask
from tests.edge.test_outgoing import Loop

SECRET = "a secret of at least thirty-two bytes"


def record(app: str = "demo", **changes: str) -> AppRecord:
    fields = {"id_secret": "i", "token_secret": SECRET, "server_key": f"key of {app}"} | changes
    return AppRecord(app=app, **fields)


class Silent:
    def publication(self, *_: object) -> bytes:
        return b""

    def signal(self, channel: str, variant: object, kind: SignalKind, data: bytes) -> bytes:
        return b""


class Stage:
    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.revoked: list[tuple[str, str, str]] = []
        self.hub = Hub(
            Silent(),
            Loop().flusher(),
            repair=lambda repair: None,
            interest=lambda stream, wanted: None,
            head=lambda channel, event: None,
            listed=lambda channel, event: None,
        )
        self.auth = Auth("demo")
        self.apps = Apps(
            self.hub,
            self.auth,
            lambda *request: self.asks.append(Ask(*request)),
            "edge-1.1",
            lambda *what: self.revoked.append(what),
        )

    def snapshot(self, head: int, epoch: str = "e", **revocations: dict[str, int]) -> None:
        parts = {"users": {}, "tokens": {}} | revocations
        data = encode_json(AppSnapshot(Revocations(**parts)))
        self.asks.pop(0).ok(encode_pack(Subscribed(epoch, head, False, data=data)))

    def event(self, seq: int, event: TokenRevoked | UserExclusionSet) -> None:
        row = encode_row(0, 1, 0, event.TAG, "", encode_json(event))
        self.hub.event("demo", "@app", encode_event_body(seq, row))


def test_an_app_is_served_before_and_ready_after_its_snapshot() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    assert stage.auth.server_app("Bearer key of demo") == "demo"
    assert list(stage.apps.missing) == ["demo"]
    stage.apps.tick()
    stage.apps.tick()
    [ask] = stage.asks
    assert (ask.kind, ask.app, ask.key) == (Kind.SUBSCRIBE, "demo", "@app")
    body = decode_pack(ask.body, Subscribe)
    assert (body.viewer.authority, body.edge) == ("edge", "edge-1.1")
    stage.snapshot(4)
    assert list(stage.apps.missing) == []
    stage.apps.tick()
    assert stage.asks == []


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.REJECTED])
def test_a_snapshot_that_failed_is_asked_for_again(status: Status) -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.tick()
    stage.asks.pop()._done(status, b"")
    assert list(stage.apps.missing) == ["demo"]
    stage.apps.tick()
    stage.snapshot(4)
    assert list(stage.apps.missing) == []


def test_revocations_come_with_the_snapshot_and_live() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.tick()
    stage.event(6, TokenRevoked(user="cleo", before=3_000))  # overtakes the snapshot
    stage.snapshot(5, users={"ann": 1_000}, tokens={"t1": 2_000})
    stage.event(7, TokenRevoked(jti="t2", before=4_000))
    assert stage.revoked == [
        ("demo", "cleo", ""),
        ("demo", "ann", ""),
        ("demo", "", "t1"),
        ("demo", "", "t2"),
    ]
    for user, issued, jti, is_revoked in (
        ("ann", 999, "", True),
        ("ann", 1_000, "", False),
        ("cleo", 2_999, "", True),
        ("bob", 9_999, "t1", True),
        ("bob", 9_999, "t2", True),
        ("bob", 0, "t3", False),
    ):
        assert stage.auth.is_revoked("demo", user, issued, jti) is is_revoked


def test_a_lost_position_reads_the_snapshot_again() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.tick()
    stage.snapshot(4)
    stage.hub.head_is(("demo", "@app"), 2, "other")
    assert list(stage.apps.missing) == ["demo"]
    stage.apps.tick()
    stage.snapshot(2, "other", users={"bob": 7})
    assert list(stage.apps.missing) == []
    assert stage.auth.is_revoked("demo", "bob", 6)
    stage.event(3, TokenRevoked(user="dan", before=9))
    assert stage.auth.is_revoked("demo", "dan", 8)


def test_a_position_from_elsewhere_is_not_taken_before_the_snapshot() -> None:
    """Else what happened between snapshot and position would be nobody's."""
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.tick()
    stage.event(5, TokenRevoked(user="ann", before=9))
    stage.hub.head_is(("demo", "@app"), 5, "e")
    stage.snapshot(4)
    assert stage.auth.is_revoked("demo", "ann", 8)


def test_changed_records_change_keys_and_settings() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.set_records({"demo": record(server_key="new", profile="bench"), "b": record("b")})
    assert stage.auth.server_app("Bearer new") == "demo"
    assert stage.auth.server_app("Bearer key of b") == "b"
    with pytest.raises(Rejected):
        stage.auth.server_app("Bearer key of demo")
    assert stage.apps.by_name["demo"].settings.commands_per_connection.is_off
    stage.apps.tick()
    assert [ask.app for ask in stage.asks] == ["demo", "b"]
    assert len(stage.hub.channels[("demo", "@app")].listeners or ()) == 1


def test_settings_that_cannot_be_are_refused_and_change_nothing() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    with pytest.raises(ValueError, match="profile"):
        stage.apps.set_records({"demo": record(server_key="new", profile="none")})
    assert stage.auth.server_app("Bearer key of demo") == "demo"


def test_exclusions_come_with_the_snapshot_and_live_and_the_newer_wins() -> None:
    stage = Stage()
    stage.apps.set_records({"demo": record()})
    stage.apps.tick()
    stage.event(6, UserExclusionSet(user="cleo", deactivated=True))  # overtakes the snapshot
    stage.event(7, UserExclusionSet(user="ann"))
    data = AppSnapshot(Revocations({}, {}), {"ann": Exclusion(True), "bob": Exclusion(True)})
    stage.asks.pop(0).ok(encode_pack(Subscribed("e", 5, False, data=encode_json(data))))
    assert stage.auth.excluded("demo", "cleo") is CLOSE_DEACTIVATED
    assert stage.auth.excluded("demo", "ann") is None
    assert stage.auth.excluded("demo", "bob") is CLOSE_DEACTIVATED
    assert stage.auth.excluded("other", "bob") is None
    assert ("demo", "bob", "") in stage.revoked
    stage.event(8, UserExclusionSet(user="bob", banned_ms=2**50))
    assert stage.auth.excluded("demo", "bob") is CLOSE_BANNED
    with pytest.raises(Rejected) as caught:
        stage.auth.require_included("demo", "bob")
    assert caught.value.error is USER_BANNED
    stage.event(9, UserExclusionSet(user="bob", banned_ms=1))
    assert stage.auth.excluded("demo", "bob") is None
