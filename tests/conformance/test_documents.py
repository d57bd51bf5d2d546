"""The documents of the API are judged by tools that are not ours, and the API by its documents.

openapi-spec-validator reads `/openapi.json`, the AsyncAPI project's own JSON Schema (npm
`@asyncapi/specs`) reads `/asyncapi.json`, and schemathesis asks every operation what the document
promises: HUBBUB_EXAMPLES (20) requests an operation, by HUBBUB_SEED (1). The long form, some
minutes, by hand: HUBBUB_EXAMPLES=100, another seed, HUBBUB_PHASES (fuzzing; all of them:
"examples,coverage,fuzzing").
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ops.processes import SOURCE_ROOT
from tests.support.cluster import Cluster
from tests.support.requirement import program

EXAMPLES = os.environ.get("HUBBUB_EXAMPLES", "20")
SEED = os.environ.get("HUBBUB_SEED", "1")
PHASES = os.environ.get("HUBBUB_PHASES", "fuzzing")
ASYNCAPI_SPECS = "@asyncapi/specs@6.11.1"
# Not asked: whether a request that fits its schema is accepted. Most name a channel or a message
# that does not exist, and what two fields may not say together is no matter of a schema.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,negative_data_rejection,"
    "unsupported_method,ignored_auth,missing_required_header"
)

# What is refused for its size is refused: the tool's own list knows no 413.
REFUSALS = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "409",
    "410",
    "413",
    "415",
    "422",
    "428",
    "429",
    "431",
]
CONFIG = f"""hooks = "tests.conformance.hooks"

[checks.negative_data_rejection]
expected-statuses = {REFUSALS}

[[operations]]
include-tag = "apps"
headers = {{ Authorization = "Bearer ROOT_KEY" }}
"""

PARTS = 2  # as many as CI has cores

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster("--profile", "bench", "--compact") as running:
        yield running


def document(cluster: Cluster, name: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{cluster.url}/{name}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_openapi_is_valid(cluster: Cluster) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="needs the extra `api`")
    validator.validate(document(cluster, "openapi.json"))


def test_asyncapi_is_valid(cluster: Cluster, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the extra `api`")
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--silent", ASYNCAPI_SPECS]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    schema = json.loads(next(tmp_path.rglob("schemas/3.0.0.json")).read_text())
    errors = jsonschema.Draft7Validator(schema).iter_errors(document(cluster, "asyncapi.json"))
    assert [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors] == []


def test_every_operation_keeps_its_promise(cluster: Cluster, tmp_path: Path) -> None:
    """In two processes with half of the operations each, every one on a cluster of its own."""
    pytest.importorskip("schemathesis", reason="needs the extra `api`")
    paths = document(cluster, "openapi.json")["paths"]
    labels = [f"{method.upper()} {path}" for path, rows in paths.items() for method in rows]
    with Cluster("--profile", "bench", "--compact") as second, ThreadPoolExecutor(PARTS) as pool:
        runs = [
            pool.submit(judged, one, labels[number::PARTS], tmp_path / str(number))
            for number, one in enumerate((cluster, second))
        ]
        found = [run.result() for run in runs]
    for done, _ in found:
        assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    answers = found[0][1] + found[1][1]
    assert {label for label, _ in answers} == set(labels)
    assert [label for label in labels if not answers[label, 2]] == [], "never a 2xx"


def judged(
    cluster: Cluster, labels: list[str], folder: Path
) -> tuple[subprocess.CompletedProcess[str], Counter[tuple[str, int]]]:
    """What schemathesis says of some operations; how often each was answered, by hundreds."""
    folder.mkdir()
    config, seen = folder / "schemathesis.toml", folder / "seen"
    config.write_text(CONFIG.replace("ROOT_KEY", cluster.file.root_key), encoding="utf-8")
    keys = {"URL": cluster.url, "SERVER_KEY": cluster.server_key}
    keys |= {"ROOT_KEY": cluster.file.root_key, "SEEN": str(seen)}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", f"{cluster.url}/openapi.json"),
            *(word for label in labels for word in ("--include-name", label)),
            *("-H", f"Authorization: Bearer {cluster.server_key}"),
            *("--max-examples", EXAMPLES, "--seed", SEED, "--phases", PHASES),
            *("--checks", CHECKS, "--generation-database", "none", "--no-color"),
            *("--workers", "2", "--suppress-health-check", "too_slow"),  # that is the machine's
        ],
        cwd=SOURCE_ROOT,
        env={**os.environ, **{f"HUBBUB_{name}": value for name, value in keys.items()}},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    lines = (line.split(" ", 1) for line in seen.read_text().splitlines())
    return done, Counter((label, int(status) // 100) for status, label in lines)
