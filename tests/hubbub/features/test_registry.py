"""The registry as a whole, and replay equality over random commands of every feature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    PERMISSION_DENIED,
    UNKNOWN_CHANNEL,
    Rejected,
)
from hubbub.base.ids import message_id
from hubbub.base.names import dm_channel
from hubbub.features.add_jobs import AddPart, RunPart
from hubbub.features.apps import RevokeToken
from hubbub.features.archive import ArchiveChannel, UnarchiveChannel
from hubbub.features.bulk_delete import DeleteMessages, DeleteMessagesBy, GoOnDeletingBy
from hubbub.features.capabilities import SetMemberCapabilities, SetRoleCapabilities
from hubbub.features.channel_list import DropListed, PutListed, TellLists
from hubbub.features.channels import CreateChannel, DeleteChannel, OpenDirect, UpdateChannel
from hubbub.features.contract import (
    Command,
    EdgeContext,
    Errand,
    Event,
    EventKind,
    Feature,
    QueryCall,
    Reads,
    Registry,
    Table,
    Verb,
)
from hubbub.features.counters import DeleteCounter, IncrementCounter, SetCounter
from hubbub.features.devices import RemoveDevice, SeeDevice, SignOut
from hubbub.features.directory import DropPublic, PutPublic
from hubbub.features.event_types import DeleteType, RegisterType, SendEvent
from hubbub.features.exclusions import (
    BanUser,
    DeactivateUser,
    ReactivateUser,
    TellUser,
    UnbanUser,
)
from hubbub.features.expiry import EndMessage, ExpireMessage
from hubbub.features.forward import SendForwarded
from hubbub.features.freezing import FreezeChannel, UnfreezeChannel
from hubbub.features.join_requests import (
    AcceptRequest,
    DeclineRequest,
    NoteDeclined,
    RequestJoin,
    WithdrawRequest,
)
from hubbub.features.list_settings import SetListed
from hubbub.features.marks import MarkDelivered, MarkMany, MarkRead, MarkUnread
from hubbub.features.members import (
    AddMembers,
    InviteMembers,
    JoinChannel,
    LeaveChannel,
    RemoveMembers,
    SetRole,
)
from hubbub.features.messages import DeleteMessage, EditMessage, SendMessage
from hubbub.features.metadata import DeleteMetadata, SetMetadata
from hubbub.features.pins import EndPin, PinMessage, UnpinMessage
from hubbub.features.polls import CreatePoll
from hubbub.features.presence import EndPresence, SetPresence
from hubbub.features.privacy import SetPrivacy
from hubbub.features.promotion import PromoteChannel
from hubbub.features.raw_events import PublishEvent
from hubbub.features.reactions import AddReaction, RemoveReaction
from hubbub.features.receipts import HideReceipts
from hubbub.features.registry import FEATURES, REGISTRY
from hubbub.features.retention import SetRetention, SweepChannel, TruncateChannel
from hubbub.features.revisions import UndeleteMessage
from hubbub.features.sanctions import (
    BanMembers,
    MuteMembers,
    TimeoutMembers,
    UnbanMembers,
    UnmuteMembers,
)
from hubbub.features.slow_mode import SetSlowMode
from hubbub.features.standing import AWAY, MEMBERS, STAFF
from hubbub.features.thread_marks import ReadThread, ReadThreads, ReadThreadsMany
from hubbub.features.threads import FollowThread, UnfollowThread
from hubbub.features.user_lines import PutUserLine, shard_of
from hubbub.features.user_settings import SetSettings
from hubbub.features.users import EnsureUser, UpdateUser
from hubbub.model.channel import ChannelKind, HistoryRule
from hubbub.model.member import Role
from hubbub.model.message import Forwarded
from hubbub.settings.app import AppSettings, Namespace
from hubbub.wire.codec import decode_json, encode_json
from hubbub.wire.shapes import Viewer
from tests.hubbub.features import later_commands
from tests.support.playbook import APP, ID_SECRET, START_MS, Playbook

PEOPLE = ("ann", "bob", "cid")
STAMPED = {"t", "seq", "id", "cmid", "by", "ts"}
SETTINGS = AppSettings(
    namespaces={
        "raw": Namespace(publish="everyone", history_size=5, history_ttl_s=60),
        "sig": Namespace(publish="everyone"),
    }
)

users = st.sampled_from(PEOPLE)
marks = st.dictionaries(users, st.integers(0, 40))
groups = st.lists(users, max_size=3).map(tuple)
SHARD = "@users.3"
texts = st.text(max_size=8)
data = st.sampled_from([msgspec.UNSET, Raw(b"null"), Raw(b'{"a":[1,"\\u00e9"]}'), Raw(b"1.50")])
keys = st.sampled_from(["a", "b"])
data_values = st.sampled_from([Raw(b"null"), Raw(b'{"a":2}'), Raw(b"1.50")])
histories = st.sampled_from(list(HistoryRule))
roles = st.sampled_from([Role.MEMBER, Role.MODERATOR, Role.OWNER])
names = st.lists(st.sampled_from(["send", "invite", "ban", "set_role", "join"]), max_size=2).map(
    tuple
)
spans = st.none() | st.integers(1, 3)
event_ids = st.builds(
    message_id,
    st.sampled_from([START_MS, START_MS + 1, START_MS + 500]),
    st.integers(1, 9),
    st.just(f"{APP}\0#ann".encode()),
    st.just(ID_SECRET),
)


def of_channel(key: str, ids: st.SearchStrategy[str]) -> st.SearchStrategy[Command]:
    """Any command of a chat channel."""

    def make(shape: Callable[..., Command], **fields: st.SearchStrategy[Any]) -> Any:
        return st.builds(shape, channel=st.just(key), **fields)

    return st.one_of(
        make(CreateChannel, members=groups, name=texts, data=data, public=st.booleans()),
        make(CreateChannel, members=groups, history=histories, approval=st.booleans()),
        make(OpenDirect, members=st.tuples(users, users)),
        make(UpdateChannel, name=texts, data=data),
        make(UpdateChannel, public=st.booleans(), history=histories),
        make(SendMessage, text=texts, data=data, mention_here=st.booleans()),
        make(SendMessage, text=st.just("hello")),
        make(SendMessage, text=texts, thread=ids, also_in_channel=st.booleans()),
        make(SendMessage, text=texts, reply_to=ids, mentions=groups, silent=st.booleans()),
        make(FollowThread, id=ids),
        make(UnfollowThread, id=ids),
        make(AddReaction, id=ids, emoji=st.sampled_from(["👍", ":a:"])),
        make(RemoveReaction, id=ids, emoji=st.sampled_from(["👍", ":a:"])),
        make(UndeleteMessage, id=ids),
        make(DeleteMessages, ids=st.tuples(ids, ids, ids)),
        make(DeleteMessagesBy, user=users),
        make(GoOnDeletingBy, user=users, before=st.integers(1, 40)),
        make(PinMessage, id=ids, until=st.sampled_from([None, 2_000_000_000_000])),
        make(UnpinMessage, id=ids),
        make(EndPin, id=ids),
        make(SendForwarded, text=texts, forwarded=st.just(Forwarded(channel="x", id="y", by="z"))),
        make(EditMessage, id=ids, text=texts, data=data),
        make(DeleteMessage, id=ids),
        make(MarkRead, upto=st.integers(0, 40)),
        make(MarkRead, upto=st.integers(0, 40), rev=st.integers(0, 3)),
        make(MarkUnread, since=st.integers(0, 40)),
        make(MarkDelivered, upto=st.integers(0, 40)),
        make(ReadThread, id=ids, upto=st.integers(0, 40)),
        make(ReadThreads, upto=st.integers(0, 40)),
        make(
            ReadThreadsMany,
            marks=st.dictionaries(
                users, st.dictionaries(st.integers(0, 40), st.integers(0, 40), max_size=3)
            ),
        ),
        make(HideReceipts, user=users, hidden=st.integers(0, 7)),
        make(
            MarkMany,
            **dict.fromkeys(("read", "late", "back", "delivered"), marks),
            based=st.dictionaries(users, st.tuples(st.integers(0, 40), st.integers(0, 3))),
        ),
        make(InviteMembers, users=groups),
        make(AddMembers, users=groups),
        make(RemoveMembers, users=groups),
        make(JoinChannel),
        make(LeaveChannel),
        make(SetRole, user=users, role=roles),
        make(PromoteChannel, kind=st.sampled_from(list(ChannelKind)), history=histories),
        make(ArchiveChannel),
        make(UnarchiveChannel),
        make(RequestJoin, text=texts),
        make(WithdrawRequest),
        make(AcceptRequest, user=users),
        make(DeclineRequest, user=users),
        make(SetRoleCapabilities, role=st.sampled_from(list(Role)), grant=names, deny=names),
        make(SetMemberCapabilities, user=users, grant=names, deny=names),
        make(BanMembers, users=groups, for_s=spans, reason=texts),
        make(MuteMembers, users=groups, for_s=spans),
        make(TimeoutMembers, users=groups, for_s=spans, reason=texts),
        make(UnbanMembers, users=groups),
        make(UnmuteMembers, users=groups),
        make(FreezeChannel),
        make(UnfreezeChannel),
        make(SetSlowMode, seconds=st.integers(0, 2)),
        make(SetMetadata, key=keys, value=data_values, user=st.just("") | users),
        make(SetMetadata, key=keys, value=data_values, if_rev=st.integers(0, 3)),
        make(DeleteMetadata, key=keys, user=st.just("") | users),
        make(SetCounter, name=keys, max=st.integers(0, 3)),
        make(IncrementCounter, name=keys, amount=st.sampled_from([1, 2, -1])),
        make(DeleteCounter, name=keys),
        make(AddPart, job=keys, part=st.integers(1, 2), parts=st.integers(1, 2), users=groups),
        make(RunPart, job=keys),
        make(TellLists, after=st.just("") | users),
        make(SetRetention, retention_s=st.sampled_from([0, 1, None])),
        make(TruncateChannel, before_seq=st.integers(0, 20)),
        make(SweepChannel),
        make(ExpireMessage, id=ids, at=st.sampled_from([0, 1, START_MS + 100_000])),
        make(EndMessage, id=ids),
        make(SendEvent, type=keys, version=st.just(1), data=data_values),
        later_commands.of_channel(key, ids),
    )


def of_user() -> st.SearchStrategy[Command]:
    """Any command of a user's stream."""
    channels = st.sampled_from(["group:a", "open:b", "dm:c"])
    kinds = st.sampled_from(list(ChannelKind))
    anything = st.sampled_from(list(Role))
    user = st.just("ann")
    devices = st.sampled_from(["d1", "d2", "d3"])
    values = st.sampled_from([Raw(b"null"), Raw(b"1"), Raw(b'"on"')])
    return st.one_of(
        st.builds(SeeDevice, user=user, device=devices, name=texts, jti=users),
        st.builds(RemoveDevice, user=user, device=devices),
        st.builds(SignOut, user=user, keep=devices),
        st.builds(
            TellUser,
            user=user,
            deactivated=st.booleans(),
            banned_ms=st.sampled_from([0, START_MS + 700]),
        ),
        st.builds(SetSettings, user=user, settings=st.dictionaries(devices, values, min_size=1)),
        st.builds(EnsureUser, user=user, name=texts),
        st.builds(UpdateUser, user=user, name=texts, data=data, replace=st.booleans()),
        st.builds(PutListed, user=user, channel=channels, kind=kinds, role=anything),
        st.builds(DropListed, user=user, channel=channels),
        st.builds(
            SetPrivacy,
            user=user,
            read=st.booleans(),
            typing=st.booleans(),
            presence=st.sampled_from(["everybody", "contacts", "nobody"]),
        ),
        st.builds(
            SetPresence, user=user, state=st.sampled_from(["online", "away", "busy", "invisible"])
        ),
        st.builds(EndPresence, user=user, gone_ms=st.integers(0, 9)),
        st.builds(NoteDeclined, user=user, channel=channels),
        st.builds(
            SetListed,
            user=user,
            channel=channels,
            hidden=st.sampled_from(["no", "until_message", "for_good"]),
            muted=st.booleans(),
            archived=st.booleans() | st.just(msgspec.UNSET),
            favourite=st.booleans(),
        ),
        later_commands.of_user("ann", event_ids),
    )


