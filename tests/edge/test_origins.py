"""Which pages may come."""

from __future__ import annotations

import pytest

from edge.origins import Origins


@pytest.mark.parametrize(
    ("allowed", "origin", "is_allowed"),
    [
        ((), None, True),
        ((), "http://chat.example.org", True),
        ((), "https://chat.example.org", True),
        ((), "https://evil.example.org", False),
        ((), "null", False),
        (("*",), "https://evil.example.org", True),
        (("https://app.example.org",), "https://APP.example.org", True),
        (("https://app.example.org/",), "https://app.example.org", True),
        (("https://app.example.org",), "http://app.example.org", False),
        (("https://app.example.org",), "https://chat.example.org", False),
        (("https://app.example.org",), None, True),
    ],
)
def test_the_allow_list(allowed: tuple[str, ...], origin: str | None, is_allowed: bool) -> None:
    assert Origins(allowed).allows(origin, "chat.example.org") is is_allowed
