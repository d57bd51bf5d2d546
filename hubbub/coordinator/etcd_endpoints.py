"""Which etcd is asked: the members of a url, their order, and versions that are refused. Pure.

Rules:
1. Members are asked in the url's order (write the nearest first); one that failed is asked last for
   a while.
2. A member is asked for its version before anything else, and again after each failure: what
   answers there may be another program now. A member that stands still fails that question, so a
   write is not risked on it.
3. Versions that lost or changed acknowledged writes are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hubbub.coordinator.api import CoordinatorError
from hubbub.coordinator.etcd_gateway import NAMESPACE_DEFAULT, Keyspace, NotEtcd, read

PLACE_FORM: Final = "etcd=HOST:PORT[,HOST:PORT...][/NAMESPACE]"

# How long one that failed is asked last. Half asks a stopped one twice as often, each time for a
# request's deadline; double keeps everybody that much longer away from the nearest member.
AVOID_S: Final = 5.0

_ENDPOINT: Final = r"(?:https?://)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
_PLACE: Final = re.compile(rf"(?P<members>{_ENDPOINT}(?:,{_ENDPOINT})*)(?:/(?P<namespace>[^/]*))?")
_VERSION: Final = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?![0-9.])")

# Line → its first version that is good. 3.4.20 and 3.4.21 can let members differ with users on, and
# what is older has no fix at all; 3.5.0 to 3.5.2 lose acknowledged writes when a member is killed,
# and up to 3.5.5 members can differ after a defragmentation that was cut short.
_FIRST_GOOD: Final = {(3, 4): (3, 4, 22), (3, 5): (3, 5, 6)}
_CURE: Final = "use 3.4.22 or a later 3.4, 3.5.6 or a later 3.5, or 3.6 and later"


class _Version(Struct):
    etcdserver: str = ""


class Endpoints:
    """The members of one etcd, by url. `now`: any clock in seconds that only grows."""

    def __init__(self, urls: Sequence[str], avoid_s: float = AVOID_S) -> None:
        if not urls:
            raise ValueError("an etcd has at least one member")
        self._urls = tuple(dict.fromkeys(urls))
        self._avoid_s = avoid_s
        self._failed_at: dict[str, float] = {}
        self._checked: set[str] = set()

    @property
    def is_https(self) -> bool:
        """Whether any of them is."""
        return any(url.startswith("https:") for url in self._urls)

    def order(self, now: float) -> list[str]:
        """All of them, those that failed lately last, the longest ago first."""
        return self.well(now) + sorted(
            (url for url in self._urls if self._is_avoided(url, now)),
            key=lambda url: self._failed_at[url],
        )

    def well(self, now: float) -> list[str]:
        """Those that did not fail lately."""
        return [url for url in self._urls if not self._is_avoided(url, now)]

    def in_turn(self, now: float, turn: int) -> str:
        """One of those that are well, another one each turn; of all if none is."""
        urls = self.well(now) or list(self._urls)
        return urls[turn % len(urls)]

    def is_checked(self, url: str) -> bool:
        """Whether its version was found good since it last failed."""
        return url in self._checked

    def answered(self, url: str) -> None:
        """It is well, and its version good."""
        self._checked.add(url)
        self._failed_at.pop(url, None)

    def failed(self, url: str, now: float) -> None:
        """It gave no answer, or none of use."""
        self._checked.discard(url)
        self._failed_at[url] = now

    def _is_avoided(self, url: str, now: float) -> bool:
        failed_at = self._failed_at.get(url)
        return failed_at is not None and now - failed_at < self._avoid_s


def parse_place(place: str) -> tuple[tuple[str, ...], str]:
    """Urls of the members and the namespace of `HOST:PORT[,HOST:PORT...][/NAMESPACE]`.

    Raises ValueError.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError(f"coordinator 'etcd={place}': the form must be {PLACE_FORM}")
    members = found["members"].split(",")
    for member in members:
        if not 1 <= int(member.rpartition(":")[2]) <= 65_535:
            raise ValueError(f"coordinator 'etcd={place}': {member} has no port from 1 to 65535")
    namespace = found["namespace"] or NAMESPACE_DEFAULT
    Keyspace(namespace)  # refuses a name that cannot be one
    urls = (member if "://" in member else f"http://{member}" for member in members)
    return tuple(dict.fromkeys(urls)), namespace


def check_version(body: bytes) -> None:
    """Look at the answer to GET /version. Raises NotEtcd, which names the cure."""
    try:
        version = read(body, _Version).etcdserver
    except CoordinatorError:
        version = ""
    found = _VERSION.match(version)
    if found is None:
        raise NotEtcd(f"what answers there is no etcd of version 3: {_CURE}")
    number = (int(found[1]), int(found[2]), int(found[3]))
    first_good = _FIRST_GOOD.get(number[:2], (3, 4, 22))
    if number < first_good:
        raise NotEtcd(
            f"etcd {version} is refused, because it can lose or change acknowledged writes: {_CURE}"
        )