def of_directory() -> st.SearchStrategy[Command]:
    """Any command of an app's directory."""
    channels = st.sampled_from(["group:a", "open:b", "dm:c"])
    return st.one_of(
        st.builds(
            PutPublic,
            channel=channels,
            kind=st.sampled_from(list(ChannelKind)),
            created_ms=st.integers(0, 9),
            members=st.integers(0, 9),
            name=texts,
        ),
        st.builds(DropPublic, channel=channels),
    )


def of_users_shard() -> st.SearchStrategy[Command]:
    """Any command of a stream of users' lines."""
    return st.builds(
        PutUserLine,
        user=st.sampled_from([f"u{n}" for n in range(99) if shard_of(f"u{n}") == SHARD]),
        created_ms=st.integers(0, 9),
        name=texts,
        data=st.sampled_from([Raw(b"1"), Raw(b'{"a":2}'), msgspec.UNSET]),
        deactivated=st.booleans(),
        banned_ms=st.integers(0, 9),
    )


def of_app() -> st.SearchStrategy[Command]:
    """Any command of an app's stream."""
    return st.one_of(
        st.builds(RevokeToken, user=users, before=st.integers(0, 99) | st.none()),
        st.builds(RevokeToken, jti=users),
        st.builds(RegisterType, name=keys, schema=st.sampled_from([Raw(b"true"), Raw(b"{}")])),
        st.builds(DeleteType, name=keys),
        st.builds(DeactivateUser, user=users),
        st.builds(ReactivateUser, user=users),
        st.builds(BanUser, user=users, until=st.sampled_from([None, START_MS + 700])),
        st.builds(UnbanUser, user=users),
    )


