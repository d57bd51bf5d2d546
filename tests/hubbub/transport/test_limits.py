"""A link's bounds come from the settings of the same names, and fit one another."""

from __future__ import annotations

from hubbub.base.units import KIB, MIB
from hubbub.settings.schema import RouterConfig
from hubbub.transport.limits import LinkLimits, limits_of


def test_defaults_are_those_of_the_settings_but_for_a_little_more_patience() -> None:
    config = RouterConfig(name="router-1", coordinator="solo:x", listen="ipc://x")
    made, default = limits_of(config), LinkLimits()
    same = [name for name in LinkLimits.__struct_fields__ if name != "silence_ms_max"]
    assert [getattr(made, name) for name in same] == [getattr(default, name) for name in same]
    assert 3 * made.beat_ms <= made.silence_ms_max <= default.silence_ms_max


def test_every_setting_arrives() -> None:
    config = RouterConfig(
        name="router-1",
        coordinator="solo:x",
        listen="ipc://x",
        link_gather_ms=1.5,
        link_gather_bytes=3 * KIB,
        link_window_bytes_max=8 * MIB,
        link_beat_ms=200,
        link_silence_ms_max=700,
        link_frame_bytes_max=2 * MIB,
        link_hwm_frames=17,
        zmq_heartbeat_ms=400,
    )
    assert limits_of(config) == LinkLimits(
        gather_ms=1.5,
        gather_bytes=3 * KIB,
        window_bytes_max=8 * MIB,
        ack_bytes=1 * MIB,
        beat_ms=200,
        silence_ms_max=700,
        frame_bytes_max=2 * MIB,
        hwm_frames=17,
        heartbeat_ms=400,
    )


def test_an_acknowledgement_leaves_long_before_the_window_is_full() -> None:
    for window in (64 * KIB, 4 * MIB, 256 * MIB):
        config = RouterConfig(
            name="r", coordinator="solo:x", listen="ipc://x", link_window_bytes_max=window
        )
        assert limits_of(config).ack_bytes * 8 == window
