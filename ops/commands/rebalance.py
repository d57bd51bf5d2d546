"""`hubbub rebalance`: move copies to where they should be, while people chat.

The nodes do the moving, by a plan in the coordinator: this command writes it, tells how far it is,
and may end at any time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click

from hubbub.ring.moves import HolderState
from ops.answer import Exit, Failure, envelope, print_json, progress
from ops.census import Census, Draft, NodePlace, Standing
from ops.cli import json_wanted, noun
from ops.directory import Directory
from ops.membership import Membership

LOOKED_FOR: Final = (".hubbub", ".hubbub-demo")
MOVES_PER_NODE: Final = 2  # at once; more is faster, and felt by those who chat
_LOOK_S: Final = 0.5
_LINE_S: Final = 5.0  # between lines of progress where nobody watches
_BAR: Final = 28


def membership_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--dir` and `--coordinator`, of every command about a cluster's nodes."""
    by_url = click.option(
        "--coordinator",
        "url",
        default="",
        metavar="URL",
        help="Of a cluster on several machines: etcd=HOST:PORT,…[/NAMESPACE]",
    )
    by_directory = click.option(
        "--dir",
        "root",
        type=click.Path(file_okay=False, path_type=Path),
        help="The cluster's directory; else ./.hubbub or ./.hubbub-demo.",
    )
    return by_directory(by_url(command))


def find(root: Path | None, url: str) -> Membership:
    """The cluster that the options name. Raises Failure."""
    if url:
        return Membership.open(None, url)
    for name in [root] if root is not None else map(Path, LOOKED_FOR):
        if root is not None or Directory(name).has_cluster:
            return Membership.open(Directory(name))
    raise Failure(
        "no cluster in " + " or ".join(f"./{name}" for name in LOOKED_FOR),
        exit_code=Exit.NOT_FOUND,
        tries=["the same command with --dir DIRECTORY or --coordinator URL"],
    )


@noun("rebalance")
def rebalance() -> None:
    """Move copies to where they should be, while people chat.

    \b
    Examples:
      hubbub rebalance plan --dir data            what would be moved
      hubbub rebalance start --dir data           do it, and show how far it is
      hubbub rebalance status --dir data --json
      hubbub rebalance pause --dir data           finish what is under way, begin nothing
    """


COPIES = click.option(
    "--copies", type=click.IntRange(1, 7), help="Copies of each slot from now on."
)
WITHOUT = click.option(
    "--without", multiple=True, metavar="NODE", help="As if this node were drained; repeatable."
)
SAME_DOMAIN = click.option(
    "--allow-same-domain",
    is_flag=True,
    help="Copies of a slot may share a failure domain (one machine: always).",
)
AT_ONCE = click.option(
    "--moves-per-node",
    type=click.IntRange(1, 64),
    default=MOVES_PER_NODE,
    show_default=True,
    help="Copies under way at once, from one leader and to one node.",
)
NO_WAIT = click.option("--no-wait", is_flag=True, help="Return at once; the nodes go on.")


@rebalance.verb("plan")
@membership_options
@COPIES
@WITHOUT
@SAME_DOMAIN
def plan(
    root: Path | None,
    url: str,
    copies: int | None,
    without: tuple[str, ...],
    allow_same_domain: bool,
) -> Exit:
    """Show what `start` would move. Changes nothing.

    \b
    Examples:
      hubbub rebalance plan --dir data
      hubbub rebalance plan --dir data --without node-2
    """
    with find(root, url) as cluster:
        changes: dict[str, HolderState] = {cluster.place(n).storage: "draining" for n in without}
        draft = cluster.draft(copies, changes, allow_same_domain=allow_same_domain)
        _say(cluster, draft_lines(cluster, draft), "plan", draft_row(cluster, draft))
    return Exit.DONE