def of_raw(key: str) -> st.SearchStrategy[Command]:
    """Any command of a raw channel."""
    some = st.sampled_from([Raw(b"1"), Raw(b'{"a":2}')])
    return st.builds(PublishEvent, channel=st.just(key), data=some)


def run(book: Playbook, steps: list[tuple[str, str, int, Command]]) -> int:
    """Play the steps; how many were accepted."""
    accepted = 0
    for user, authority, ms, command in steps:
        book.tick(ms)
        with suppress(Rejected):
            book.fall_due()
        before = book.tables.image()
        try:
            book.do(user, command, authority=authority)
            accepted += 1
        except Rejected:
            assert book.tables.image() == before
    return accepted


def steps_of(commands: st.SearchStrategy[Command]) -> st.SearchStrategy[list[Any]]:
    authorities = st.sampled_from(["client", "client", "server", "edge", "system", "moderator"])
    step = st.tuples(users, authorities, st.sampled_from([0, 1, 500]), commands)
    return st.lists(step, max_size=60)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(["group:x", "open:x", "dm"]))
def test_replay_equals_live_in_channels(draw: st.DataObject, kind: str) -> None:
    key = dm_channel(ID_SECRET, "ann", "bob") if kind == "dm" else kind
    book = Playbook(key, settings=SETTINGS)
    if kind == "dm":
        book.do("ann", OpenDirect(channel=key, members=("ann", "bob")))
    else:
        book.do("", CreateChannel(channel=key, owner="ann", members=("bob",)), authority="server")
    ids = []
    for n in range(4):
        book.do(PEOPLE[n % 2], SendMessage(channel=key, text=str(n)))
        ids.append(book.outcome.id)
    poll = CreatePoll(channel=key, question="?", options=("a", "b"), votes_max=2, may_add=True)
    book.do("ann", poll)
    ids.append(book.outcome.id)
    run(book, draw.draw(steps_of(of_channel(key, st.sampled_from(ids)))))
    book.assert_replay_equal()
    members = book.tables[MEMBERS].scan()
    staff = {user: row.role.value for user, row in members if row.role.rank > Role.MEMBER.rank}
    assert dict(book.tables[STAFF].scan()) == staff
    owners = {user for user, role in staff.items() if role == Role.OWNER}
    assert {user for user, _ in book.tables[AWAY].scan()} <= owners
    for user in PEOPLE:
        book.head(user)
        for seq in range(book.tables.floor_seq, book.tables.head_seq + 1):
            book.shown(seq)


