"""What is too old goes, its rows too, and history says which seqs and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED
from hubbub.base.units import DAY_MS, KIB, SECOND_MS
from hubbub.features import (
    retention,
)
from hubbub.features.channels import UpdateChannel
from hubbub.features.history import HistoryRequest
from hubbub.features.members import AddMembers
from hubbub.features.messages import FOLDED, EditMessage, SendMessage
from hubbub.features.retention import (
    FIRST_SWEEP_MS,
    SWEEP,
    SWEEP_MS_MIN,
    SWEEPS,
    RetentionChanged,
    RetentionRequest,
    SetRetention,
    SweepChannel,
    TruncateChannel,
)
from hubbub.model.channel import HistoryRule
from hubbub.settings.app import AppSettings
from tests.support.playbook import Playbook

X = "group:x"
HOUR_S = 3_600
HOUR_MS = HOUR_S * SECOND_MS


def group(retention_s: int = 0) -> Playbook:
    settings = AppSettings(retention_s={"group": retention_s}) if retention_s else AppSettings()
    return Playbook(X, owner="ann", members=["bob"], settings=settings)


def say(book: Playbook, text: str = "hi") -> str:
    book.do("bob", SendMessage(channel=X, text=text))
    return book.outcome.id


def page(book: Playbook, **place: Any) -> dict[str, Any]:
    return book.query("bob", "history.get", HistoryRequest(X, **place))


def info(book: Playbook) -> dict[str, Any]:
    return book.query("bob", "channel.retention", RetentionRequest(X))


def test_a_page_names_what_is_gone_where_it_looked_and_nowhere_else() -> None:
    """Also where a place was asked for that is gone; not where the bytes of a page ended it, and
    not to those whose history begins later."""
    book = group()
    book.settings = msgspec.structs.replace(
        book.settings, history_page_bytes_max=64 * KIB, text_chars_max=20_000
    )
    gone_at = book.now_ms
    for text in ("one", "two"):
        say(book, text)
    book.tick(HOUR_MS)
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    book.tick(HOUR_MS)
    for n in range(4):
        say(book, f"{n}" * 20_000)
    gone = [{"from": 1, "to": 3, "why": "truncated"}]
    newest = page(book)
    assert (len(newest["messages"]), newest.get("removed")) == (3, None), "its bytes are full"
    before = newest["messages"][0]["seq"]
    assert page(book, before_seq=before)["removed"] == gone
    assert page(book, at=gone_at, limit=1)["removed"] == gone
    assert page(book, around_seq=2, limit=2)["removed"] == gone
    assert "removed" not in page(book, around_seq=before, limit=1)
    assert "removed" not in page(book, at=book.now_ms, limit=1)
    book.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    book.do("", AddMembers(channel=X, users=("cid",)), authority="server")
    late = book.query("cid", "history.get", HistoryRequest(X))
    assert (late["messages"], late.get("removed")) == ([], None)


def test_the_apps_retention_removes_what_is_too_old_and_goes_on() -> None:
    book = group(HOUR_S)
    mid = say(book, "one")
    book.do("bob", EditMessage(channel=X, id=mid, text="one!"))
    assert book.tables[FOLDED].get(2) is not None
    book.tick(FIRST_SWEEP_MS)
    book.fall_due()
    assert book.tables.floor_seq == 1
    book.tick(HOUR_MS // 2)
    say(book, "two")
    book.tick(HOUR_MS // 2)
    head = book.tables.head_seq
    book.fall_due()
    assert (book.tables.floor_seq, book.tables.head_seq) == (4, head)
    assert book.tables[FOLDED].get(2) is None
    assert [m["text"] for m in page(book)["messages"]] == ["two"]
    gone = [{"from": 1, "to": 3, "why": "retention"}]
    assert page(book)["removed"] == gone
    assert page(book, after_seq=2)["removed"] == gone
    assert "removed" not in page(book, after_seq=3)
    assert "removed" not in page(book, limit=1)
    book.tick(HOUR_MS)
    book.fall_due()
    assert page(book)["messages"] == []
    assert page(book)["removed"] == [{"from": 1, "to": 4, "why": "retention"}]
    assert book.dues == {}
    assert book.head("ann")["unread"] == 0
    say(book)
    assert (book.outcome.seq, list(book.dues)) == (5, [])
    book.tick(DAY_MS)
    say(book)
    assert list(book.dues) == [SWEEP]
    book.assert_replay_equal()


def test_a_channel_without_retention_is_looked_at_once_a_day_at_most() -> None:
    book = group()
    say(book)
    assert list(book.dues) == [SWEEP]
    book.tick(FIRST_SWEEP_MS)
    book.fall_due()
    for _ in range(5):
        say(book)
        book.tick(HOUR_MS)
    assert (book.dues, book.tables.floor_seq) == ({}, 1)


def test_a_channels_own_retention_wins_at_once() -> None:
    book = group(HOUR_S)
    say(book)
    own = SetRetention(channel=X, retention_s=10)
    assert book.refused("bob", own) is PERMISSION_DENIED
    book.do("ann", own)
    assert (info(book)["retention_s"], info(book)["own"]) == (10, True)
    book.fall_due()
    book.tick(11 * SECOND_MS)
    book.fall_due()
    assert book.tables.floor_seq == book.tables.head_seq + 1
    book.do("ann", SetRetention(channel=X, retention_s=0))
    say(book)
    book.tick(10 * DAY_MS)
    book.fall_due()
    assert len(page(book)["messages"]) == 1
    book.do("ann", SetRetention(channel=X, retention_s=None))
    assert book.do("ann", SetRetention(channel=X, retention_s=None)) == []
    assert (info(book)["retention_s"], info(book)["own"]) == (HOUR_S, False)
    book.fall_due()
    assert page(book)["messages"] == []
    book.assert_replay_equal()


def test_the_owner_empties_a_channel() -> None:
    book = group()
    for n in range(4):
        say(book, str(n))
    assert book.refused("bob", TruncateChannel(channel=X, before_seq=0)) is PERMISSION_DENIED
    book.do("ann", TruncateChannel(channel=X, before_seq=4))
    assert [m["text"] for m in page(book)["messages"]] == ["2", "3"]
    assert book.do("ann", TruncateChannel(channel=X, before_seq=4)) == []
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    assert page(book)["messages"] == []
    assert book.shown(7)["before_seq"] == 7
    assert info(book)["removed"] == [{"from": 1, "to": 6, "why": "truncated"}]
    say(book, "new")
    assert [m["text"] for m in page(book)["messages"]] == ["new"]
    book.assert_replay_equal()


def test_ranges_of_different_reasons_lie_side_by_side() -> None:
    book = group()
    say(book)
    book.do("ann", TruncateChannel(channel=X, before_seq=0))
    book.do("ann", SetRetention(channel=X, retention_s=1))
    book.tick(2 * SECOND_MS)
    book.fall_due()
    assert info(book)["removed"] == [
        {"from": 1, "to": 2, "why": "truncated"},
        {"from": 3, "to": 4, "why": "retention"},
    ]
    book.assert_replay_equal()


@pytest.mark.parametrize(
    "wrong",
    [
        SetRetention(channel=X),
        SetRetention(channel=X, retention_s=-1),
        TruncateChannel(channel=X, before_seq=-1),
    ],
)
def test_what_makes_no_sense(wrong: SetRetention) -> None:
    assert group().refused("ann", wrong) is BAD_REQUEST


def test_nobody_sweeps_by_hand() -> None:
    assert group().refused("ann", SweepChannel(channel=X)) is PERMISSION_DENIED


def test_settings_name_kinds_that_there_are() -> None:
    with pytest.raises(ValueError, match="no kind"):
        AppSettings(retention_s={"groups": 5})


def test_what_is_as_old_as_allowed_goes_at_that_moment() -> None:
    """It falls due then: were it kept, nothing would look for it soon."""
    book = group(HOUR_S)
    say(book)
    for ms in (FIRST_SWEEP_MS, HOUR_MS - FIRST_SWEEP_MS - 1):
        book.tick(ms)
        book.fall_due()
        assert len(page(book)["messages"]) == 1
    book.tick(1)
    book.fall_due()
    assert page(book)["messages"] == []
    looked_at = group(HOUR_S)
    say(looked_at)
    for ms, count in ((HOUR_MS - 1, 1), (1, 0)):
        looked_at.tick(ms)
        looked_at.do("", SweepChannel(channel=X), authority="system")
        assert len(page(looked_at)["messages"]) == count


def test_sweeps_keep_their_distance_and_a_short_retention_is_looked_after() -> None:
    book = group()
    [event] = book.do("ann", SetRetention(channel=X, retention_s=100))
    assert event == RetentionChanged(retention_s=100)
    say(book)
    book.tick(500)
    say(book)
    book.fall_due()
    book.tick(99_500)
    book.fall_due()
    assert book.tables.floor_seq == 4, "the first message"
    assert book.dues[SWEEP].at_ms == book.now_ms + 100_000 // SWEEPS
    book.tick(100_000)
    book.fall_due()
    assert (page(book)["messages"], book.dues) == ([], {})
    book.tick(99_999)
    say(book)
    assert book.dues == {}
    book.tick(1)
    say(book)
    assert list(book.dues) == [SWEEP], "it rests no longer than it keeps"
    [event] = book.do("ann", SetRetention(channel=X, retention_s=None))
    assert event == RetentionChanged()
    assert info(book)["own"] is False
    book.do("ann", SetRetention(channel=X, retention_s=0))
    assert info(book)["own"] is True


def test_ranges_are_bounded_and_without_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RANGES_MAX", 3)
    book = group()
    book.do("ann", SetRetention(channel=X, retention_s=1))
    for _ in range(6):
        say(book)
        book.do("ann", TruncateChannel(channel=X, before_seq=0))
        say(book)
        book.tick(SWEEP_MS_MIN)
        book.do("", SweepChannel(channel=X), authority="system")
        ranges = info(book)["removed"]
        assert len(ranges) <= 4
        ends = [0, *(one["to"] for one in ranges)]
        assert [one["from"] for one in ranges] == [end + 1 for end in ends[:-1]]
        assert ends[-1] == book.tables.floor_seq - 1
    assert len(ranges) == 4
