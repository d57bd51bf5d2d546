"""The tree is tidy; and each check finds what was planted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.style import tidy
from tests.support.requirement import is_required

ROOT = Path(__file__).resolve().parents[2]
Check = Callable[[Path], Iterator[str]]

CHECKS: list[Check] = [
    tidy.without_docstring,
    tidy.banned_calls,
    tidy.loose_events,
    tidy.blind_catches,
    tidy.marks_and_places,
    tidy.vague_names,
    tidy.forbidden_names,
    tidy.sleeping_tests,
    tidy.big_blobs,
]
FINISHED: list[Check] = [tidy.long_files, tidy.dead_modules]  # asked of a finished tree only

# Modules without a test file of their own name. Each line has its reason; it only gets shorter.
UNTESTED: dict[str, str] = {
    "edge/app.py": "wiring; tests/system and tests/faults run it as a process",
    "edge/server.py": "wiring; every test of tests/edge/web goes through it",
    "edge/web/cors.py": "headers; test_guard.py asks for them in preflights and answers",
    "edge/web/app_rows.py": "shapes and rows; test_apps.py and test_scopes.py go through all",
    "edge/devices.py": "tests/acceptance/test_devices.py signs out through real processes",
    "edge/variants.py": "values; tests/edge/test_hub.py gives each variant its bytes",
    "hubbub/client/calls.py": "generated; test_verbs.py compares it with the registry",
    "hubbub/client/chat.py": "wiring; tests/acceptance/test_client.py runs it on a cluster",
    "hubbub/features/signs.py": "shapes; test_asyncapi.py compares them with what clients see",
    "hubbub/features/annotations.py": "rows of test_threads.py, test_reactions.py, test_pins.py",
    "hubbub/features/bootstrap.py": "tests/acceptance/test_bootstrap.py reads what it gathers",
    "hubbub/features/due.py": "rows; tests/node/test_due.py lets them fall due",
    "hubbub/features/mark_rows.py": "rows of test_marks.py, test_watermarks.py",
    "hubbub/features/message_parts.py": "parts of test_messages.py",
    "hubbub/features/poll_rows.py": "rows of test_polls.py",
    "hubbub/model/channel.py": "shapes, in the answers of tests/hubbub/features/test_channels.py",
    "hubbub/model/message.py": "a shape, in those of test_messages.py",
    "hubbub/model/poll.py": "shapes, in those of test_polls.py",
    "hubbub/model/user.py": "a shape, in those of test_users.py",
    "hubbub/transport/counts.py": "a record of numbers; the link's tests read them",
    "hubbub/wire/reads.py": "shapes; tests/node/test_reads.py answers them",
    "node/intake.py": "what the pieces share; their tests go through it",
    "node/store/api.py": "an interface; one suite runs over both stores (test_store.py)",
    "ops/commands/apps.py": "tests/acceptance/test_apps.py runs it on a cluster",
    "node/store/memory.py": "a twin; the suite of test_store.py is its own",
}

finished_tree = pytest.mark.skipif(
    not is_required("tidy"), reason="asked of a finished tree: set HUBBUB_REQUIRE=tidy"
)

PLANTED: list[tuple[Check, str, str]] = [
    (tidy.long_files, "node/slot.py", '"""Big."""\n' + "x = 1\n" * 400),
    (tidy.without_docstring, "node/slot.py", "x = 1"),
    (tidy.banned_calls, "node/app.py", "asyncio.gather(a, b)"),
    (tidy.banned_calls, "node/app.py", "asyncio.create_task(a)"),
    (tidy.banned_calls, "node/app.py", "self.loop.create_task(a)"),
    (tidy.banned_calls, "node/app.py", "asyncio.get_running_loop().create_task(a)"),
    (tidy.banned_calls, "edge/app.py", "x = eval(y)"),
    (tidy.loose_events, "edge/app.py", "log.info('Client connected')"),
    (tidy.loose_events, "edge/app.py", "self._log.error(f'client.{x}')"),
    (tidy.blind_catches, "edge/app.py", "try: ...\nexcept Exception: ..."),
    (tidy.blind_catches, "edge/app.py", "try: ...\nexcept (BaseException, X): ..."),
    (tidy.blind_catches, "edge/app.py", "try: ...\nexcept: ..."),
    (tidy.marks_and_places, "edge/app.py", "# TO" + "DO later"),
    (tidy.marks_and_places, "tests/test_x.py", "x = 1  # FIX" + "ME"),
    (tidy.marks_and_places, "edge/app.py", "PATH = '/ho" + "me/ann/data'"),
    (tidy.marks_and_places, ".ci/run", "pip install --index" + "-url x"),
    (tidy.vague_names, "edge/http_utils.py", ""),
    (tidy.vague_names, "hubbub/settings/schema.py", "class C:\n    timeout: int = 5"),
    (tidy.forbidden_names, "node/reads.py", "def page(offset): ..."),
    (tidy.forbidden_names, "hubbub/ring/map.py", "partition = 3"),
    (tidy.sleeping_tests, "tests/node/test_x.py", "time.sleep(1)"),
    (tidy.sleeping_tests, "tests/node/test_x.py", "asyncio.sleep(0.1)"),
    (tidy.dead_modules, "edge/forgotten.py", "x = 1"),
    (tidy.big_blobs, "edge/picture.bin", "x" * (tidy.BLOB_BYTES_MAX + 1)),
    (tidy.untested_modules, "edge/forgotten.py", "x = 1"),
]

TIDY = (
    '''"""Owns nothing.

Long because it is an example.
"""
async def f(log, offset):
    await asyncio.sleep(0)
    log.info("slot.moved", slot=7)
    try: ...
    except Exception: ...  # boundary: a plug-in
    try: ...
    except BaseException: raise
'''
    + "x = 1\n" * 400
)


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_our_tree_is_tidy(check: Check) -> None:
    assert tidy.product_files(ROOT)
    assert list(check(ROOT)) == []


@finished_tree
@pytest.mark.parametrize("check", FINISHED, ids=lambda check: check.__name__)
def test_our_finished_tree_is_tidy(check: Check) -> None:
    assert list(check(ROOT)) == []


@finished_tree
def test_every_module_has_its_test_file() -> None:
    untested = set(tidy.untested_modules(ROOT))
    assert sorted(untested - UNTESTED.keys()) == [], "write test_<module>.py"
    assert sorted(UNTESTED.keys() - untested) == [], "tested or gone: take them off the list"


@pytest.mark.parametrize(("check", "name", "text"), PLANTED)
def test_a_check_finds_what_was_planted(tmp_path: Path, check: Check, name: str, text: str) -> None:
    plant(tmp_path, name, text)
    found = list(check(tmp_path))
    assert len(found) == 1, found
    assert found[0].startswith(name)


def test_tidy_code_is_left_alone(tmp_path: Path) -> None:
    plant(tmp_path, "edge/session.py", TIDY)
    plant(tmp_path, "edge/__main__.py", '"""Starts."""\nimport edge.session')
    plant(tmp_path, "tests/edge/test_session.py", "while not ready():\n    asyncio.sleep(1)")
    plant(tmp_path, "tests/faults/test_pause.py", "time.sleep(1)  # harm: it stands still")
    assert [line for check in CHECKS + FINISHED for line in check(tmp_path)] == []
    assert list(tidy.untested_modules(tmp_path)) == []
