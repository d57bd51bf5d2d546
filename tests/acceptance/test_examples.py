"""The examples of `/docs` are what a cluster answered: a short conversation, asked route by route.

HUBBUB_RECORD=1 writes `edge/web/examples.json` anew from it. Without, the answers must have all
fields that were recorded; newer ones may stand beside them. What differs from run to run (ids,
times, tokens) is replaced by fixed values before either. There is no larger form.
"""

from __future__ import annotations

import json
import os
import re
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import edge.web
from edge.web.docs import EXAMPLES, recorded
from hubbub.features.publication import rfc3339
from ops.api import Rest
from tests.support.cluster import Cluster, wait_for

FILE = Path(edge.web.__file__).parent / EXAMPLES
BYTES_MAX = 150_000
LISTED_S = 15.0
RUN = os.urandom(3).hex()  # the name of an app is used once
LATER = rfc3339(int(time.time() * 1_000) + 86_400_000)

# (name, method, route, path parameters, body). `{name}` in a value is the id that step answered.
_C, _U = "/v1/channels/{channel}", "/v1/users/{user}"
_APPS = "/v1/apps"  # asked by the root key
_A = _APPS + "/{app}"
SHOP = {"app": f"ex-shop{RUN}"}
_M, _P = _C + "/messages/{id}", _C + "/polls/{id}"
TEA = {"channel": "group:ex-tea"}
ANN, BEN = {"user": "ex-ann"}, {"user": "ex-ben"}
FIRST = {**TEA, "id": "{first}"}
BY = {"by": "ex-ann"}
Step = tuple[str, str, str, dict[str, str], Any]
STEPS: tuple[Step, ...] = (
    ("", "PUT", _U, ANN, {"name": "Ann"}),
    ("", "PATCH", _U, ANN, {"avatar": "https://example.org/ann.png"}),
    ("", "GET", _U, ANN, None),
    ("", "POST", "/v1/tokens", {}, {"user": "ex-ann", "ttl_s": 3_600}),
    (
        "",
        "POST",
        "/v1/channels",
        {},
        {"channel": "group:ex-tea", "owner": "ex-ann", "members": ["ex-ben"], "name": "Tea"},
    ),
    ("", "PATCH", _C, TEA, {"name": "Tea time"}),
    ("", "GET", _C, TEA, None),
    ("", "POST", _C + "/members", TEA, {"users": ["ex-cleo"]}),
    ("", "GET", _C + "/members", TEA, None),
    ("first", "POST", _C + "/messages", TEA, {**BY, "text": "The kettle is on"}),
    ("", "PATCH", _M, FIRST, {**BY, "text": "The kettle is on 🫖"}),
    ("", "GET", _M, FIRST, None),
    ("", "GET", _M + "/edits", FIRST, None),
    ("", "PUT", _M + "/reactions/{emoji}", {**FIRST, "emoji": "👍"}, {"by": "ex-ben"}),
    ("", "GET", _M + "/reactions", FIRST, None),
    ("", "PUT", _M + "/pin", FIRST, BY),
    ("", "GET", _C + "/pins", TEA, None),
    ("", "GET", _C + "/messages", TEA, None),
    ("", "POST", _C + "/messages/get", TEA, {"ids": ["{first}"]}),
    ("", "POST", _C + "/read", TEA, {"by": "ex-ben", "upto": 1}),
    ("", "POST", _C + "/delivered", TEA, {"by": "ex-ben", "upto": 1}),
    ("", "GET", _U + "/unread", BEN, None),
    ("", "GET", _U + "/channels", BEN, None),
    ("", "PUT", _C + "/metadata/{key}", {**TEA, "key": "topic"}, {"value": "green"}),
    ("", "GET", _C + "/metadata", TEA, None),
    ("", "PUT", _C + "/counters/{name}", {**TEA, "name": "cups"}, {"value": 1, "max": 9}),
    ("", "POST", _C + "/counters/{name}/increment", {**TEA, "name": "cups"}, {"amount": 2}),
    ("", "GET", _C + "/counters", TEA, None),
    (
        "poll",
        "POST",
        _C + "/polls",
        TEA,
        {**BY, "question": "Sugar?", "options": ["one", "two"]},
    ),
    ("", "PUT", _P + "/vote", {**TEA, "id": "{poll}"}, {"by": "ex-ben", "options": [1]}),
    ("", "GET", _P, {**TEA, "id": "{poll}"}, None),
    ("", "POST", _C + "/schedules", TEA, {**BY, "at": LATER, "message": {"text": "Again?"}}),
    ("", "PUT", _C + "/mutes/{user}", {**TEA, "user": "ex-cleo"}, {}),
    ("", "GET", _C + "/mutes", TEA, None),
    ("", "DELETE", _C + "/mutes/{user}", {**TEA, "user": "ex-cleo"}, None),
    ("", "PUT", _C + "/frozen", TEA, {}),
    ("", "DELETE", _C + "/frozen", TEA, None),
    ("", "PUT", _C + "/retention", TEA, {"retention_s": 86_400}),
    ("", "GET", _C + "/retention", TEA, None),
    ("", "PUT", _U + "/privacy", ANN, {"typing": False}),
    ("", "GET", _U + "/privacy", ANN, None),
    ("", "PATCH", _U + "/settings", ANN, {"settings": {"theme": "dark"}}),
    ("", "GET", _U + "/settings", ANN, None),
    ("", "GET", _U + "/devices", ANN, None),
    ("", "POST", "/v1/tokens/revoke", {}, {"jti": "a-token"}),
    (
        "",
        "POST",
        "/v1/batch",
        {},
        {
            "operations": [
                {
                    "method": "POST",
                    "path": "/v1/channels/group:ex-tea/messages",
                    "body": {"by": "ex-ben", "text": "Two sugars, please"},
                    "idempotency_key": "order-7",
                },
                {"method": "GET", "path": "/v1/users/ex-ann"},
            ]
        },
    ),
    ("", "DELETE", _M, FIRST, None),
    ("", "DELETE", _C, TEA, None),
    ("", "POST", _APPS, {}, {**SHOP, "label": "till 1", "quotas": {"connections_max": 5_000}}),
    ("", "GET", _APPS, {}, None),
    ("", "GET", _A, SHOP, None),
    ("", "PATCH", _A, SHOP, {"settings": {"text_chars_max": 2_000}}),
    ("key", "POST", _A + "/keys", SHOP, {"label": "till 2", "scopes": ["read", "write"]}),
    ("", "GET", _A + "/keys", SHOP, None),
    ("", "DELETE", _A + "/keys/{key}", {**SHOP, "key": "{key}"}, None),
    ("secret", "POST", _A + "/token_secrets", SHOP, {}),
    ("", "GET", _A + "/token_secrets", SHOP, None),
    ("", "DELETE", _A + "/token_secrets/{secret}", {**SHOP, "secret": "{secret}"}, None),
    ("", "DELETE", _A, SHOP, None),
)

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_ID = re.compile(r"\b[0-9a-v]{26}\b")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_KEY = re.compile(r"\bhub_[0-9a-f]{8}_[\w-]{43}")
_HEX = re.compile(r'"([0-9a-f]{64}|[0-9a-f]{8})"')  # a token's secret, a key's id
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_RANDOM = re.compile(r"\b[a-z2-7]{24}\b")  # of a schedule, a job
_LAST = re.compile(r'"last": "[^"]*"')
_EPOCH = re.compile(r'"epoch": "[^"]*"')


