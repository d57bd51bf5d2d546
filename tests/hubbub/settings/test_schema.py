"""The config of a process: defaults that fit together, wrong values refused by name."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.settings.schema import (
    CONFIG_OF_ROLE,
    EdgeConfig,
    NodeConfig,
    ProcessConfig,
    RouterConfig,
)

PLACE = {"name": "x-1", "coordinator": "solo:/d/solo.sqlite"}
NODE = PLACE | {"listen": "ipc:///d/n", "data_dir": "/d/n"}
ROUTER = PLACE | {"listen": "ipc:///d/r"}


def test_the_least_config_of_each_role_is_whole() -> None:
    node = msgspec.convert(NODE, NodeConfig)
    router = msgspec.convert(ROUTER, RouterConfig)
    edge = msgspec.convert(PLACE, EdgeConfig)
    assert [node.role, router.role, edge.role] == ["node", "router", "edge"]
    assert (edge.outgoing_bytes_max, edge.frame_bytes_max) == (1 << 20, 1 << 20)
    assert router.retry_budget_ms < edge.answer_deadline_ms  # the edge always answers in time
    assert node.batch_records_max == 1_000
    assert [CONFIG_OF_ROLE[c.role] for c in (node, router, edge)] == [
        NodeConfig,
        RouterConfig,
        EdgeConfig,
    ]


@pytest.mark.parametrize("kind", [NodeConfig, RouterConfig, EdgeConfig])
def test_every_number_of_a_config_has_a_bound(kind: type[ProcessConfig]) -> None:
    for field in msgspec.structs.fields(kind):
        info = msgspec.inspect.type_info(field.type)
        if isinstance(info, msgspec.inspect.IntType | msgspec.inspect.FloatType):
            assert info.ge is not None or info.gt is not None, field.name
            assert info.le is not None or field.name == "lifeline_fd", field.name


@pytest.mark.parametrize(
    ("kind", "values", "word"),
    [
        (NodeConfig, NODE | {"role": "router"}, "role"),
        (NodeConfig, NODE | {"listen": ""}, "listen"),
        (NodeConfig, NODE | {"listen": "http://x"}, "listen"),
        (NodeConfig, NODE | {"listen": "ipc://" + "x" * 108}, "listen"),
        (NodeConfig, NODE | {"listen": "tcp://0.0.0.0:1"}, "keys_dir"),
        (NodeConfig, NODE | {"slots": 16_385}, "slots"),
        (NodeConfig, NODE | {"batch_bytes_max": 32 << 20}, "batch_bytes_max"),
        (NodeConfig, NODE | {"batch_gather_bytes": 2 << 20}, "batch_gather_bytes"),
        (NodeConfig, NODE | {"rocks_write_buffer_bytes": 128 << 20}, "rocks_write_buffer_bytes"),
        (NodeConfig, NODE | {"name": "Node 1"}, "name"),
        (RouterConfig, PLACE, "listen"),
        (RouterConfig, ROUTER | {"retry_delay_ms_min": 900}, "retry_delay_ms_min"),
        (RouterConfig, ROUTER | {"link_silence_ms_max": 1_500}, "link_silence_ms_max"),
        (RouterConfig, ROUTER | {"link_gather_bytes": 16 << 20, "link_frame_bytes_max": 1 << 20},
         "link_gather_bytes"),
        (EdgeConfig, PLACE | {"listen": "ipc:///d/e"}, "listen"),
        (EdgeConfig, PLACE | {"outgoing_bytes_max": 2 << 20, "outgoing_total_bytes_max": 1 << 20},
         "outgoing_bytes_max"),
        (EdgeConfig, PLACE | {"recovery_bytes_max": 1 << 20}, "recovery_bytes_max"),
        (EdgeConfig, PLACE | {"demo": True, "host": "0.0.0.0"}, "demo"),
        (EdgeConfig, PLACE | {"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(
    kind: type[ProcessConfig], values: dict[str, object], word: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(values, kind)


def test_an_ipc_path_of_exactly_the_kernels_limit_is_taken() -> None:
    assert msgspec.convert(ROUTER | {"listen": "ipc://" + "x" * 107}, RouterConfig).listen


def test_a_config_cannot_be_changed() -> None:
    edge = msgspec.convert(PLACE, EdgeConfig)
    with pytest.raises(AttributeError):
        edge.port = 1  # type: ignore[misc]
