"""PERMISSIONS.md as the code would write it now: from `hubbub.model.permissions`, in its order.

Shape: Markdown; one table of kinds and roles, one of sanctions, one of authorities.
"""

from __future__ import annotations

from typing import Final

from hubbub.docs.error_tables import table
from hubbub.model.channel import ChannelKind
from hubbub.model.member import Role
from hubbub.model.permissions import (
    APP_CAPABILITIES,
    CAPABILITIES,
    FIXED,
    SPEAKING,
    Action,
    Authority,
    of_authority,
    of_role,
)

HEAD: Final = """# Who may do what

Generated from `hubbub/model/permissions.py` by `python -m hubbub.docs`; a test compares them, and
`tests/acceptance/test_permissions.py` makes the real request for every cell, over WebSocket and
REST.

Whoever asks for something is looked up in this order; each layer is laid over the one before, and
in a layer a denial wins:

1. the table below, by the channel's kind and the user's role in it;
2. the app: its setting `capabilities`, by kind and role;
3. the channel, by role: `channel.set_capabilities`;
4. the channel, for one user: `member.set_capabilities`;
5. sanctions: a ban takes everything, a mute takes all that is said, and so does freezing from those
   without `send_frozen`.

A server key and the other authorities add to that, whatever it came to. `capabilities.get` answers
what a user or a role may do, and which of these layers says so. Nobody grants what he may not do
himself, or sets the rights of somebody who does not rank below him.

Refusals: `banned`, `muted` and `channel_frozen` say what takes it; `not_a_member` means that
joining would help; everything else is `permission_denied` ([ERRORS.md](ERRORS.md)).

A dm and a private group answer a stranger as a channel that does not exist, `channel_not_found`,
whatever he asks, over the socket and over REST. A stranger is whoever has no row there: also who
left, declined or was removed. Who is invited, or banned, is told so. The name alone stays taken:
`channel.create` answers `channel_exists`.
"""

ROLES: Final = """
## By kind and role

*Own* and *any* are about messages; a target must rank below. `request_join` is asked of public
groups.
Everybody is *none* in an open channel, also after `member.join`: rows are for those alone who are
more (moderators, owners), or whom somebody added. Whoever is invited there counts as none.
"""

SANCTIONS: Final = """
## While sanctioned

Of what the role has, this stays.
"""

AUTHORITIES: Final = """
## By authority

What a connection or a request adds to the role of its user. `client` is every user.
"""

LAYERS: Final = """
## What layers change

A channel may grant and deny every capability of the first table but {fixed}; an app may also grant
and deny {app}. The rest belongs to authorities alone.
"""

_KINDS: Final = {
    ChannelKind.DM: (Role.NONE, Role.MEMBER),
    ChannelKind.GROUP: tuple(Role),
    ChannelKind.OPEN: (Role.NONE, Role.MEMBER, Role.MODERATOR, Role.OWNER),
}


def permission_page() -> str:
    """The whole page."""
    columns = [(kind, role) for kind, roles in _KINDS.items() for role in roles]
    capabilities = [action for action in Action if action in APP_CAPABILITIES]
    return "\n".join(
        [
            HEAD.rstrip("\n"),
            ROLES,
            *table(
                ["action", *(f"{kind}: {role}" for kind, role in columns)],
                (
                    [f"`{action}`", *(_yes(action in of_role(*column)) for column in columns)]
                    for action in capabilities
                ),
            ),
            SANCTIONS,
            *table(
                ["action", "banned", "muted", "frozen channel"],
                (_sanctioned(action) for action in capabilities if action in CAPABILITIES),
            ),
            AUTHORITIES,
            *table(
                ["action", *Authority],
                (
                    [f"`{action}`", *(_yes(action in of_authority(who)) for who in Authority)]
                    for action in Action
                ),
            ),
            LAYERS.format(fixed=_list(FIXED), app=_list(APP_CAPABILITIES - CAPABILITIES)).rstrip(
                "\n"
            ),
            "",
        ]
    )


def _sanctioned(action: Action) -> list[str]:
    said = action in SPEAKING
    frozen = "with `send_frozen`" if said else "yes"
    return [f"`{action}`", "", _yes(not said), frozen]


def _yes(is_allowed: bool) -> str:
    return "yes" if is_allowed else ""


def _list(actions: frozenset[Action]) -> str:
    return ", ".join(f"`{action}`" for action in Action if action in actions)
