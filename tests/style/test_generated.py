"""Generated pages are what the code would write now."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubbub.base.errors import all_closes, all_errors
from hubbub.docs.pages import CLIENTS, FOLDER, PAGES, ROOT, write_pages
from hubbub.model.permissions import Action, Authority


@pytest.mark.parametrize("name", CLIENTS)
def test_what_clients_know_is_what_the_registry_says(name: str) -> None:
    found = (ROOT / name).read_text(encoding="utf-8")
    assert found == CLIENTS[name](), f"{name} is stale: run `python -m hubbub.docs`"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name: str) -> None:
    found = (FOLDER / name).read_text(encoding="utf-8")
    assert found == PAGES[name](), f"{name} is stale: run `python -m hubbub.docs`"


def test_the_error_page_has_every_code_and_close() -> None:
    lines = PAGES["ERRORS.md"]().splitlines()
    for code in [row.code for row in all_errors()] + [row.code for row in all_closes()]:
        assert sum(line.startswith(f"| {code} |") for line in lines) == 1, code


def test_writing_changes_only_what_is_stale(tmp_path: Path) -> None:
    assert write_pages(tmp_path) == list(PAGES)
    assert write_pages(tmp_path) == []
    (tmp_path / "ERRORS.md").write_text("old")
    assert write_pages(tmp_path) == ["ERRORS.md"]


def test_the_permission_page_has_every_action_and_authority() -> None:
    page = PAGES["PERMISSIONS.md"]()
    by_authority = page[page.index("## By authority") :]
    for action in Action:
        assert by_authority.count(f"| `{action}` |") == 1, action
    for authority in Authority:
        assert f" {authority} |" in by_authority


def test_decision_records_are_numbered_once_and_without_a_gap() -> None:
    records = sorted((FOLDER / "adr").glob("*.md"))
    for number, record in enumerate(records, start=1):
        assert record.name.startswith(f"{number:04d}-"), record.name
        assert record.read_text(encoding="utf-8").startswith(f"# {number:04d} ")
