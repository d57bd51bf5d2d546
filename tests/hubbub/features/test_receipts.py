"""Receipts against counting one by one, while members come, go and hide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    NOT_AVAILABLE,
    NOT_FOUND,
    PERMISSION_DENIED,
    TOO_MANY,
    Rejected,
)
from hubbub.features.capabilities import SetMemberCapabilities, SetRoleCapabilities
from hubbub.features.channels import (
    HistoryRule,
    UpdateChannel,
)
from hubbub.features.contract import (
    QueryCall,
)
from hubbub.features.mark_rows import Hidden, mark_row
from hubbub.features.marks import MarkDelivered, MarkMany, MarkRead, MarkUnread
from hubbub.features.members import AddMembers, LeaveChannel, RemoveMembers, SetRole
from hubbub.features.messages import SendMessage
from hubbub.features.receipts import (
    FEATURE,
    HideReceipts,
    ReadersRequest,
    shown_marks,
)
from hubbub.model.member import Role
from hubbub.settings.app import OFF, AppSettings, Override
from hubbub.wire.codec import (
    decode_json,
    encode_json,
)
from hubbub.wire.receipts import RECEIPTS_WATCHED, ReceiptsRequest, WatchedRequest
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)


def receipt(book: Playbook, seq: int, user: str = "ann") -> dict[str, int]:
    (found,) = book.query(user, "receipts.get", ReceiptsRequest(X, seqs=(seq,)))["receipts"]
    assert found.pop("seq") == seq
    return dict(found)


def readers(book: Playbook, seq: int, state: Any = "read", **more: Any) -> list[str]:
    page = book.query("ann", "receipts.readers", ReadersRequest(X, seq=seq, state=state, **more))
    return [reader["user"] for reader in page["readers"]]


def hide(book: Playbook, user: str, hidden: int) -> None:
    book.do(user, HideReceipts(channel=X, user=user, hidden=hidden), authority="system")


def test_read_implies_delivered_and_the_author_is_not_counted(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert receipt(book, 2) == {"read": 0, "read_of": 2, "delivered": 0, "delivered_of": 2}
    book.do("ann", MarkRead(channel=X, upto=2))
    book.do("bob", MarkDelivered(channel=X, upto=2))
    assert receipt(book, 2) == {"read": 0, "read_of": 2, "delivered": 1, "delivered_of": 2}
    book.do("cid", MarkRead(channel=X, upto=2))
    assert receipt(book, 2) == {"read": 1, "read_of": 2, "delivered": 2, "delivered_of": 2}
    book.do("cid", MarkUnread(channel=X, since=2))
    assert receipt(book, 2)["read"] == 1, "what was read stays read for the others"
    assert (readers(book, 2), readers(book, 2, "unread")) == (["cid"], ["bob"])
    assert readers(book, 2, "delivered") == ["bob", "cid"]
    book.assert_replay_equal()


def test_who_joins_later_is_no_recipient_and_who_leaves_is_none_any_more(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("", AddMembers(channel=X, users=("dan",)), authority="server")
    book.do("dan", MarkRead(channel=X, upto=3))
    assert receipt(book, 2)["read_of"] == 2
    book.do("bob", MarkRead(channel=X, upto=2))
    book.do("bob", LeaveChannel(channel=X))
    assert (receipt(book, 2)["read"], receipt(book, 2)["read_of"]) == (0, 1)
    book.do("", AddMembers(channel=X, users=("bob",)), authority="server")
    assert (receipt(book, 2)["read"], receipt(book, 2)["read_of"]) == (0, 1)


def test_who_hides_is_counted_in_neither_and_his_own_figures_go_on(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    hide(book, "bob", Hidden.READ)
    book.do("bob", MarkRead(channel=X, upto=2))
    assert book.head("bob")["unread"] == 0
    assert receipt(book, 2) == {"read": 0, "read_of": 1, "delivered": 1, "delivered_of": 2}
    assert readers(book, 2) == []
    assert readers(book, 2, "unread") == ["cid"]
    hide(book, "bob", 0)
    assert receipt(book, 2)["read"] == 0, "what was read in private stays private"
    book.do("ann", SendMessage(channel=X, text="more"))
    book.do("bob", MarkRead(channel=X, upto=3))
    assert receipt(book, 2) == {"read": 1, "read_of": 2, "delivered": 1, "delivered_of": 2}
    hide(book, "bob", Hidden.READ | Hidden.DELIVERED)
    assert receipt(book, 2) == {"read": 0, "read_of": 1, "delivered": 0, "delivered_of": 1}
    book.assert_replay_equal()


def test_of_who_is_invisible_receipts_stand_still_and_his_own_figures_go_on(
    book: Playbook,
) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("bob", MarkRead(channel=X, upto=2))
    hide(book, "bob", Hidden.STILL_READ | Hidden.STILL_DELIVERED)
    assert receipt(book, 2) == {"read": 1, "read_of": 2, "delivered": 1, "delivered_of": 2}
    book.do("ann", SendMessage(channel=X, text="more"))
    book.do("bob", MarkDelivered(channel=X, upto=3))
    book.do("bob", MarkRead(channel=X, upto=3))
    assert book.head("bob")["unread"] == 0
    nobody = {"read": 0, "read_of": 2, "delivered": 0, "delivered_of": 2}
    assert receipt(book, 3) == nobody, "as of one who is away"
    assert receipt(book, 2)["read"] == 1
    hide(book, "bob", 0)
    assert receipt(book, 3) == nobody
    book.do("bob", MarkDelivered(channel=X, upto=3))
    assert receipt(book, 3) == nobody | {"delivered": 1}
    book.assert_replay_equal()


def test_the_app_may_keep_receipts_off() -> None:
    quiet = AppSettings(read_receipts="off", delivery_receipts="off")
    book = Playbook(X, owner="ann", members=["bob"], settings=quiet)
    book.do("ann", SendMessage(channel=X, text="hi"))
    assert receipt(book, 2) == {}
    for state in ("read", "delivered", "unread"):
        with pytest.raises(Rejected) as refused:
            readers(book, 2, state)
        assert refused.value.error is NOT_AVAILABLE


def test_readers_come_in_pages_with_the_times_that_are_known(book: Playbook) -> None:
    people = tuple(f"u{n:02d}" for n in range(30))
    book.do("", AddMembers(channel=X, users=people), authority="server")
    for _ in range(2):
        book.do("ann", SendMessage(channel=X, text="hi"))
    first, second = book.tables.head_seq - 1, book.tables.head_seq
    book.do("u00", MarkRead(channel=X, upto=first))
    book.tick(5_000)
    book.do("", MarkMany(channel=X, read=dict.fromkeys(people, second)), authority="edge")
    asked = ReadersRequest(X, seq=first, limit=7)
    found: list[dict[str, str]] = []
    while True:
        page = book.query("bob", "receipts.readers", asked)
        found += page["readers"]
        if not page["next"]:
            break
        asked = ReadersRequest(X, seq=first, limit=7, after=page["next"])
    assert [reader["user"] for reader in found] == list(people)
    whole = book.query("bob", "receipts.readers", ReadersRequest(X, seq=first, limit=30))
    assert whole == {"readers": found, "next": ""}
    assert "ts" not in found[0], "he had read it before his last step"
    assert all(reader["ts"].endswith("Z") for reader in found[1:])


def test_refusals(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))

    def code(user: str, name: str, args: Any) -> object:
        with pytest.raises(Rejected) as refused:
            book.query(user, name, args)
        return refused.value.error

    assert code("eve", "receipts.get", ReceiptsRequest(X, seqs=(2,))) is CHANNEL_NOT_FOUND
    many = ReceiptsRequest(X, seqs=tuple(range(1, 102)))
    assert code("ann", "receipts.get", many) is TOO_MANY
    assert code("ann", "receipts.get", ReceiptsRequest(X)) is TOO_MANY
    assert code("ann", "receipts.readers", ReadersRequest(X, seq=1)) is NOT_FOUND
    assert code("ann", "receipts.readers", ReadersRequest(X, seq=2, limit=0)) is BAD_REQUEST
    assert book.query("ann", "receipts.get", ReceiptsRequest(X, seqs=(1, 99)))["receipts"] == []
    mine = HideReceipts(channel=X, user="ann", hidden=1)
    assert book.refused("ann", mine) is PERMISSION_DENIED


def test_counts_cost_a_few_rows_in_a_channel_of_any_size() -> None:
    """3,000 marks over many seqs: the figures of a message are read from a few dozen rows."""
    people = [f"u{n:05d}" for n in range(3_000)]
    book = Playbook(X, owner="ann", settings=UNPACED)
    for at in range(0, len(people), 1_000):
        users = tuple(people[at : at + 1_000])
        book.do("", AddMembers(channel=X, users=users), authority="server")
    for _ in range(300):
        book.do("ann", SendMessage(channel=X, text="x"))
    for at in range(0, len(people), 500):
        read = {user: 5 + (at * 7 + n) % 290 for n, user in enumerate(people[at : at + 500])}
        book.do("", MarkMany(channel=X, read=read), authority="edge")
    before = book.tables.read_count
    assert receipt(book, 100)["read_of"] == 3_000
    assert book.tables.read_count - before < 60


PEOPLE = tuple("abcdefgh")
KINDS = ("send", "send", "send", "read", "read", "got", "back", "in", "out", "hide")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(PEOPLE),
        st.integers(0, 40),
    ),
    min_size=10,
    max_size=80,
)


@settings(max_examples=60)
@given(STEPS)
def test_figures_equal_the_definition(steps: list[tuple[str, str, int]]) -> None:
    """The model keeps every mark of everybody and looks at each of them."""
    book = Playbook(X, owner="ann", members=PEOPLE[:5], settings=UNPACED)
    model = Model(PEOPLE[:5])
    for kind, user, number in steps:
        act(book, model, kind, user, number)
    for seq, author in model.messages.items():
        for name, hidden in (("read", Hidden.READ), ("delivered", Hidden.DELIVERED)):
            have, of = model.counts(seq, author, name, hidden)
            found = receipt(book, seq)
            assert (found[name], found[f"{name}_of"]) == (len(have), of), (seq, name)
            assert readers(book, seq, name) == sorted(have)
            if name == "read":
                missing = {user for user, join in model.join.items() if join <= seq} - have
                hide_it = {user for user, bits in model.hidden.items() if bits & hidden}
                assert readers(book, seq, "unread") == sorted(missing - hide_it - {author})
    book.assert_replay_equal()


class Model:
    """Who joined when, and who has read and received how far."""

    def __init__(self, members: tuple[str, ...]) -> None:
        self.join = dict.fromkeys(("ann", *members), 1)
        self.read: dict[str, int] = {}
        self.delivered: dict[str, int] = {}
        self.hidden: dict[str, int] = {}
        self.messages: dict[int, str] = {}

    def counts(self, seq: int, author: str, name: str, bit: int) -> tuple[set[str], int]:
        recipients = [
            user
            for user, join in self.join.items()
            if join <= seq and user != author and not self.hidden.get(user, 0) & bit
        ]
        marks = self.read if name == "read" else self.delivered
        return {user for user in recipients if marks.get(user, 0) >= seq}, len(recipients)

    def forget(self, user: str) -> None:
        for rows in (self.join, self.read, self.delivered, self.hidden):
            rows.pop(user, None)


def act(book: Playbook, model: Model, kind: str, user: str, number: int) -> None:
    is_in, head = user in model.join, book.tables.head_seq
    upto = min(number, head)
    if kind == "in" and not is_in:
        book.do("", AddMembers(channel=X, users=(user,)), authority="server")
        model.join[user] = book.tables.head_seq
    if not is_in:
        return
    hidden = model.hidden.get(user, 0)
    if kind == "send":
        book.do(user, SendMessage(channel=X, text="x"))
        model.messages[book.tables.head_seq] = user
    elif kind == "out":
        book.do("", RemoveMembers(channel=X, users=(user,)), authority="server")
        model.forget(user)
    elif kind == "hide":
        model.hidden[user] = number
        hide(book, user, number)
    elif kind == "back":
        book.do(user, MarkUnread(channel=X, since=number))
    elif kind in ("read", "got"):
        mark = MarkRead if kind == "read" else MarkDelivered
        book.do(user, mark(channel=X, upto=number))
        if not hidden & (Hidden.DELIVERED | Hidden.STILL_DELIVERED):
            model.delivered[user] = max(upto, model.delivered.get(user, 0))
        if kind == "read" and not hidden & (Hidden.READ | Hidden.STILL_READ):
            model.read[user] = max(upto, model.read.get(user, 0))


def moved(book: Playbook) -> list[dict[str, Any]]:
    """What subscribers were told of marks since the last look."""
    found = [json.loads(signal) for signal in book.signals]
    book.signals.clear()
    return [
        {name: one[name] for name in ("read", "delivered") if name in one}
        for one in found
        if one["t"] == "receipts.moved"
    ]


def test_what_the_app_keeps_off_is_not_told_live_either(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.settings = replace(UNPACED, delivery_receipts="off")
    book.do("bob", MarkRead(channel=X, upto=2))
    assert moved(book) == [{"read": {"bob": 2}}], "read implies delivered, which is nobody's matter"
    book.settings = replace(UNPACED, read_receipts="off")
    book.do("cid", MarkRead(channel=X, upto=2))
    assert moved(book) == [{"delivered": {"cid": 2}}]
    book.settings = replace(UNPACED, read_receipts="off", delivery_receipts="off")
    book.do("bob", MarkRead(channel=X, upto=3))
    assert moved(book) == []
    assert book.snapshot("ann").get("marks") == book.snapshot("ann").get("marks_delivered") == {}


def test_who_may_not_see_receipts_is_not_told_of_them(book: Playbook) -> None:
    """A signal goes to all subscribers: where one of them may not see it, others ask."""
    denied = Override(deny=("see_receipts",))
    book.settings = replace(UNPACED, capabilities={"group": {"member": denied}})
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("bob", MarkRead(channel=X, upto=2))
    assert moved(book) == []
    assert "marks" not in book.snapshot("bob")
    with pytest.raises(Rejected) as refused:
        receipt(book, 2, "bob")
    assert refused.value.error is PERMISSION_DENIED
    assert receipt(book, 2)["read"] == 1, "an owner may"
    book.settings = UNPACED
    book.do("cid", MarkRead(channel=X, upto=2))
    assert moved(book) == [{"read": {"cid": 2}, "delivered": {"cid": 2}}]
    book.do("ann", SetMemberCapabilities(channel=X, user="bob", deny=("see_receipts",)))
    book.do("cid", MarkRead(channel=X, upto=book.tables.head_seq))
    assert moved(book) == []


@pytest.mark.parametrize("role", ["moderator", "owner"])
@pytest.mark.parametrize("by_app", [True, False])
def test_staff_who_may_not_see_receipts_are_not_told_either(role: str, by_app: bool) -> None:
    """Only members were looked at: a denial of a higher role was no matter live."""
    book = Playbook(X, owner="ann", members=["bob", "cid"], settings=UNPACED)
    book.do("ann", SetRole(channel=X, user="cid", role=Role.MODERATOR))
    book.do("ann", SendMessage(channel=X, text="hi"))
    denied = Override(deny=("see_receipts",))
    if by_app:
        book.settings = replace(UNPACED, capabilities={"group": {role: denied}})
    else:
        change = SetRoleCapabilities(channel=X, role=Role(role), deny=denied.deny)
        book.do("", change, authority="server")
    user = {"moderator": "cid", "owner": "ann"}[role]
    with pytest.raises(Rejected):
        receipt(book, 3, user)
    book.do("bob", MarkRead(channel=X, upto=book.tables.head_seq))
    assert moved(book) == []


def test_denials_of_those_who_left_do_not_hide_those_of_members() -> None:
    """Only the first hundred rows were looked at, and who has left keeps his."""
    gone = [f"a{n:03d}" for n in range(101)]
    book = Playbook(X, owner="ann", members=[*gone, "bob", "zoe"], settings=UNPACED)
    for user in gone:
        book.do("ann", SetMemberCapabilities(channel=X, user=user, deny=("see_receipts",)))
    book.do("", RemoveMembers(channel=X, users=tuple(gone)), authority="server")
    seq = book.do("ann", SendMessage(channel=X, text="hi")) and book.tables.head_seq
    book.do("bob", MarkRead(channel=X, upto=seq))
    assert moved(book) == [{"read": {"bob": seq}, "delivered": {"bob": seq}}]
    book.do("ann", SetMemberCapabilities(channel=X, user="zoe", deny=("see_receipts",)))
    book.do("bob", MarkRead(channel=X, upto=book.tables.head_seq))
    assert moved(book) == []


def test_an_edge_hears_who_of_the_watchers_may_not_see(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    book.do("ann", SetMemberCapabilities(channel=X, user="bob", deny=("see_receipts",)))
    row = book.registry.queries[RECEIPTS_WATCHED]
    asked = WatchedRequest(X, (2,), ("ann", "bob", "eve"))
    answer = row.run(asked, book.tables, book.context(Viewer("", "edge")))
    shown = json.loads(encode_json(answer))
    assert sorted(shown["refused"]) == ["bob", "eve"]
    assert [one["seq"] for one in shown["receipts"]] == [2]
    for authority in ("client", "moderator", "analyst"):
        with pytest.raises(Rejected) as refused:
            row.run(asked, book.tables, book.context(Viewer("ann", authority)))
        assert refused.value.error is PERMISSION_DENIED


@pytest.mark.parametrize("text", ["1_0", "+5", " 5", "٣", "1e3", "5,x"])
def test_seqs_in_a_query_string_are_digits(book: Playbook, text: str) -> None:
    (route,) = [r for r in FEATURE.routes if r.path.endswith("/channels/{channel}/receipts")]
    with pytest.raises(Rejected) as refused:
        route.turn(route.shape(X, seqs=text), book.edge_context(Viewer("ann")))
    assert refused.value.error is BAD_REQUEST
    assert "seqs" in refused.value.text


def test_a_policy_holds_for_what_is_read_from_then_on(book: Playbook) -> None:
    for _ in range(3):
        book.do("ann", SendMessage(channel=X, text="hi"))
    hide(book, "bob", Hidden.READ | Hidden.TYPING)
    book.do("bob", MarkRead(channel=X, upto=2))
    assert receipt(book, 2) == {"read": 0, "read_of": 1, "delivered": 1, "delivered_of": 2}
    book.settings = replace(UNPACED, read_receipts="required")
    book.do("bob", MarkRead(channel=X, upto=3))
    assert (receipt(book, 3)["read"], receipt(book, 3)["read_of"]) == (1, 2)
    hide(book, "cid", Hidden.READ)
    assert receipt(book, 3)["read_of"] == 2, "nobody hides here"
    book.settings = UNPACED
    for user in ("bob", "cid"):
        book.do(user, MarkRead(channel=X, upto=4))
    assert receipt(book, 4)["read_of"] == 0, "both hide again, as they had wished"
    row = mark_row(book.tables, "bob")
    assert row is not None
    assert row.hidden == Hidden.READ | Hidden.TYPING
    book.assert_replay_equal()


def test_who_has_not_read_it_comes_in_pages_too(book: Playbook) -> None:
    people = [f"u{n:02d}" for n in range(20)]
    book.do("", AddMembers(channel=X, users=tuple(people)), authority="server")
    book.do("ann", SendMessage(channel=X, text="hi"))
    found: list[str] = []
    asked = ReadersRequest(X, id=book.outcome.id, state="unread", limit=4)
    for _ in range(6):
        page = book.query("ann", "receipts.readers", asked)
        assert all("ts" not in reader for reader in page["readers"])
        found += [reader["user"] for reader in page["readers"]]
        asked = replace(asked, after=page["next"])
    assert (found, page["next"]) == (["bob", "cid", *people], "")


def test_when_it_came_is_known_of_the_last_step(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one"))
    book.do("bob", MarkDelivered(channel=X, upto=2))
    book.tick(1_000)
    book.do("ann", SendMessage(channel=X, text="two"))
    book.do("bob", MarkDelivered(channel=X, upto=3))
    book.tick(1_000)
    book.do("bob", MarkRead(channel=X, upto=3))

    def since(seq: int, state: Any) -> str:
        asked = ReadersRequest(X, seq=seq, state=state)
        (reader,) = book.query("ann", "receipts.readers", asked)["readers"]
        return str(reader.get("ts", ""))[17:19]

    assert [since(seq, "delivered") for seq in (2, 3)] == ["", "01"]
    assert [since(seq, "read") for seq in (2, 3)] == ["02", "02"]


def test_what_he_may_not_read_has_no_receipts_for_him(book: Playbook) -> None:
    book.do("ann", UpdateChannel(channel=X, history=HistoryRule.FROM_JOIN))
    book.do("ann", SendMessage(channel=X, text="before"))
    book.do("", AddMembers(channel=X, users=("dan",)), authority="server")
    book.do("ann", SendMessage(channel=X, text="since"))
    old, new = book.tables.head_seq - 2, book.tables.head_seq
    for user, known in (("dan", [new]), ("bob", [old, new])):
        page = book.query(user, "receipts.get", ReceiptsRequest(X, seqs=(old, new)))
        assert [one["seq"] for one in page["receipts"]] == known
    for seq in (old, 99):
        with pytest.raises(Rejected) as refused:
            book.query("dan", "receipts.readers", ReadersRequest(X, seq=seq))
        assert refused.value.error is NOT_FOUND
    book.tables.set_floor(new)
    assert receipt(book, new)["read_of"] == 3
    assert readers(book, new, "unread") == ["bob", "cid", "dan"]


def test_one_kind_of_receipts_may_be_off_alone(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="hi"))
    quiet = (replace(UNPACED, read_receipts="off"), replace(UNPACED, delivery_receipts="off"))
    for policy, off, left in zip(quiet, ("read", "delivered"), ("delivered", "read"), strict=True):
        book.settings = policy
        assert readers(book, 2, left) == []
        with pytest.raises(Rejected):
            readers(book, 2, off)


def test_whom_one_blocks_and_what_is_hidden_stands_in_no_snapshot(book: Playbook) -> None:
    """`joined`: of those whose marks are shown, if only one of both."""
    book.do("", AddMembers(channel=X, users=("dan", "eve", "fay")), authority="server")
    seq = book.tables.head_seq
    hide(book, "dan", Hidden.READ)
    hide(book, "eve", Hidden.DELIVERED)
    hide(book, "fay", Hidden.READ | Hidden.DELIVERED)
    shown = shown_marks(book.tables, 100, book.settings, ("bob",))
    assert set(shown.read) == {"ann", "cid", "eve"}
    assert set(shown.delivered) == {"ann", "cid", "dan"}
    assert shown.joined == {"dan": seq, "eve": seq}


@pytest.mark.parametrize(
    ("verb", "asked", "is_right"),
    [
        ("receipts.get", {"seqs": [2]}, True),
        ("receipts.get", {"seqs": list(range(1, 101))}, True),
        ("receipts.get", {}, False),
        ("receipts.get", {"seqs": list(range(1, 101)), "ids": ["x"]}, False),
        ("receipts.watch", {"seqs": []}, True),
        ("receipts.watch", {"seqs": list(range(1, 101))}, True),
        ("receipts.watch", {"seqs": list(range(1, 102))}, False),
        ("receipts.watch", {"seqs": [2], "ids": ["x"]}, False),
        ("receipts.readers", {"seq": 2}, True),
        ("receipts.readers", {"seq": 2, "after": "bob"}, True),
        ("receipts.readers", {"seq": 2, "after": "b b"}, False),
        ("receipts.readers", {"seq": 2, "id": "06e17r4u000000000cppg0ai1s"}, False),
        ("receipts.readers", {"id": "06e17r4u000000000cppg0ai1s"}, True),
        ("receipts.readers", {"id": "x"}, False),
        ("receipts.readers", {}, False),
    ],
)
def test_what_is_asked(book: Playbook, verb: str, asked: dict[str, Any], is_right: bool) -> None:
    row = book.registry.verbs[verb]
    for channel in (X, "#ann"):
        request = decode_json(encode_json({"channel": channel} | asked), row.shape)
        try:
            row.turn(request, book.edge_context(Viewer("ann")))
            assert is_right
            assert channel == X
        except Rejected:
            assert not (is_right and channel == X)


def test_a_query_string_names_several(book: Playbook) -> None:
    (route,) = [r for r in FEATURE.routes if r.path.endswith("/channels/{channel}/receipts")]
    asked = route.shape(X, seqs="2,,30", ids="a,b,")
    call = route.turn(asked, book.edge_context(Viewer("ann")))
    assert isinstance(call, QueryCall)
    assert call.args == ReceiptsRequest(X, (2, 30), ("a", "b"))


def test_to_hide_what_is_hidden_is_no_change(book: Playbook) -> None:
    again = HideReceipts(channel=X, user="bob", hidden=int(Hidden.READ))
    assert book.do("bob", again, authority="system") != []
    assert book.do("bob", again, authority="system") == []
