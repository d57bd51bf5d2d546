"""Presence: what is kept of it, how it is shown, and who may see it."""

from __future__ import annotations

from itertools import product
from typing import Any, cast

import pytest

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.channel_list import PutListed
from hubbub.features.contract import HeadsCall, Local, QueryCall
from hubbub.features.presence import (
    FEATURE,
    EndPresence,
    OwnRequest,
    PresenceByText,
    PresenceChosen,
    PresenceEnded,
    PresenceRequest,
    RoomRequest,
    SetPresence,
    UserPresenceRequest,
    told,
    turn_clients,
    turn_counts,
    turn_get,
    turn_get_by_text,
    turn_get_one,
    turn_set,
    turn_watch,
)
from hubbub.features.privacy import SetPrivacy
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.presence import Activity, Live, Looked, LookRequest, Sees, Watch
from hubbub.wire.shapes import HeadRow, Viewer
from tests.support.playbook import START_MS, Playbook, walk

NONE, IDLE, ACTIVE = map(Live, Activity)
BOTH = Sees.STATE | Sees.LAST_SEEN


@pytest.fixture
def book() -> Playbook:
    return Playbook("#ann")


def choose(book: Playbook, state: Any) -> None:
    book.do("ann", SetPresence(user="ann", state=state))


def end(book: Playbook, gone_ms: int) -> list[Any]:
    command = EndPresence(user="ann", gone_ms=gone_ms)
    return book.do("ann", command, authority="system")


def shown(book: Playbook, live: Live) -> tuple[str, int]:
    moved = told(live, book.tables)
    return moved.state, moved.last_seen_ms


def look(book: Playbook, **request: Any) -> Looked:
    answer = book.query("bob", "presence.look", LookRequest(**request), authority="edge")
    return decode_json(encode_json(answer), Looked)


def listed(book: Playbook, channel: str, kind: ChannelKind, role: Role = Role.MEMBER) -> None:
    put = PutListed(user="ann", channel=channel, kind=kind, role=role)
    book.do("ann", put, authority="system")


def test_a_choice_is_kept_and_wins_over_what_devices_do(book: Playbook) -> None:
    assert [shown(book, live)[0] for live in (NONE, IDLE, ACTIVE)] == ["offline", "away", "online"]
    assert book.do("ann", SetPresence(user="ann", state="busy")) == [PresenceChosen(state="busy")]
    assert book.do("ann", SetPresence(user="ann", state="busy")) == []
    assert [shown(book, live)[0] for live in (NONE, IDLE, ACTIVE)] == ["offline", "busy", "busy"]
    choose(book, "away")
    assert shown(book, ACTIVE)[0] == "away"
    book.do("", SetPresence(user="ann", state="online"), authority="server")
    assert shown(book, ACTIVE)[0] == "online"
    book.assert_replay_equal()


def test_going_costs_one_silent_entry_and_last_seen_is_the_newest(book: Playbook) -> None:
    seq = book.tables.head_seq
    assert end(book, START_MS) == [PresenceEnded(gone_ms=START_MS)]
    assert end(book, START_MS) == []
    assert end(book, START_MS - 5) == [], "an older one that came late"
    assert book.tables.head_seq == seq, "no offset is taken"
    assert shown(book, NONE) == ("offline", START_MS)
    assert shown(book, Live(gone_ms=START_MS + 9)) == ("offline", START_MS + 9), "not yet kept"
    assert shown(book, ACTIVE) == ("online", 0)
    book.assert_replay_equal()


def test_invisible_is_hidden_and_shown_as_before_until_then(book: Playbook) -> None:
    lease = FEATURE.lease
    assert lease is not None
    assert not lease.hides(book.tables)
    choose(book, "busy")
    choose(book, "invisible")
    assert lease.hides(book.tables)
    assert shown(book, ACTIVE)[0] == "busy", "within the grace"
    assert lease.ended("ann", 7) == EndPresence(user="ann", gone_ms=7)
    choose(book, "online")
    assert not lease.hides(book.tables)
    book.assert_replay_equal()


def test_refusals(book: Playbook) -> None:
    assert book.refused("bob", SetPresence(user="ann", state="away")) is PERMISSION_DENIED
    assert book.refused("ann", SetPresence(user="ann")) is BAD_REQUEST
    assert book.refused("ann", EndPresence(user="ann", gone_ms=1)) is PERMISSION_DENIED
    raw = Playbook("#ann", settings=AppSettings(namespaces={"#": Namespace()}))
    assert raw.refused("ann", SetPresence(user="ann", state="away")) is NOT_AVAILABLE
    with pytest.raises(Rejected, match="presence"):
        turn_get(PresenceRequest(("bob",)), raw.edge_context(Viewer("ann")))


# --- who may see


WHO = ("everybody", "contacts", "nobody")


@pytest.mark.parametrize(("mine", "theirs", "is_contact"), list(product(WHO, WHO, (True, False))))
def test_it_is_reciprocal(mine: Any, theirs: Any, is_contact: bool) -> None:
    book = Playbook("#ann")
    listed(book, "group:both", ChannelKind.GROUP)
    book.do("ann", SetPrivacy(user="ann", presence=mine, last_seen=mine))
    channels = ("group:other", "group:both") if is_contact else ("group:other",)
    request = {"viewer": "bob", "shown": theirs, "shown_last": theirs}
    first = look(book, **request)
    by_list = "contacts" in (mine, theirs) and "nobody" not in (mine, theirs)
    assert first.unsure is by_list
    sees = look(book, **request, channels=channels).sees
    may = "nobody" not in (mine, theirs) and (is_contact or not by_list)
    assert sees & BOTH == (BOTH if may else 0)
    assert bool(sees & Sees.BY_LIST) is by_list
    assert first.sees == (0 if by_list else sees)


def test_last_seen_has_its_own_audience_within_that_of_presence(book: Playbook) -> None:
    book.do("ann", SetPrivacy(user="ann", last_seen="nobody"))
    assert look(book, viewer="bob").sees == Sees.STATE
    assert look(book, viewer="bob", shown_last="nobody").sees == Sees.STATE
    book.do("ann", SetPrivacy(user="ann", last_seen="everybody", presence="nobody"))
    assert look(book, viewer="bob").sees == 0
    assert look(book, viewer="").sees == BOTH, "a server key"
    choose(book, "invisible")
    assert look(book, viewer="bob").choice == ""
    mine = look(book, viewer="ann")
    assert (mine.sees, mine.choice) == (BOTH, "invisible")
    book.assert_replay_equal()


def test_an_invitation_makes_no_contact_and_open_channels_are_not_named(book: Playbook) -> None:
    listed(book, "group:asked", ChannelKind.GROUP, Role.INVITED)
    listed(book, "group:in", ChannelKind.GROUP)
    listed(book, "open:all", ChannelKind.OPEN)
    asked = look(book, viewer="bob", shown="contacts", channels=("group:asked",))
    assert not asked.sees & Sees.STATE
    own = book.query("ann", "presence.own", OwnRequest(channels=True))
    assert own == {"presence": "everybody", "last_seen": "everybody", "channels": ["group:in"]}
    assert "channels" not in book.query("ann", "presence.own", OwnRequest())


# --- what edges ask


def rows(**found: Looked) -> dict[str, HeadRow]:
    return {
        f"#{user}": HeadRow("demo", f"#{user}", True, answer=encode_json(looked))
        for user, looked in found.items()
    }


def own(presence: str = "everybody", **more: Any) -> bytes:
    return encode_json({"presence": presence, "last_seen": presence, **more})


def ctx(book: Playbook, user: str = "bob", **more: str) -> Any:
    return book.edge_context(Viewer(user, **more))


GONE = Looked("offline", START_MS, BOTH)
SEEN = {"state": "offline", "last_seen": "2026-01-31T12:00:00.000Z"}


