"""A read says how new it must be: any copy that has enough, or a leader that made sure.

Small: 60 reads of each kind. There is no larger form.
"""

from __future__ import annotations

import json
import time

from ops.api import Rest
from tests.support.cluster import Cluster
from tests.support.metrics import of_nodes

ROOM = "group:reads-room"
COPY_READS = "hubbub_node_requests_copy_reads_total"
LINEAR_READS = "hubbub_node_requests_linear_reads_total"


def counted(cluster: Cluster, name: str) -> float:
    """A counter's sum over all nodes."""
    return sum(of_nodes(cluster, name))


def test_copies_share_the_reads_that_they_may_answer(cluster: Cluster) -> None:
    rest = Rest(cluster.url, cluster.server_key)
    rest.need("POST", "/v1/channels", {"channel": ROOM, "members": ["reads-ann", "reads-ben"]})
    sent = [
        rest.need("POST", f"/v1/channels/{ROOM}/messages", {"by": "reads-ann", "text": f"{n}"})
        for n in range(5)
    ]
    head = max(one["seq"] for one in sent)
    before = counted(cluster, COPY_READS)
    ends_at = time.monotonic() + 10.0
    while counted(cluster, COPY_READS) - before < 20:  # followers learn by a beat what is committed
        assert time.monotonic() < ends_at, "no follower answers"
        for _ in range(10):
            page = rest.need("GET", f"/v1/channels/{ROOM}/messages?limit=3&min_seq={head}")
            assert [m["text"] for m in page["messages"]][-3:] == ["2", "3", "4"], json.dumps(page)

    before = counted(cluster, LINEAR_READS)
    for n in range(5, 65):
        said = rest.need(
            "POST", f"/v1/channels/{ROOM}/messages", {"by": "reads-ben", "text": f"{n}"}
        )
        for more in ("linear=true", f"min_seq={said['seq']}"):
            page = rest.need("GET", f"/v1/channels/{ROOM}/messages?limit=1&{more}")
            assert page["messages"][0]["text"] == f"{n}", (more, page)
    assert counted(cluster, LINEAR_READS) - before == 60
