"""Which bytes a subscription gets of a push that many get. Pure: values."""

from __future__ import annotations

from typing import Final, NamedTuple

DELTA_OFF: Final = 0
DELTA_FRESH: Final = 1  # deltas agreed, but nothing received yet: the next one is sent in full
DELTA_CHAINED: Final = 2  # has the channel's last publication


class Variant(NamedTuple):
    """What a push's bytes depend on besides the event. `encoding` is the codec's name."""

    encoding: str
    compact_id: int  # 0: the channel's name is written
    delta: int
    blocked: frozenset[str] = frozenset()  # whom its user does not want to hear of
    guest: bool = False  # some signals are not for guests (hub, rule 7)


PLAIN: Final = {name: Variant(name, 0, DELTA_OFF) for name in ("json", "protobuf")}