def test_the_recorded_examples_are_what_is_answered(cluster: Cluster) -> None:
    root = Rest(cluster.url, cluster.file.root_key)
    found = conversation(Rest(cluster.url, cluster.server_key), root)
    if os.environ.get("HUBBUB_RECORD"):
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert FILE.stat().st_size <= BYTES_MAX
    known = json.loads(json.dumps(recorded()))
    assert sorted(known) == sorted(found), "HUBBUB_RECORD=1 records them"
    for name, example in found.items():
        assert known[name]["request"] == example["request"], name
        assert (name, fields(known[name]["answer"]) - fields(example["answer"])) == (name, set())


def conversation(rest: Rest, root: Rest) -> dict[str, Any]:
    """Every step's request and answer, by route. Of all apps that a cluster has ours is shown."""
    ids: dict[str, str] = {}
    found = {}
    for name, method, route, places, body in STEPS:
        path = route
        for place, value in places.items():
            path = path.replace(f"{{{place}}}", quote(filled(value, ids), safe=":"))
        sent = filled(body, ids)
        ask = partial((root if route.startswith(_APPS) else rest).need, method, path, sent)
        if route == _U + "/channels":  # a list is a moment behind its channels
            wait_for(lambda ask=ask: ask()["channels"], LISTED_S, lambda path=path: path)
        answer = ask()
        if "apps" in answer:
            shown = [one for one in answer["apps"] if one["app"] == SHOP["app"]]
            answer = {"apps": shown, "next": "", "has_more": False}
        if name:
            ids[name] = _id_in(answer)
        found[f"{method} {route}"] = {"path": path, "request": sent, "answer": answer}
    return scrubbed(found)


def _id_in(answer: dict[str, Any]) -> str:
    made = next((answer[name] for name in ("key", "secret") if name in answer), answer)
    return str(made["id"])


def filled(value: Any, ids: dict[str, str]) -> Any:
    text = json.dumps(value)
    for name, id in ids.items():
        text = text.replace(f"{{{name}}}", id)
    return json.loads(text)


def scrubbed(found: dict[str, Any]) -> dict[str, Any]:
    """The same with fixed ids (in the order of their appearance), times and tokens."""
    text = json.dumps(found, ensure_ascii=False)
    for number, id in enumerate(dict.fromkeys(_ID.findall(text)), 1):
        text = text.replace(id, f"06{number:024d}")
    text = _TIME.sub("2026-01-31T12:00:00.000Z", text)
    text = _EPOCH.sub('"epoch": "b7Yk"', text)
    text = _TOKEN.sub("eyJhbGci.eyJzdWIi.c2ln", text)
    text = _KEY.sub("hub_1f0c99ab_" + "B7Yk" * 10 + "B7Y", text)
    text = _HEX.sub(lambda found: f'"{"1f0c99ab" * (len(found[1]) // 8)}"', text)
    text = _UUID.sub("019f0a3c-5c00-7b7b-8b7b-1f0c99ab1f0c", text)
    text = _RANDOM.sub("b7ykb7ykb7ykb7ykb7ykb7yk", text)
    text = _LAST.sub('"last": "kB7Y"', text)
    plain: dict[str, Any] = json.loads(text.replace(RUN, "").replace("ex-", ""))
    return plain


def fields(value: Any, at: str = "") -> set[str]:
    """The paths of all fields in an answer, without what they are."""
    if isinstance(value, dict):
        inner = {f"{at}/{name}": one for name, one in value.items()}
        return set(inner).union(*(fields(one, path) for path, one in inner.items()))
    return set().union(*(fields(one, at) for one in value)) if isinstance(value, list) else set()
