"""A cluster whose nodes and routers each live on a host of their own (`netns`), to be cut off.

The supervisor, the edges and the test share the host `HOME`; the coordinator's file is everybody's.

Rules:
1. Links are tcp:// between the hosts' addresses, with keys; the admin servers listen there too.
2. The test runs inside `HOME` from `__enter__` to `__exit__`: its thread, and those that it starts.
3. The processes are those of `hubbub up`, which this module is run in place of: only their
   addresses and the namespaces that they are started in are others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec.structs import replace

from hubbub.settings.schema import ProcessConfig
from ops import cli, local, plan
from ops.plan import Place, Shape
from ops.processes import role_arguments
from tests.support.chaos.netns import Network
from tests.support.cluster import Cluster

HOME: Final = "home"


class HostCluster(Cluster):
    """As Cluster; `network` has a host for each node and router, by its name."""

    def __init__(self, *options: str, nodes: int, routers: int, edges: int, copies: int) -> None:
        super().__init__(
            "--link", "tcp", *options, nodes=nodes, routers=routers, edges=edges, copies=copies
        )
        shape = Shape(nodes, routers, edges)
        self.network = Network(HOME, *shape.names("node"), *shape.names("router"))
        self._inside = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._inside.enter_context(self.network)
            self._inside.enter_context(self.network.host(HOME).inside())
            hosts = {host.name: (host.address, host.namespace) for host in self.network.hosts}
            self.command = [sys.executable, "-m", __name__, json.dumps(hosts)]
            return super().__enter__()
        except BaseException:
            self._leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._leave()

    def _leave(self) -> None:
        self.stop()  # also what was never started has a folder
        self._inside.close()


def main(hosts: Mapping[str, Sequence[str]], words: list[str]) -> None:
    """`hubbub` with other addresses. Args: hosts: name → address, namespace."""
    usual_configs = plan.configs

    def arguments(role: str, config_path: Path) -> list[str]:
        called = role_arguments(role, config_path)
        if config_path.stem not in hosts:
            return called
        return ["ip", "netns", "exec", hosts[config_path.stem][1], *called]

    def configs(shape: Shape, place: Place) -> list[ProcessConfig]:
        return [_moved(config, hosts) for config in usual_configs(shape, place)]

    setattr(plan, "role_arguments", arguments)  # noqa: B010 - mypy refuses the assignment
    setattr(local, "configs", configs)  # noqa: B010
    cli.main(words)


def _moved(config: ProcessConfig, hosts: Mapping[str, Sequence[str]]) -> ProcessConfig:
    if config.name not in hosts:
        return config
    address, _ = hosts[config.name]
    port = config.listen.rpartition(":")[2]
    return replace(config, listen=f"tcp://{address}:{port}", admin_host=address)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
