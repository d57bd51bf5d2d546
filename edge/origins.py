"""Which web pages may talk to this edge. Pure.

Rules:
1. Without an Origin header it is no browser, and tokens decide alone.
2. With none configured only pages of the edge's own address are allowed.

Source: RFC 6454; RFC 6455 section 10.2 (WebSocket is not bound by CORS, so the server must look).
"""

from __future__ import annotations


class Origins:
    """The allow-list. Args: allowed: "https://chat.example.org", …; "*" allows every page."""

    __slots__ = ("_allowed",)

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allows(self, origin: str | None, host: str) -> bool:
        """Whether a page of `origin` may come; `host`: the request's Host header."""
        if origin is None or "*" in self._allowed:
            return True
        name = origin.rstrip("/").lower()
        if self._allowed:
            return name in self._allowed
        return name.partition("://")[2] == host.lower()