@rebalance.verb("start")
@membership_options
@COPIES
@SAME_DOMAIN
@AT_ONCE
@NO_WAIT
def start(
    root: Path | None,
    url: str,
    copies: int | None,
    allow_same_domain: bool,
    moves_per_node: int,
    no_wait: bool,
) -> Exit:
    """Spread the copies over all nodes; in place of a plan that is under way.

    Ctrl-C only ends the watching: the nodes go on.

    \b
    Examples:
      hubbub rebalance start --dir data
      hubbub rebalance start --dir data --copies 3 --no-wait
    """
    with find(root, url) as cluster:
        draft = cluster.draft(copies, allow_same_domain=allow_same_domain)
        return carry_out(cluster, draft, moves_per_node, is_watched=not no_wait)


@rebalance.verb("pause")
@membership_options
def pause(root: Path | None, url: str) -> Exit:
    """Begin no further move; what is under way is finished.

    \b
    Example: hubbub rebalance pause --dir data
    """
    with find(root, url) as cluster:
        cluster.change_plan("paused", ("running",))
        return say_standing(cluster)


@rebalance.verb("resume")
@membership_options
def resume(root: Path | None, url: str) -> Exit:
    """Go on with a paused plan.

    \b
    Example: hubbub rebalance resume --dir data
    """
    with find(root, url) as cluster:
        cluster.change_plan("running", ("paused",))
        return say_standing(cluster)


@rebalance.verb("abort")
@membership_options
def abort(root: Path | None, url: str) -> Exit:
    """End a plan: copies under way are given up, what was moved stays.

    \b
    Example: hubbub rebalance abort --dir data
    """
    with find(root, url) as cluster:
        cluster.change_plan("aborting", ("running", "paused"))
        return say_standing(cluster)


@rebalance.verb("status")
@membership_options
@click.option("--wait", "is_watched", is_flag=True, help="Return when the plan is over.")
def status(root: Path | None, url: str, is_watched: bool) -> Exit:
    """Show how far the plan is, its pace and the time left.

    \b
    Examples:
      hubbub rebalance status --dir data
      hubbub rebalance status --dir data --wait
    """
    with find(root, url) as cluster:
        if is_watched:
            return watch(cluster)
        return say_standing(cluster)


# --- for `nodes` as well


def carry_out(cluster: Membership, draft: Draft, moves_per_node: int, *, is_watched: bool) -> Exit:
    """Write a plan, and show how far it is."""
    if cluster.is_in_place(draft):
        _say(cluster, ["every copy is where it should be"], "start", draft_row(cluster, draft))
        return Exit.DONE
    cluster.start(draft, moves_per_node)
    for line in draft_lines(cluster, draft):
        progress(line)
    if is_watched:
        return watch(cluster)
    cluster.look()
    return say_standing(cluster)


def watch(cluster: Membership) -> Exit:
    """Follow a plan until it is over. Interrupted, it goes on."""
    said_at, line = 0.0, ""
    try:
        while True:
            cluster.look()
            standing = cluster.standing()
            if standing is None or standing.is_over or standing.plan.state == "paused":
                break
            line = bar(standing)
            if sys.stderr.isatty():
                print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
            elif time.monotonic() - said_at >= _LINE_S:
                said_at = time.monotonic()
                progress(line)
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        progress("\nthe nodes go on; look again with: hubbub rebalance status --wait")
        raise
    finally:
        if line and sys.stderr.isatty():
            print(file=sys.stderr)
    return say_standing(cluster)


def say_standing(cluster: Membership) -> Exit:
    """How far the plan is, as it is now."""
    cluster.look()
    standing = cluster.standing()
    if standing is None:
        _say(cluster, ["there never was a plan"], "status", _nodes_row(cluster))
        return Exit.DONE
    row = {"plan": standing.row(), **_nodes_row(cluster)}
    _say(cluster, standing_lines(cluster, standing), "status", row)
    return Exit.DONE


