"""`hubbub ring`: who disagrees (`check`), where a channel is (`locate`), who holds what (`show`).

All of them work with one process alive, and with none: the coordinator's map is read first, then
everybody is asked side by side; who does not answer is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from hubbub.coordinator.cluster import ClusterView
from hubbub.ring.hashing import slot_of
from hubbub.ring.map import SlotRecord, placed
from hubbub.ring.report import MapReport
from ops import ring_points
from ops.agreement import Agreement, agree
from ops.answer import Exit, Failure, envelope, print_json
from ops.cli import json_wanted, noun
from ops.cluster_options import cluster_options, directory_of
from ops.diagnosis import diagnose, usage
from ops.health import Health, state_of
from ops.location import CopyPlace, Location, copies_of
from ops.shares import Share, Shares, shares_of
from ops.survey import Answers, Known, Survey

KEY_LENGTH_MAX: Final = 255  # of a stream key: base/names.py


@noun("ring")
def ring() -> None:
    """Slots and their copies: do all agree, where is a channel, who holds what.

    \b
    Examples:
      hubbub ring check --dir data
      hubbub ring locate group:tea --dir data
      hubbub ring show --dir data --json
    """


@ring.verb("check")
@cluster_options
def check(root: Path | None, timeout_s: float) -> Exit:
    """Compare the maps of all processes; name who disagrees.

    Exit codes: 0 all agree, every slot is served and has its copies; 10 not so; 7 as far as
    processes answer; 3 none does.

    \b
    Example: hubbub ring check --dir data
    """
    with Survey(directory_of(root), timeout_s) as survey:
        health = diagnose(survey)
        silent = set(health.unreachable)
        agreement = agree(survey, [one.name for one in survey.known if one.name not in silent])
        shares = _shares(survey, health) if survey.view is not None else None
    points = ring_points.points(health, agreement, shares)
    if json_wanted():
        print_json(
            envelope(
                "hubbub.ring-check/1",
                health.app,
                ring_points.data(health, agreement, points),
                warnings=_warnings(agreement, points),
                unreachable=health.unreachable,
            )
        )
    else:
        print("\n".join(ring_points.lines(health, agreement, points)))
    return ring_points.exit_code(points, health, agreement)


@ring.verb("show")
@cluster_options
def show(root: Path | None, timeout_s: float) -> Exit:
    """Show which node leads and holds how many slots.

    \b
    Example: hubbub ring show --dir data
    """
    with Survey(directory_of(root), timeout_s) as survey:
        _need_map(survey)
        health = diagnose(survey)
        shares = _shares(survey, health)
    silent = [one.name for one in health.processes if one.name in health.unreachable]
    silent = [name for name in silent if any(node.name == name for node in shares.nodes)]
    if json_wanted():
        data = shares.data()
        print_json(envelope("hubbub.ring-show/1", shares.app, data, unreachable=silent))
    else:
        print("\n".join(shares.lines()))
    return Exit.PARTIAL if silent else Exit.DONE


@ring.verb("locate")
@click.argument("channel")
@click.option("--app", help="Of which app; else the cluster's own.")
@cluster_options
def locate(channel: str, app: str | None, root: Path | None, timeout_s: float) -> Exit:
    """Show the slot of a channel, and what each of its copies has.

    CHANNEL is any stream key: group:tea, dm:…, #alice, @app. It need not exist.

    \b
    Examples:
      hubbub ring locate group:tea --dir data
      hubbub ring locate '#alice' --app main --dir data
    """
    if not 0 < len(channel) <= KEY_LENGTH_MAX or any(c <= " " or c > "~" for c in channel):
        raise Failure(
            f"{channel!r} is no stream key",
            exit_code=Exit.USAGE,
            cause=[f"it has 1 to {KEY_LENGTH_MAX} printable ASCII characters without space"],
            tries=["hubbub ring locate group:tea", "hubbub ring locate '#alice'"],
        )
    with Survey(directory_of(root), timeout_s) as survey:
        found = _locate(survey, _need_map(survey), channel, app or survey.app)
    if json_wanted():
        data = found.data()
        print_json(
            envelope("hubbub.ring-locate/1", survey.app, data, unreachable=found.unreachable)
        )
    else:
        print("\n".join(found.lines()))
    if not found.is_served:
        return Exit.UNHEALTHY
    return Exit.PARTIAL if found.unreachable else Exit.DONE


def _need_map(survey: Survey) -> ClusterView:
    """The coordinator's map. Raises Failure(UNREACHABLE)."""
    if survey.view is None:
        raise Failure(
            "this needs the coordinator's map",
            exit_code=Exit.UNREACHABLE,
            cause=[survey.coordinator_error],
            tries=["hubbub status", "hubbub check coordinator"],
        )
    return survey.view


