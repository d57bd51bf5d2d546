"""How many connections of this edge are in each channel, for its leader. Pure.

Rules:
1. Only channels of the chat, and only where the leader keeps no list of clients.
2. Absolute, told every two seconds where it changed; a leader that did not answer is told again,
   and a new one hears it with the question about the stream's position (`Relayed.ask`).
"""

from __future__ import annotations

from edge.hub import Channel, Hub, Stream
from edge.subscribing import Request
from hubbub.base.names import StreamKind, kind_of
from hubbub.wire.codec import encode_pack
from hubbub.wire.shapes import Kind, Presence, Status


class Audience:
    """Args: process: this edge's `name.boot_id`."""

    def __init__(self, hub: Hub, request: Request, process: str) -> None:
        self._hub = hub
        self._request = request
        self._process = process
        self._changed: dict[Stream, None] = {}
        self._told: dict[Stream, int] = {}

    def changed(self, stream: Stream) -> None:
        """Somebody came into the channel, or left it."""
        if kind_of(stream[1]) is StreamKind.CHANNEL:
            self._changed[stream] = None

    def number(self, channel: Channel) -> int | None:
        """So many are in the channel; None where its leader keeps a list, or nobody counts."""
        if channel.presence or kind_of(channel.stream[1]) is not StreamKind.CHANNEL:
            return None
        return sum(map(len, channel.members.values()))

    def tick(self) -> None:
        """Every two seconds."""
        changed, self._changed = self._changed, {}
        for stream in changed:
            channel = self._hub.channels.get(stream)
            number = self.number(channel) if channel is not None else 0
            if number is None or number == self._told.get(stream, 0):
                continue
            if number:
                self._told[stream] = number
            else:
                del self._told[stream]
            self._tell(stream, number)

    def _tell(self, stream: Stream, number: int) -> None:
        def done(status: Status, _: bytes) -> None:
            if status is not Status.OK:
                self._told[stream] = -1  # whatever it is: told again
                self._changed[stream] = None

        body = encode_pack(Presence(self._process, (), watchers=number))
        self._request(Kind.PRESENCE, *stream, body, done)
