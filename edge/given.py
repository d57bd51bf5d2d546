"""Signs that this edge took and that others may still see: typing. Pure.

Rules:
1. Whoever is put out of the app types no more: what ends his signs (`Command.ending`) is sent in
   his name. Channels take it, since he is a member as before.
2. Bounded by users and by signs of each; what is forgotten ends by its own time.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hubbub.base.bounded import BoundedCache
from hubbub.base.units import SECOND_MS
from hubbub.features.contract import Command
from hubbub.wire.shapes import Viewer

USERS_MAX: Final = 50_000
SIGNS_MAX: Final = 8  # of one user: nobody types in more places at once
GIVEN_MS: Final = 10 * SECOND_MS  # longer than any sign holds


class GivenSigns:
    """Those of all users."""

    def __init__(self) -> None:
        self._of: BoundedCache[tuple[str, str], dict[Command, tuple[Viewer, int]]] = BoundedCache(
            USERS_MAX
        )

    def note(self, app: str, viewer: Viewer, command: Command, now_ms: int) -> None:
        """A sign was given, or ended."""
        signs = self._of.get((app, viewer.user)) or {}
        end = command.ending()
        signs.pop(end or replace(command, cmid="", by=""), None)
        if end is not None:
            if len(signs) >= SIGNS_MAX:
                del signs[next(iter(signs))]
            signs[end] = viewer, now_ms
        if signs:
            self._of.put((app, viewer.user), signs)
        else:
            self._of.pop((app, viewer.user))

    def take(self, app: str, user: str, now_ms: int) -> list[tuple[Command, Viewer]]:
        """What ends the signs of a user, each in whose name."""
        signs = self._of.pop((app, user)) or {}
        return [
            (end, viewer) for end, (viewer, at_ms) in signs.items() if now_ms - at_ms < GIVEN_MS
        ]