@settings(max_examples=30)
@given(st.data(), st.sampled_from(["#ann", "@app", "@directory", SHARD, "raw:x", "sig:x"]))
def test_replay_equals_live_in_other_streams(draw: st.DataObject, key: str) -> None:
    streams = {"#ann": of_user(), "@app": of_app(), "@directory": of_directory()}
    streams[SHARD] = of_users_shard()
    commands = streams.get(key, of_raw(key))
    book = Playbook(key, settings=SETTINGS)
    run(book, draw.draw(steps_of(commands)))
    book.assert_replay_equal()


def test_random_commands_cover_every_command() -> None:
    """A new command must join the strategies above."""
    known = {
        ReadThread, ReadThreads, ReadThreadsMany,
        MarkUnread, MarkDelivered, HideReceipts, SetPrivacy,
        FollowThread, UnfollowThread, AddReaction, RemoveReaction, UndeleteMessage, PinMessage,
        DeleteMessages, DeleteMessagesBy, GoOnDeletingBy, UnpinMessage, EndPin, SendForwarded,
        CreateChannel, OpenDirect, UpdateChannel, DeleteChannel, SendMessage, EditMessage,
        DeleteMessage, MarkRead, MarkMany, InviteMembers, AddMembers, RemoveMembers, JoinChannel,
        LeaveChannel, SetRole, EnsureUser, UpdateUser, PutListed, DropListed, RevokeToken,
        PublishEvent, PromoteChannel, ArchiveChannel, UnarchiveChannel, RequestJoin,
        WithdrawRequest, AcceptRequest, DeclineRequest, NoteDeclined, SetListed, PutPublic,
        SeeDevice, RemoveDevice, SignOut, SetSettings, SetPresence, EndPresence,
        DropPublic, SetRoleCapabilities, SetMemberCapabilities, BanMembers, MuteMembers,
        TimeoutMembers, UnbanMembers, UnmuteMembers, FreezeChannel, UnfreezeChannel, SetSlowMode,
        SetMetadata, DeleteMetadata, SetCounter, IncrementCounter, DeleteCounter, RegisterType,
        DeleteType, SendEvent, AddPart, RunPart, SetRetention, TruncateChannel, SweepChannel,
        TellLists,
        ExpireMessage, EndMessage, DeactivateUser, ReactivateUser, BanUser, UnbanUser, TellUser,
    }  # fmt: skip
    assert set(REGISTRY.commands.values()) == known | later_commands.KNOWN


