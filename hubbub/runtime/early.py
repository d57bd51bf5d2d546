"""What a process does before it imports anything else, so that it stands sooner.

A start is what people wait for after a crash, and most of it is imports. Only `__main__` modules
import this, first of all. Two things that nobody needs were a third of the imports' time:

1. Looks for dead cycles among what imports make and keep (`collector`).
2. Two TLS contexts that aiohttp makes, each with every certificate authority of the system. They
   get none here, so whoever calls an https server gives a context of its own (`ssl=`), as
   `coordinator.etcd` does; one that forgot is refused by it, never let through.
"""

from __future__ import annotations

import ssl
from typing import Final

from hubbub.runtime.collector import look_seldom

_READ_AUTHORITIES: Final = ssl.SSLContext.set_default_verify_paths


def _read_none(_self: ssl.SSLContext) -> None:
    """In the place of `set_default_verify_paths`."""


look_seldom()
ssl.SSLContext.set_default_verify_paths = _read_none  # type: ignore[assignment,method-assign]
try:
    import aiohttp  # noqa: F401 - the contexts are made once
finally:
    ssl.SSLContext.set_default_verify_paths = _READ_AUTHORITIES  # type: ignore[method-assign]
