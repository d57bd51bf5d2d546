"""The list of generated pages: file name → the function that writes its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hubbub.docs.client_types import python_calls, python_shapes, typescript
from hubbub.docs.error_tables import error_page
from hubbub.docs.permission_tables import permission_page
from hubbub.docs.scope_tables import scope_page

FOLDER: Final = Path(__file__).parent
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "ERRORS.md": error_page,
    "PERMISSIONS.md": permission_page,
    "SCOPES.md": scope_page,
}
# What of the client libraries is made from the registry, by its place in the tree.
ROOT: Final = FOLDER.parents[1]
CLIENTS: Final[Mapping[str, Callable[[], str]]] = {
    "hubbub/client/calls.py": python_calls,
    "hubbub/client/shapes.py": python_shapes,
    "edge/web/sdk/verbs.d.ts": typescript,
}


def write_pages(folder: Path = FOLDER) -> list[str]:
    """Write every page whose text changed; their names."""
    return _written(folder, PAGES)


def write_clients(root: Path = ROOT) -> list[str]:
    """The same of the client libraries' parts."""
    return _written(root, CLIENTS)


def _written(folder: Path, rows: Mapping[str, Callable[[], str]]) -> list[str]:
    changed = []
    for name, text in ((name, write()) for name, write in rows.items()):
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed
