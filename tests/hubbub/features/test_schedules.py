"""Scheduled messages: sent once, at their time, by their author's rights of that moment."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    MESSAGE_DELETED,
    NOT_A_MEMBER,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    USER_BANNED,
    USER_DEACTIVATED,
    ErrorCode,
    Rejected,
)
from hubbub.features.channels import DeleteChannel
from hubbub.features.contract import QueryCall
from hubbub.features.exclusions import TellUser
from hubbub.features.members import AddMembers, RemoveMembers
from hubbub.features.messages import DeleteMessage, MessageCreated, SendMessage
from hubbub.features.schedules import (
    AHEAD_MS_MAX,
    PENDING,
    PENDING_MAX,
    CancelSchedule,
    CreateSchedule,
    DropScheduled,
    FireSchedule,
    PutScheduled,
    ScheduleEnded,
    SchedulesRequest,
    SendScheduled,
    TellChannel,
    UpdateSchedule,
    turn_list,
)
from hubbub.features.slow_mode import (
    SetSlowMode,
)
from hubbub.settings.app import AppSettings, Rate
from hubbub.settings.profiles import (
    BENCH,
    CENTRIFUGE_COMPAT,
)
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import START_MS, Playbook

X = "group:x"
AT = START_MS + 60_000


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=BENCH)


def create(
    book: Playbook, text: str = "later", at: int | str = AT, user: str = "bob", **fields: Any
) -> str:
    message = Raw(encode_json({"text": text, **fields}))
    book.do(user, CreateSchedule(channel=X, at=at, message=message, cmid=f"c-{text}"))
    schedule: str = book.reply["schedule"]
    return schedule


def texts(book: Playbook) -> list[tuple[str, str]]:
    rows = [decode_json(row, dict[str, Any]) for row in mapped(book)]
    return [(row["by"], row["text"]) for row in rows if row["t"] == "message.created"]


def mapped(book: Playbook) -> list[bytes]:
    return [event.data for event in book.tables.published_range(limit=1_000)]


def waiting(book: Playbook, user: str = "bob") -> list[str]:
    page = book.query(user, "schedule.list", SchedulesRequest(X, user))
    return [row["message"]["text"] for row in page["schedules"]]


def test_it_is_shown_to_nobody_and_sent_at_its_time(book: Playbook) -> None:
    schedule = create(book, data={"n": 1})
    assert book.reply == {"schedule": schedule, "at": "2026-01-31T12:01:00.000Z", "rev": 1}
    assert book.tables.head_seq == 1
    (put,) = book.forwards
    assert isinstance(put, PutScheduled)
    assert (put.user, put.channel, put.schedule, put.rev) == ("bob", X, schedule, 1)
    assert decode_json(bytes(put.message), dict[str, Any]) == {"text": "later", "data": {"n": 1}}
    book.tick(59_999)
    assert book.fall_due("schedule:") == []
    book.tick(1)
    created, ended = book.fall_due("schedule:")
    assert created == MessageCreated(text="later", data=Raw(b'{"n":1}'))
    assert ended == ScheduleEnded(user="bob", schedule=schedule, sent=True)
    shown = book.shown(2)
    assert (shown["by"], shown["text"], shown["cmid"]) == ("bob", "later", "c-later")
    assert shown["ts"] == "2026-01-31T12:01:00.000Z"
    assert book.forwards[1] == DropScheduled(user="bob", channel=X, schedule=schedule, sent=True)
    assert (book.waiting("schedule:"), waiting(book)) == ({}, [])
    book.assert_replay_equal()


def test_times(book: Playbook) -> None:
    assert create(book, at="2026-01-31T13:01:00+01:00")
    message = Raw(b'{"text":"x"}')
    for at in (START_MS, START_MS - 1, START_MS + AHEAD_MS_MAX + 1, "noon"):
        refused = book.refused("bob", CreateSchedule(channel=X, at=at, message=message))
        assert refused is BAD_REQUEST
    assert create(book, at=START_MS + AHEAD_MS_MAX)
    book.tick(AHEAD_MS_MAX)
    book.fall_due("schedule:")
    assert texts(book) == [("bob", "later")] * 2


def test_what_may_not_be_sent_is_not_scheduled(book: Playbook) -> None:
    def refused(user: str, fields: str, authority: str = "client") -> ErrorCode:
        command = CreateSchedule(channel=X, at=AT, message=Raw(fields.encode()))
        return book.refused(user, command, authority=authority)

    assert refused("bob", "{}") is BAD_REQUEST
    assert refused("bob", '{"text":5}') is BAD_REQUEST
    assert refused("bob", '{"text":"%s"}' % ("x" * 5_001)) is TOO_LARGE
    assert refused("eve", '{"text":"x"}') is CHANNEL_NOT_FOUND
    assert refused("bob", '{"text":"x","kind":"system"}') is PERMISSION_DENIED
    assert refused("", '{"text":"x"}', "server") is BAD_REQUEST
    assert refused("eve", '{"text":"x"}', "server") is NOT_A_MEMBER, "sent by eve's own rights"
    create(book, text="x", channel="group:other", by="ann", cmid="other")
    book.tick(60_000)
    book.fall_due("schedule:")
    assert texts(book) == [("bob", "x")], "where and by whom is not the message's to say"


def test_what_it_names_is_there_when_it_is_set(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one"))
    mid = book.outcome.id
    gone = mid[:-1] + ("a" if mid[-1] != "a" else "b")
    waits = create(book, at=AT + 1_000)
    for wrong, error in (
        ({"reply_to": gone}, NOT_FOUND),
        ({"thread": gone}, NOT_FOUND),
        ({"mentions": ["eve"]}, BAD_REQUEST),
    ):
        message = Raw(encode_json({"text": "x", **wrong}))
        assert book.refused("bob", CreateSchedule(channel=X, at=AT, message=message)) is error
        assert book.refused("bob", UpdateSchedule(channel=X, id=waits, message=message)) is error
    quoting = create(book, "re", reply_to=mid)
    create(book, "in", thread=mid)
    book.do("ann", DeleteMessage(channel=X, id=mid))
    later = CreateSchedule(channel=X, at=AT, message=Raw(encode_json({"text": "x", "thread": mid})))
    assert book.refused("bob", later) is MESSAGE_DELETED
    book.do("bob", UpdateSchedule(channel=X, id=quoting, at=AT + 1))  # only its time
    book.tick(60_001)
    ended = [event for event in book.fall_due("schedule:") if isinstance(event, ScheduleEnded)]
    assert [(event.code, event.sent) for event in ended] == [(MESSAGE_DELETED.code, False)] * 2
    assert texts(book) == [("ann", "one")]
    book.assert_replay_equal()


def test_who_left_meanwhile_is_mentioned_no_more(book: Playbook) -> None:
    book.do("ann", AddMembers(channel=X, users=("cid", "dan")), authority="server")
    create(book, mentions=["cid", "dan", "ann"])
    book.do("ann", RemoveMembers(channel=X, user="dan"))
    book.tick(60_000)
    created, _ = book.fall_due("schedule:")
    assert isinstance(created, MessageCreated)
    assert created.mentions == ("cid", "ann")
    book.assert_replay_equal()


def test_a_hundred_wait_in_a_channel(book: Playbook) -> None:
    made = [create(book, str(n), at=AT + n) for n in range(PENDING_MAX)]
    refusal = book.refusal("bob", CreateSchedule(channel=X, at=AT, message=Raw(b'{"text":"x"}')))
    assert (refusal.error, refusal.details) == (TOO_MANY, {"limit": PENDING_MAX})
    create(book, user="ann")
    book.do("bob", CancelSchedule(channel=X, id=made[7]))
    create(book, "more")
    assert len(waiting(book)) == PENDING_MAX
    assert waiting(book, "ann") == ["later"], "nobody sees what others will say"
    assert dict(book.tables[PENDING].scan()) == {"ann": 1, "bob": PENDING_MAX}
    book.tick(60_000 + PENDING_MAX)
    book.fall_due("schedule:")
    mine = [text for by, text in texts(book) if by == "bob"]
    assert [text for text in mine if text != "more"] == [str(n) for n in range(100) if n != 7]
    assert waiting(book) == []
    assert book.tables[PENDING].scan() == []
    book.assert_replay_equal()


def test_slow_mode_lets_it_wait(book: Playbook) -> None:
    book.do("ann", SetSlowMode(channel=X, seconds=10))
    create(book)
    book.tick(59_000)
    book.do("bob", SendMessage(channel=X, text="now"))
    book.tick(1_000)
    with pytest.raises(Rejected) as caught:
        book.fall_due("schedule:")
    assert caught.value.error.temporary
    assert waiting(book) == ["later"]
    book.tick(9_000)
    book.fall_due("schedule:")
    assert texts(book) == [("bob", "now"), ("bob", "later")]


def test_a_new_time_or_a_new_text_leaves_the_other(book: Playbook) -> None:
    schedule = create(book, "one")
    book.do("bob", UpdateSchedule(channel=X, id=schedule, message=Raw(b'{"text":"two"}')))
    assert (book.dues[f"schedule:{schedule}"].at_ms, waiting(book)) == (AT, ["two"])
    book.do("bob", UpdateSchedule(channel=X, id=schedule, at=AT + 5))
    assert (book.dues[f"schedule:{schedule}"].at_ms, waiting(book)) == (AT + 5, ["two"])
    assert book.refused("bob", UpdateSchedule(channel=X, id=schedule, at="noon")) is BAD_REQUEST
    assert dict(book.tables[PENDING].scan()) == {"bob": 1}
    book.do("bob", SendScheduled(channel=X, id=schedule))
    assert book.tables[PENDING].scan() == []
    assert book.forwards[-1] == DropScheduled(user="bob", channel=X, schedule=schedule, sent=True)


def test_it_is_changed_taken_back_and_sent_at_once_by_its_author_alone(book: Playbook) -> None:
    one, two, three = (create(book, text) for text in ("one", "two", "three"))
    for command in (
        UpdateSchedule(channel=X, id=one, at=AT),
        CancelSchedule(channel=X, id=one),
        SendScheduled(channel=X, id=one),
    ):
        assert book.refused("ann", command) is NOT_FOUND
    assert book.refused("bob", UpdateSchedule(channel=X, id=one)) is BAD_REQUEST
    later = UpdateSchedule(channel=X, id=one, at=AT + 1_000, message=Raw(b'{"text":"ONE"}'))
    book.do("bob", later)
    assert book.reply["rev"] == 2
    book.do("bob", UpdateSchedule(channel=X, id=one, at=AT + 2_000))
    book.do("bob", CancelSchedule(channel=X, id=two))
    assert book.do("bob", SendScheduled(channel=X, id=three))[0] == MessageCreated(text="three")
    assert book.outcome.seq == 2
    assert waiting(book) == ["ONE"]
    book.tick(62_000)
    book.fall_due("schedule:")
    assert texts(book) == [("bob", "three"), ("bob", "ONE")]
    assert book.shown(3)["cmid"] == "c-one"
    for gone in (one, two, three):
        assert book.refused("bob", SendScheduled(channel=X, id=gone)) is NOT_FOUND
    book.assert_replay_equal()


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (RemoveMembers(channel=X, user="bob"), CHANNEL_NOT_FOUND),
        (DeleteChannel(channel=X), CHANNEL_NOT_FOUND),
    ],
)
def test_rights_are_those_of_its_time_and_a_refusal_is_told(
    book: Playbook, end: Any, error: ErrorCode
) -> None:
    schedule = create(book)
    book.do("ann", end)
    book.forwards.clear()
    head = book.tables.head_seq
    book.tick(60_000)
    (ended,) = book.fall_due("schedule:")
    assert isinstance(ended, ScheduleEnded)
    assert (ended.code, ended.error, ended.sent) == (error.code, error.name, False)
    (drop,) = book.forwards
    assert isinstance(drop, DropScheduled)
    assert (drop.code, drop.schedule) == (error.code, schedule)
    assert (book.waiting("schedule:"), book.tables.head_seq) == ({}, head)
    book.assert_replay_equal()


def test_the_pace_lets_it_wait() -> None:
    settings = replace(AppSettings(), send_per_channel=Rate(1.0, 1))
    book = Playbook(X, owner="ann", members=["bob"], settings=settings)
    create(book)
    book.tick(60_000)
    book.do("bob", SendMessage(channel=X, text="now"))
    with pytest.raises(Rejected) as caught:
        book.fall_due("schedule:")
    assert caught.value.details["retry_after_ms"] == 1_000
    book.tick(1_000)
    book.fall_due("schedule:")
    assert texts(book) == [("bob", "now"), ("bob", "later")]


def test_nobody_fires_it_himself(book: Playbook) -> None:
    schedule = create(book)
    assert book.refused("bob", FireSchedule(channel=X, id=schedule)) is PERMISSION_DENIED
    assert book.do("bob", FireSchedule(channel=X, id="gone"), authority="system") == []


def test_lists_are_their_authors_own(book: Playbook) -> None:
    create(book, "b", at=AT + 1)
    create(book, "a", at=AT)
    create(book, "c", user="ann")
    assert waiting(book) == ["a", "b"]
    with pytest.raises(Rejected) as caught:
        book.query("ann", "schedule.list", SchedulesRequest(X, "bob"))
    assert caught.value.error is PERMISSION_DENIED
    for limit in (0, -1, 101):
        with pytest.raises(Rejected):
            book.query("bob", "schedule.list", SchedulesRequest(X, "bob", limit=limit))
    page = book.query("", "schedule.list", SchedulesRequest(X, "bob"), authority="server")
    assert len(page["schedules"]) == 2
    ctx = book.edge_context(Viewer("bob"))
    request = SchedulesRequest(X, "bob")
    assert turn_list(SchedulesRequest(X), ctx) == QueryCall(X, "schedule.list", request)
    everywhere = QueryCall("#bob", "schedule.list_all", SchedulesRequest("", "bob"))
    assert turn_list(SchedulesRequest(), ctx) == everywhere


# --- the author's own stream


def put(book: Playbook, channel: str, schedule: str, rev: int = 1) -> None:
    command = PutScheduled(
        user="bob", channel=channel, schedule=schedule, at_ms=AT, rev=rev, message=Raw(b'{"a":1}')
    )
    book.do("bob", command, authority="system")


def test_the_authors_stream_follows() -> None:
    book = Playbook("#bob")
    put(book, X, "s1")
    put(book, X, "s1", rev=2)
    put(book, "group:y", "s2")
    put(book, "group:y", "s3")
    drops = [
        DropScheduled(user="bob", channel=X, schedule="s1", sent=True),
        DropScheduled(user="bob", channel=X, schedule="s1", sent=True),
        DropScheduled(
            user="bob", channel="group:y", schedule="s2", code=420, error="not_a_member", text="no"
        ),
    ]
    for drop in drops:
        book.do("bob", drop, authority="system")
    shown = [book.shown(seq) for seq in range(1, book.tables.head_seq + 1)]
    assert [row["t"] for row in shown] == [
        *["message.scheduled"] * 4,
        "message.unscheduled",
        "message.schedule_failed",
    ]
    assert shown[1]["rev"] == 2
    assert shown[4]["sent"] is True
    assert shown[5]["error"] == {"code": 420, "name": "not_a_member", "text": "no"}
    assert shown[5]["message"] == {"a": 1}
    page = book.query("bob", "schedule.list_all", SchedulesRequest("", "bob"))
    assert [row["schedule"] for row in page["schedules"]] == ["s3"]
    assert book.refused("bob", drops[0]) is PERMISSION_DENIED
    book.assert_replay_equal()


def test_all_of_them_by_pages() -> None:
    book = Playbook("#bob")
    for n in range(25):
        put(book, f"group:{n % 3}", f"s{n:02}")
    found, after = [], ""
    while True:
        request = SchedulesRequest("", "bob", after, 10)
        page = book.query("bob", "schedule.list_all", request)
        found += [(row["channel"], row["schedule"]) for row in page["schedules"]]
        after = page["next"]
        if not after:
            break
    assert found == sorted(found)
    assert len(set(found)) == 25
    with pytest.raises(Rejected) as caught:
        book.query("eve", "schedule.list_all", SchedulesRequest("", "bob"))
    assert caught.value.error is PERMISSION_DENIED
    for limit in (0, 101):
        with pytest.raises(Rejected):
            book.query("bob", "schedule.list_all", SchedulesRequest("", "bob", limit=limit))


# --- of excluded authors


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"deactivated": True}, USER_DEACTIVATED),
        ({"banned_ms": AT + 1}, USER_BANNED),
        ({"banned_ms": AT - 1}, None),
        ({}, None),
    ],
)
def test_an_excluded_author_sends_nothing_at_the_time(
    book: Playbook, state: dict[str, Any], error: ErrorCode | None
) -> None:
    schedule = create(book)
    book.do("", TellChannel(channel=X, user="bob", deactivated=True), authority="system")
    book.do("", TellChannel(channel=X, user="bob", **state), authority="system")
    book.tick(60_000)
    [*_, ended] = book.fall_due("schedule:")
    if error is None:
        assert ended == ScheduleEnded(user="bob", schedule=schedule, sent=True)
        assert texts(book) == [("bob", "later")]
    else:
        assert isinstance(ended, ScheduleEnded)
        assert (ended.code, ended.error, ended.sent) == (error.code, error.name, False)
        assert texts(book) == []
    assert waiting(book) == []
    rows = book.tables.rows["schedules.excluded"].packed
    assert rows == {}, "nothing of him waits"
    book.assert_replay_equal()


def test_a_channel_where_nothing_waits_keeps_nothing(book: Playbook) -> None:
    tell = TellChannel(channel=X, user="bob", deactivated=True)
    assert book.do("", tell, authority="system") == []
    create(book)
    assert len(book.do("", tell, authority="system")) == 1
    assert book.do("", tell, authority="system") == []
    assert book.refused("bob", tell) is PERMISSION_DENIED


def told(book: Playbook) -> list[TellChannel]:
    found = [command for command in book.forwards if isinstance(command, TellChannel)]
    book.forwards.clear()
    return found


def test_the_authors_stream_tells_each_channel_once_and_late_ones() -> None:
    book = Playbook("#bob", settings=BENCH)

    def put(channel: str, schedule: str) -> None:
        listed = PutScheduled(
            user="bob", channel=channel, schedule=schedule, at_ms=AT, rev=1, message=Raw(b"{}")
        )
        book.do("bob", listed, authority="system")

    for channel in ("group:a", "group:b"):
        for schedule in ("one", "two"):
            put(channel, schedule)
    assert told(book) == []
    book.do("", TellUser("bob", deactivated=True), authority="system")
    assert told(book) == [
        TellChannel(channel=channel, user="bob", deactivated=True)
        for channel in ("group:a", "group:b")
    ]
    put("group:c", "three")
    assert told(book) == [TellChannel(channel="group:c", user="bob", deactivated=True)]
    book.do("", TellUser("bob"), authority="system")
    assert [(one.channel, one.deactivated) for one in told(book)] == [
        ("group:a", False), ("group:b", False), ("group:c", False),
    ]  # fmt: skip
    put("group:d", "four")
    assert told(book) == []


def test_the_projection_is_the_clusters_own() -> None:
    """And a raw stream of a user has none: its events would take offsets there."""
    put = PutScheduled(user="bob", channel=X, schedule="s", at_ms=AT, rev=1, message=Raw(b"{}"))
    drop = DropScheduled(user="bob", channel=X, schedule="s", sent=True)
    own, raw = Playbook("#bob"), Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    assert own.do("", put, authority="system") != []
    for command in (put, drop):
        assert own.refused("bob", command) is PERMISSION_DENIED
        assert raw.do("", command, authority="system") == []
