"""`/sdk/hubbub.tgz`: the client for JavaScript as a package, for `npm install EDGE/sdk/hubbub.tgz`.
Pure.

Node.js and bundlers import nothing from the network, and TypeScript looks for types in a package.
The same bytes on every edge of a version: npm's lock file keeps their hash.

Source: npm's package.json; the tar of `npm pack` has everything in a folder `package`.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from typing import Final

from hubbub import VERSION
from hubbub.wire.codec import dump_json

PACKAGE: Final = "hubbub.tgz"
FILES: Final = ("README.md", "hubbub.d.ts", "hubbub.js", "verbs.d.ts")
_ABOUT: Final = {
    "name": "hubbub",
    "version": VERSION,
    "description": "The client of a Hubbub cluster.",
    "license": "Apache-2.0",
    "type": "module",
    "exports": {".": {"types": "./hubbub.d.ts", "default": "./hubbub.js"}},
    "types": "./hubbub.d.ts",
    "sideEffects": False,
    "engines": {"node": ">=18"},
}


def package(files: Mapping[str, bytes]) -> bytes:
    """The package of these files by name: FILES, and whatever else is there is left out."""
    wanted = {"package.json": dump_json(_ABOUT), **{name: files[name] for name in FILES}}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, body in wanted.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return gzip.compress(packed.getvalue(), mtime=0)
