"""What the processes of a running cluster count, by their /metrics."""

from __future__ import annotations

from urllib.request import urlopen

from tests.support.cluster import Cluster


def of_nodes(cluster: Cluster, name: str) -> list[float]:
    """A metric of every node; its series with labels are added up."""
    found = []
    for node in cluster.of_role("node"):
        with urlopen(f"{node.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found.append(sum(float(line.split()[-1]) for line in lines if _is_of(line, name)))
    return found


def _is_of(line: str, name: str) -> bool:
    return line.startswith((f"{name} ", f"{name}{{"))