def _say(cluster: Census, lines: Iterable[str], what: str, row: dict[str, object]) -> None:
    if json_wanted():
        print_json(envelope(f"hubbub.rebalance.{what}/1", cluster.app, row))
    else:
        print("\n".join(lines), flush=True)


# --- words


def bar(standing: Standing) -> str:
    """One line of progress."""
    total = max(1, standing.plan.moves)
    done = _BAR * standing.moved // total
    left_s = standing.pace.left_s
    eta = (
        "-"
        if left_s is None
        else f"{int(left_s) // 3600}:{int(left_s) // 60 % 60:02d}:" + (f"{int(left_s) % 60:02d}")
    )
    marks = "#" * done + "-" * (_BAR - done)
    counts = f"{standing.moved}/{standing.plan.moves} copies"
    return f"moving  [{marks}]  {counts}   {standing.pace.moves_per_s:.1f}/s   ETA {eta}"


def standing_lines(cluster: Census, standing: Standing) -> list[str]:
    """How far a plan is, and how even the cluster is."""
    plan = standing.plan
    worst = f"worst balance {100 * cluster.balance():.1f} %"
    if not standing.is_over:
        down = [p.name for p in cluster.places() if not p.is_up and p.storage in plan.members]
        waiting = f"waits for {', '.join(down)} (down)" if down else ""
        first = f"{plan.state}   {bar(standing)}   {standing.under_way} under way"
        return [first, *filter(None, [waiting]), worst]
    seconds = max(0, plan.finished_ms - plan.created_ms) / 1_000
    lines = [f"{plan.state}   {standing.moved} copies in {seconds:.0f} s   {worst}"]
    if full := [p.name for p in cluster.places() if p.state == "draining" and p.copies]:
        names = " ".join(full)
        lines.append(f"draining, and not empty: {names}   try: hubbub nodes drain {names}")
    if standing.leaders_astray:
        lines.append(f"{standing.leaders_astray} leaders are on their way to their places")
    return lines


def draft_lines(cluster: Census, draft: Draft) -> list[str]:
    """What a plan moves, by source and target."""
    name_of = {place.storage: place.name for place in cluster.places()}
    pairs = Counter((name_of.get(m.source, m.source), name_of[m.target]) for m in draft.moves)
    words = [f"{source or '(new)'}>{target}: {n}" for (source, target), n in sorted(pairs.items())]
    plural = "copy" if len(draft.moves) == 1 else "copies"
    lines = [f"plan   {len(draft.moves)} {plural} to make   {'  '.join(words)}".rstrip()]
    if cluster.directory is not None and draft.copies > 1:
        lines.append("       all nodes share this machine: one loss takes all copies of a slot")
    return lines


def draft_row(cluster: Census, draft: Draft) -> dict[str, object]:
    """A plan as the JSON answer shows it."""
    name_of = {place.storage: place.name for place in cluster.places()}
    held = Counter(name for target in draft.targets.values() for name in target)
    leads = Counter(target[0] for target in draft.targets.values())
    return {
        "moves": len(draft.moves),
        "copies": draft.copies,
        "slots": cluster.slots,
        "after": {name_of[s]: {"copies": held[s], "leads": leads[s]} for s in sorted(held)},
    }


def _nodes_row(cluster: Census) -> dict[str, object]:
    rows = [place.row() for place in cluster.places()]
    return {"nodes": rows, "worst_balance": round(cluster.balance(), 4)}


def node_lines(places: Iterable[NodePlace]) -> list[str]:
    """The table of nodes."""
    title = f"{'NODE':<12}{'STATE':<10}{'UP':<5}{'COPIES':>8}{'LEADS':>8}{'COMING':>8}"
    return [
        f"{title}  {'DOMAIN':<14}STORAGE",
        *(
            f"{p.name:<12}{p.state:<10}{'yes' if p.is_up else 'no':<5}{p.copies:>8}{p.leads:>8}"
            f"{p.incoming:>8}  {p.domain or '-':<14}{p.storage}"
            for p in places
        ),
    ]
