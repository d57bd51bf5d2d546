"""`hubbub explain`: how a figure or a refusal came about, asked of a running cluster.

Rules: only questions, through the REST interface with the app's server key of run/cluster.json; the
words are those of the feature that decides (`unread.explain`, `capabilities.get`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from ops import cluster_file
from ops.answer import Exit, Failure, envelope, print_json
from ops.api import Rest
from ops.cli import json_wanted, noun
from ops.cluster_options import cluster_options, directory_of

_PAGES: Final = 100  # of 200 events each: behind that a mark is so old that only its figure matters


@noun("explain")
def explain() -> None:
    """Why somebody has so many unread, and why he may do something or not.

    \b
    Examples:
      hubbub explain unread group:tea ann --dir data
      hubbub explain permission group:tea ann --dir data
      hubbub explain permission group:tea ann send --dir data
    """


@explain.verb("unread")
@click.argument("channel")
@click.argument("user")
@cluster_options
def unread(channel: str, user: str, root: Path | None, timeout_s: float) -> Exit:
    """Show each message behind the user's mark: whether it counts, and why.

    Exit codes: 0; 10 if what is shown does not add up to the figures that clients get.

    \b
    Example: hubbub explain unread group:tea ann --dir data
    """
    app, rest = _rest(root, timeout_s)
    path = f"/v1/channels/{quote(channel, safe='')}/unread/{quote(user, safe='')}"
    found = rest.need("GET", path)
    messages: list[dict[str, Any]] = list(found["messages"])
    page, pages = found, 1
    while page.get("next") and pages < _PAGES:
        page, pages = rest.need("GET", f"{path}?after={page['next']}"), pages + 1
        messages += page["messages"]
    is_whole = not page.get("next")
    counted = sum(one["counts"] for one in messages)
    named = sum(one["why"] == "mention" for one in messages)
    agrees = not is_whole or (counted, named) == (found["unread"], found["mentions"])
    data = {name: found[name] for name in ("mark", "rev", "head", "unread", "mentions")}
    data |= {"channel": channel, "user": user, "messages": messages, "agrees": agrees}
    lines = [
        f"{user} in {channel}: {found['unread']} unread, {found['mentions']} mentions",
        f"read up to {found['mark']} of {found['head']}; moved back {found['rev']} times",
        *(f"{one['seq']:>9}  {_word(one)}" for one in messages),
    ]
    if not is_whole:
        lines.append(f"… and more behind {page['next']}")
    if not agrees:
        lines.append(f"WRONG: the messages shown are {counted} unread, {named} mentions")
    _say(app, data, lines)
    return Exit.DONE if agrees else Exit.UNHEALTHY


@explain.verb("permission")
@click.argument("channel")
@click.argument("user")
@click.argument("capability", required=False)
@cluster_options
def permission(
    channel: str, user: str, capability: str | None, root: Path | None, timeout_s: float
) -> Exit:
    """Show what the user may do in a channel, and which layer says so.

    Layers: the kind of the channel, the app's settings, the channel, the member; then what a ban,
    a mute or a freeze takes.

    \b
    Example: hubbub explain permission group:tea ann send --dir data
    """
    app, rest = _rest(root, timeout_s)
    path = f"/v1/channels/{quote(channel, safe='')}/capabilities?user={quote(user, safe='')}"
    found = rest.need("GET", path)
    rows: dict[str, dict[str, Any]] = found["capabilities"]
    if capability is not None:
        if capability not in rows:
            raise Failure(
                f"there is no capability {capability}",
                exit_code=Exit.USAGE,
                tries=[f"hubbub explain permission {channel} {user}"],
            )
        rows = {capability: rows[capability]}
    lines = [f"{user} in {channel}: {found['role']}"]
    lines += [_right(name, row) for name, row in rows.items()]
    _say(app, found | {"capabilities": rows}, lines)
    return Exit.DONE


def _rest(root: Path | None, timeout_s: float) -> tuple[str, Rest]:
    """(the app, what to ask with)."""
    file = cluster_file.read(directory_of(root).cluster_file)
    urls = [entry.url for entry in file.processes if entry.role == "edge"]
    if not urls:
        raise Failure("this cluster has no edge to ask", exit_code=Exit.NOT_FOUND)
    return file.app, Rest(urls[0], file.server_key, max(timeout_s, 10.0))


def _word(one: dict[str, Any]) -> str:
    if not one["counts"]:
        return f"does not count: {one['why']}"
    return "counts, and names him" if one["why"] == "mention" else "counts"


def _right(name: str, row: dict[str, Any]) -> str:
    return f"  {'yes' if row['allowed'] else 'no':<5}{name:<24}{row['from']}"


def _say(app: str, data: dict[str, Any], lines: list[str]) -> None:
    if json_wanted():
        print_json(envelope("hubbub.explain/1", app, data))
    else:
        print("\n".join(lines), flush=True)
