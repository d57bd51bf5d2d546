"""Interest is a set a link, and each event is one message for all."""

from __future__ import annotations

from hubbub.transport.replicated_set import SetSource
from hubbub.wire.event import decode_event_body, encode_row
from hubbub.wire.frame import Message, decode_frame, encode_frame
from hubbub.wire.shapes import Kind, SignalKind
from node.presence import PresenceSignal
from node.publish import Interest, encode_presence_signal, encode_publication
from node.ready import Publication

ROOM = ("demo", "room")


def messages(raw: list[bytes]) -> list[Message]:
    return decode_frame(encode_frame(list(raw), generation=1, boot_id=1, n=1, ack=0))[1]


def feed(interest: Interest, peer: str, raw: list[bytes]) -> list[bool]:
    return [interest.receive(peer, message) for message in messages(raw)]


def test_interest_follows_the_sets_of_the_links() -> None:
    interest, one, two = Interest(), SetSource(), SetSource()
    for peer, source in (("r1", one), ("r2", two)):
        interest.up(peer)
        feed(interest, peer, source.fulls())
    one.add(ROOM)
    two.add(ROOM)
    feed(interest, "r1", one.deltas())
    assert interest.peers(*ROOM) == {"r1"}
    feed(interest, "r2", two.deltas())
    assert interest.peers(*ROOM) == {"r1", "r2"}
    one.remove(ROOM)
    feed(interest, "r1", one.deltas())
    assert interest.peers(*ROOM) == {"r2"}
    interest.down("r2")
    assert interest.peers(*ROOM) == frozenset()
    assert interest.statistics().keys == 0


def test_a_lost_delta_is_asked_for_and_seen_in_the_beat() -> None:
    interest, source = Interest(), SetSource()
    interest.up("r1")
    feed(interest, "r1", source.fulls())
    source.add(ROOM)
    source.deltas()  # lost
    assert interest.beat("r1", source.beat())
    source.add(("demo", "other"))
    assert feed(interest, "r1", source.deltas()) == [True]
    feed(interest, "r1", source.fulls())
    assert interest.peers(*ROOM) == {"r1"}
    assert not interest.beat("r1", source.beat())


def test_a_new_link_starts_with_nothing_and_strangers_are_ignored() -> None:
    interest, source = Interest(), SetSource()
    source.add(ROOM)
    assert feed(interest, "r1", source.fulls()) == [False]
    interest.up("r1")
    feed(interest, "r1", source.fulls())
    interest.up("r1")
    assert interest.peers(*ROOM) == frozenset()


def test_a_publication_is_one_message_an_event_then_its_signals() -> None:
    rows = tuple((seq, encode_row(0, 1, 0, "t", "u", b"{}")) for seq in (4, 5))
    publication = Publication(*ROOM, rows, (b'{"t":"typing"}',))
    made = messages(list(encode_publication(9, 2, publication)))
    assert [m.type for m in made] == [Kind.EVENT, Kind.EVENT, Kind.SIGNAL]
    assert [(m.slot, m.term, m.app, m.key) for m in made] == [(9, 2, *ROOM)] * 3
    assert [decode_event_body(m.body).seq for m in made[:2]] == [4, 5]
    assert made[2].flags == SignalKind.PUBLICATION


def test_a_leave_says_that_it_is_one() -> None:
    signal = PresenceSignal(*ROOM, SignalKind.LEAVE, b'{"user":"u"}')
    (message,) = messages([encode_presence_signal(9, 2, signal)])
    assert (message.flags, message.body) == (SignalKind.LEAVE, b'{"user":"u"}')
