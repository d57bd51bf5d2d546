"""How many users and channels an app has, as features count them and operators see them."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Growth(NamedTuple):
    """By how much an app's users and channels change; or how many there are of each."""

    users: int = 0
    channels: int = 0

    def plus(self, other: Growth) -> Growth:
        """Both together."""
        return Growth(self.users + other.users, self.channels + other.channels)

    def minus(self, other: Growth) -> Growth:
        """This without the other."""
        return Growth(self.users - other.users, self.channels - other.channels)


class Usage(Struct, frozen=True):
    """What an app has, as of 0.2 s ago at most. Not `complete`: some of it is counted twice or not
    at all just now, since slots change their leader or have none."""

    users: int = 0
    channels: int = 0
    complete: bool = False