def test_every_event_that_is_decided_is_applied_and_bears_no_stamped_name() -> None:
    assert len(REGISTRY.events) == len(REGISTRY.apply)
    for event in REGISTRY.apply:
        allowed = {"id"} if event.ref_id is not Event.ref_id else set()
        fields = {field.encode_name for field in msgspec.structs.fields(event)}
        if event.KIND is EventKind.NUMBERED and not event.BARE:
            assert fields & STAMPED == allowed, event


def test_rows_of_every_table_are_decoded_by_their_type() -> None:
    for table in REGISTRY.tables.values():
        msgspec.msgpack.Decoder(table.row_type)
        msgspec.json.Decoder(dict[str, table.row_type])  # type: ignore[name-defined]


def test_names_that_outside_programs_rely_on() -> None:
    assert set(REGISTRY.verbs) >= {
        "message.send",
        "message.edit",
        "message.delete",
        "channel.open",
        "mark.read",
        "screen.set",
        "history.get",
    }
    paths = {(route.method, route.path) for route in REGISTRY.routes}
    assert paths >= {
        ("POST", "/v1/channels"),
        ("POST", "/v1/channels/{channel}/messages"),
        ("GET", "/v1/channels/{channel}/messages"),
    }
    assert len(paths) == len(REGISTRY.routes)


def test_documented_shapes_can_be_described() -> None:
    shapes = [verb.shape for verb in REGISTRY.verbs.values()]
    shapes += [route.shape for route in REGISTRY.routes] + [r.answer for r in REGISTRY.routes]
    schemas, _ = msgspec.json.schema_components(shapes)
    assert len(schemas) == len(shapes)


