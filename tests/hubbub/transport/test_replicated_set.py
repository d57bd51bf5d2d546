"""Replicated sets converge whatever the link loses, repeats or reorders."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.transport import replicated_set
from hubbub.transport.replicated_set import Key, SetCopy, SetSource
from hubbub.wire.frame import Message, decode_frame, encode_frame, encode_message
from hubbub.wire.shapes import Kind


def messages(raw: list[bytes]) -> list[Message]:
    return decode_frame(encode_frame(raw, generation=1, boot_id=1, n=1, ack=0))[1]


def linked(*keys: str) -> tuple[SetSource, SetCopy]:
    source, copy = SetSource(), SetCopy()
    for key in keys:
        source.add(("demo", key))
    for message in messages(source.fulls()):
        assert not copy.receive(message).pull
    return source, copy


def pulled(source: SetSource, copy: SetCopy) -> None:
    for message in messages(source.fulls()):
        copy.receive(message)


def test_full_then_deltas() -> None:
    source, copy = linked("a", "b")
    assert copy.keys == {("demo", "a"), ("demo", "b")}
    source.add(("demo", "c"))
    source.remove(("demo", "a"))
    (delta,) = messages(source.deltas())
    change = copy.receive(delta)
    assert (change.added, change.removed) == ((("demo", "c"),), (("demo", "a"),))
    assert copy.keys == {("demo", "b"), ("demo", "c")}
    assert not copy.beat(source.beat())
    assert source.deltas() == []


def test_changes_that_cancel_are_never_sent() -> None:
    source, _ = linked("a")
    source.add(("demo", "b"))
    source.remove(("demo", "b"))
    source.remove(("demo", "a"))
    source.add(("demo", "a"))
    source.add(("demo", "a"))
    source.remove(("demo", "never"))
    assert not source.changed
    assert len(source) == 1
    assert ("demo", "a") in source
    assert ("demo", "b") not in source


def test_a_missed_number_asks_once_and_full_repairs() -> None:
    source, copy = linked()
    source.add(("demo", "a"))
    source.deltas()  # lost
    source.add(("demo", "b"))
    (second,) = messages(source.deltas())
    source.add(("demo", "c"))
    (third,) = messages(source.deltas())
    assert copy.receive(second).pull
    assert not copy.receive(third).pull
    pulled(source, copy)
    assert copy.keys == {("demo", "a"), ("demo", "b"), ("demo", "c")}


def test_a_beat_shows_the_loss_of_the_last_delta() -> None:
    source, copy = linked("a")
    source.add(("demo", "b"))
    source.deltas()  # lost
    assert copy.beat(source.beat())
    pulled(source, copy)
    assert not copy.beat(source.beat())


def test_waiting_changes_are_not_in_the_beat() -> None:
    source, copy = linked("a")
    source.add(("demo", "b"))
    assert not copy.beat(source.beat())


def test_a_copy_without_full_asks() -> None:
    source = SetSource()
    source.add(("demo", "a"))
    (delta,) = messages(source.deltas())
    assert SetCopy().receive(delta).pull
    assert SetCopy().beat(source.beat())
    assert not SetCopy().beat(SetSource().beat())


def test_an_owner_that_began_again_is_followed() -> None:
    """A source that was made anew counts from 1 again; its FULL is taken all the same."""
    _, copy = linked("a", "b")
    fresh = SetSource()
    fresh.add(("demo", "z"))
    pulled(fresh, copy)
    assert copy.keys == {("demo", "z")}
    assert not copy.beat(fresh.beat())


def test_bodies_that_are_none_ask_for_the_truth() -> None:
    _, copy = linked("a")
    for kind in (Kind.INTEREST_FULL, Kind.INTEREST_DELTA):
        (garbage,) = messages([encode_message(kind, b"\xff\x00")])
        copy.receive(garbage)
    assert copy.keys == {("demo", "a")}
    assert not copy.beat(b"\xff")


def test_a_large_set_travels_in_pieces() -> None:
    names = [f"group:{n}" for n in range(replicated_set.CHUNK_KEYS * 2 + 5)]
    source, copy = linked(*names)
    assert len(copy.keys) == len(names)
    assert not copy.beat(source.beat())
    for name in names:
        source.remove(("demo", name))
        source.add(("demo", name + "!"))
    raw = source.deltas()
    assert len(raw) == 6
    for message in messages(raw):
        copy.receive(message)
    assert copy.keys == {("demo", name + "!") for name in names}
    assert not copy.beat(source.beat())


KEYS: list[Key] = [("demo", f"k{n}") for n in range(6)]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), max_size=4),
            st.sampled_from(["deliver", "lose", "twice", "delay", "beat"]),
        ),
        max_size=40,
    )
)
def test_random_loss_repetition_and_order_converge(
    steps: list[tuple[list[tuple[bool, Key]], str]],
) -> None:
    """Afterwards two beats on a working link are enough."""
    source, copy = linked()
    truth: set[Key] = set()
    delayed: list[Message] = []
    for changes, fate in steps:
        for is_add, key in changes:
            (source.add if is_add else source.remove)(key)
            (truth.add if is_add else truth.discard)(key)
        sent = messages(source.deltas())
        if fate == "beat" and copy.beat(source.beat()):
            sent = messages(source.fulls())
        if fate == "delay":
            delayed += sent
        elif fate != "lose":
            for message in sent * (2 if fate == "twice" else 1) + delayed:
                copy.receive(message)
            delayed = []
    for _ in range(2):
        if copy.beat(source.beat()):
            pulled(source, copy)
    assert not copy.beat(source.beat())
    assert copy.keys == truth
