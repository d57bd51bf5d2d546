"""Who is in a channel: lists of clients in the memory of the slot's leader. Pure.

Rules (contracts.md 5):
1. An edge's list for a stream is absolute: SUBSCRIBE adds to it, PRESENCE takes away, a HEADS ask
   replaces it (a new leader hears everything again that way).
2. A client that is new to a stream is a JOIN, one that is gone a LEAVE; a first report after a new
   leader is news to nobody and makes no JOIN.
3. An edge that vanished from the cluster keeps its entries for 10 s: it may only be restarting its
   link. Then they leave.
4. Of an edge that vanished nobody is active from the moment on that it is noticed (`silent`), so
   that the grace of its users (`node.leases`) is not added to these 10 s.
5. Nothing is logged, everything is bounded: clients beyond the bound are simply not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from hubbub.wire.codec import decode_json
from hubbub.wire.presence import Activity
from hubbub.wire.shapes import Json, SignalKind

CLIENTS_PER_STREAM_MAX: Final = 10_000  # a list of 10,000 is 1 MiB: more is of no use to anybody
CLIENTS_MAX: Final = 500_000  # of one node: about 150 MiB
EDGE_GONE_MS: Final = 10_000

StreamName = tuple[str, str]  # app, key


class PresenceSignal(NamedTuple):
    """What subscribers of a stream hear."""

    app: str
    key: str
    kind: SignalKind
    info: Json


class PresenceStatistics(msgspec.Struct, frozen=True):
    """Sizes, for /statistics."""

    streams: int
    clients: int
    unlisted: int


class _ClientUser(msgspec.Struct):
    user: str = ""


class _ClientIdle(msgspec.Struct):
    idle: bool = False


class _Room:
    """One stream: edge → client → info."""

    __slots__ = ("client_count", "edges", "is_announced")

    def __init__(self) -> None:
        self.edges: dict[str, dict[str, Json]] = {}
        self.client_count = 0
        self.is_announced = False  # joins and leaves are pushed


class PresenceLists:
    """The client lists of all streams that this node leads."""

    def __init__(self) -> None:
        self._rooms: dict[StreamName, _Room] = {}
        self._by_edge: dict[str, set[StreamName]] = {}
        self._client_count = 0
        self._unlisted = 0
        self._missing_since: dict[str, int] = {}
        self._silent: set[str] = set()  # edges that vanished

    def join(
        self, app: str, key: str, edge: str, client: str, info: Json, *, is_announced: bool
    ) -> list[PresenceSignal]:
        """A client subscribed."""
        room = self._rooms.setdefault((app, key), _Room())
        room.is_announced = is_announced
        if not self._put((app, key), room, edge, client, info) or not is_announced:
            return []
        return [PresenceSignal(app, key, SignalKind.JOIN, info)]

    def leave(self, app: str, key: str, edge: str, clients: Iterable[str]) -> list[PresenceSignal]:
        """Clients unsubscribed or are gone."""
        room = self._rooms.get((app, key))
        if room is None:
            return []
        present = room.edges.get(edge, {})
        gone = [present.pop(client) for client in clients if client in present]
        return self._gone(app, key, room, edge, gone)

    def report(
        self,
        app: str,
        key: str,
        edge: str,
        clients: Sequence[tuple[str, Json]],
        *,
        is_announced: bool,
    ) -> list[PresenceSignal]:
        """The whole list of an edge, in place of what was known of it."""
        room = self._rooms.get((app, key))
        is_news = room is not None and edge in room.edges
        if room is None:
            if not clients:
                return []
            room = self._rooms[(app, key)] = _Room()
        room.is_announced = is_announced
        reported = dict(clients)
        present = room.edges.get(edge, {})
        gone = [present.pop(client) for client in list(present) if client not in reported]
        joined = [
            info
            for client, info in reported.items()
            if self._put((app, key), room, edge, client, info)
        ]
        signals = self._gone(app, key, room, edge, gone)
        if is_news and is_announced:
            signals += [PresenceSignal(app, key, SignalKind.JOIN, info) for info in joined]
        return signals

    def change(self, app: str, key: str, edge: str, clients: Iterable[tuple[str, Json]]) -> None:
        """These clients, if they are listed, say something else of themselves."""
        room = self._rooms.get((app, key))
        present = room.edges.get(edge, {}) if room is not None else {}
        present.update({client: info for client, info in clients if client in present})

    def activity(self, app: str, key: str) -> Activity:
        """What the clients of a user's stream do, taken together; those of silent edges nothing."""
        room = self._rooms.get((app, key))
        found = Activity.NONE
        for edge, clients in room.edges.items() if room is not None else ():
            if edge in self._silent:
                continue
            for info in clients.values():
                if not info or not decode_json(info, _ClientIdle).idle:
                    return Activity.ACTIVE
                found = Activity.IDLE
        return found

    def silent(self, live_edges: Iterable[str]) -> list[StreamName]:
        """The streams with clients of edges that vanished, or came back, since the last call."""
        missing = self._by_edge.keys() - set(live_edges)
        changed, self._silent = missing ^ self._silent, missing
        return [name for edge in sorted(changed) for name in sorted(self._by_edge.get(edge, ()))]

    def tick(self, live_edges: Iterable[str], now_ms: int) -> list[PresenceSignal]:
        """Edges (name.boot_id) that are alive; entries of those long gone leave."""
        live = set(live_edges)
        known = self._by_edge.keys()
        for edge in list(self._missing_since):
            if edge in live or edge not in known:
                del self._missing_since[edge]
        signals: list[PresenceSignal] = []
        for edge in sorted(known - live):
            if now_ms - self._missing_since.setdefault(edge, now_ms) >= EDGE_GONE_MS:
                signals += self._drop_edge(edge)
        return signals

    def forget(self, streams: Iterable[StreamName]) -> None:
        """These streams are led elsewhere now."""
        for name in streams:
            room = self._rooms.pop(name, None)
            if room is not None:
                self._client_count -= room.client_count
                for edge in room.edges:
                    self._unlink(edge, name)

    def streams(self) -> list[StreamName]:
        """All streams with clients."""
        return list(self._rooms)

    def clients(self, app: str, key: str) -> Mapping[str, Json]:
        """Client → ClientInfo of a stream, over all edges."""
        room = self._rooms.get((app, key))
        if room is None:
            return {}
        return {client: info for edge in room.edges.values() for client, info in edge.items()}

    def by_edge(self, name: StreamName) -> dict[str, int]:
        """Edge → how many clients of a stream."""
        room = self._rooms.get(name)
        return {edge: len(found) for edge, found in room.edges.items()} if room is not None else {}

    def counts(self, app: str, key: str) -> tuple[int, int]:
        """(clients, distinct users) of a stream."""
        infos = self.clients(app, key).values()
        users = {decode_json(info, _ClientUser).user for info in infos if info}
        return len(infos), len(users)

    def statistics(self) -> PresenceStatistics:
        """Sizes now; `unlisted` counts clients that found no room."""
        return PresenceStatistics(len(self._rooms), self._client_count, self._unlisted)

    def _put(self, name: StreamName, room: _Room, edge: str, client: str, info: Json) -> bool:
        """True if the client was not there."""
        present = room.edges.get(edge)
        if present is None:
            present = room.edges[edge] = {}
            self._by_edge.setdefault(edge, set()).add(name)
        if client in present:
            present[client] = info
            return False
        if room.client_count >= CLIENTS_PER_STREAM_MAX or self._client_count >= CLIENTS_MAX:
            self._unlisted += 1
            return False
        present[client] = info
        room.client_count += 1
        self._client_count += 1
        return True

    def _gone(
        self, app: str, key: str, room: _Room, edge: str, gone: Sequence[Json]
    ) -> list[PresenceSignal]:
        room.client_count -= len(gone)
        self._client_count -= len(gone)
        if edge in room.edges and not room.edges[edge]:
            del room.edges[edge]
            self._unlink(edge, (app, key))
        if not room.edges:
            del self._rooms[app, key]
        if not room.is_announced:
            return []
        return [PresenceSignal(app, key, SignalKind.LEAVE, info) for info in gone]

    def _drop_edge(self, edge: str) -> list[PresenceSignal]:
        signals: list[PresenceSignal] = []
        for app, key in sorted(self._by_edge[edge]):
            room = self._rooms[app, key]
            gone = list(room.edges[edge].values())
            room.edges[edge].clear()
            signals += self._gone(app, key, room, edge, gone)
        return signals

    def _unlink(self, edge: str, name: StreamName) -> None:
        rooms = self._by_edge[edge]
        rooms.discard(name)
        if not rooms:
            del self._by_edge[edge]
