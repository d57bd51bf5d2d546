"""Blocking through real processes: the blocker's devices know, the blocked one never does."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.base.errors import PERMISSION_DENIED
from tests.support.client import Client, ReplyError
from tests.support.cluster import Cluster, wait_for

ANN, BEN, CID = "block-ann", "block-ben", "block-cid"
HERS, HIS = "group:block-hers", "group:block-his"


async def test_an_invitation_by_somebody_blocked_looks_as_any_to_him(cluster: Cluster) -> None:
    for channel, owner in ((HERS, BEN), (HIS, CID)):
        cluster.rest("POST", "/v1/channels", {"channel": channel, "owner": owner})
    tokens = {user: cluster.token(user) for user in (ANN, BEN, CID)}
    async with (
        Client(cluster.urls[0], tokens[ANN]) as ann,
        Client(cluster.urls[1], tokens[ANN]) as desk,
        Client(cluster.urls[1], tokens[BEN]) as ben,
        Client(cluster.urls[1], tokens[CID]) as cid,
    ):
        await ann.rpc("user.block", blocked=BEN)

        def told() -> list[Any]:
            pubs = [p["data"] for p in desk.publications(f"#{ANN}")]
            return [data["blocked"] for data in pubs if data["t"] == "user.blocked"]

        await desk.wait_until(told, "user.blocked")
        assert told() == [BEN]
        of_blocked = await ben.rpc("member.invite", channel=HERS, user=ANN)
        of_other = await cid.rpc("member.invite", channel=HIS, user=ANN)
        assert _shape(of_blocked) == _shape(of_other)

        def heard(tag: str) -> list[str]:
            pubs = [p["data"] for p in ann.publications(f"#{ANN}")]
            return [data["channel"] for data in pubs if data["t"] == tag]

        def invitations() -> list[str]:
            return heard("channel.invited")

        # What comes of one channel comes in order: behind this the invitation has been decided.
        cluster.rest("POST", f"/v1/channels/{HERS}/members", {"user": ANN})
        await ann.wait_until(lambda: HERS in heard("channel.added"), "ann is a member")
        await ann.wait_until(invitations, "the invitation by somebody else")
        with pytest.raises(ReplyError) as refused:
            await ben.rpc("block.list", user=ANN)
        assert refused.value.code == PERMISSION_DENIED.code
        await ann.rpc("user.unblock", blocked=BEN)
        late = "group:block-late"
        cluster.rest("POST", "/v1/channels", {"channel": late, "owner": BEN})
        await ben.rpc("member.invite", channel=late, user=ANN)
        await ann.wait_until(lambda: late in invitations(), "the invitation after the block")
        assert invitations() == [HIS, late]


def test_blocks_by_rest(cluster: Cluster) -> None:
    at = "/v1/users/block-dan/blocks"
    first = cluster.rest("PUT", f"{at}/{BEN}", {})
    assert cluster.rest("PUT", f"{at}/{BEN}", {})["seq"] == first["seq"], "no second event"
    shown = cluster.rest("GET", at)
    assert [row["blocked"] for row in shown["blocks"]] == [BEN]
    cluster.rest("DELETE", f"{at}/{BEN}")
    wait_for(lambda: not cluster.rest("GET", at)["blocks"], 5.0, lambda: "the block is lifted")


def _shape(answer: dict[str, Any]) -> set[str]:
    return set(answer)
