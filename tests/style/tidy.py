"""What a reader of the tree would object to, as functions: each yields `path:line: what`.

Files are read, never imported. Work under way is nobody's failure: what only a
finished tree has (a test for every module, no dead module, no long file without its reason) is
demanded where `HUBBUB_REQUIRE` names "tidy", as `.ci/run` does.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PRODUCT = ("hubbub", "node", "router", "edge", "ops", "loadtests")
LINES_MAX = 400
BLOB_BYTES_MAX = 1 << 20
TEXT_ENDINGS = (
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".js",
    ".html",
    ".css",
    ".json",
    ".sh",
    ".yml",
    ".mjs",
)

# Banned call → what to use instead, and who may still use it.
BANNED = {
    "asyncio.create_task": ("hubbub.runtime.tasks.supervise", ()),
    "asyncio.ensure_future": ("hubbub.runtime.tasks.supervise", ()),
    "loop.create_task": ("hubbub.runtime.tasks.supervise", ("hubbub/runtime/tasks.py",)),
    "asyncio.gather": ("asyncio.TaskGroup", ()),
    "asyncio.wait_for": ("asyncio.timeout", ()),
    "asyncio.get_event_loop": ("asyncio.get_running_loop", ()),
    "asyncio.Queue": ("a bound: asyncio.Queue(maxsize=…)", ()),
    "os.urandom": (
        "hubbub.runtime.clock.entropy",
        ("hubbub/runtime/clock.py", "hubbub/client/", "ops/", "loadtests/"),
    ),
    "time.time": ("a Clock", ("hubbub/runtime/clock.py", "hubbub/client/", "ops/", "loadtests/")),
    "pickle.loads": ("hubbub.wire.codec", ()),
    "eval": ("nothing: there is no need", ()),
    "exec": ("nothing: there is no need", ()),
}
FILE_WORDS = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})
# Bare names that say neither unit nor what they bound.
BARE_FIELDS = frozenset({"timeout", "size", "limit", "delay", "interval", "max"})
# Folder → identifiers that mean something else there (GLOSSARY.md).
FORBIDDEN_NAMES = {"node/": {"offset": "seq", "partition": "slot"},
                   "hubbub/ring/": {"partition": "slot", "shard": "slot"},
                   "router/": {"partition": "slot", "shard": "slot"}}  # fmt: skip
MARKS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
PLACES = re.compile(
    r"(?<![\w.])/(?:work|home|root|Users)/[\w.]"  # somebody's machine
    r"|https?://[^\s\"'<>]*(?:/simple\b|pythonhosted|registry\.npm)"  # an index
    r"|--(?:extra-)?index[-]url|--registry[ =]|--trusted[-]host"
)
EVENT = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
LOG_LEVELS = frozenset({"debug", "info", "warning", "error"})


def product_files(root: Path) -> list[Path]:
    """Every Python file that is installed or run by hand."""
    return [path for top in PRODUCT for path in sorted((root / top).rglob("*.py"))]


def tracked(root: Path) -> list[Path]:
    """What git knows below `root`; without git everything but folders that begin with a dot."""
    done = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False
    )
    if done.returncode == 0:
        return [root / name for name in done.stdout.decode().split("\0") if name]
    return [p for p in root.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(root))]


def text_files(root: Path) -> list[Path]:
    """Product, tests and pages, whether tracked or not."""
    tops = [*PRODUCT, "tests", ".ci"]
    found = [p for top in tops for p in (root / top).rglob("*") if p.is_file()]
    found += [p for p in root.iterdir() if p.is_file()]
    return sorted(p for p in found if p.suffix in TEXT_ENDINGS or p.parent.name == ".ci")


def long_files(root: Path) -> Iterator[str]:
    known = set(tracked(root))
    for path in product_files(root):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if (
            path in known
            and lines > LINES_MAX
            and "Long because" not in (ast.get_docstring(ast.parse(text)) or "")
        ):
            yield f"{_at(root, path)}: {lines} lines: say `Long because …` in the module docstring"


def without_docstring(root: Path) -> Iterator[str]:
    for path in product_files(root):
        text = path.read_text(encoding="utf-8")
        if not ast.get_docstring(ast.parse(text)) and (text.strip() or path.stem != "__init__"):
            yield f"{_at(root, path)}: what does this module own? Say it in its docstring"


def banned_calls(root: Path) -> Iterator[str]:
    for path, node in _calls(root):
        called = dotted(node.func)
        name = "loop.create_task" if called.endswith("loop.create_task") else called
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func).endswith(
            "get_running_loop().create_task"
        ):
            name = "loop.create_task"
        replacement, owners = BANNED.get(name, ("", ()))
        if name == "asyncio.Queue" and (node.args or node.keywords):
            continue  # it has a bound
        if replacement and not _at(root, path).startswith(tuple(owners) or ("\0",)):
            yield f"{_at(root, path, node)}: {name}: use {replacement}"


def loose_events(root: Path) -> Iterator[str]:
    """`log.info("Some prose")`: an event is lower case and dotted."""
    for path, node in _calls(root):
        func = node.func
        if not isinstance(func, ast.Attribute) or func.attr not in LOG_LEVELS or not node.args:
            continue
        if ast.unparse(func.value).split(".")[-1].lstrip("_") not in {"log", "logger"}:
            continue
        event = node.args[0]
        spelled = isinstance(event, ast.Constant) and EVENT.fullmatch(str(event.value))
        if isinstance(event, ast.Constant | ast.JoinedStr) and not spelled:
            yield f"{_at(root, path, node)}: a log event is lower case and dotted"


def blind_catches(root: Path) -> Iterator[str]:
    """Whoever catches everything raises again, or names the boundary that allows it."""
    for path in product_files(root):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else "Exception"
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            blind = re.search(r"\b(Base)?Exception\b", caught)
            if blind and not raises and "boundary" not in lines[node.lineno - 1]:
                at = f"{_at(root, path)}:{node.lineno}"
                yield f"{at}: catches everything: say `# boundary: why` or raise again"


def marks_and_places(root: Path) -> Iterator[str]:
    for path in text_files(root):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MARKS.search(line):
                yield f"{_at(root, path)}:{number}: unfinished work has an issue, not a mark"
            if PLACES.search(line):
                yield f"{_at(root, path)}:{number}: names a machine's path or a package index"


def vague_names(root: Path) -> Iterator[str]:
    for path in product_files(root):
        if FILE_WORDS & set(path.stem.split("_")):
            yield f"{_at(root, path)}: a file is named by its noun, not {path.stem!r}"
    for path in sorted((root / "hubbub" / "settings").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in BARE_FIELDS:
                yield f"{_at(root, path, node)}: {ast.unparse(node.target)}: of what, in what unit?"


def forbidden_names(root: Path) -> Iterator[str]:
    for path in product_files(root):
        words = next(
            (w for top, w in FORBIDDEN_NAMES.items() if _at(root, path).startswith(top)), {}
        )
        if not words:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg) and node.arg in words:
                yield f"{_at(root, path, node)}: {node.arg}: we say {words[node.arg]}"
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in words:
                yield f"{_at(root, path, node)}: {node.id}: we say {words[node.id]}"


def sleeping_tests(root: Path) -> Iterator[str]:
    """A test that waits for time instead of for what it needs.

    Yielding (`sleep(0)`) is no wait, a loop that asks again is one for a condition, and how long a
    process is made to stand still is what a test of faults does, not what it waits for (`# harm:`).
    """
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        tree = ast.parse(text)
        loops = [n for n in ast.walk(tree) if isinstance(n, ast.While | ast.For | ast.AsyncFor)]
        polling = {id(inner) for loop in loops for inner in ast.walk(loop)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or id(node) in polling:
                continue
            first = node.args[0] if node.args else None
            yields = isinstance(first, ast.Constant) and first.value == 0
            harms = "# harm:" in lines[(node.end_lineno or node.lineno) - 1]
            sleeps = dotted(node.func) in ("time.sleep", "asyncio.sleep")
            if sleeps and not yields and not harms:
                yield f"{_at(root, path, node)}: wait for the condition, not for time"


def untested_modules(root: Path) -> Iterator[str]:
    """A module `top/…/name.py` has a `test_name.py` somewhere below `tests/top/`."""
    for path in product_files(root):
        if path.stem in ("__init__", "__main__") or path.parts[-2] == "docs":
            continue
        top = path.relative_to(root).parts[0]
        if top != "loadtests" and not any((root / "tests" / top).rglob(f"test_{path.stem}.py")):
            yield _at(root, path)


def dead_modules(root: Path) -> Iterator[str]:
    """A module whose dotted name nobody spells: neither imported nor in a table of lazy ones."""
    words = {p: set(re.findall(r"\w+", p.read_text(encoding="utf-8"))) for p in product_files(root)}
    spelled_by = Counter(word for found in words.values() for word in found)
    for path, own in words.items():
        if path.stem in ("__init__", "__main__", "locustfile"):
            continue
        if spelled_by[path.stem] == (path.stem in own):
            yield f"{_at(root, path)}: nobody imports it"


def big_blobs(root: Path) -> Iterator[str]:
    for path in tracked(root):
        if path.is_file() and path.stat().st_size > BLOB_BYTES_MAX:
            yield f"{_at(root, path)}: {path.stat().st_size} bytes do not belong into a repository"


def _calls(root: Path) -> Iterator[tuple[Path, ast.Call]]:
    for path in product_files(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node


def dotted(node: ast.expr) -> str:
    """An expression as it is written; names with dots, which most are, at once."""
    words, inner = list[str](), node
    while isinstance(inner, ast.Attribute):
        words.append(inner.attr)
        inner = inner.value
    return ".".join([inner.id, *words[::-1]]) if isinstance(inner, ast.Name) else ast.unparse(node)


def _at(root: Path, path: Path, node: ast.stmt | ast.expr | ast.arg | None = None) -> str:
    place = path.relative_to(root).as_posix()
    return f"{place}:{node.lineno}" if node is not None else place


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts[:-1])