def _shares(survey: Survey, health: Health) -> Shares:
    view = _need_map(survey)
    nodes = {one.name: one for one in health.processes if one.role == "node"}
    counts = shares_of(view.slot_map, list(nodes), survey.node_of)
    domains = {name: record.domain for name, record in view.nodes.items()}
    told = MapReport(view.slot_map).statistics()
    return Shares(
        health.app,
        told.slots,
        told.copies,
        told.revision,
        told.digest,
        [
            Share(
                name,
                nodes[name].state if name in nodes else "unknown",
                domains.get(name, ""),
                leads,
                holds,
            )
            for name, (leads, holds) in counts.items()
        ],
    )


def _locate(survey: Survey, view: ClusterView, channel: str, app: str) -> Location:
    if app not in view.apps:
        raise Failure(
            f"there is no app {app!r}",
            exit_code=Exit.NOT_FOUND,
            cause=[f"there are {', '.join(sorted(view.apps)) or 'none'}"],
            tries=[f"hubbub ring locate {channel} --app {next(iter(view.apps), 'APP')}"],
        )
    slot = slot_of(app, channel, view.cluster.slots, view.cluster.seed)
    record = view.slot_map.record_of(slot) or placed(())
    storages = dict.fromkeys((*record.members, *record.learners, *record.prev))
    nodes = {storage: survey.node_of(storage) for storage in storages}
    path = f"/statistics/copies/{slot}"
    answers = survey.ask({name: ("/readyz", path) for name in nodes.values()})
    known = {one.name: one for one in survey.known}
    places = {
        storage: _place(name, storage, record, known.get(name), answers)
        for storage, name in nodes.items()
    }
    told = {storage: answers.body(name, path) for storage, name in nodes.items()}
    copies = copies_of(record, places, told)
    leader = record.leader.node if record.leader is not None else ""
    return Location(
        app,
        channel,
        slot,
        view.cluster.slots,
        view.slot_map.revision,
        record.term,
        leader,
        is_served=any(copy.role == "leader" and copy.applied is not None for copy in copies),
        copies=copies,
    )


def _place(
    name: str, storage: str, record: SlotRecord, known: Known | None, answers: Answers
) -> CopyPlace:
    """A copy as the coordinator knows it; its state by whether its node answers."""
    leads = record.leader is not None and record.leader.node == name
    answer = answers.response(name, "/readyz")
    state, _ = state_of(
        runs=known is not None and usage(known.pid) is not None,
        answer=answer.body if answer else None,
        status=answer.status if answer else None,
    )
    registered = known.record if known is not None else None
    return CopyPlace(
        name,
        storage,
        "leader" if leads else "follower",
        state,
        registered.domain if registered is not None else "",
        registered.address if registered is not None else "",
    )


def _warnings(agreement: Agreement, points: Sequence[ring_points.Point]) -> list[str]:
    stories = [f"{name} {story}" for name, story in agreement.stories.items()]
    return stories + [
        p.words for p in points if p.mark in ("WARN", "FAIL") and p.name != "agreement"
    ]
