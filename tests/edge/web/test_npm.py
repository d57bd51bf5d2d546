"""The npm package: the same bytes each time, with the types beside the module. What npm and tsc
make of it: tests/conformance/test_sdk.py."""

from __future__ import annotations

import io
import json
import tarfile

from edge.web.npm import FILES, package
from edge.web.pages import sdk_files
from hubbub import VERSION


def test_it_has_the_module_and_its_types() -> None:
    found = {name: f"{name} é".encode() for name in (*FILES, "other.js")}
    with tarfile.open(fileobj=io.BytesIO(package(found)), mode="r:gz") as tar:
        held = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        bodies = {name: body.read() for name, body in held.items() if body is not None}
    about = json.loads(bodies.pop("package/package.json"))
    assert bodies == {f"package/{name}": found[name] for name in FILES}
    assert (about["name"], about["version"]) == ("hubbub", VERSION)
    assert set(about["exports"]["."].values()) == {"./hubbub.d.ts", "./hubbub.js"}


def test_every_edge_serves_the_same_bytes() -> None:
    body, kind = sdk_files()["hubbub.tgz"]
    found = {name: source for name, (source, _) in sdk_files().items() if name in FILES}
    assert (body, kind) == (package(found), "application/gzip")
