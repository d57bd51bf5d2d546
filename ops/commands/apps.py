"""`hubbub apps`: the apps of a running cluster and their server keys, through its REST interface.

The root key is read from run/cluster.json, so this works where the cluster was started; elsewhere
an operator asks `/v1/apps` with the key himself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from ops import cluster_file
from ops.answer import Exit, Failure, envelope, print_json
from ops.api import Rest
from ops.cli import json_wanted, noun
from ops.cluster_options import cluster_options, directory_of

SCOPE = click.Choice(("read", "write", "admin"))


@noun("apps")
def apps() -> None:
    """Make, list and delete apps; make and revoke their server keys and their tokens' secrets.

    \b
    Examples:
      hubbub apps list --dir data
      hubbub apps create shop --dir data
      hubbub apps keys shop --create "till 2" --scope write --dir data
      hubbub apps keys shop --revoke 1f0c99ab --dir data
      hubbub apps secrets shop --create --dir data
    """


@apps.verb("list")
@cluster_options
def list_(root: Path | None, timeout_s: float) -> Exit:
    """Show every app: its profile, its quotas, its keys.

    \b
    Example: hubbub apps list --dir data
    """
    cluster, rest = _rest(root, timeout_s)
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = rest.need("GET", f"/v1/apps?limit=200&cursor={cursor}")
        rows += page["apps"]
        cursor = page["next"]
        if not cursor:
            break
    _say(cluster, {"apps": rows}, [_line(row) for row in rows])
    return Exit.DONE


@apps.verb("create")
@click.argument("name")
@click.option("--profile", default="default", show_default=True, help="Its limits.")
@click.option("--connections", type=click.IntRange(0), default=0, help="Quota; 0: none.")
@click.option("--messages-per-s", type=click.IntRange(0), default=0, help="Quota; 0: none.")
@click.option("--users", type=click.IntRange(0), default=0, help="Quota; 0: none.")
@click.option("--channels", type=click.IntRange(0), default=0, help="Quota; 0: none.")
@cluster_options
def create(
    name: str,
    profile: str,
    connections: int,
    messages_per_s: int,
    users: int,
    channels: int,
    root: Path | None,
    timeout_s: float,
) -> Exit:
    """Make an app. Its server key and its token secret are shown this once.

    \b
    Example: hubbub apps create shop --connections 5000 --dir data
    """
    quotas = {
        "connections_max": connections,
        "messages_per_s": messages_per_s,
        "users_max": users,
        "channels_max": channels,
    }
    body = {"app": name, "profile": profile, "quotas": quotas}
    cluster, rest = _rest(root, timeout_s)
    made = rest.need("POST", "/v1/apps", body)
    lines = [f"server key    {made['server_key']}", f"token secret  {made['token_secret']}"]
    _say(cluster, made, [_line(made["app"]), *lines])
    return Exit.DONE


@apps.verb("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Without it nothing is deleted.")
@cluster_options
def delete(name: str, yes: bool, root: Path | None, timeout_s: float) -> Exit:
    """Delete an app for ever: its sessions end, its keys and tokens open nothing.

    Its name stays taken. Its rows go slot by slot, disks are freed when files are compacted;
    backups keep it.

    \b
    Example: hubbub apps delete shop --yes --dir data
    """
    if not yes:
        raise Failure(
            f"deleting {name} cannot be undone",
            exit_code=Exit.USAGE,
            tries=[f"hubbub apps delete {name} --yes"],
        )
    cluster, rest = _rest(root, timeout_s)
    gone = rest.need("DELETE", f"/v1/apps/{quote(name, safe='')}")
    _say(cluster, gone, [f"deleted {gone['app']}"])
    return Exit.DONE


@apps.verb("keys")
@click.argument("name")
@click.option("--create", "label", help="Make a key with this label.")
@click.option("--scope", "scopes", type=SCOPE, multiple=True, help="Of the new key; else all.")
@click.option("--revoke", "key", help="Revoke the key of this id.")
@cluster_options
def keys(
    name: str,
    label: str | None,
    scopes: tuple[str, ...],
    key: str | None,
    root: Path | None,
    timeout_s: float,
) -> Exit:
    """Show the server keys of an app (two at most), make one, revoke one.

    \b
    Example: hubbub apps keys shop --create "till 2" --scope write --dir data
    """
    cluster, rest = _rest(root, timeout_s)
    path = f"/v1/apps/{quote(name, safe='')}/keys"
    data: dict[str, Any] = {}
    lines = []
    if key is not None:
        rest.need("DELETE", f"{path}/{quote(key, safe='')}")
        lines.append(f"revoked {key}")
    if label is not None:
        body = {"label": label} | ({"scopes": list(scopes)} if scopes else {})
        made = rest.need("POST", path, body)
        data["server_key"] = made["server_key"]
        lines.append(f"server key    {made['server_key']}")
    data |= rest.need("GET", path)
    _say(cluster, data, [*lines, *(_key_line(row) for row in data["keys"])])
    return Exit.DONE


@apps.verb("secrets")
@click.argument("name")
@click.option("--create", is_flag=True, help="Make a further one.")
@click.option("--revoke", "secret", help="Revoke the secret of this id.")
@cluster_options
def secrets(
    name: str, create: bool, secret: str | None, root: Path | None, timeout_s: float
) -> Exit:
    """Show what signs the tokens of an app (two at most), make one, revoke one.

    \b
    Example: hubbub apps secrets shop --create --dir data
    """
    cluster, rest = _rest(root, timeout_s)
    path = f"/v1/apps/{quote(name, safe='')}/token_secrets"
    data: dict[str, Any] = {}
    lines = []
    if secret is not None:
        rest.need("DELETE", f"{path}/{quote(secret, safe='')}")
        lines.append(f"revoked {secret}")
    if create:
        made = rest.need("POST", path, {})
        data["token_secret"] = made["token_secret"]
        lines.append(f"token secret  {made['token_secret']}")
    data |= rest.need("GET", path)
    rows = [f"{row['id']}  …{row['last']}  {row['created_at']}" for row in data["secrets"]]
    _say(cluster, data, [*lines, *rows])
    return Exit.DONE


def _rest(root: Path | None, timeout_s: float) -> tuple[str, Rest]:
    """(the cluster's own app, what to ask with)."""
    file = cluster_file.read(directory_of(root).cluster_file)
    urls = [entry.url for entry in file.processes if entry.role == "edge"]
    if not urls or not file.root_key:
        raise Failure(
            "this cluster has no root key to ask with",
            exit_code=Exit.NOT_FOUND,
            tries=["start it with `hubbub up` of this version"],
        )
    return file.app, Rest(urls[0], file.root_key, max(timeout_s, 10.0))


def _line(row: dict[str, Any]) -> str:
    quotas = [f"{name} {value}" for name, value in row["quotas"].items() if value]
    keys = f"{len(row['keys'])} keys"
    return "  ".join([f"{row['app']:<24}", row["profile"], keys, *quotas])


def _key_line(row: dict[str, Any]) -> str:
    return f"{row['id']}  …{row['last']}  {' '.join(row['scopes'])}  {row['label']}".rstrip()


def _say(cluster: str, data: dict[str, Any], lines: list[str]) -> None:
    if json_wanted():
        print_json(envelope("hubbub.apps/1", cluster, data))
    else:
        print("\n".join(lines), flush=True)
