"""Copies with their origin, and links."""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import (
    replace,
)

from hubbub.base.errors import (
    BAD_REQUEST,
    CHANNEL_NOT_FOUND,
    MESSAGE_DELETED,
    PERMISSION_DENIED,
    Rejected,
)
from hubbub.features.capabilities import (
    SetMemberCapabilities,
)
from hubbub.features.contract import QueryCall
from hubbub.features.forward import (
    ForwardRequest,
    LocateRequest,
    SendForwarded,
    link_to,
    turn_forward,
    turn_locate,
)
from hubbub.features.history import MessageRequest
from hubbub.features.messages import DeleteMessage, EditMessage, MessageCreated, SendMessage
from hubbub.features.polls import CreatePoll
from hubbub.features.registry import REGISTRY
from hubbub.model.message import (
    Attachment,
    AttachmentKind,
    Forwarded,
)
from hubbub.settings.app import OFF, AppSettings
from hubbub.wire.codec import encode_json
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook

X = "group:x"
UNPACED = AppSettings(send_per_channel=OFF)


@pytest.fixture
def book() -> Playbook:
    return Playbook(X, owner="ann", members=["bob"], settings=UNPACED)


def test_two_steps_and_no_third(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one", type="t", data=Raw(b"[1]")))
    mid = book.outcome.id
    book.do("ann", EditMessage(channel=X, id=mid, text="two"))
    request = ForwardRequest(X, mid, "group:y", cmid="c")
    steps = turn_forward(request, book.edge_context(Viewer("bob"))).steps()
    asked = next(steps)
    assert asked == QueryCall(X, "message.copied", MessageRequest(X, mid))
    copied = encode_json(book.query("bob", "message.copied", MessageRequest(X, mid)))
    command = steps.send(copied)
    origin = Forwarded(channel=X, id=mid, by="ann")
    assert command == SendForwarded(
        cmid="c", channel="group:y", forwarded=origin, text="two", data=Raw(b"[1]"), type="t"
    )
    with pytest.raises(StopIteration) as end:
        steps.send(b"{}")
    assert end.value.value == b"{}"
    assert isinstance(command, SendForwarded)
    other = Playbook("group:y", owner="bob", settings=UNPACED)
    (created,) = other.do("bob", command)
    assert isinstance(created, MessageCreated)
    assert (created.text, created.forwarded) == ("two", origin)
    assert other.shown(2)["forwarded"] == {"channel": X, "id": mid, "by": "ann"}
    other.do("bob", DeleteMessage(channel="group:y", id=other.outcome.id))
    assert "forwarded" not in other.shown(2)
    assert other.refused("ann", command) is CHANNEL_NOT_FOUND
    other.assert_replay_equal()


def test_no_verb_carries_an_origin() -> None:
    for verb in REGISTRY.verbs.values():
        assert "forwarded" not in verb.shape.__struct_fields__, verb.name
    for route in REGISTRY.routes:
        assert "forwarded" not in route.shape.__struct_fields__, route.path


def test_who_may_not_read_copies_nothing(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one"))
    mid = book.outcome.id
    with pytest.raises(Rejected) as caught:
        book.query("eve", "message.copied", MessageRequest(X, mid))
    assert caught.value.error is CHANNEL_NOT_FOUND
    book.do("ann", DeleteMessage(channel=X, id=mid))
    with pytest.raises(Rejected) as caught:
        book.query("bob", "message.copied", MessageRequest(X, mid))
    assert caught.value.error is MESSAGE_DELETED


def test_links(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="root"))
    root = book.outcome.id
    book.do("bob", SendMessage(channel=X, text="re", thread=root))
    reply = book.outcome.id
    link = link_to(X, reply)
    assert link == f"/m/group:x/{reply}"
    ctx = book.edge_context(Viewer("bob"))
    call = QueryCall(X, "message.locate", MessageRequest(X, reply))
    assert turn_locate(LocateRequest(link=link), ctx) == call
    assert turn_locate(LocateRequest(link="https://chat.example" + link), ctx) == call
    assert turn_locate(LocateRequest(X, reply), ctx) == call
    odd = "group:a?b#c%"
    found = turn_locate(LocateRequest(link=link_to(odd, reply)), ctx)
    assert found.key == odd
    for wrong in ("", "/m/", "/m/group:x", f"/x/group:x/{reply}", "/m/group:x/short"):
        with pytest.raises(Rejected) as caught:
            turn_locate(LocateRequest(link=wrong), ctx)
        assert caught.value.error is BAD_REQUEST
    with pytest.raises(Rejected):
        turn_locate(LocateRequest(X, reply, link), ctx)
    unnamed = book.query("ann", "message.locate", MessageRequest(X, reply), blocks=("bob",))
    located = book.query("bob", "message.locate", MessageRequest(X, reply))
    assert located == {**unnamed, "by": "bob"}, "whoever blocks him is told where it stands"
    assert "by" not in unnamed
    assert located == {
        "channel": X,
        "id": reply,
        "seq": 3,
        "link": link,
        "by": "bob",
        "thread": root,
        "thread_seq": 2,
    }


def test_a_copy_keeps_its_words_and_names_who_wrote_them(book: Playbook) -> None:
    book.do("ann", SendMessage(channel=X, text="one"))
    origin = Forwarded(channel=X, id=book.outcome.id, by="ann")
    other = Playbook("group:y", owner="bob", members=["cid"], settings=UNPACED)
    other.do("bob", SendForwarded(channel="group:y", forwarded=origin, text="one"))
    copy = other.outcome.id
    said = EditMessage(channel="group:y", id=copy, text="another")
    assert other.refused("bob", said) is PERMISSION_DENIED
    assert other.refused("cid", said) is PERMISSION_DENIED
    again = other.query("cid", "message.copied", MessageRequest("group:y", copy))
    assert again["forwarded"] == {"channel": X, "id": origin.id, "by": "ann"}
    other.do("", said, authority="server")
    other.do("bob", DeleteMessage(channel="group:y", id=copy))


def test_a_poll_is_not_copied(book: Playbook) -> None:
    book.do("ann", CreatePoll(channel=X, question="?", options=("a", "b")))
    with pytest.raises(Rejected) as caught:
        book.query("bob", "message.copied", MessageRequest(X, book.outcome.id))
    assert caught.value.error is BAD_REQUEST


def test_a_copy_brings_nothing_in_that_he_may_not_send(book: Playbook) -> None:
    origin = Forwarded(channel="group:y", id="m", by="eve")
    file = Attachment(kind=AttachmentKind.FILE, file="f")
    plain = SendForwarded(channel=X, forwarded=origin, text="hi")
    book.do("ann", SetMemberCapabilities(channel=X, user="bob", deny=("attach",)))
    assert book.do("bob", plain) != []
    assert book.refused("bob", replace(plain, attachments=(file,))) is PERMISSION_DENIED
    assert book.do("ann", replace(plain, attachments=(file,))) != []
    script = Attachment(kind=AttachmentKind.LINK, url="javascript:alert(1)")
    for wrong in (replace(plain, attachments=(script,)), replace(plain, type="t" * 65)):
        assert book.refused("ann", wrong) is BAD_REQUEST
