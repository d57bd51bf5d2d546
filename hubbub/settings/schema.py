"""What one process is started with: its place, its addresses and its bounds.

Rules:
1. Each field has its unit in its name, its bound in its type and its reason in its comment.
2. These values are fixed for the life of a process. What an owner changes while the cluster runs
   stands in `settings.app`.
3. Fields only; where they come from (file, environment, flags) is `runtime.config`'s business.
4. A comment says what breaks at half and at double where that is not plain.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from hubbub.base.units import KIB, MIB

Role: TypeAlias = Literal["node", "router", "edge", "compact"]  # compact: one of each
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Name: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
Port: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
Slots: TypeAlias = Annotated[int, Meta(ge=1, le=16_384)]
IPC_PATH_BYTES_MAX = 107  # the kernel's sun_path is 108 with its final zero; longer is refused


class ProcessConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every role has. A wrong combination raises ValueError when the value is made."""

    role: Role
    # Part of the ZeroMQ identity `name.boot_id` and of file names: lower case, short.
    name: Name
    # The tenant of clients that name none (tokens without a `kid`, requests without a server key).
    app: Annotated[str, Meta(min_length=1, max_length=64)] = "demo"
    # Folder of sockets, pid and cluster files. Short: an ipc path inside has at most 107 bytes.
    run_dir: str = ""
    # Where the map and the records live: "solo:/path/to/file" on one machine; on many
    # "etcd=HOST:PORT,HOST:PORT,…/NAMESPACE", the nearest member first.
    coordinator: Annotated[str, Meta(pattern=r"\A[a-z]+[:=].+\Z")]
    # The address that this process's ROUTER binds (ipc:// or tcp://; inproc:// where several roles
    # share a process); empty for an edge.
    listen: str = ""
    # Folder of the CURVE keys; needed as soon as an address is tcp://.
    keys_dir: str = ""
    # The set of app settings that a new app starts with (`settings.profiles`).
    profile: str = "default"
    # The private admin server. Loopback unless its owner opens it: it has no login.
    admin_host: str = "127.0.0.1"
    admin_port: Port = 0  # 0: the kernel picks; the url is registered with the coordinator
    log_level: LogLevel = "info"
    log_file: str = ""  # empty: standard error
    # A pipe whose EOF ends the process, so that a killed supervisor leaves nobody behind.
    lifeline_fd: Annotated[int, Meta(ge=-1)] = -1
    # All stop steps together. `hubbub demo` promises 5 s from Ctrl-C; one is left for the parent.
    stop_deadline_s: Annotated[float, Meta(gt=0, le=600)] = 4.0

    # Links gather messages while busy: [M] 122 instead of 243 CPU-us a message at 2,000/s. Half
    # the time costs a third more CPU; double shows in the p50 of an acknowledgement (4 hops).
    link_gather_ms: Annotated[float, Meta(ge=0, le=100)] = 2.0
    link_gather_bytes: Annotated[int, Meta(ge=1, le=16 * MIB)] = 64 * KIB
    # Unacknowledged event bytes on one link, the flow control. Half of it cannot fill 100 Mbit/s
    # at 200 ms; each slow edge may hold this much in a router.
    link_window_bytes_max: Annotated[int, Meta(ge=64 * KIB, le=256 * MIB)] = 4 * MIB
    # One second of loss detection on an idle link; a loss must show within two.
    link_beat_ms: Annotated[int, Meta(ge=50, le=10_000)] = 1_000
    # A link is dead after this silence: three missed beats.
    link_silence_ms_max: Annotated[int, Meta(ge=200, le=60_000)] = 3_000
    # ZMQ_MAXMSGSIZE: a frame of gathered messages (64 KiB) plus one largest answer, with room.
    link_frame_bytes_max: Annotated[int, Meta(ge=1 * MIB, le=256 * MIB)] = 16 * MIB
    # ZeroMQ's own queues, in frames. The window above is what bounds bytes; this is the backstop.
    link_hwm_frames: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    zmq_heartbeat_ms: Annotated[int, Meta(ge=100, le=60_000)] = 2_000

    def __post_init__(self) -> None:
        if self.link_silence_ms_max < 2 * self.link_beat_ms:
            raise ValueError("link_silence_ms_max must be at least twice link_beat_ms")
        if self.link_gather_bytes > self.link_frame_bytes_max:
            raise ValueError("link_gather_bytes must not exceed link_frame_bytes_max")
        _check_address("listen", self.listen)
        if self.listen.startswith("tcp://") and not self.keys_dir:
            raise ValueError("keys_dir is needed when listen is a tcp:// address")


