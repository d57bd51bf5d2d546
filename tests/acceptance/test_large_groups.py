"""A group grows to what its app allows, and no further; all of it is right at the border.

The app's own setting is the border: small here. From 1,000 on the group's end takes several steps.
Whole form, beyond 10,000: HUBBUB_LARGE_MEMBERS=12000 pytest --timeout 1200 this file.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.api import Response, Rest
from tests.support.apps import add_app
from tests.support.client import new_cmid
from tests.support.cluster import Cluster
from tests.support.patience import answered

MEMBERS = int(os.environ.get("HUBBUB_LARGE_MEMBERS", "300"))
APP, GROUP = "large", "group:large"
# The last lists are told by steps of 1,000, each behind the one before it.
LISTS_S = 20 + MEMBERS / 200


def ask(rest: Rest, method: str, path: str, body: object = None) -> Response:
    """Asked again under its key while nobody can say whether it was done."""
    key = new_cmid() if method != "GET" else ""
    return answered(lambda: rest.call(method, path, body, key=key))


def need(rest: Rest, method: str, path: str, body: object = None) -> Any:
    """The body of a 2xx answer."""
    answer = ask(rest, method, path, body)
    assert answer.status < 300, (method, path, answer)
    return answer.body


def own(rest: Rest, user: str) -> Rest:
    """The same edge with the user's own token: a server key may speak for anybody."""
    return Rest(rest.url, need(rest, "POST", "/v1/tokens", {"user": user})["token"])


def pages(rest: Rest, path: str) -> tuple[list[str], set[int]]:
    """All members in the order of the pages; the counts that the pages named."""
    found: list[str] = []
    counts: set[int] = set()
    after = ""
    while True:
        page = need(rest, "GET", f"{path}/members?limit=1000&after={after}")
        found += [row["user"] for row in page["members"]]
        counts.add(page["count"])
        after = page["next"]
        if not after:
            return found, counts


def test_a_group_grows_to_its_border_and_not_beyond(cluster: Cluster) -> None:
    app = add_app(cluster, APP, changes={"channel_members_max": MEMBERS})
    first, second = (Rest(url, app.server_key) for url in cluster.urls[:2])
    path = f"/v1/channels/{GROUP}"
    need(
        first,
        "POST",
        "/v1/channels",
        {"channel": GROUP, "public": True, "owner": "m-0", "by": "m-0"},
    )
    users = [f"m-{n}" for n in range(1, MEMBERS - 1)]
    for start in range(0, len(users), 1_000):
        need(first, "POST", f"{path}/members", {"users": users[start : start + 1_000]})

    # One place is left: of those who want it at once, one gets it, and each is told which.
    late = [f"late-{n}" for n in range(8)]
    with ThreadPoolExecutor(len(late)) as pool:
        asked = [
            pool.submit(ask, (first, second)[n % 2], "POST", f"{path}/join", {"by": user})
            for n, user in enumerate(late)
        ]
    answers = [task.result() for task in asked]
    inside = [user for user, answer in zip(late, answers, strict=True) if answer.status < 300]
    refused = [answer.body for answer in answers if answer.status >= 300]
    assert len(inside) == 1, answers
    assert {body["code"] for body in refused} == {"too_many"}
    outside = next(user for user in late if user not in inside)
    assert ask(second, "POST", f"{path}/join", {"by": inside[0]}).status < 300  # a retry
    expected = sorted(["m-0", *users, *inside])
    assert pages(second, path) == (expected, {MEMBERS})
    assert need(second, "GET", path)["members"] == MEMBERS

    # Whoever came last is a member like all, and a figure of all counts each once.
    member, stranger = own(second, inside[0]), own(first, outside)
    sent = need(member, "POST", f"{path}/messages", {"text": "the last one"})
    assert ask(stranger, "POST", f"{path}/messages", {"text": "no"}).body["code"] == "not_a_member"
    need(first, "POST", f"{path}/read", {"by": users[0], "upto": sent["seq"]})
    receipt = need(first, "GET", f"{path}/receipts?seqs={sent['seq']}")["receipts"][0]
    assert (receipt["read"], receipt["read_of"]) == (1, MEMBERS - 1)

    # A place that becomes free is the next one's, and the one who left has no rights any more.
    need(member, "POST", f"{path}/leave", {})
    assert ask(member, "POST", f"{path}/messages", {"text": "still"}).body["code"] == "not_a_member"
    need(stranger, "POST", f"{path}/join", {})
    need(stranger, "POST", f"{path}/messages", {"text": "no stranger any more"})
    assert need(second, "GET", path)["members"] == MEMBERS

    # The end reaches every list.
    need(first, "DELETE", path)
    ends_at = time.monotonic() + LISTS_S
    for user in ("m-0", users[0], users[-1], max(expected), outside):
        while need(second, "GET", f"/v1/users/{user}/channels")["channels"]:
            assert time.monotonic() < ends_at, f"{user} still has it"
            time.sleep(0.1)
