"""The documents of the API are judged by tools that are not ours, and the API by its documents.

openapi-spec-validator reads `/openapi.json` and openapi-python-client makes a client of it, the
AsyncAPI project's own JSON Schema (npm `@asyncapi/specs`) reads `/asyncapi.json`, and schemathesis
asks every operation what the document promises: HUBBUB_EXAMPLES (20) requests an operation, by
HUBBUB_SEED (1). The long form, some minutes, by hand: HUBBUB_EXAMPLES=100, another seed,
HUBBUB_PHASES (fuzzing; all of them: "examples,coverage,fuzzing").
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
from typing import Any, Final

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
# What is drawn rests on answers, too: now and then nothing but wrong requests of an operation whose
# schema is large. Such are judged again.
OTHER_SEEDS = ("1001", "1002")

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


TALK: Final = """
import importlib, pkgutil, sys
import made
for module in pkgutil.walk_packages(made.__path__, "made."):
    importlib.import_module(module.name)
from made import AuthenticatedClient, models
from made.api.channels import get_channels_channel_messages as read
from made.api.channels import post_channels as create
from made.api.channels import post_channels_channel_messages as send
key = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
room = "group:generated"
body = models.PostChannelsBody(channel=room, members=["ann", "ben"])
assert create.sync(client=key, body=body).created
said = models.PostChannelsChannelMessagesBody(text="by a machine's client", by="ann")
sent = send.sync(room, client=key, body=said)
(message,) = read.sync(room, client=key).messages
assert (message.id, message.text, message.by) == (sent.id, "by a machine's client", "ann"), message
refusal = send.sync("group:nobody-has-it", client=key, body=said)
assert refusal.code == models.ProblemCode.CHANNEL_NOT_FOUND, refusal
"""


def test_a_generated_client_talks(cluster: Cluster, tmp_path: Path) -> None:
    """All of it can be imported, and what it asks and gets is typed by the document."""
    pytest.importorskip("openapi_python_client", reason="needs the extra `api`")
    text, made = tmp_path / "openapi.json", tmp_path / "made"
    text.write_text(json.dumps(document(cluster, "openapi.json")))
    config = tmp_path / "config.yaml"
    config.write_text("post_hooks: []")  # it would format what it writes
    words = ["generate", "--path", text, "--output-path", made, "--meta", "none"]
    generate = [sys.executable, "-m", "openapi_python_client", *words, "--config", config]
    done = subprocess.run(generate, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr, "something of the document was left out"
    talk = [sys.executable, "-c", TALK, cluster.url, cluster.server_key]
    done = subprocess.run(
        talk, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


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
    answers = found[0] + found[1]
    assert {label for label, _ in answers} == set(labels)
    for seed in OTHER_SEEDS:
        if refused := [label for label in labels if not answers[label, 2]]:
            with Cluster("--profile", "bench", "--compact") as third:
                answers += judged(third, refused, tmp_path / seed, seed)
    assert [label for label in labels if not answers[label, 2]] == [], "never a 2xx"


def judged(
    cluster: Cluster, labels: list[str], folder: Path, seed: str = SEED
) -> Counter[tuple[str, int]]:
    """How often each of these operations was answered, by hundreds, once schemathesis has found
    nothing wrong with them."""
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
            *("--max-examples", EXAMPLES, "--seed", seed, "--phases", PHASES),
            *("--checks", CHECKS, "--generation-database", "none", "--no-color"),
            *("--suppress-health-check", "too_slow"),  # that is the machine's
        ],
        cwd=SOURCE_ROOT,
        env={**os.environ, **{f"HUBBUB_{name}": value for name, value in keys.items()}},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    lines = (line.split(" ", 1) for line in seen.read_text().splitlines())
    return Counter((label, int(status) // 100) for status, label in lines)
