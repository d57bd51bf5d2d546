"""Small pure functions of the contract."""

from __future__ import annotations

import pytest

from hubbub.base.errors import BAD_REQUEST, PERMISSION_DENIED, Rejected
from hubbub.base.names import StreamKind
from hubbub.features.contract import acting, namespace_for, stream_kind
from hubbub.features.messages import SendMessage
from hubbub.settings.app import AppSettings, Namespace
from hubbub.settings.profiles import CENTRIFUGE_COMPAT
from hubbub.wire.shapes import Viewer


def test_only_a_server_key_acts_as_another() -> None:
    command = SendMessage(channel="group:x", text="hi", by="bob")
    assert acting(command, Viewer("", "server")) == Viewer("bob", "server")
    assert acting(command, Viewer("bob")) == Viewer("bob")
    assert acting(SendMessage(channel="group:x"), Viewer("eve")) == Viewer("eve")
    for viewer in (Viewer("eve"), Viewer("", "moderator")):
        with pytest.raises(Rejected) as caught:
            acting(command, viewer)
        assert caught.value.error is PERMISSION_DENIED
    with pytest.raises(Rejected) as caught:
        acting(SendMessage(channel="group:x", by="b b"), Viewer("", "server"))
    assert caught.value.error is BAD_REQUEST


def test_streams_and_namespaces() -> None:
    room = Namespace(subscribe="token")
    settings = AppSettings(namespaces={"": Namespace(), "ns": room})
    assert stream_kind("#ann", settings) is StreamKind.USER
    assert stream_kind("#ann", CENTRIFUGE_COMPAT) is StreamKind.RAW
    assert stream_kind("group:x", CENTRIFUGE_COMPAT) is StreamKind.CHANNEL
    assert stream_kind("@app", CENTRIFUGE_COMPAT) is StreamKind.APP
    assert namespace_for("ns:a:b", settings) == namespace_for("$ns:a", settings) == room
    assert namespace_for("plain", settings) == Namespace()
    for key in ("group:x", "#ann", "@app", "no:x"):
        assert namespace_for(key, settings) is None
    assert namespace_for("#ann", CENTRIFUGE_COMPAT) is not None
