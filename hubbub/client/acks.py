"""What a device got, gathered into few acknowledgements (`mark.delivered`). Pure.

Rules:
1. The highest seq of each channel stands for all before it. What was not answered goes with the
   next ones, below whatever came since.
2. Only messages of others in channels with members: an open channel counts nobody.
3. A channel whose acknowledgement was refused is left alone until it is subscribed to again; so is
   the whole app where it keeps no receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hubbub.client.events import Published

ACK_MS: Final = 250  # features.md 2.7: the first one waits so long for others
FULL: Final = 32  # messages that do not wait
CHANNELS_MAX: Final = 100  # of one acknowledgement: the server takes no more
_COUNTED: Final = ("dm:", "group:")


class Acks:
    """Those of one user's device."""

    def __init__(self) -> None:
        self.user = ""
        self.is_off = False
        self._got: dict[str, int] = {}
        self._refused: set[str] = set()
        self._count = 0

    def got(self, event: Published) -> bool:
        """A publication was handed on. Whether it is to be acknowledged."""
        channel = event.channel
        if self.is_off or not event.offset or not channel.startswith(_COUNTED):
            return False
        if not isinstance(event.data, dict) or event.data.get("t") != "message.created":
            return False
        if event.data.get("by") == self.user or channel in self._refused:
            return False
        self._got[channel] = max(event.offset, self._got.get(channel, 0))
        self._count += 1
        return True

    @property
    def is_full(self) -> bool:
        """No reason to wait for more."""
        return self._count >= FULL

    @property
    def is_waiting(self) -> bool:
        """There is something to acknowledge."""
        return bool(self._got)

    def take(self) -> dict[str, int]:
        """What is to be acknowledged at once; empty: nothing."""
        marks = dict(list(self._got.items())[:CHANNELS_MAX])
        for channel in marks:
            del self._got[channel]
        self._count = 0
        return marks

    def again(self, marks: Mapping[str, int]) -> None:
        """These were not answered."""
        for channel, seq in marks.items():
            self._got[channel] = max(seq, self._got.get(channel, 0))

    def refused(self, channels: Iterable[str]) -> None:
        """Of these the server takes none."""
        self._refused.update(channels)

    def forget(self, channel: str) -> None:
        """It is not followed any more."""
        self._got.pop(channel, None)
        self._refused.discard(channel)
