"""Where a user stands."""

from __future__ import annotations

import pytest

from hubbub.base.errors import CHANNEL_NOT_FOUND, NOT_A_MEMBER, Rejected
from hubbub.features.channels import DeleteChannel
from hubbub.features.members import InviteMembers
from hubbub.features.standing import channel_row, member_count, require_standing, role_of
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import Action
from hubbub.wire.shapes import Viewer
from tests.support.playbook import Playbook


def test_roles() -> None:
    book = Playbook("group:x", owner="ann", members=["bob"])
    book.do("ann", InviteMembers(channel="group:x", user="cid"))
    roles = [role_of(book.tables, user) for user in ("ann", "bob", "cid", "dan", "")]
    assert roles == [Role.OWNER, Role.MEMBER, Role.INVITED, Role.NONE, Role.NONE]
    assert member_count(book.tables) == 2
    row = require_standing(Action.SEND, book.tables, book.context(Viewer("bob")))
    assert row.kind is ChannelKind.GROUP
    with pytest.raises(Rejected) as caught:
        require_standing(Action.SEND, book.tables, book.context(Viewer("cid")))
    assert caught.value.error is NOT_A_MEMBER


def test_no_channel_and_a_deleted_one_are_the_same() -> None:
    book = Playbook("group:x", owner="ann")
    book.do("ann", DeleteChannel(channel="group:x"))
    for tables in (book.tables, Playbook("group:y").tables):
        with pytest.raises(Rejected) as caught:
            channel_row(tables)
        assert caught.value.error is CHANNEL_NOT_FOUND
