"""Our tree keeps to the layers; and the check finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.style.layers import BETWEEN_SIBLINGS, Module, read_tree, violations, violations_of

ROOT = Path(__file__).resolve().parents[2]

# A tree that breaks nothing; each case below adds or replaces one or two files.
CLEAN = {
    "hubbub/__init__.py": "VERSION = '1'",
    "hubbub/base/ids.py": "import hashlib",
    "hubbub/wire/codec.py": "import msgspec, orjson\nfrom hubbub.base.ids import x\nmsgspec.json",
    "hubbub/model/channel.py": "from msgspec import Struct",
    "hubbub/features/contract.py": "from hubbub.model.channel import Channel",
    "hubbub/features/registry.py": "from hubbub.features import messages",
    "hubbub/features/messages.py": "from hubbub.features.contract import Command",
    "hubbub/runtime/process.py": "import asyncio\ntry:\n    import uvloop\nexcept ImportError: ...",
    "hubbub/transport/sockets.py": "import asyncio, zmq",
    "hubbub/transport/link.py": "from hubbub.wire import codec",
    "hubbub/client/aio.py": "import aiohttp\nfrom hubbub.wire.codec import y",
    "node/service.py": "import asyncio\nfrom hubbub.features.registry import FEATURES",
    "node/slot.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio",
    "router/relay.py": "from hubbub import VERSION\nfrom hubbub.wire.codec import y",
    "edge/server.py": "from aiohttp import web\nfrom hubbub.runtime import process",
    "ops/cli.py": "import click",
}

SEEDED = [
    ("a clock in a feature", {"hubbub/features/pins.py": "import time"}, "imports time"),
    ("a clock in a function of a pure file",
     {"node/slot.py": "def f():\n    from time import monotonic"}, "imports time"),
    ("a clock by another name",
     {"hubbub/model/message.py": "import datetime\nt = datetime.datetime.now()"}, "now()"),
    ("randomness in a core", {"router/relay.py": "import random"}, "imports random"),
    ("a file opened in a core", {"edge/session.py": "data = open('x')"}, "calls open()"),
    ("asyncio through another module",
     {"edge/hub.py": "from edge import pump", "edge/pump.py": "import asyncio"},
     "through edge.pump"),
    ("edge imports node", {"edge/server.py": "import node.service"}, "process edge imports"),
    ("ops imports a process lazily",
     {"ops/cli.py": "def f():\n    from router.relay import Relay"}, "process ops imports"),
    ("zmq in the router", {"router/relay.py": "import zmq"}, "zmq belongs to"),
    ("a node names a feature",
     {"node/service.py": "from hubbub.features import messages"}, "names the feature"),
    ("a node names a feature, other spelling",
     {"node/service.py": "import hubbub.features.messages as m"}, "names the feature"),
    ("a node names a feature as a string",
     {"node/service.py": "load('hubbub.features.messages')"}, "names the feature"),
    ("base imports upwards",
     {"hubbub/base/ids.py": "from hubbub.features.contract import C"}, "imports go down only"),
    ("hubbub imports a process", {"hubbub/runtime/process.py": "import node"}, "go down only"),
    ("siblings on a row",
     {"hubbub/runtime/process.py": "from hubbub.transport import link"}, "imports go down only"),
    ("the router knows a model",
     {"router/relay.py": "from hubbub.model import channel"}, "it may not know it"),
    ("the client knows the runtime",
     {"hubbub/client/aio.py": "from hubbub.runtime.process import run"}, "it may not know it"),
    ("a codec outside its owner",
     {"edge/server.py": "import msgspec\nmsgspec.json.encode(1)"}, "msgspec.json belongs to"),
    ("a codec outside its owner, other spelling",
     {"edge/server.py": "from msgspec import json"}, "msgspec.json belongs to"),
    ("msgspec in base", {"hubbub/base/ids.py": "import msgspec"}, "msgspec belongs to"),
    ("aiohttp in a node", {"node/service.py": "import aiohttp"}, "aiohttp belongs to"),
    ("a new dependency", {"edge/server.py": "import requests"}, "no dependency of ours"),
    ("product imports tests", {"edge/server.py": "import tests.support"}, "imports go down only"),
    ("a new part", {"edge/server.py": "import hubbub.helpers"}, "has no place in the layers"),
    ("a circle",
     {"edge/a.py": "import edge.b", "edge/b.py": "def f():\n    import edge.a"}, "circle"),
    ("a relative circle",
     {"edge/a.py": "from . import b", "edge/b.py": "from .a import x"}, "circle"),
]  # fmt: skip


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(scope="module")
def ours() -> dict[str, Module]:
    return read_tree(ROOT)


def test_our_tree_keeps_to_the_layers(ours: dict[str, Module]) -> None:
    assert ours, "nothing was read: the check would pass on an empty tree"
    assert violations_of(ours) == []


def test_every_allowance_between_siblings_is_still_used(ours: dict[str, Module]) -> None:
    for source, target in BETWEEN_SIBLINGS:
        assert source not in ours or target in ours[source].imports, f"remove {source}"


def test_a_clean_tree_has_no_violation(tmp_path: Path) -> None:
    plant(tmp_path, CLEAN)
    assert violations(tmp_path) == []


@pytest.mark.parametrize(("story", "files", "word"), SEEDED, ids=[case[0] for case in SEEDED])
def test_a_seeded_violation_is_found(
    tmp_path: Path, story: str, files: dict[str, str], word: str
) -> None:
    plant(tmp_path, CLEAN | files)
    found = violations(tmp_path)
    assert any(word in line for line in found), (story, found)
    assert all(line.startswith(tuple(files)) for line in found), found