class NodeConfig(ProcessConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A storage node."""

    role: Literal["node"] = "node"
    # The folder of this node's RocksDB and acked.map. Belongs to one node only.
    data_dir: Annotated[str, Meta(min_length=1)]
    # The failure domain: copies of a slot never share one. Empty: the host's name.
    domain: str = ""
    # Copies of each slot and number of slots; read when the cluster is made, then fixed.
    copies: Annotated[int, Meta(ge=1, le=7)] = 1
    slots: Slots = 1_024

    # The writer takes what waits, up to these, into one batch with one sync. Records: [M] beyond
    # 512 the cost of a record no longer falls, and the batch's own time adds to every latency.
    batch_bytes_max: Annotated[int, Meta(ge=4 * KIB, le=64 * MIB)] = 1 * MIB
    batch_records_max: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    # While busy the writer waits for more until either is reached; when idle not at all.
    batch_gather_ms: Annotated[float, Meta(ge=0, le=100)] = 5.0
    batch_gather_bytes: Annotated[int, Meta(ge=1, le=64 * MIB)] = 64 * KIB
    # Syncs run in the loop's thread while their mean is below this, else in the writer's; 0: never.
    # The hand-over to a thread and back is some 6 wake-ups, 0.2 to 0.5 ms of both cores; double
    # would be felt by the other requests of the loop.
    batch_sync_in_place_ms: Annotated[float, Meta(ge=0, le=100)] = 1.0
    # What may wait for the writer before commands are refused as overloaded: 16 full batches.
    batch_waiting_bytes_max: Annotated[int, Meta(ge=1 * MIB, le=1_024 * MIB)] = 16 * MIB
    # Rows left over after the last entry are written after this idle time.
    rows_idle_flush_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1_000
    # Entries of a slot that stay in its log once they are applied. A copy that was away for fewer
    # reads entries; for more, a snapshot of the slot.
    log_entries_kept: Annotated[int, Meta(ge=100, le=10_000_000)] = 50_000

    # RocksDB's memory, all families together. The sum below is what a node may take from a small
    # machine beside its own ~60 MiB; half the write buffers means twice the flushes.
    rocks_write_buffer_bytes: Annotated[int, Meta(ge=1 * MIB, le=4_096 * MIB)] = 16 * MIB
    rocks_write_buffers_bytes_max: Annotated[int, Meta(ge=4 * MIB, le=16_384 * MIB)] = 96 * MIB
    rocks_block_cache_bytes: Annotated[int, Meta(ge=1 * MIB, le=1_048_576 * MIB)] = 64 * MIB
    # Bounds the replay at start: 20 s of it must suffice on a slow disk.
    rocks_wal_bytes_max: Annotated[int, Meta(ge=4 * MIB, le=65_536 * MIB)] = 256 * MIB
    rocks_open_files_max: Annotated[int, Meta(ge=64, le=1_000_000)] = 2_048
    # A damaged WAL can make the open spin for ever; after this the process ends with SIGALRM.
    open_deadline_s: Annotated[int, Meta(ge=1, le=3_600)] = 20

    # A cmid is remembered for 24 h; may be stamped up to 10 minutes ahead of our clock.
    dedup_hours: Annotated[int, Meta(ge=1, le=168)] = 24
    cmid_ahead_ms_max: Annotated[int, Meta(ge=0, le=3_600_000)] = 600_000

    # A node that came back is given the slots that it should lead once it was well for so long: one
    # that flaps would take them along each time.
    leader_return_s: Annotated[float, Meta(ge=0, le=3_600)] = 30.0
    # Rows of a copy that the map gave to another node stay for so long: the time to stop a node and
    # look, should the map ever be wrong. Double only keeps disk space.
    copy_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0

    # Shares of the disk: somebody is told; no more copies come here; leaderships go, and commands
    # are refused. None of it while more than the headroom is free: 5 % of 10 TB is no emergency.
    disk_alarm_percent: Annotated[float, Meta(gt=0, le=100)] = 85.0
    disk_moves_percent: Annotated[float, Meta(gt=0, le=100)] = 92.0
    disk_full_percent: Annotated[float, Meta(gt=0, le=100)] = 95.0
    disk_headroom_bytes: Annotated[int, Meta(ge=0, le=1_024 * 1_024 * MIB)] = 20 * 1_024 * MIB
    # Everything is read once in so long, to find damage while there are copies to recover from.
    scrub_days: Annotated[float, Meta(gt=0, le=365)] = 7.0

    def __post_init__(self) -> None:
        ProcessConfig.__post_init__(self)
        if not self.listen:
            raise ValueError("listen is needed: a node binds one address")
        if self.batch_gather_bytes > self.batch_bytes_max:
            raise ValueError("batch_gather_bytes must not exceed batch_bytes_max")
        if self.batch_bytes_max > self.batch_waiting_bytes_max:
            raise ValueError("batch_bytes_max must not exceed batch_waiting_bytes_max")
        if self.rocks_write_buffer_bytes > self.rocks_write_buffers_bytes_max:
            raise ValueError(
                "rocks_write_buffer_bytes must not exceed rocks_write_buffers_bytes_max"
            )


class RouterConfig(ProcessConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A router."""

    role: Literal["router"] = "router"
    # Retries end here, then UNKNOWN: the edge answers within 4 s, the SDKs give up at 5.
    retry_budget_ms: Annotated[int, Meta(ge=0, le=4_000)] = 3_500
    # The first retry and the ceiling of the doubling; a leader change takes about 650 ms.
    retry_delay_ms_min: Annotated[int, Meta(ge=1, le=1_000)] = 20
    retry_delay_ms_max: Annotated[int, Meta(ge=1, le=4_000)] = 250
    # Requests under way. Beyond it new ones are refused as overloaded, retryable.
    requests_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    requests_bytes_max: Annotated[int, Meta(ge=1 * MIB, le=4_096 * MIB)] = 128 * MIB

    def __post_init__(self) -> None:
        ProcessConfig.__post_init__(self)
        if not self.listen:
            raise ValueError("listen is needed: a router binds one address")
        if self.retry_delay_ms_min > self.retry_delay_ms_max:
            raise ValueError("retry_delay_ms_min must not exceed retry_delay_ms_max")


class EdgeConfig(ProcessConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An edge: the public port."""

    role: Literal["edge"] = "edge"
    host: str = "127.0.0.1"
    port: Port = 0
    # Origins that a browser may come from, to the socket and to the API, as
    # "https://chat.example.org"; "*" allows every one. Empty: only the edge's own origin. A request
    # without an Origin header is no browser's.
    allowed_origins: tuple[str, ...] = ()
    # Networks and addresses of proxies that are believed whose request it is (X-Forwarded-For). One
    # on this machine is believed without being named.
    trusted_proxies: tuple[str, ...] = ()
    # Connections that wait for accept: 10,000 clients of a dead edge come at once.
    backlog: Annotated[int, Meta(ge=1, le=65_535)] = 4_096

    # Live pushes waiting for one connection, then close 3008 and resume: 2 s of a room at
    # 512 KiB/s. Half closes phones in a lift; double doubles the worst case of memory.
    outgoing_bytes_max: Annotated[int, Meta(ge=16 * KIB, le=64 * MIB)] = 1 * MIB
    # All connections together; the longest queue is cut first.
    outgoing_total_bytes_max: Annotated[int, Meta(ge=1 * MIB, le=65_536 * MIB)] = 256 * MIB
    # While busy, what falls due to a connection within this leaves in one write.
    flush_tick_ms: Annotated[int, Meta(ge=0, le=1_000)] = 10
    # One inbound frame or POST body. The largest message is 64 KiB; batches of commands fit.
    frame_bytes_max: Annotated[int, Meta(ge=1 * KIB, le=64 * MIB)] = 1 * MIB
    # As the client protocol's reference: 25 + 8 s stay below the usual 60 s of proxies.
    ping_interval_s: Annotated[float, Meta(gt=0, le=600)] = 25.0
    pong_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 8.0
    # A socket that does not send `connect` by then is closed.
    connect_deadline_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    # The SDKs give up at 5 s; a late answer is worse than UNKNOWN.
    answer_deadline_ms: Annotated[int, Meta(ge=100, le=4_900)] = 4_000
    # How long a token may be overdue before 3005 (or unsubscribe 2501).
    token_grace_s: Annotated[float, Meta(ge=0, le=600)] = 25.0

    # What one subscribe may replay; beyond it `recovered: false`, and the client reads pages.
    recovery_publications_max: Annotated[int, Meta(ge=0, le=100_000)] = 1_000
    recovery_bytes_max: Annotated[int, Meta(ge=0, le=64 * MIB)] = 512 * KIB
    # Replays outstanding on one connection: further commands wait unread while they drain.
    recovery_connection_bytes_max: Annotated[int, Meta(ge=0, le=64 * MIB)] = 768 * KIB
    channels_per_connection_max: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    # Commands of one connection that wait for an answer; then reading pauses.
    commands_in_flight_max: Annotated[int, Meta(ge=1, le=10_000)] = 256
    # Descriptors are 20,000 in many containers; the rest of them is for links and files.
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 19_000
    # The public demo sign-in (a token for a demo user without a password). Never on for `up`.
    demo: bool = False

    def __post_init__(self) -> None:
        ProcessConfig.__post_init__(self)
        if self.listen:
            raise ValueError("listen must be empty: an edge binds no link")
        if self.outgoing_bytes_max > self.outgoing_total_bytes_max:
            raise ValueError("outgoing_bytes_max must not exceed outgoing_total_bytes_max")
        if self.recovery_bytes_max > self.recovery_connection_bytes_max:
            raise ValueError("recovery_bytes_max must not exceed recovery_connection_bytes_max")
        for text in self.trusted_proxies:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"trusted_proxies: {error}") from None
        if self.demo and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("demo must be off unless host is a loopback address")


CONFIG_OF_ROLE: dict[str, type[ProcessConfig]] = {
    "node": NodeConfig,
    "router": RouterConfig,
    "edge": EdgeConfig,
}


def _check_address(field: str, address: str) -> None:
    if not address or address.startswith(("tcp://", "inproc://")):
        return
    if not address.startswith("ipc://"):
        raise ValueError(f"{field} must be an ipc://, tcp:// or inproc:// address, not {address!r}")
    path = address.removeprefix("ipc://").encode()
    if len(path) > IPC_PATH_BYTES_MAX:
        raise ValueError(
            f"{field}: a socket path has at most {IPC_PATH_BYTES_MAX} bytes, this has {len(path)}"
        )