def test_get_takes_two_rounds_and_says_what_may_be_seen(book: Playbook) -> None:
    request = PresenceRequest(("ann", "cid", "dan", "ann"))
    steps = walk(
        turn_get(request, ctx(book)),
        own(),
        rows(ann=Looked("busy", 0, BOTH), cid=GONE, dan=Looked("busy", 0, 0)),
    )
    assert isinstance(steps[0], QueryCall)
    assert (steps[0].key, steps[0].name) == ("#bob", "presence.own")
    asked = cast(HeadsCall, steps[1])
    assert asked.keys == ("#ann", "#cid", "#dan")
    assert asked.args == LookRequest("bob")
    answer = decode_json(cast(bytes, steps[2]), dict[str, Any])
    assert answer == {"users": {"ann": {"state": "busy"}, "cid": SEEN, "dan": {"state": "offline"}}}


def test_contacts_cost_two_rounds_more_for_those_alone(book: Playbook) -> None:
    steps = walk(
        turn_get(PresenceRequest(("ann", "cid")), ctx(book)),
        own("contacts"),
        rows(ann=Looked("busy", 0, 0, unsure=True), cid=Looked("busy", 0, BOTH)),
        own("contacts", channels=["group:a"]),
        rows(ann=GONE),
    )
    assert cast(QueryCall, steps[2]).args == OwnRequest(channels=True)
    asked = cast(HeadsCall, steps[3])
    assert asked.keys == ("#ann",)
    assert asked.args == LookRequest("bob", "contacts", "contacts", ("group:a",))
    answer = decode_json(cast(bytes, steps[4]), dict[str, Any])["users"]
    assert answer == {"ann": SEEN, "cid": {"state": "busy"}}


def test_a_server_key_sees_all_or_in_somebodys_eyes(book: Playbook) -> None:
    server = ctx(book, "", authority="server")
    steps = walk(turn_get_one(UserPresenceRequest("ann"), server), rows(ann=GONE))
    assert cast(HeadsCall, steps[0]).args == LookRequest()
    assert decode_json(cast(bytes, steps[1]), dict[str, Any]) == SEEN
    text = turn_get_by_text(PresenceByText("ann,,cid", by="bob"), server)
    assert cast(QueryCall, walk(text)[0]).key == "#bob"
    with pytest.raises(Rejected):
        turn_get(PresenceRequest(("ann",), by=""), server)
    with pytest.raises(Rejected):
        turn_get(PresenceRequest(("ann",), by="cid"), ctx(book))
    with pytest.raises(Rejected):
        turn_get(PresenceRequest(("ann",)), ctx(book, "", authority="operator"))
    with pytest.raises(Rejected) as refused:
        turn_get(PresenceRequest(tuple(f"u{n}" for n in range(201))), ctx(book))
    assert (refused.value.error, refused.value.details) == (TOO_MANY, {"limit": 200})


def test_watching_begins_before_anybody_is_asked(book: Playbook) -> None:
    turned = turn_watch(PresenceRequest(("ann",)), ctx(book, client="c1"))
    steps = walk(turned, encode_json(Watch({})), own(), rows(ann=GONE), b"{}")
    assert steps[0] == Local("presence.watch", PresenceRequest(("ann",)))
    assert steps[3] == Local("presence.watched", Watch({"ann": GONE}))
    assert decode_json(cast(bytes, steps[4]), dict[str, Any]) == {"users": {"ann": SEEN}}
    with pytest.raises(Rejected):
        turn_watch(PresenceRequest(("ann",)), ctx(book))


def test_who_stays_on_a_screen_is_not_asked_about_again(book: Playbook) -> None:
    turned = turn_watch(PresenceRequest(("ann", "cid")), ctx(book, client="c1"))
    known = encode_json(Watch({"ann": GONE}))
    steps = walk(turned, known, own(), rows(cid=GONE), b"{}")
    assert cast(HeadsCall, steps[2]).keys == ("#cid",)
    assert decode_json(cast(bytes, steps[4]), dict[str, Any])["users"] == {"ann": SEEN, "cid": SEEN}
    turned = turn_watch(PresenceRequest(("ann",)), ctx(book, client="c1"))
    assert isinstance(walk(turned, known)[1], Local), "nobody is asked at all"


