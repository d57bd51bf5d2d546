"""The chat page's modules without a DOM, by Node.js's own test runner."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from edge.web.pages import as_served
from hubbub.base.errors import all_closes, all_errors
from tests.support.requirement import program

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "edge" / "web" / "static"
SDK = STATIC.parent / "sdk" / "hubbub.js"
IMPORT = re.compile(r'^import .*?from "(?:\./|/static/)([\w.]+)";', re.M)
LATER = re.compile(r'\b(?:import|looks)\("(?:\./|/static/)([\w.]+)"\)')
LOAD_BYTES_MAX = 150_000  # uncompressed, of everything that the first load fetches
LATER_BYTES_MAX = 12_000  # of each file that comes when it is first used
LANGUAGE_BYTES_MAX = 20_000  # comes with the first load of who does not read English
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
# What stands in a call of `t` before what is filled in.
ASKED = re.compile(r'(?<![\w.])t\((?:[\w. ]+\? )?("(?:[^"\\]|\\.)*"(?: : "(?:[^"\\]|\\.)*")?)')
# What the server says to users: a table may have words for it.
OF_THE_SERVER = {f"error {row.code}" for row in all_errors()} | {
    f"end {row.reason}" for row in all_closes()
}
IN_PIXELS = re.compile(r"font(?:-size)?: [^;]*\dpx")
FILLED = re.compile(r"\{\w+\}")

# An address of somebody else; and text that would be parsed, or needs a laxer policy.
FOREIGN = re.compile(r"""(?:src|href|from|import)\s*[=(]?\s*["'](?:https?:)?//""")
PARSED = re.compile(
    r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bon\w+="|<style|\sstyle='
)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", ["store", "together", "outbox", "protocol", "drafts"])
def test_pure_modules(name: str) -> None:
    done = subprocess.run(
        [program("node"), "--test", "--test-reporter=tap", str(HERE / "js" / f"{name}.test.mjs")],
        env={**os.environ, "HUBBUB_STATIC": str(STATIC)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    counts = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.M))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(counts["pass"]) >= 8
    assert int(counts["fail"]) == 0


def served(name: str) -> bytes:
    return as_served(name, (SDK if name == SDK.name else STATIC / name).read_bytes())


def imported(*names: str) -> dict[str, bytes]:
    """These files and every module that they import at once."""
    wanted, found = [*names], dict[str, bytes]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = served(name)
            wanted += IMPORT.findall(found[name].decode())
    return found


def first_load() -> dict[str, bytes]:
    """The page, its looks and every module that it imports at once; the rest comes when used."""
    return imported("index.html", "chat.css", "icon.svg", "chat.js")


def first_load_bytes() -> int:
    return sum(map(len, first_load().values()))


def test_what_comes_later_is_small_and_not_in_the_first_load() -> None:
    first = first_load()
    wanted = {name for body in first.values() for name in LATER.findall(body.decode())}
    later = imported(*wanted).keys() - first.keys()
    assert {
        "threads.js",
        "threading.js",
        "poll.js",
        "polling.js",
        "more.css",
        "details.js",
        "menu.js",
    } <= later
    assert {name: len(served(name)) for name in later if len(served(name)) > LATER_BYTES_MAX} == {}


def test_a_table_of_another_language_has_all_words_and_no_others() -> None:
    said: set[str] = set()
    for path in STATIC.glob("*.js"):
        if path.name != "docs.js":
            said |= {str(json.loads(word)) for word in asked_for(path.read_text(encoding="utf-8"))}
    for path in STATIC.glob("*.json"):
        table: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        assert said - table.keys() == set()
        assert table.keys() - said - OF_THE_SERVER == set()
        assert len(path.read_bytes()) <= LANGUAGE_BYTES_MAX
        for english, words in table.items():
            assert set(FILLED.findall(words)) == set(FILLED.findall(english)), english


def asked_for(source: str) -> list[str]:
    """The words, as literals, that a script asks of `t`."""
    return [word for call in ASKED.findall(source) for word in LITERAL.findall(call)]


def test_text_is_as_large_as_the_reader_has_chosen() -> None:
    """Only initials keep the size of the picture that they stand in."""
    for name in ("chat.css", "more.css"):
        for line in (STATIC / name).read_text(encoding="utf-8").splitlines():
            assert not IN_PIXELS.search(line) or line.lstrip().startswith(
                (".avatar", ".choices .avatar")
            ), line


def test_the_page_is_small_and_all_its_own() -> None:
    files = [path for path in STATIC.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")]
    files.append(SDK)
    assert len(first_load()) > 10
    assert first_load_bytes() <= LOAD_BYTES_MAX
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not FOREIGN.search(text), path
        assert not PARSED.search(text), path
