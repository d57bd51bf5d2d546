"""Which processes a cluster has, and the config of each: values only, nothing is started here.

Rules:
1. Names are `node-1`, `router-1`, `edge-1`, …; an edge takes port P, P+1, … or one of those given.
2. Links are ipc:// sockets in one private folder; `tcp` links listen on loopback with CURVE keys.
3. A config holds no secret: those are records of the coordinator and files of the keys folder.
4. A compact cluster is one process that runs one node, one router and one edge, each by its own
   config; its links are inproc:// and gather nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from msgspec.structs import replace

from hubbub.settings.schema import EdgeConfig, NodeConfig, ProcessConfig, RouterConfig
from hubbub.wire.codec import encode_json
from ops.directory import Directory
from ops.processes import compact_arguments, role_arguments, role_environment
from ops.supervisor import STOP_S, ProcessSpec

# What must differ between processes of one machine may not come from the environment.
OWN_FIELDS: Final = (
    *("ROLE", "NAME", "APP", "RUN_DIR", "COORDINATOR", "LISTEN", "KEYS_DIR", "ADMIN_PORT"),
    *("LIFELINE_FD", "STOP_DEADLINE_S", "DATA_DIR", "HOST", "PORT", "LOG_FILE", "DEMO"),
)
COMPACT_NAME: Final = "compact"  # of the process; its roles are node-1, router-1 and edge-1
# A child stops by itself a little before the supervisor would kill it.
STOP_SHARE: Final = 0.85


@dataclass(frozen=True)
class Shape:
    """How many processes of each role. `node_names`: where they are not node-1, node-2, …"""

    nodes: int
    routers: int
    edges: int
    node_names: Sequence[str] = ()

    def names(self, role: str) -> list[str]:
        if role == "node" and self.node_names:
            return list(self.node_names)
        count = {"node": self.nodes, "router": self.routers, "edge": self.edges}[role]
        return [f"{role}-{i}" for i in range(1, count + 1)]

    @property
    def processes(self) -> int:
        return self.nodes + self.routers + self.edges


@dataclass(frozen=True)
class Place:
    """What all processes of one cluster share.

    Args:
        listen: the link address of each node and router, by name.
        ports: the public port of each edge, by name.
    """

    directory: Directory
    app: str
    profile: str
    copies: int
    slots: int
    host: str
    listen: Mapping[str, str]
    ports: Mapping[str, int]
    lifeline_fd: int
    has_keys: bool = False
    is_demo: bool = False


class Shared(TypedDict):
    """The fields that every role's config takes from the place."""

    name: str
    app: str
    run_dir: str
    coordinator: str
    keys_dir: str
    profile: str
    lifeline_fd: int
    stop_deadline_s: float


def configs(shape: Shape, place: Place) -> list[ProcessConfig]:
    """The config of every process, in the order of starting."""
    nodes = [_node(name, place) for name in shape.names("node")]
    routers = [
        RouterConfig(**_shared("router", name, place), listen=place.listen[name])
        for name in shape.names("router")
    ]
    edges = [
        EdgeConfig(
            **_shared("edge", name, place),
            host=place.host,
            port=place.ports[name],
            demo=place.is_demo,
        )
        for name in shape.names("edge")
    ]
    return [*nodes, *routers, *edges]


def write_configs(directory: Directory, wanted: Sequence[ProcessConfig]) -> list[ProcessSpec]:
    """Writes every config file and returns what the supervisor runs."""
    specs = []
    for config in wanted:
        path = directory.config(config.name)
        path.write_bytes(encode_json(config))
        arguments = role_arguments(config.role, path)
        specs.append(ProcessSpec(config.role, config.name, arguments, directory.log(config.name)))
    return specs


def write_compact(directory: Directory, wanted: Sequence[ProcessConfig]) -> list[ProcessSpec]:
    """`write_configs` of one node, one router and one edge that share a process.

    Its links gather nothing: what saves system calls between processes is mere delay in one.
    """
    specs = write_configs(directory, [replace(config, link_gather_ms=0.0) for config in wanted])
    arguments = compact_arguments({spec.role: directory.config(spec.name) for spec in specs})
    parts = [(spec.role, spec.name) for spec in specs]
    return [ProcessSpec("compact", COMPACT_NAME, arguments, directory.log(COMPACT_NAME), parts)]


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the cluster's processes: the caller's, less what a config must say."""
    own = {f"HUBBUB_{field}" for field in OWN_FIELDS}
    return role_environment({k: v for k, v in environment.items() if k not in own})


def _shared(role: str, name: str, place: Place) -> Shared:
    return {
        "name": name,
        "app": place.app,
        "run_dir": _text(place.directory.run),
        "coordinator": place.directory.coordinator_url,
        "keys_dir": _text(place.directory.keys) if place.has_keys else "",
        "profile": place.profile,
        "lifeline_fd": place.lifeline_fd,
        "stop_deadline_s": round(STOP_S[role] * STOP_SHARE, 2),
    }


def _node(name: str, place: Place) -> NodeConfig:
    return NodeConfig(
        **_shared("node", name, place),
        listen=place.listen[name],
        data_dir=_text(place.directory.node_data(name)),
        copies=place.copies,
        slots=place.slots,
    )


def _text(path: Path) -> str:
    return str(path.absolute())
