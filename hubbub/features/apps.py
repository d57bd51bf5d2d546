"""What belongs to a whole app (stream `@app`): revoked tokens, and what edges get of the stream.

Rules:
1. A revocation of a user ends every token issued before its time; one of a token id ends that
   token.
2. Every edge holds interest in `@app`: it gets the snapshot when it subscribes, then each
   `token.revoked`, and closes the sessions that it hits.
3. Rows go 400 days after their last change: no token lives longer than 365.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from hubbub.base.errors import BAD_REQUEST, LIMIT_EXCEEDED, UNKNOWN_CHANNEL, Rejected
from hubbub.base.names import APP_STREAM, StreamKind, check_user
from hubbub.base.units import DAY_MS
from hubbub.features.contract import (
    Access,
    Command,
    Context,
    Done,
    EdgeContext,
    Event,
    Feature,
    Meta,
    Nothing,
    QueryRow,
    Route,
    SubscribeArgs,
    Table,
    Tables,
    as_command,
)
from hubbub.features.exclusions import Exclusion, exclusions
from hubbub.features.publication import parse_time
from hubbub.model.member import Role
from hubbub.model.permissions import Action, is_allowed, require
from hubbub.model.usage import Usage
from hubbub.wire.codec import encode_json

KEPT_MS: Final = 400 * DAY_MS
# About 60 bytes each in every edge's snapshot: 6 MB, under half of a link's largest frame.
REVOCATIONS_MAX: Final = 100_000
PRUNED_PER_ENTRY: Final = 4  # more than one, so that the table shrinks
JTI_CHARS_MAX: Final = 255


class RevokeToken(Command, frozen=True):
    """Exactly one of `user` and `jti`. `before`: RFC 3339 or ms; absent: now."""

    TAG = "token.revoke"

    user: str = ""
    jti: str = ""
    before: str | int | None = None

    def stream_key(self) -> str:
        return APP_STREAM


class TokenRevoked(Event, frozen=True):
    """Tokens of `user` issued before `before` (ms), or the token `jti`, are worth nothing."""

    TAG = "token.revoked"

    before: int
    user: str = ""
    jti: str = ""


class RevocationRow(Struct, frozen=True, array_like=True, gc=False):
    """`before_ms`: tokens issued earlier are revoked; `revoked_ms`: when that was last said."""

    before_ms: int
    revoked_ms: int


class Revocations(Struct, frozen=True):
    """By user: the ms before which tokens are revoked. By token id: the ms of the revocation."""

    users: dict[str, int]
    tokens: dict[str, int]


class AppSnapshot(Struct, frozen=True):
    """What an edge gets when it subscribes to `@app`."""

    revocations: Revocations
    exclusions: dict[str, Exclusion] = {}


REVOCATIONS: Final[Table[tuple[str, str], RevocationRow]] = Table(
    "apps.revocations", tuple[str, str], RevocationRow
)
# (revoked ms, what, name) → 1: the oldest first, so that expiry costs nothing.
BY_AGE: Final[Table[tuple[int, str, str], int]] = Table(
    "apps.revocations_by_age", tuple[int, str, str], int
)
COUNT: Final[Table[int, int]] = Table("apps.revocations_count", int, int)
USER: Final = "user"
TOKEN: Final = "token"


def check_revoke(cmd: RevokeToken, _: EdgeContext) -> RevokeToken:
    if bool(cmd.user) == bool(cmd.jti):
        raise Rejected(BAD_REQUEST, "name either a user or a jti")
    if cmd.user:
        check_user(cmd.user)
    if len(cmd.jti) > JTI_CHARS_MAX:
        raise Rejected(BAD_REQUEST, f"a jti has at most {JTI_CHARS_MAX} characters")
    if cmd.before is not None:
        parse_time(cmd.before)
    return cmd


def decide_revoke(cmd: RevokeToken, tables: Tables, ctx: Context) -> list[Event]:
    require(Action.REVOKE_TOKENS, None, Role.NONE, ctx.viewer.authority)
    before = ctx.now_ms if cmd.before is None else parse_time(cmd.before)
    row = tables[REVOCATIONS].get(_key(cmd.user, cmd.jti))
    if row is None and (tables[COUNT].get(0) or 0) >= REVOCATIONS_MAX:
        raise Rejected(LIMIT_EXCEEDED, "too many revocations are live", limit=REVOCATIONS_MAX)
    if row is not None and row.before_ms >= before:
        return []
    return [TokenRevoked(user=cmd.user, jti=cmd.jti, before=before)]


def apply_revoked(event: TokenRevoked, meta: Meta, tables: Tables) -> None:
    key = _key(event.user, event.jti)
    old = tables[REVOCATIONS].get(key)
    if old is not None:
        tables[BY_AGE].delete((old.revoked_ms, *key))
    tables[REVOCATIONS].put(key, RevocationRow(event.before, meta.ts_ms))
    tables[BY_AGE].put((meta.ts_ms, *key), 1)
    expired = [
        aged
        for aged, _ in tables[BY_AGE].scan(limit=PRUNED_PER_ENTRY)
        if aged[0] < meta.ts_ms - KEPT_MS
    ]
    for revoked_ms, what, name in expired:
        tables[BY_AGE].delete((revoked_ms, what, name))
        tables[REVOCATIONS].delete((what, name))
    count = (tables[COUNT].get(0) or 0) + (old is None) - len(expired)
    tables[COUNT].put(0, count)


def access_app(_: SubscribeArgs, tables: Tables, ctx: Context) -> Access:
    """The snapshot for an edge; for everybody else `@app` does not exist."""
    if not is_allowed(Action.READ_APP, None, Role.NONE, ctx.viewer.authority):
        raise Rejected(UNKNOWN_CHANNEL)
    return Access(data=encode_json(AppSnapshot(revocations(tables), exclusions(tables))))


def run_usage(_: Nothing, __: Tables, ctx: Context) -> Usage:
    """For an edge that shows it to the operator."""
    require(Action.READ_APP, None, Role.NONE, ctx.viewer.authority)
    return ctx.usage_of(ctx.app)


def revocations(tables: Tables) -> Revocations:
    """Every revocation that is kept."""
    found: dict[str, dict[str, int]] = {USER: {}, TOKEN: {}}
    after: tuple[str, str] | None = None
    while rows := tables[REVOCATIONS].scan(after=after):
        for (what, name), row in rows:
            found[what][name] = row.before_ms
        after = rows[-1][0]
    return Revocations(found[USER], found[TOKEN])


def _key(user: str, jti: str) -> tuple[str, str]:
    return (USER, user) if user else (TOKEN, jti)


FEATURE: Final = Feature(
    name="apps",
    tables=(REVOCATIONS, BY_AGE, COUNT),
    check={RevokeToken: check_revoke},
    decide={RevokeToken: decide_revoke},
    apply={TokenRevoked: apply_revoked},
    access={StreamKind.APP: access_app},
    queries=(QueryRow("app.usage", Nothing, run_usage),),
    routes=(
        Route(
            "POST",
            "/v1/tokens/revoke",
            RevokeToken,
            as_command,
            Done,
            doc="Revoke the tokens of a user, or one token by its id.",
        ),
    ),
)
