"""Reminders: told once, at their time, until they are dealt with."""

from __future__ import annotations

from contextlib import (
    suppress,
)
from typing import Any

import pytest
from hypothesis import (
    given,
    settings,
)
from hypothesis import (
    strategies as st,
)

from hubbub.base.errors import (
    BAD_REQUEST,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_LARGE,
    TOO_MANY,
    Rejected,
)
from hubbub.base.ids import message_id
from hubbub.features import (
    reminders,
)
from hubbub.features.reminders import (
    FIRED,
    FIRED_MAX,
    PENDING,
    PENDING_MAX,
    REMINDERS,
    CancelReminder,
    CreateReminder,
    FireReminder,
    ReminderFired,
    RemindersRequest,
    SnoozeReminder,
)
from hubbub.features.standing import (
    ONLY,
)
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from tests.support.playbook import START_MS, Playbook

AT = START_MS + 60_000
MESSAGE = message_id(START_MS, 7, b"x", b"y")


@pytest.fixture
def book() -> Playbook:
    return Playbook("#bob")


def create(book: Playbook, at: int = AT, **fields: Any) -> str:
    fields = fields or {"note": "milk"}
    book.do("bob", CreateReminder(user="bob", at=at, **fields))
    return book.outcome.id


def listed(book: Playbook, **request: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = book.query("bob", "reminder.list", RemindersRequest(**request))[
        "reminders"
    ]
    return rows


def test_it_is_told_at_its_time_with_all_that_it_is_about(book: Playbook) -> None:
    mid = create(book, channel="group:x", message=MESSAGE, note="answer him")
    book.tick(60_000)
    assert book.fall_due() == [
        ReminderFired(
            id=mid,
            reminder_seq=1,
            at="2026-01-31T12:01:00.000Z",
            channel="group:x",
            message=MESSAGE,
            note="answer him",
        )
    ]
    shown = book.shown(2)
    assert (shown["t"], shown["id"], shown["by"]) == ("reminder.fired", mid, "bob")
    (row,) = listed(book)
    assert (row["id"], row["fired"], row["note"]) == (mid, True, "answer him")
    book.tick(10_000_000)
    assert book.fall_due() == []
    book.assert_replay_equal()


def test_snoozed_before_and_after_and_cancelled(book: Playbook) -> None:
    mid = create(book)
    book.do("bob", SnoozeReminder(id=mid, at=AT + 1_000))
    book.tick(60_000)
    assert book.fall_due() == []
    book.tick(1_000)
    assert len(book.fall_due()) == 1
    book.do("bob", SnoozeReminder(id=mid, at=AT + 9_000))
    assert (listed(book)[0].get("fired"), book.outcome.id) == (None, mid)
    book.tick(8_000)
    assert len(book.fall_due()) == 1
    book.do("bob", CancelReminder(id=mid))
    waits = create(book, AT + 60_000)
    book.do("bob", CancelReminder(id=waits))
    assert (listed(book), book.dues) == ([], {})
    for gone in (mid, waits):
        assert book.refused("bob", CancelReminder(id=gone)) is NOT_FOUND
    assert book.refused("bob", SnoozeReminder(id=mid, at=AT + 10**6)) is NOT_FOUND
    book.assert_replay_equal()


def test_what_is_no_reminder(book: Playbook) -> None:
    def refused(**fields: Any) -> object:
        return book.refused("bob", CreateReminder(**{"at": AT} | fields))

    assert refused() is refused(note="  ") is refused(message=MESSAGE) is BAD_REQUEST
    assert refused(message=MESSAGE, note="x") is BAD_REQUEST, "in which channel?"
    assert refused(channel="#ann") is not None
    assert refused(note="x", at=START_MS) is refused(note="x", at="soon") is BAD_REQUEST
    assert refused(note="x" * 1_001) is TOO_LARGE
    assert refused(channel="group:x", message="nonsense") is BAD_REQUEST


def test_a_drawer_is_its_users_own(book: Playbook) -> None:
    mid = create(book)
    assert book.refused("eve", CreateReminder(user="bob", at=AT, note="x")) is PERMISSION_DENIED
    assert book.refused("eve", CancelReminder(user="bob", id=mid)) is PERMISSION_DENIED
    with pytest.raises(Rejected) as caught:
        book.query("eve", "reminder.list", RemindersRequest("bob"))
    assert caught.value.error is PERMISSION_DENIED
    assert book.refused("bob", FireReminder(user="bob", seq=1)) is PERMISSION_DENIED
    assert book.do("", CreateReminder(user="bob", at=AT, note="x"), authority="server") != []
    raw = Playbook("#bob", settings=CENTRIFUGE_COMPAT)
    assert raw.refused("bob", CreateReminder(at=AT, note="x")) is NOT_AVAILABLE


def test_bounds(book: Playbook) -> None:
    for n in range(PENDING_MAX):
        create(book, AT + n)
    refusal = book.refusal("bob", CreateReminder(at=AT, note="x"))
    assert (refusal.error, refusal.details) == (TOO_MANY, {"limit": PENDING_MAX})
    book.tick(60_000 + PENDING_MAX)
    assert len(book.fall_due()) == PENDING_MAX
    found, after = [], ""
    while page := listed(book, after=after, limit=30):
        found += page
        after = page[-1]["id"]
    assert len(found) == FIRED_MAX, "the newest ones that fired stay"
    assert all(row["fired"] for row in found)
    create(book, book.now_ms + 1)
    book.assert_replay_equal()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ccsxt"), st.integers(0, 9)), max_size=40))
def test_what_waits_is_counted_and_what_fired_is_known(steps: list[tuple[str, int]]) -> None:
    """Over creating, snoozing, cancelling and time that goes by."""
    book, ids = Playbook("#bob"), [""]
    for kind, n in steps:
        at = book.now_ms + 1 + n * 1_000
        if kind == "c":
            ids.append(create(book, at))
        elif kind == "t":
            book.tick(n * 1_000)
            book.fall_due()
        else:
            mid = ids[n % len(ids)]
            snooze = kind == "s"
            command = SnoozeReminder(id=mid, at=at) if snooze else CancelReminder(id=mid)
            with suppress(Rejected):
                book.do("bob", command)
        rows = dict(book.tables[REMINDERS].scan())
        fired = {row.fired_seq: seq for seq, row in rows.items() if row.fired_seq}
        assert dict(book.tables[FIRED].scan()) == fired
        assert (book.tables[PENDING].get(ONLY) or 0) == len(rows) - len(fired) == len(book.dues)
    book.assert_replay_equal()


def test_what_fired_is_set_again_where_there_is_room(
    book: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "PENDING_MAX", 2)
    mid, waiting = create(book, AT), create(book, AT + 1_000)
    book.tick(60_000)
    book.fall_due()
    fire = FireReminder(user="bob", by="bob", seq=1)
    assert book.do("bob", fire, authority="system") == [], "it has"
    create(book, AT + 2_000)
    assert book.refused("bob", SnoozeReminder(id=mid, at=AT + 3_000)) is TOO_MANY
    book.do("bob", SnoozeReminder(id=waiting, at=AT + 3_000))
    create_more = CreateReminder(at=AT + 9_000, note="x")
    assert book.refused("bob", create_more) is TOO_MANY
    alike = waiting[:-1] + ("a" if waiting[-1] != "a" else "b")
    assert book.refused("bob", CancelReminder(id=alike)) is NOT_FOUND
    assert [row["id"] for row in listed(book, limit=3)] == [mid, waiting, book.shown(4)["id"]]
    page = book.query("bob", "reminder.list", RemindersRequest(limit=2))
    assert page["next"] == waiting
    assert book.query("bob", "reminder.list", RemindersRequest(limit=4))["next"] == ""
    for limit in (0, 101):
        with pytest.raises(Rejected):
            listed(book, limit=limit)
