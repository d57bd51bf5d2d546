"""From a url to a coordinator. Only the one that is asked for is imported."""

from __future__ import annotations

from typing import Final

from hubbub.coordinator.api import Coordinator

_FORMS: Final = "solo:PATH or etcd=HOST:PORT[,HOST:PORT...][/NAMESPACE]"


def open_coordinator(url: str) -> Coordinator:
    """The coordinator at `url`.

    "solo:PATH": one SQLite file on this machine. "etcd=HOST:PORT[,HOST:PORT...][/NAMESPACE]" (or
    "etcd:…"): these members of one etcd, the nearest first; nothing is connected yet.

    Raises ValueError for a form that is not supported; CoordinatorUnavailable if it cannot be
    opened.
    """
    place = url[len("solo:") :]  # "etcd=" is as long
    if url.startswith("solo:") and place:
        from hubbub.coordinator.solo import SoloCoordinator

        return SoloCoordinator(place)
    if url.startswith(("etcd=", "etcd:")) and place:
        from hubbub.coordinator.etcd import open_etcd

        return open_etcd(place)
    raise ValueError(f"coordinator {url!r}: the form must be {_FORMS}")
