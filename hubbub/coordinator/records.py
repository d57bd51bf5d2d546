"""What processes write under which key. All values are JSON.

/cluster          ClusterRecord, written once; a new generation at a restore, another root key
/slots/<00000>    ring.map.SlotRecord
/nodes/<name>     ProcessRecord, with a lease; likewise /routers/<name> and /edges/<name>
/storage/<id>     StorageRecord: a copy's place, whether its node is alive or not
/rebalance/plan   RebalanceRecord: the moves under way, or the last ones
/apps/<app>       AppRecord, for ever: that of a deleted app stays as its tombstone
/backups/<id>     BackupRequest, while a backup is made; its answers: hubbub.coordinator.backups
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from hubbub.model.server_keys import ServerKey
from hubbub.ring.hashing import SLOTS_MAX, SLOTS_MIN
from hubbub.ring.moves import HolderState

Role: TypeAlias = Literal["node", "router", "edge"]
U64: TypeAlias = Annotated[int, Meta(ge=0)]

CLUSTER_KEY: Final = "/cluster"
SLOTS_PREFIX: Final = "/slots/"
STORAGE_PREFIX: Final = "/storage/"
APPS_PREFIX: Final = "/apps/"
REBALANCE_KEY: Final = "/rebalance/plan"

RebalanceState: TypeAlias = Literal["running", "paused", "aborting", "aborted", "done"]


class ClusterRecord(Struct, frozen=True):
    """What a cluster is for ever, and its generation. `seed`: u32 of every slot_of.

    `root_key_hash`: of the key that makes and deletes apps (model.server_keys); empty: none does.
    """

    id: str
    slots: int
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)]
    generation: Annotated[int, Meta(ge=1, lt=1 << 32)] = 1
    root_key_hash: str = ""

    def __post_init__(self) -> None:
        if not SLOTS_MIN <= self.slots <= SLOTS_MAX or self.slots & (self.slots - 1):
            raise ValueError(
                f"slots must be a power of two from {SLOTS_MIN} to {SLOTS_MAX}, not {self.slots}"
            )


class ProcessRecord(Struct, frozen=True, kw_only=True):
    """One process that is alive. `address`: its ROUTER's; an edge has none. `public_key`: CURVE."""

    name: str
    role: Role
    boot_id: U64
    address: str = ""
    public_key: str = ""
    admin_url: str = ""
    domain: str = ""  # nodes: what it fails together with
    storage_id: str = ""  # nodes: drawn when its directory was made; what slot members name


class StorageRecord(Struct, frozen=True, kw_only=True):
    """One place for copies. It stays while its node is down; a wiped disk is another place.

    `state`: active; draining: gives up all it has; leaving: its node is being removed.
    """

    name: str
    domain: str = ""
    state: HolderState = "active"


class RebalanceRecord(Struct, frozen=True, kw_only=True):
    """A plan: the members that every slot shall have, and how far its execution may go.

    `members`, `targets`: as `ring.moves.pack_targets` makes them. `moves`: copies to be made when
    the plan was. `since_ms`, `since_left`: wall clock and copies left when it last began to run,
    from which its pace is told. `state`: "paused" finishes what is under way and begins nothing;
    "aborting" becomes "aborted" once nothing is under way: what was moved stays.
    """

    id: str
    state: RebalanceState
    members: tuple[str, ...]
    targets: bytes
    copies: Annotated[int, Meta(ge=1)]
    moves: int
    created_ms: int
    since_ms: int
    since_left: int
    finished_ms: int = 0
    # At once, of one leader that sends and to one place that receives.
    moves_per_node_max: Annotated[int, Meta(ge=1)] = 2


class SigningKey(Struct, frozen=True):
    """A further key that signs tokens of an app: found by the `kid` in a token's header.

    `key`: PEM of a public key (RS256, EdDSA, …), or a secret (HS256, …).
    """

    kid: Annotated[str, Meta(min_length=1, max_length=64)]
    algorithm: str
    key: str


class TokenSecret(Struct, frozen=True):
    """A further secret of an app's HS256 tokens, as text: whoever checks tokens needs it."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    secret: str
    created_ms: int


class Quotas(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an app may use at most; 0: no bound. Of `connections_max` and `messages_per_s` each edge
    holds an equal share. `users_max`, `channels_max`: how many may exist at once; whoever has a
    profile is a user, guests too. They are checked where one is made (node.usage)."""

    connections_max: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    messages_per_s: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    users_max: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    channels_max: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class AppRecord(Struct, frozen=True, kw_only=True):
    """One app and its secrets (text; the bytes of a key are its UTF-8).

    `server_key`: the one that `hubbub up` made and shows at every start; empty for other apps, and
    once it was revoked. `server_keys`: kept as hashes. `token_secret`: the one that it was made
    with; empty once it was revoked; `token_secrets`: made later. With `deleted_ms` set it is a
    tombstone: no key is left in it, and no name is used twice; `id_secret` and settings stay, since
    the log of the app's streams is still applied with them.

    `changes`: fields of `AppSettings` (JSON values) that the owner laid over the profile; whoever
    writes them has tried `profiles.resolve` with them.
    """

    app: str
    id_secret: str
    token_secret: str
    server_key: str
    profile: str = "default"
    token_keys: tuple[SigningKey, ...] = ()
    changes: dict[str, Any] = {}
    server_keys: tuple[ServerKey, ...] = ()
    quotas: Quotas = Quotas()
    created_ms: int = 0
    deleted_ms: int = 0
    token_secrets: tuple[TokenSecret, ...] = ()

    @property
    def is_deleted(self) -> bool:
        """Nothing is answered for it any more."""
        return self.deleted_ms > 0


def slot_key(slot: int) -> str:
    """Where a slot's record is; keys sort as slots do."""
    return f"{SLOTS_PREFIX}{slot:05d}"


def process_key(role: Role, name: str) -> str:
    """Where a process registers."""
    return f"/{role}s/{name}"


def storage_key(storage_id: str) -> str:
    """Where what is known of a place for copies is."""
    return f"{STORAGE_PREFIX}{storage_id}"


def app_key(app: str) -> str:
    """Where an app's record is."""
    return f"{APPS_PREFIX}{app}"
