"""An edge without sockets: real sessions, hub, heads, dispatch; its uplink is played by the test.

Everything that the edge asks of the cluster stands in `asks` until the test answers it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import jwt
import msgspec

from edge.audience import Audience
from edge.auth import Auth, TokenKey
from edge.clients import Clients
from edge.connection import Peer
from edge.dispatch import App, Dispatch
from edge.errands import Errands
from edge.framing import WEBSOCKET_JSON
from edge.heads import Heads
from edge.hub import Hub, Repair
from edge.limits import SharedLimits
from edge.outgoing import Flusher, Outgoing
from edge.presences import Presences
from edge.pushes import PushEncoder
from edge.reading import Readings
from edge.screens import Screens
from edge.session import Session, SessionSettings
from edge.subscribing import Subscribing
from edge.timers import Timers
from edge.watching import Watching
from hubbub.base.errors import CloseCode, ErrorCode
from hubbub.features.registry import REGISTRY
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.centrifuge import JSON
from hubbub.wire.codec import decode_pack, encode_pack
from hubbub.wire.event import encode_event_body, encode_row
from hubbub.wire.shapes import (
    HeadAsk,
    HeadRow,
    Kind,
    Lines,
    LinesAsk,
    Refusal,
    Status,
    Subscribe,
    Subscribed,
)
from tests.support.clock import FakeClock, SeededEntropy

SECRET = "a secret of at least thirty-two bytes"
SERVER_KEY = "server-key-of-the-demo-app"
EPOCH = "e"
BUDGET_BYTES = 64 * 1024
IN_FLIGHT_MAX = 4
SETTINGS = AppSettings(
    namespaces={
        "raw": Namespace(
            subscribe="everyone",
            publish="subscribers",
            history="everyone",
            presence="subscribers",
            history_size=10,
            history_ttl_s=60,
            delta=True,
        ),
        "quiet": Namespace(subscribe="everyone", history="nobody"),
    }
)


class Ask:
    """One request of the edge to the cluster."""

    def __init__(
        self, kind: Kind, app: str, key: str, body: bytes, done: Callable[[Status, bytes], None]
    ) -> None:
        self.kind = kind
        self.app = app
        self.key = key
        self.body = body
        self._done = done

    def ok(self, body: bytes = b"") -> None:
        self._done(Status.OK, body)

    def rejected(self, error: ErrorCode, text: str = "", **details: Any) -> None:
        tail = json.dumps(details).encode() if details else b""
        self._done(Status.REJECTED, encode_pack(Refusal(error.code, text, tail)))

    def unknown(self) -> None:
        self._done(Status.UNKNOWN, b"")

    def subscribed(self, head: int = 0, *events: bytes, **fields: Any) -> None:
        fields = {"epoch": EPOCH, "recovered": bool(events), **fields}
        self.ok(encode_pack(Subscribed(head=head, events=events, **fields)))

    @property
    def subscribe(self) -> Subscribe:
        return decode_pack(self.body, Subscribe)


class Person:
    """A client as its transport: gives frames, gets messages."""

    def __init__(self, stage: EdgeStage, peer: Peer | None = None) -> None:
        self._stage = stage
        self._frames: list[bytes] = []
        self._ids = count(1)
        self.closed: CloseCode | None = None
        self.paused = False
        self.buffered_bytes = 0
        self.outgoing = Outgoing(self, WEBSOCKET_JSON, stage.flusher)
        peer = peer or Peer(encoding=JSON, transport="websocket", remote="127.0.0.1")
        session = stage.clients.open(self.outgoing, peer)
        assert session is not None
        self.session = session

    # --- edge.connection.Connection

    def write(self, frame: bytes) -> None:
        self._frames.append(frame)

    def write_heartbeat(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self, close: CloseCode) -> None:
        self.closed = self.closed or close

    def abort(self) -> None:
        pass

    # --- the client

    def send(self, *commands: dict[str, Any]) -> list[int]:
        """Commands in one frame; their ids."""
        ids = [next(self._ids) for _ in commands]
        lines = [
            json.dumps({"id": id, **command}) for id, command in zip(ids, commands, strict=True)
        ]
        self._stage.clients.frame(self.session, "\n".join(lines).encode())
        return ids

    def take(self) -> list[Any]:
        """What came since the last time."""
        self._stage.flush()
        frames, self._frames = self._frames, []
        return [json.loads(line) for frame in frames for line in _payload(frame).split(b"\n")]

    def ask(self, **command: Any) -> Any:
        """One command, whose reply comes at once."""
        [id] = self.send(command)
        [reply] = [row for row in self.take() if row.get("id") == id]
        return reply

    def gone(self) -> None:
        """The transport is lost."""
        self.outgoing.lost()
        self._stage.clients.closed(self.session)


class EdgeStage:
    """See the module. `app_changes`: fields of AppSettings."""

    def __init__(self, connections_max: int = 100, **app_changes: Any) -> None:
        self.clock = FakeClock(wall_ms=int(time.time() * 1_000))
        self.asks: list[Ask] = []
        self.on_ask: Callable[[Ask], None] = self.asks.append
        self.head_asks: list[tuple[list[HeadAsk], Any, Any]] = []
        self.line_asks: list[tuple[LinesAsk, Callable[[LinesAsk, Lines | None], None]]] = []
        self.repairs: list[Repair] = []
        self.interest: set[tuple[str, str]] = set()
        self._soon: list[Callable[[], None]] = []
        self.flusher = Flusher(
            soon=self._soon.append,
            later=lambda _, call: self._soon.append(call),
            now_ms=self.clock.monotonic_ms,
            tick_ms=0,
        )
        settings = msgspec.structs.replace(SETTINGS, **app_changes)
        self.app = App("demo", settings, b"id secret")
        self.apps = {"demo": self.app}
        self.auth = Auth("demo")
        self.auth.set_app("demo", SERVER_KEY, [TokenKey("demo", "HS256", SECRET)])
        encoder = PushEncoder()
        self.hub = Hub(
            encoder,
            self.flusher,
            repair=self.repairs.append,
            interest=self._interested,
            head=lambda channel, event: self.heads.note(channel, event),
            listed=lambda channel, event: self.clients.listed(*channel.stream, event),
            moved=lambda stream, data: self.watching.signal(stream, data),
        )
        self.heads = Heads(
            self.hub,
            ask=lambda *question: self.head_asks.append(question[:3]),
            slot_of=lambda app, key: 3,
            ask_lines=self.ask_lines,
        )
        self.dispatch = Dispatch(
            REGISTRY, self.request, now_ms=self.clock.wall_ms, entropy=SeededEntropy()
        )
        self.dispatch.errands = Errands(
            self.dispatch.turned,
            lambda *question: self.head_asks.append(question),
            lambda *question: self.head_asks.append(question),
            lambda app, key: 3,
            self.clock.monotonic_ms,
        )
        self.readings = self.dispatch.readings = Readings(
            self.request, lambda app, key: 3, lambda slot: "node-1", self.clock.monotonic_ms
        )
        self.subscribing = Subscribing(self.hub, encoder, self.request, "edge-1.1", BUDGET_BYTES)
        self.clients = Clients(
            apps=self.apps,
            default_app="demo",
            auth=self.auth,
            dispatch=self.dispatch,
            subscribing=self.subscribing,
            heads=self.heads,
            limits=SharedLimits(),
            now_ms=self.clock.monotonic_ms,
            wall_ms=self.clock.wall_ms,
            random=lambda: 0.5,
            new_id=map("client-{}".format, count(1)).__next__,
            connections_max=connections_max,
            in_flight_max=IN_FLIGHT_MAX,
        )
        self.dispatch.local = self.clients
        self.screens = self.clients.screens = Screens(self.dispatch.ask, encoder.signal)
        assert REGISTRY.lease is not None
        presences = Presences(REGISTRY.lease, self.dispatch, self.request, "edge-1.1")
        self.clients.presences = presences
        self.watching = presences.watching = Watching(
            self.hub,
            ask=lambda *question: self.head_asks.append(question[:3]),
            look=presences.look,
            slot_of=lambda app, key: 3,
            sight={event.TAG for event in REGISTRY.lease.sight},
        )
        self.clients.audience = Audience(self.hub, self.request, "edge-1.1")
        self.timers: Timers[Session] = Timers(self.clock.monotonic_ms())
        self.clients.settings = SessionSettings(
            timers=self.timers, on_ended=self.clients.ended, channels_max=5
        )

    def request(
        self,
        kind: Kind,
        app: str,
        key: str,
        body: bytes,
        done: Callable[[Status, bytes], None],
        *,
        slot: int = -1,
    ) -> None:
        self.on_ask(Ask(kind, app, key, body, done))

    def ask_lines(
        self,
        app: str,
        user: str,
        keys: Sequence[str],
        came: Callable[[LinesAsk, Lines | None], None],
    ) -> None:
        self.line_asks.append((LinesAsk(app, user, tuple(3 for _ in keys), tuple(keys)), came))

    def take(self, kind: Kind, key: str = "") -> Ask:
        """The oldest question of that kind (about that key)."""
        found = next(a for a in self.asks if a.kind is kind and (not key or a.key == key))
        self.asks.remove(found)
        return found

    def flush(self) -> None:
        while self._soon:
            self._soon.pop(0)()

    def token(self, user: str = "ann", **claims: Any) -> str:
        now = self.clock.wall_ms() / 1_000
        return jwt.encode({"sub": user, "iat": now, "exp": now + 3_600} | claims, SECRET)

    def person(self, user: str = "ann", *, head: int = 0, **snapshot: Any) -> Person:
        """A client that is connected, its own stream at `head`."""
        person = Person(self)
        person.send({"connect": {"token": self.token(user)}})
        self.take(Kind.SUBSCRIBE, f"#{user}").subscribed(head, **snapshot)
        [reply] = person.take()
        assert "connect" in reply, reply
        return person

    def subscriber(self, person: Person, channel: str, head: int = 0, **answer: Any) -> Any:
        """Subscribe a person; the result."""
        [id] = person.send({"subscribe": {"channel": channel}})
        self.take(Kind.SUBSCRIBE, channel).subscribed(head, **answer)
        [reply] = [row for row in person.take() if row.get("id") == id]
        return reply["subscribe"]

    def event(self, channel: str, seq: int, flags: int = 0, info: bytes = b"") -> None:
        self.hub.event("demo", channel, event_body(seq, flags, info))

    def answer_heads(self, head: int, fields: bytes = b'{"unread":1}', **row: Any) -> list[HeadAsk]:
        """Answer what heads asked for: every channel stands at `head`."""
        self.heads.flush()
        asked: list[HeadAsk] = []
        questions, self.head_asks = self.head_asks, []
        for asks, answered, _ in questions:
            asked += asks
            rows = [
                HeadRow(
                    a.app, a.key, True, EPOCH, head, fields=tuple(fields for _ in a.users), **row
                )
                for a in asks
            ]
            answered(list(zip(asks, rows, strict=True)))
        return asked

    def _interested(self, stream: tuple[str, str], wanted: bool) -> None:
        assert (stream in self.interest) is not wanted, "taken or dropped twice"
        (self.interest.add if wanted else self.interest.remove)(stream)


def event_body(seq: int, flags: int = 0, info: bytes = b"") -> bytes:
    """An event whose data is its seq."""
    data = b'{"seq":%d}' % seq
    return encode_event_body(seq, encode_row(flags, 1_000 + seq, 0, "toy", "bob", data, info))


def offsets(messages: list[Any], channel: str) -> list[int]:
    """The offsets of a channel's publications among these messages; 0 = without."""
    pushes = [row["push"] for row in messages if "push" in row]
    return [p["pub"].get("offset", 0) for p in pushes if p["channel"] == channel and "pub" in p]


def _payload(frame: bytes) -> bytes:
    length = frame[1] & 0x7F
    return frame[2 + {126: 2, 127: 8}.get(length, 0) :]
