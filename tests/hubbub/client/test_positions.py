"""Positions: what is asked, what counts as taken, and that nothing listed is forgotten."""

from __future__ import annotations

import pytest

from hubbub.client.events import NoAnswer
from hubbub.client.positions import CHANNELS_MAX, Change, Positions


def state(seq: int, kind: str = "delta", **more: object) -> dict[str, object]:
    return {"state": kind, "epoch": "e", "seq": seq, "events": [{"t": "x"}], **more}


def test_the_first_time_the_list_is_asked_for_and_then_its_channels() -> None:
    places = Positions()
    assert places.ask() == {"user": ("", 0), "channels": {}}
    [own] = places.take({"user": state(4, "reset", snapshot={"channels": []}), "channels": {}})
    places.listed(["group:a", "group:b"])
    places.reached(own)
    assert places.ask() == {
        "user": ("e", 4),
        "channels": dict.fromkeys(["group:a", "group:b"], ("", 0)),
    }
    changes = places.take(
        {"channels": {"group:a": state(3, "head", gap=[1, 2])}, "more": ["group:b"]}
    )
    assert changes == [Change("group:a", "head", [{"t": "x"}], (1, 2), position=("e", 3))]
    places.reached(changes[0])
    assert places.ask() == {"user": ("e", 4), "channels": {"group:b": ("", 0)}}


def test_a_position_moves_when_the_change_was_taken() -> None:
    places = Positions({"user": ["e", 1], "channels": {"group:a": ["e", 5], "group:b": ["e", 5]}})
    places.ask()
    kept, lost = places.take(
        {
            "user": state(1) | {"events": []},
            "channels": {"group:a": state(9), "group:b": {"state": "gone"}},
        }
    )
    assert places.saved()["channels"] == {"group:a": ("e", 5), "group:b": ("e", 5)}
    places.reached(kept)
    places.reached(lost)
    assert places.saved()["channels"] == {"group:a": ("e", 9)}
    assert places.ask() is None


def test_what_was_listed_and_not_read_yet_is_asked_for_after_a_crash() -> None:
    places = Positions()
    places.ask()
    [own] = places.take({"user": state(4, "reset"), "channels": {}, "more": ["group:new"]})
    places.listed(["group:old"])
    places.reached(own)
    asked = Positions(places.saved()).ask()
    assert asked == {
        "user": ("e", 4),
        "channels": dict.fromkeys(["group:new", "group:old"], ("", 0)),
    }


def test_many_channels_go_in_several_requests() -> None:
    names = [f"group:{n}" for n in range(CHANNELS_MAX + 5)]
    places = Positions({"user": ["e", 1], "channels": {name: ["e", 1] for name in names}})
    first = places.ask()
    assert first is not None
    places.take({"channels": {name: state(1) for name in first["channels"]}})
    second = places.ask()
    assert second is not None
    assert [*first["channels"], *second["channels"]] == names


def test_a_server_that_comes_no_further_ends_the_sync() -> None:
    places = Positions({"user": ["e", 1], "channels": {"group:a": ["e", 1]}})
    places.ask()
    with pytest.raises(NoAnswer):
        places.take({"channels": {}, "more": ["group:a"]})
