"""The platform API's conventions over real processes, asked by the standard library alone: what a
program meets that was written from the documents. There is no larger form.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from http.client import HTTPMessage
from typing import Any

from tests.support.cluster import Cluster

ROOM, OTHER = "group:conv-room", "group:conv-other"
NEXT = re.compile(r'<([^>]+)>; rel="next"')


def ask(
    cluster: Cluster, method: str, path: str, body: Any = None, edge: int = 0, **headers: str
) -> tuple[int, Any, HTTPMessage]:
    """As curl -d would: no media type of ours."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {cluster.server_key}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(cluster.urls[edge] + path, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null"), refused.headers


def make(cluster: Cluster, room: str, members: list[str]) -> None:
    status, body, _ = ask(cluster, "POST", "/v1/channels", {"channel": room, "members": members})
    assert status == 201, body


def test_every_list_is_read_by_its_links_over_two_edges(cluster: Cluster) -> None:
    """Also while it grows: nothing is missing of what was there, and nothing comes twice."""
    people = [f"conv-{n:02d}" for n in range(25)]
    make(cluster, ROOM, people)
    for n in range(25):
        said = {"by": people[0], "text": f"number {n}"}
        assert ask(cluster, "POST", f"/v1/channels/{ROOM}/messages", said)[0] == 201
    for path, rows, name, there in (
        (f"/v1/channels/{ROOM}/members", "members", "user", set(people)),
        (f"/v1/channels/{ROOM}/messages", "messages", "text", {f"number {n}" for n in range(25)}),
        (f"/v1/users/{people[1]}/channels", "channels", "channel", {ROOM}),
        ("/v1/users?prefix=conv-", "users", "user", set()),
    ):
        found: list[str] = []
        path += "&limit=7" if "?" in path else "?limit=7"
        for turn in range(20):
            status, body, headers = ask(cluster, "GET", path, edge=turn % 2)
            assert status == 200, body
            found += [row[name] for row in body[rows]]
            link = NEXT.search(headers["Link"] or "")
            assert (link is not None) == body["has_more"] == ("next_cursor" in body)
            if link is None:
                break
            path = link[1]
            if rows == "messages":
                ask(
                    cluster, "POST", f"/v1/channels/{ROOM}/messages", {"by": people[0], "text": "+"}
                )
        assert len(found) == len(set(found))
        assert there <= set(found), path


def test_a_cursor_is_of_its_list_and_of_nobody_s_making(cluster: Cluster) -> None:
    make(cluster, OTHER, ["conv-a", "conv-b", "conv-c"])
    members = f"/v1/channels/{OTHER}/members"
    cursor = ask(cluster, "GET", f"{members}?limit=1")[1]["next_cursor"]
    assert ask(cluster, "GET", f"{members}?cursor={cursor}", edge=1)[0] == 200
    changed = ("B" if cursor[9] != "B" else "C").join((cursor[:9], cursor[10:]))
    for path in (
        f"{members}?cursor={changed}",
        f"{members}?cursor=x",
        f"/v1/channels/{OTHER}/bans?cursor={cursor}",
        f"/v1/users?cursor={cursor}",
    ):
        status, body, _ = ask(cluster, "GET", path)
        assert (status, body["code"]) == (400, "cursor_invalid"), path


def test_a_form_that_is_wrong_hears_of_all_its_mistakes(cluster: Cluster) -> None:
    wrong = {"text": 7, "by": "a b", "silent": "no", "mentions": ["ok", 5]}
    status, body, headers = ask(
        cluster, "POST", f"/v1/channels/{ROOM}/messages", wrong, X_Request_Id="conv 1"
    )
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    named = {row["pointer"] for row in body["errors"]}
    assert named >= {"#/text", "#/by", "#/silent", "#/mentions/1"}
    assert body["instance"] == f"/v1/channels/{ROOM}/messages#conv%201"
    assert body["hint"]
    status, body, _ = ask(cluster, "GET", f"/v1/channels/{ROOM}/messages?limit=201")
    assert (status, body["errors"][0]["pointer"]) == (400, "#/limit"), "no list is cut short"
    status, body, _ = ask(cluster, "GET", f"/v1/channels/{ROOM}/messages?replies=true&colour=1")
    assert (status, body["ignored_fields"]) == (200, ["colour"])
    with urllib.request.urlopen(cluster.url + "/docs/errors.md", timeout=10) as page:
        assert f"`{'bad_request'}`" in page.read().decode(), "what `type` points at is served"


def test_a_key_is_one_request_s_also_of_a_deletion(cluster: Cluster) -> None:
    room = "group:conv-key"
    make(cluster, room, ["conv-k"])
    path, said = f"/v1/channels/{room}/messages", {"by": "conv-k", "text": "once"}
    first = ask(cluster, "POST", path, said, Idempotency_Key="conv-key-1")[1]
    again = ask(cluster, "POST", path, said, edge=1, Idempotency_Key="conv-key-1")[1]
    assert (again["seq"], again["dup"]) == (first["seq"], True)
    other = {**said, "text": "another"}
    status, body, _ = ask(cluster, "POST", path, other, Idempotency_Key="conv-key-1")
    assert (status, body["code"]) == (409, "cmid_reused")
    message = f"{path}/{first['id']}"
    for dup in (False, True):
        status, body, _ = ask(cluster, "DELETE", message, Idempotency_Key="conv-key-2")
        assert (status, body["dup"]) == (200, dup)
    status, body, _ = ask(cluster, "GET", path, Idempotency_Key="conv-key-3")
    assert body["ignored_fields"] == ["Idempotency-Key"], "it means nothing there, and says so"


def test_a_state_has_one_address_and_its_name(cluster: Cluster) -> None:
    room = "group:conv-state"
    make(cluster, room, ["conv-s"])
    for state in ("frozen", "archived"):
        for method, there in (("PUT", True), ("DELETE", False)):
            status, body, _ = ask(cluster, method, f"/v1/channels/{room}/{state}")
            assert status == 200, body
            shown = ask(cluster, "GET", f"/v1/channels/{room}")[1]
            assert bool(shown.get(state)) == there


def test_a_route_without_a_command_names_what_meant_nothing(cluster: Cluster) -> None:
    user = {"user": "conv-t", "colour": 1}
    status, body, _ = ask(cluster, "POST", "/v1/tokens?x=1", user, Idempotency_Key="conv-key-4")
    assert (status, body["ignored_fields"]) == (200, ["colour", "x", "Idempotency-Key"])
    operations = {"operations": [{"method": "GET", "path": "/v1/users/conv-t"}], "atomic": True}
    status, body, _ = ask(cluster, "POST", "/v1/batch?y=2", operations)
    assert (status, body["ignored_fields"]) == (200, ["atomic", "y"])
