"""What the links of one process have counted. One record, changed in place, read by metrics."""

from __future__ import annotations

from msgspec import Struct


class LinkCounts(Struct):
    """Totals over all links since the process began."""

    frames_sent_total: int = 0
    messages_sent_total: int = 0
    bytes_sent_total: int = 0
    frames_received_total: int = 0
    messages_received_total: int = 0
    bytes_received_total: int = 0
    peers_up_total: int = 0
    peers_down_total: int = 0
    holes_seen_total: int = 0  # frames before which something was lost
    dropped_by_window_total: int = 0  # messages: the peer is slow
    dropped_oversized_total: int = 0  # messages that no frame can hold
    dropped_unsent_total: int = 0  # frames that the socket did not take: queue full or peer gone
    refused_late_total: int = 0  # frames of an older connection
    refused_generation_total: int = 0  # frames of another generation of the cluster
    refused_boot_total: int = 0  # frames of a boot that was replaced
    refused_malformed_total: int = 0
    refused_identity_total: int = 0  # frames whose key is not that of the name they claim
    lost_wakeups_total: int = 0  # frames that only the safety timer found
