"""The import rules as a function of a tree: `violations(root)` → one line each.

It reads files, never imports them, so that it can judge a seeded tree as well as ours. What is
imported under TYPE_CHECKING does not count; what is imported inside a function does.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.style.tidy import dotted

PRODUCT = ("hubbub", "node", "router", "edge", "ops", "loadtests")
PROCESSES = ("node", "router", "edge", "ops")
# Rows from below; a part imports from lower rows and from itself.
ROWS = (
    ("hubbub.base",),
    ("hubbub.wire", "hubbub.ring", "hubbub.model", "hubbub.settings"),
    ("hubbub.features",),
    ("hubbub.runtime", "hubbub.transport", "hubbub.coordinator"),
    ("hubbub.client",),
    ("hubbub.docs",),
    PROCESSES,
    ("loadtests",),
    ("tests",),
)
ROW_OF = {part: number for number, row in enumerate(ROWS) for part in row}
ONLY = {  # parts that may use less than what lies below them
    "hubbub.client": {"hubbub.base", "hubbub.wire"},
    "router": {
        "hubbub.base",
        "hubbub.wire",
        "hubbub.ring",
        "hubbub.settings",
        "hubbub.runtime",
        "hubbub.transport",
        "hubbub.coordinator",
    },
}
# What a process may import of the features: the contract, the list, and shapes that all share.
FEATURE_DOORS = {
    "hubbub.features",
    "hubbub.features.contract",
    "hubbub.features.due",
    "hubbub.features.head_lines",
    "hubbub.features.publication",
    "hubbub.features.registry",
}
# Imports between parts of one row, each with its reason. It only ever gets shorter.
BETWEEN_SIBLINGS = {
    # The slot record is JSON in the coordinator, and the JSON codec has one owner, which needs
    # nothing but base.
    ("hubbub.ring.map", "hubbub.wire.codec"),
}

OWNERS: dict[str, tuple[str, ...]] = {
    "zmq": ("hubbub/transport/",),
    "orjson": ("hubbub/wire/codec.py",),
    "msgspec.json": ("hubbub/wire/codec.py",),
    "msgspec.msgpack": ("hubbub/wire/codec.py",),
    "jsonschema_rs": ("hubbub/wire/schemas.py",),
    "mmh3": ("hubbub/ring/hashing.py",),
    "uvloop": ("hubbub/runtime/process.py",),
    "rocksdict": ("node/store/rocks.py",),
    "structlog": ("hubbub/runtime/logs.py",),
    "prometheus_client": ("hubbub/runtime/metrics.py",),
    "jwt": ("edge/auth.py",),
    "obstore": ("edge/web/blobs.py", "ops/backup/objects.py"),
    "aiohttp": (
        "edge/",
        "hubbub/client/aio.py",
        "hubbub/coordinator/etcd.py",
        "hubbub/runtime/admin.py",
        "hubbub/runtime/early.py",
        "ops/api.py",
        "ops/bench/",
    ),
    "cryptography": ("edge/", "ops/", "hubbub/transport/"),
    "click": ("ops/",),
    "rich": ("ops/",),
    "psutil": ("ops/", "hubbub/runtime/"),
    "locust": ("loadtests/",),
    "gevent": ("loadtests/", "hubbub/client/green.py"),
    "websocket": ("loadtests/", "hubbub/client/green.py"),
    "msgspec": (
        "hubbub/wire/",
        "hubbub/ring/",
        "hubbub/model/",
        "hubbub/settings/",
        "hubbub/features/",
        "hubbub/runtime/",
        "hubbub/transport/",
        "hubbub/coordinator/",
        "hubbub/client/",
        "node/",
        "router/",
        "edge/",
        "ops/",
        "loadtests/",
    ),
}

PURE_FOLDERS = ("base", "wire", "ring", "model", "settings", "features")
PURE_FILES = {
    "hubbub/transport": "link replicated_set",
    "hubbub/coordinator": "api etcd_gateway etcd_watch etcd_endpoints",
    "hubbub/client": "core events methods places replies requests",
    "node": "slot overlay engine entry keys dedup outbox due reads syncing publish presence leases "
    "audiences moves removals",
    "node/replica": "leadership followers snapshot failover moves",
    "node/search": "feed shapes",
    "node/store": "api",
    "router": "relay fanout interest",
    "edge": "connection session resume dispatch gathering errands reading searching hub outgoing "
    "heads limits cursors delta fanout handshake repeated_tokens audience watching admission "
    "addresses origins",
    "edge/web": "documents asyncapi schemas paging fields",
    "edge/outbound": "cursor retries addresses",
    "ops": "render",
    "ops/backup": "coverage",
}
# Clocks, randomness, tasks, threads, I/O: what a pure file has no business with.
IMPURE_WORDS = (
    "asyncio concurrent ctypes fcntl http io logging mmap multiprocessing os pathlib "
    "random sched secrets select selectors shutil signal socket socketserver sqlite3 ssl "
    "subprocess sys tempfile threading time urllib uuid aiohttp gevent obstore psutil "
    "prometheus_client requests rocksdict structlog uvloop websocket zmq "
)
IMPURE = frozenset(word for word in IMPURE_WORDS.split(" ") if word)
IMPURE_CALLS = frozenset({"open", "input", "print", "breakpoint"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})


@dataclass
class Module:
    """One file: what it imports (dotted, as far as files exist) and what it calls or spells."""

    name: str
    path: str
    imports: dict[str, int] = field(default_factory=dict)  # → line
    reads: set[str] = field(default_factory=set)  # `package.attribute` as written
    calls: dict[str, int] = field(default_factory=dict)
    strings: dict[str, int] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """The part of ROWS it belongs to; "" for the package `hubbub` itself."""
        words = self.name.split(".")
        return part_of(words)

    @property
    def is_pure(self) -> bool:
        folder, _, file = self.path.rpartition("/")
        words = folder.split("/")
        if words[0] == "hubbub" and len(words) > 1 and words[1] in PURE_FOLDERS:
            return True
        return file.removesuffix(".py") in PURE_FILES.get(folder, "").split()


def part_of(words: list[str]) -> str:
    """`hubbub.wire.codec` → `hubbub.wire`, `edge.web.api` → `edge`."""
    return ".".join(words[:2]) if words[0] == "hubbub" else words[0]


def read_tree(root: Path) -> dict[str, Module]:
    """Every module of the product below `root`."""
    paths = [p for top in PRODUCT for p in sorted((root / top).rglob("*.py"))]
    names = {_name(root, path): path for path in paths}
    return {name: _read(root, name, path, names.keys()) for name, path in names.items()}


def violations(root: Path) -> list[str]:
    """All broken rules, each as `path:line: what`, sorted."""
    return violations_of(read_tree(root))


def violations_of(modules: dict[str, Module]) -> list[str]:
    """Those of a tree that was read."""
    found: set[str] = set()
    for module in modules.values():
        found |= {f"{module.path}:{line}: {what}" for line, what in _of_module(module, modules)}
    found |= set(_circles(modules))
    return sorted(found)


def _of_module(module: Module, modules: dict[str, Module]) -> Iterator[tuple[int, str]]:
    for target, line in module.imports.items():
        if target.split(".")[0] in ROW_OF or target.split(".")[0] == "hubbub":
            yield from _layer(module, target, line)
        else:
            yield from _third_party(module, target, line)
        if module.is_pure:
            yield from _purity(module, target, line, modules)
    for read in module.reads & OWNERS.keys():
        yield from _third_party(module, read, 0)
    if module.is_pure:
        for call, line in module.calls.items():
            if call in IMPURE_CALLS or call.split(".")[-1] in CLOCK_CALLS:
                yield line, f"a pure file calls {call}()"
    if module.part in PROCESSES:
        for text, line in module.strings.items():
            if text.startswith("hubbub.features.") and text not in FEATURE_DOORS:
                yield line, f"a process names the feature {text!r}"


def _layer(module: Module, target: str, line: int) -> Iterator[tuple[int, str]]:
    source, aim = module.part, part_of(target.split("."))
    if source == aim or aim == "hubbub" or (module.name, target) in BETWEEN_SIBLINGS:
        return
    if aim not in ROW_OF:
        yield line, f"{aim} has no place in the layers"
        return
    if source in PROCESSES and aim in PROCESSES:
        yield line, f"process {source} imports process {aim}"
    elif ROW_OF[aim] >= ROW_OF.get(source, 0):
        yield line, f"{source} must not import {aim}: imports go down only"
    elif source in ONLY and aim not in ONLY[source]:
        yield line, f"{source} must not import {aim}: it may not know it"
    elif source in PROCESSES and aim == "hubbub.features" and target not in FEATURE_DOORS:
        yield line, f"a process names the feature {target}"


def _third_party(module: Module, target: str, line: int) -> Iterator[tuple[int, str]]:
    words = target.split(".")
    if words[0] in sys.stdlib_module_names:
        return
    keys = [key for key in (".".join(words[:2]), words[0]) if key in OWNERS]
    if not keys:
        yield line, f"{words[0]} is no dependency of ours: it needs a decision record and an owner"
    for key in keys:
        if not any(module.path.startswith(owner) for owner in OWNERS[key]):
            yield line, f"{key} belongs to {', '.join(OWNERS[key])}"


def _purity(
    module: Module, target: str, line: int, modules: dict[str, Module]
) -> Iterator[tuple[int, str]]:
    culprit = _impure_import(target, modules, set())
    if culprit:
        way = "" if culprit == target else f" through {target}"
        yield line, f"a pure file imports {culprit}{way}"


def _impure_import(target: str, modules: dict[str, Module], seen: set[str]) -> str:
    """The first impure thing that importing `target` brings in; "" if there is none."""
    if target.split(".")[0] in IMPURE:
        return target
    if target not in modules or target in seen:
        return ""
    seen.add(target)
    inner = modules[target].imports
    return next(filter(None, (_impure_import(name, modules, seen) for name in inner)), "")


def _circles(modules: dict[str, Module]) -> Iterator[str]:
    graph = {
        m.name: {t for t in m.imports if t in modules and t != m.name} for m in modules.values()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = error.args[1]
        yield f"{modules[names[0]].path}:0: circle {' -> '.join(reversed(names))}"


def _name(root: Path, path: Path) -> str:
    words = path.relative_to(root).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def _read(root: Path, name: str, path: Path, names: object) -> Module:
    module = Module(name, path.relative_to(root).as_posix())
    _Reader(module, path.name == "__init__.py", set(names)).visit(  # type: ignore[call-overload]
        ast.parse(path.read_text(encoding="utf-8"))
    )
    return module


class _Reader(ast.NodeVisitor):
    def __init__(self, module: Module, is_package: bool, names: set[str]) -> None:
        self._module = module
        self._names = names
        words = module.name.split(".")
        self._package = words if is_package else words[:-1]

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in dotted(node.test):
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._module.imports.setdefault(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            up = self._package[: len(self._package) - node.level + 1]
            base = ".".join([*up, base] if base else up)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            known = inner in self._names or inner in OWNERS
            self._module.imports.setdefault(inner if known else base, node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            self._module.reads.add(f"{node.value.id}.{node.attr}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name | ast.Attribute):
            self._module.calls.setdefault(dotted(node.func), node.lineno)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._module.strings.setdefault(node.value, node.lineno)
