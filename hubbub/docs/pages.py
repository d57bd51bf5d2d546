"""The list of generated pages: file name → the function that writes its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hubbub.docs.error_tables import error_page
from hubbub.docs.permission_tables import permission_page
from hubbub.docs.scope_tables import scope_page

FOLDER: Final = Path(__file__).parent
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "ERRORS.md": error_page,
    "PERMISSIONS.md": permission_page,
    "SCOPES.md": scope_page,
}


def write_pages(folder: Path = FOLDER) -> list[str]:
    """Write every page whose text changed; their names."""
    changed = []
    for name, text in ((name, write()) for name, write in PAGES.items()):
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed
