"""Pages for programs and terminals: `/llms.txt`, `/docs/errors.md`, `/docs/limits.md`.

They are made from what the product does: the registry, the table of errors, the limits' defaults.

Source: llmstxt.org (a title, a summary, sections of links).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge.limits import rates
from edge.web.documents import buckets_of
from edge.web.problems import policy_name
from hubbub import VERSION
from hubbub.features.contract import Registry, Route
from hubbub.settings.profiles import DEFAULT

_LLMS: Final = """# Hubbub

> Self-hosted chat: 1:1, group and open channels over WebSocket, and one REST API for all of it.
> Version {version}. Everything below is served by this edge; nothing needs the internet.

Every request under `/v1` carries `Authorization: Bearer` and a server key, or a user's own token
from `POST /v1/tokens`. Bodies and answers are JSON in snake_case, times RFC 3339. A refusal is
problem+json with a `code`, a `hint`, and `errors` by field. A list takes `limit` and `cursor`, and
answers `next_cursor`; send `Idempotency-Key` with what must happen once. Sockets speak the
Centrifuge client protocol: an rpc's method is the verb, its data the same fields.

## Documents

- [OpenAPI 3.1](/openapi.json): every route with its fields and a recorded example
- [AsyncAPI 3.0](/asyncapi.json): every rpc method and event
- [Errors](/docs/errors.md): every code, whether it passes, what to do
- [Limits](/docs/limits.md): what each route counts, and the headers that tell
- [Browse and try](/docs): the same for people

## Clients

- [JavaScript](/sdk/README.md): [one module](/sdk/hubbub.js), [its types](/sdk/hubbub.d.ts);
  `npm install` takes this edge's `/sdk/hubbub.tgz`
- Python: `hubbub.client`, in the package; the same names (`from hubbub.client.chat import connect`)
- The official SDKs of the Centrifuge protocol, for Go, Dart, Swift, Java, C#
- [Chat page](/): an example in JavaScript

## Routes

"""
_LIMITS: Final = """# Limits

What an app allows unless its operator says otherwise. `GET /v1/limits` tells the caller's own, with
what is left. Every answer has `RateLimit-Policy` (`"name";q=burst;w=seconds in which it fills`) and
`RateLimit` (`"name";r=left;t=seconds until it is full`); a 429 has `Retry-After`, after which the
next one passes. Buckets of users, keys and addresses are each edge's own; `channel-send` is exact.

"""
_ROUTES: Final = """
## By route

A user's requests count in `user-rest`, a server key's in `key-rest`, each operation of a batch too;
what is refused before anybody signed in counts in `address-rest`. Messages of server keys are not
limited. Beside these:

"""


def llms(registry: Registry, own_rows: Iterable[Route]) -> str:
    """What a program that reads needs to find the rest: the documents, and every path."""
    methods: dict[str, list[str]] = {}
    for row in [*registry.routes, *own_rows]:
        methods.setdefault(row.path, []).append(row.method)
    lines = (f"- `{path}` {' '.join(sorted(said))}" for path, said in sorted(methods.items()))
    return _LLMS.format(version=VERSION) + "\n".join(lines) + "\n"


def limits_page(registry: Registry, own_rows: Iterable[Route]) -> str:
    """The buckets with their defaults, then every route."""
    lines = ["| name | counted of | per second | at most at once |", "|---|---|---|---|"]
    for bucket, scope, rate in rates(DEFAULT):
        lines.append(
            f"| `{policy_name(bucket, scope)}` | {scope} | {rate.per_s:g} | {rate.burst} |"
        )
    rows = ["| route | counts in |", "|---|---|"]
    for row in [*registry.routes, *own_rows]:
        names = ", ".join(f"`{name}`" for name in buckets_of(row)) or "–"
        rows.append(f"| `{row.method} {row.path}` | {names} |")
    return _LIMITS + "\n".join(lines) + "\n" + _ROUTES + "\n".join(rows) + "\n"
