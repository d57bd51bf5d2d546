"""The bounds of a link, each with its unit. Defaults are those of `settings.schema`."""

from __future__ import annotations

from msgspec import Struct

from hubbub.base.units import KIB, MIB
from hubbub.settings.schema import ProcessConfig


class LinkLimits(Struct, frozen=True, kw_only=True):
    """What one process' links keep to. The reasons stand beside the settings of the same names."""

    gather_ms: float = 2.0  # 0: a frame leaves at the end of the loop's turn, however busy
    gather_bytes: int = 64 * KIB
    window_bytes_max: int = 4 * MIB
    # A frame of acknowledgement alone, when nothing else goes back: an eighth of the window, so
    # that the sender never comes near its limit because of us. Half costs twice the frames.
    ack_bytes: int = 512 * KIB
    beat_ms: int = 1_000
    # Three missed beats and a half: a beat that is late by a busy loop is no death.
    silence_ms_max: int = 3_500
    # A peer whose connection broke has this long to be heard again; reconnects take 50 ms, a
    # restarted process about 500. Without it a killed process would be missed only after silence.
    suspect_ms: int = 500
    frame_bytes_max: int = 16 * MIB
    hwm_frames: int = 1_000
    heartbeat_ms: int = 2_000


def limits_of(config: ProcessConfig) -> LinkLimits:
    """The limits that a process was configured with."""
    return LinkLimits(
        gather_ms=config.link_gather_ms,
        gather_bytes=config.link_gather_bytes,
        window_bytes_max=config.link_window_bytes_max,
        ack_bytes=config.link_window_bytes_max // 8,
        beat_ms=config.link_beat_ms,
        silence_ms_max=config.link_silence_ms_max,
        frame_bytes_max=config.link_frame_bytes_max,
        hwm_frames=config.link_hwm_frames,
        heartbeat_ms=config.zmq_heartbeat_ms,
    )