def test_idle_is_said_of_a_connection_and_is_no_entry(book: Playbook) -> None:
    steps = walk(turn_set(SetPresence(idle=True), ctx(book, client="c1")), b"{}")
    assert isinstance(steps[0], Local)
    assert (steps[0].name, steps[1]) == ("presence.idle", b"{}")
    both = walk(turn_set(SetPresence(idle=False, state="busy"), ctx(book)), b"{}", b'{"seq":1}')
    assert both[1:] == [SetPresence(user="bob", state="busy"), b'{"seq":1}']
    assert turn_set(SetPresence(state="busy"), ctx(book)) == both[1]
    with pytest.raises(Rejected):
        turn_set(SetPresence(user="ann", idle=True), ctx(book))


def test_a_small_room_is_counted_by_whom_one_may_see() -> None:
    room = Playbook("group:x", owner="ann", members=["bob", "cid"])
    answer = room.query("bob", "presence.room", RoomRequest("group:x"))
    assert answer == {"members": ["ann", "bob", "cid"], "watchers": 0}
    with pytest.raises(Rejected) as refused:
        room.query("eve", "presence.room", RoomRequest("group:x"))
    assert refused.value.error is CHANNEL_NOT_FOUND
    found = rows(ann=Looked("busy", 0, BOTH), bob=Looked("away", 0, BOTH), cid=Looked("busy"))
    turned = turn_counts(RoomRequest("group:x"), ctx(room))
    steps = walk(turned, encode_json(answer), own(), found)
    assert decode_json(cast(bytes, steps[-1]), dict[str, Any]) == {
        "online": 2,
        "users": ["ann", "bob"],
    }


def test_connections_are_listed_of_those_alone_whom_one_may_see() -> None:
    room = Playbook("group:x", owner="ann", members=["bob", "cid", "dan"])
    here = {
        f"c{n}": {"user": user} for n, user in enumerate(["ann", "bob", "bob", "cid", "dan", ""])
    }
    found = rows(
        ann=Looked("online", 0, BOTH, hides=True),  # within the grace
        bob=Looked("busy", 0, BOTH),
        cid=Looked("online", 0, 0),
        dan=GONE,
    )
    listed = encode_json({"presence": here})
    members = encode_json({"members": ["ann", "bob", "cid", "dan"], "watchers": 0})
    steps = walk(turn_clients("group:x", ctx(room)), members, listed, own(), found)
    assert cast(HeadsCall, steps[3]).keys == ("#ann", "#bob", "#cid", "#dan")
    shown = decode_json(cast(bytes, steps[-1]), dict[str, Any])["presence"]
    assert shown == {"c1": {"user": "bob"}, "c2": {"user": "bob"}}
    with pytest.raises(Rejected, match="keeps no list"):
        walk(turn_clients("open:x", ctx(room)), b'{"members":null,"watchers":7}')
    raw = Playbook("group:x", owner="ann", settings=AppSettings(namespaces={"#": Namespace()}))
    steps = walk(turn_clients("group:x", ctx(raw)), members, listed)
    assert steps[-1] == listed, "nobody can hide there"


def test_who_hides_is_marked_for_edges(book: Playbook) -> None:
    assert not look(book, viewer="bob").hides
    choose(book, "invisible")
    assert look(book, viewer="bob").hides
    assert look(book).hides
    choose(book, "online")
    assert not look(book, viewer="bob").hides


def test_a_larger_one_by_connections() -> None:
    room = Playbook("open:x", owner="ann")
    room.live = Live(watchers=7)
    answer = room.query("ann", "presence.room", RoomRequest("open:x"))
    assert answer == {"members": None, "watchers": 7}
    steps = walk(turn_counts(RoomRequest("open:x"), ctx(room, "ann")), encode_json(answer))
    assert decode_json(cast(bytes, steps[-1]), dict[str, Any]) == {"watchers": 7}


def test_a_device_gets_the_choice_with_its_first_screen(book: Playbook) -> None:
    assert book.snapshot("ann")["presence"] == "online"
    choose(book, "invisible")
    assert book.snapshot("ann")["presence"] == "invisible"