def test_a_name_is_declared_once() -> None:
    with pytest.raises(AssertionError, match="twice"):
        Registry((*FEATURES, Feature(name="x", tables=(Table("channel", int, int),))))
    with pytest.raises(AssertionError, match="twice"):
        Registry((*FEATURES, FEATURES[0]))


MID = message_id(START_MS, 3, b"x", ID_SECRET)
NAMES: dict[str, Any] = {
    "channel": "group:x", "to": "group:y", "user": "ann", "users": ["ann"], "with": "bob",
    "blocked": "bob", "id": MID, "ids": [MID, MID[:-1] + "a"], "thread": MID,
}  # fmt: skip
# What else a request needs to be one.
FILLED: dict[str, dict[str, Any]] = {
    "bookmark.update": {"folder": "f"},
    "channel.promote": {"kind": "open"},
    "channel.set_capabilities": {"role": "member"},
    "channel.set_mine": {"muted": True},
    "channel.set_retention": {"retention_s": 60},
    "channel.set_slow_mode": {"seconds": 1},
    "channel.truncate": {"before_seq": 2},
    "channel.update": {"name": "x"},
    "counter.delete": {"name": "c"},
    "counter.increment": {"name": "c"},
    "counter.set": {"name": "c"},
    "devices.remove": {"device": "d"},
    "draft.set": {"message": {"text": "x"}},
    "mark.read": {"upto": 1},
    "mark.unread": {"since": 1},
    "member.set_role": {"role": "member"},
    "member.timeout": {"for_s": 60},
    "message.edit": {"text": "x"},
    "message.expire": {"at": START_MS + 60_000},
    "message.send": {"text": "x", "reply_to": MID},
    "metadata.delete": {"key": "k"},
    "metadata.set": {"key": "k", "value": 1},
    "poll.add_option": {"text": "x"},
    "poll.create": {"question": "?", "options": ["a", "b"]},
    "poll.vote": {"options": [0]},
    "poll.voters": {"option": 0},
    "presence.set": {"state": "away"},
    "privacy.set": {"typing": True},
    "reaction.add": {"emoji": "👍"},
    "reaction.remove": {"emoji": "👍"},
    "reminder.create": {"at": "2026-03-01T00:00:00Z"},
    "reminder.snooze": {"at": "2026-03-01T00:00:00Z"},
    "schedule.create": {"at": "2026-03-01T00:00:00Z", "message": {"text": "x"}},
    "bookmark.add": {"message": MID},
    "event.publish": {"data": 1},
    "event.send": {"type": "t", "data": 1},
    "jobs.get": {"job": "j"},
    "schedule.update": {"at": "2026-03-01T00:00:00Z"},
    "thread.read": {"upto": 1},
    "threads.read_all": {"upto": 1},
    "search.messages": {"q": "x"},
    "sessions.sign_out": {"keep": "d"},
    "settings.set": {"settings": {"a": 1}},
    "sync.verify": {"blocks": {"0": "00"}},
    "user.update": {"name": "x"},
}
# Only on a connection; of several streams; of channels that are none of the chat.
APART = {"presence.watch", "receipts.watch", "sync", "event.publish", "channel.open"}
# What is no such name, and what names something that clients do not name so.
NOT_NAMES: dict[str, list[Any]] = {
    "channel": ["#ann", "@app", "members:x:1", "no", "a b"],
    "to": ["#ann", "@app", "no"],
    "user": ["a b", "#ann"],
    "users": [["a b"], ["ann", "#ann"]],
    "with": ["a b", "#ann", ""],
    "blocked": ["a b", "#ann", ""],
}


def bodies() -> Iterator[tuple[Verb, dict[str, Any]]]:
    """A request of each verb that names something."""
    for verb in REGISTRY.verbs.values():
        fields = {field.encode_name for field in msgspec.structs.fields(verb.shape)}
        body = {name: NAMES[name] for name in sorted(fields & set(NAMES))}
        if body and verb.name not in APART:
            yield verb, body | FILLED.get(verb.name, {})


def turned(verb: Verb, body: dict[str, Any], ctx: EdgeContext) -> Any:
    asked = verb.turn(decode_json(encode_json(body), verb.shape), ctx)
    return REGISTRY.checked(asked, ctx) if isinstance(asked, Command) else asked


