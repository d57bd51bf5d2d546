"""What a device acknowledges: few requests, the highest seqs."""

from __future__ import annotations

import pytest

from hubbub.client.acks import CHANNELS_MAX, Acks
from hubbub.client.events import Published

X = "group:x"


def message(
    seq: int, channel: str = X, by: str = "bob", kind: str = "message.created"
) -> Published:
    return Published(channel, seq, {"t": kind, "by": by}, None)


def ann() -> Acks:
    acks = Acks()
    acks.user = "ann"
    return acks


def test_the_highest_seq_stands_for_all() -> None:
    acks = ann()
    assert all(acks.got(message(seq)) for seq in (3, 4, 2))
    assert acks.got(message(9, "dm:y"))
    assert acks.take() == {X: 4, "dm:y": 9}
    assert not acks.is_waiting
    acks.got(message(5))
    acks.again({X: 4, "dm:y": 9})
    assert acks.take() == {X: 5, "dm:y": 9}


@pytest.mark.parametrize(
    "event",
    [
        message(3, by="ann"),
        message(3, kind="message.hidden"),
        message(3, kind="typing.started"),
        message(0),
        message(3, "open:x"),
        message(3, "#ann"),
        Published(X, 3, "not ours", None),
    ],
)
def test_what_is_no_message_of_somebody_else_is_not_acknowledged(event: Published) -> None:
    acks = ann()
    assert not acks.got(event)
    assert acks.take() == {}


def test_a_refused_channel_is_left_alone_until_it_is_followed_anew() -> None:
    acks = ann()
    acks.refused([X])
    assert not acks.got(message(3))
    acks.forget(X)
    assert acks.got(message(4))
    acks.is_off = True
    assert not acks.got(message(5))


def test_bounds() -> None:
    acks = ann()
    for n in range(CHANNELS_MAX + 1):
        acks.got(message(1, f"group:{n}"))
    assert acks.is_full
    assert len(acks.take()) == CHANNELS_MAX
    assert list(acks.take()) == [f"group:{CHANNELS_MAX}"]
