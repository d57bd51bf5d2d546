"""Who mistypes a method or a path is told what he may have meant."""

from __future__ import annotations

import pytest

from edge.nearest import nearest_name, nearest_path
from hubbub.features.registry import REGISTRY

PATHS = sorted({row.path for row in REGISTRY.routes})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("messages.send", "message.send"),
        ("Message.Send", "message.send"),
        ("channel.setMine", "channel.set_mine"),
        ("message.sendd", "message.send"),
        ("typing.begin", ""),
        ("x" * 10_000, ""),
        ("", ""),
    ],
)
def test_a_method(name: str, meant: str) -> None:
    assert nearest_name(name, REGISTRY.verbs) == meant


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/channels/group:x/archive", "/v1/channels/group:x/archived"),
        ("/v1/channel/group:x/message", "/v1/channels/group:x/messages"),
        ("/v1/users/ann/bookmark/b1", "/v1/users/ann/bookmarks/b1"),
        ("/v1/channels/group:a-name-that-is-long/x", ""),
        ("/v1/nothing", ""),
        ("/", ""),
        ("/v1/channels/" + "x/" * 1_000, ""),
    ],
)
def test_a_path(path: str, meant: str) -> None:
    assert nearest_path(path, PATHS) == meant