def test_every_verb_refuses_what_is_no_name() -> None:
    """Before it names a stream: a channel's command must never be decided in a user's or the
    app's."""
    ctx = Playbook("group:x").edge_context(Viewer("", "server"))
    for verb, body in bodies():
        turned(verb, body, ctx)
        for name in sorted(body.keys() & NOT_NAMES.keys()):
            for bad in NOT_NAMES[name]:
                if (verb.name, name) == ("channel.set_mine", "channel"):
                    continue  # it names a row of the user's list
                with pytest.raises(Rejected) as caught:
                    turned(verb, body | {name: bad}, ctx)
                assert caught.value.error in (BAD_REQUEST, UNKNOWN_CHANNEL), (verb.name, bad)


def test_a_private_group_is_not_there_for_a_stranger_whatever_he_asks() -> None:
    """Nor for what acts in it; a name that is taken is told, and one's own schedules are not
    there either."""
    book = Playbook("group:x", owner="ann")
    book.do("ann", CreatePoll(channel="group:x", question="?", options=("a", "b")))
    poll = book.outcome.id
    book.do("ann", SendMessage(channel="group:x", text="hi"))
    for verb, body in bodies():
        if verb.name == "channel.create" or verb.name.startswith("schedule."):
            continue
        ids = {
            "id": poll if "poll" in verb.name else book.outcome.id,
            "ids": [poll, book.outcome.id],
        }
        body |= {name: given for name, given in ids.items() if name in body}
        unknown = {"id": MID} if "id" in body else {}
        for user, more in (("ann", {}), ("eve", {}), ("eve", unknown)):
            ctx = book.context(Viewer(user))
            asked = turned(verb, body | more, book.edge_context(Viewer(user)))
            error = None
            try:
                if isinstance(asked, Command) and asked.stream_key() == book.key:
                    book.registry.admit(asked, book.tables, ctx)
                    book.registry.decide[type(asked)](asked, book.tables, ctx)
                elif isinstance(asked, QueryCall) and asked.key == book.key:
                    book.registry.queries[asked.name].run(asked.args, book.tables, ctx)
                else:
                    break
            except Rejected as refusal:
                error = refusal.error
            assert (error is CHANNEL_NOT_FOUND) is (user == "eve"), (verb.name, user, error)


def first_of(asked: Any) -> Any:
    """The first command or query of a request."""
    if isinstance(asked, Errand):
        return next(asked.steps())
    return asked.calls[0] if isinstance(asked, Reads) else asked


def test_what_is_a_users_own_is_nobody_elses() -> None:
    """He need not name himself; a server key may name him. A profile is everybody's."""
    book = Playbook("#ann")
    book.do("ann", EnsureUser(user="ann"), authority="system")
    for verb, body in bodies():
        if "user" not in body or verb.name in ("user.get", "guest.convert", "sessions.list"):
            continue
        own = first_of(turned(verb, body, book.edge_context(Viewer("ann"))))
        of = own.stream_key() if isinstance(own, Command) else own.key
        if of != "#ann":
            continue
        (field,) = (f for f in msgspec.structs.fields(verb.shape) if f.encode_name == "user")
        unnamed = body if field.required else {k: v for k, v in body.items() if k != "user"}
        asking = [("ann", "client", unnamed), ("", "server", body), ("eve", "client", body)]
        if issubclass(verb.shape, Command):
            asking.append(("", "server", unnamed | {"by": "ann"}))
        for user, authority, more in asking:
            error = None
            viewer = Viewer(user, authority)
            ctx = book.context(viewer)
            try:
                asked = first_of(turned(verb, more, book.edge_context(viewer)))
                if isinstance(asked, Command):
                    assert asked.stream_key() == "#ann"
                    book.registry.decide[type(asked)](asked, book.tables, ctx)
                else:
                    assert asked.key == "#ann"
                    book.registry.queries[asked.name].run(asked.args, book.tables, ctx)
            except Rejected as refusal:
                error = refusal.error
            assert (error is PERMISSION_DENIED) is (user == "eve"), (verb.name, user, error)
            assert error is not BAD_REQUEST, (verb.name, user)
