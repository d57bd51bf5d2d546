"""From a url to a coordinator. Only the one that is asked for is imported."""

from __future__ import annotations

from hubbub.coordinator.api import Coordinator


def open_coordinator(url: str) -> Coordinator:
    """The coordinator at `url`: "solo:PATH", one SQLite file on this machine.

    Raises ValueError for a form that is not supported; CoordinatorUnavailable if it cannot be
    opened.
    """
    kind, _, place = url.partition(":")
    if kind == "solo" and place:
        from hubbub.coordinator.solo import SoloCoordinator

        return SoloCoordinator(place)
    if url.startswith(("etcd=", "etcd:")):
        raise ValueError(
            f"coordinator {url!r}: the form etcd=HOST:PORT[,HOST:PORT...] is not supported yet; "
            "use solo:PATH"
        )
    raise ValueError(f"coordinator {url!r}: the form must be solo:PATH")
