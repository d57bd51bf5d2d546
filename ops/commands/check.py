"""`hubbub check NAME`: one thing, one line, one exit code, as monitoring systems want it.

Rules:
1. The line goes to stdout, whatever happens: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. A wrong option
   and a bug are UNKNOWN, never CRITICAL.
2. A cluster that does not run in a directory that has one is CRITICAL for `cluster`; what cannot be
   measured then is UNKNOWN.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import click

from ops import checks, exposition
from ops.agreement import agree
from ops.answer import Failure, envelope, print_json
from ops.checks import CHECKS, Finding, Limits, State
from ops.cli import Verb, json_wanted
from ops.cluster_options import cluster_options, directory_of
from ops.diagnosis import diagnose
from ops.health import Health
from ops.survey import Survey
from ops.thresholds import WrongRange

_COORDINATOR_READS: Final = 3  # the median of so many: one may wait for somebody's commit
# Between two looks at the disks: some fsyncs of a busy node, and soon enough for a person.
_WATCH_S: Final = 1.0
_FSYNC: Final = "hubbub_node_fsync_seconds"
_PERCENTILE: Final = 0.99


class WrongUsage(click.UsageError):
    """A command line that cannot be run."""

    exit_code = int(State.UNKNOWN)


class CheckVerb(Verb):
    """Ends as rule 1 says."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as wrong:
            words = " ".join(wrong.format_message().split())
            print(f"UNKNOWN - {words}")
            raise WrongUsage(words, wrong.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        name = str(ctx.params["name"])
        try:
            state = State(click.Command.invoke(self, ctx))
        except Failure as failure:
            words = ": ".join([failure.text, *failure.cause])
            state = _print(name, "", Finding(State.UNKNOWN, words))
        except click.exceptions.Exit:
            raise
        except Exception as bug:  # noqa: BLE001 - boundary: a bug of the check is no alarm
            state = _print(name, "", Finding(State.UNKNOWN, f"the check itself failed: {bug!r}"))
        ctx.exit(int(state))


@click.command("check", cls=CheckVerb)
@click.argument("name", metavar="NAME", type=click.Choice([*CHECKS, "list"]))
@click.option("-w", "--warning", metavar="RANGE", help="Else as `hubbub check list` shows.")
@click.option("-c", "--critical", metavar="RANGE", help="The same.")
@cluster_options
def check(
    name: str, warning: str | None, critical: str | None, root: Path | None, timeout_s: float
) -> State:
    """Check one thing; exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    NAME is one of those that `hubbub check list` shows. A RANGE is 10 (alerts above), 10: (below),
    10:20 (outside) or @10:20 (inside); an empty one never alerts. Units: 85%, 250ms, 2s.

    \b
    Examples:
      hubbub check list
      hubbub check replication --dir data
      hubbub check lag --dir data --warning 500 --critical 5000
    """
    if name == "list":
        return _list()
    try:
        limits = checks.limits_of(CHECKS[name], warning, critical)
    except WrongRange as wrong:
        raise Failure(str(wrong), tries=["hubbub check list"]) from None
    with Survey(directory_of(root), timeout_s) as survey:
        return _print(name, survey.app, _MEASURES[name](survey, limits))


def _list() -> State:
    if json_wanted():
        rows = [
            {
                "name": one.name,
                "measures": one.measures,
                "unit": one.unit,
                "warning": one.warning,
                "critical": one.critical,
            }
            for one in CHECKS.values()
        ]
        print_json(envelope("hubbub.check-list/1", "", {"checks": rows}))
        return State.OK
    print(f"{'CHECK':<13}{'WARNING':>8}{'CRITICAL':>9}  WHAT IS MEASURED")
    for one in CHECKS.values():
        limits = [f"{limit}{one.unit}" if limit else "-" for limit in (one.warning, one.critical)]
        print(f"{one.name:<13}{limits[0]:>8}{limits[1]:>9}  {one.measures}")
    return State.OK


def _print(name: str, app: str, found: Finding) -> State:
    if json_wanted():
        data = {
            "check": name,
            "state": found.state.name,
            "exit_code": int(found.state),
            "text": found.words,
            "readings": [reading.row() for reading in found.readings],
        }
        print_json(envelope("hubbub.check/1", app, data))
    else:
        print(found.line())
    return found.state


# --- how each is measured


def _diagnosis(survey: Survey) -> Health:
    """Slots that nobody serves are looked at twice: they change hands in a tenth of a second, and
    that is no alarm."""
    found = diagnose(survey)
    if found.slots_led < found.slots:
        time.sleep(min(_WATCH_S, survey.timeout_s / 2))
        found = diagnose(survey)
    return found


def _cluster(survey: Survey, limits: Limits) -> Finding:
    return checks.cluster(_diagnosis(survey), limits)


def _replication(survey: Survey, limits: Limits) -> Finding:
    return checks.replication(_diagnosis(survey), limits)


def _lag(survey: Survey, limits: Limits) -> Finding:
    return checks.lag(diagnose(survey), limits)


def _edges(survey: Survey, limits: Limits) -> Finding:
    return checks.edges(diagnose(survey), limits)


def _ring(survey: Survey, limits: Limits) -> Finding:
    silent = diagnose(survey).unreachable
    found = agree(survey, [one.name for one in survey.known if one.name not in silent])
    return checks.ring(found.stories, [*silent, *found.untold], len(found.told), limits)


def _coordinator(survey: Survey, limits: Limits) -> Finding:
    if survey.records is None:
        return checks.coordinator(None, survey.coordinator_error, limits)
    times = []
    for _ in range(_COORDINATOR_READS):
        began_at = time.perf_counter()
        try:
            survey.records.look_for_processes()
        except Failure as failure:
            return checks.coordinator(None, ": ".join([failure.text, *failure.cause]), limits)
        times.append(time.perf_counter() - began_at)
    return checks.coordinator(median(times), "", limits)


def _disk(survey: Survey, limits: Limits) -> Finding:
    """Each file system once, under the first name that lies on it."""
    directory = survey.directory
    names = [one.name for one in survey.known if one.role == "node"]
    places = {name: directory.node_data(name) for name in names}
    places["coordinator"] = directory.coordinator.parent
    used: dict[str, float] = {}
    seen: set[int] = set()
    for name, folder in places.items():
        if folder.is_dir() and (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            usage = shutil.disk_usage(folder)
            # What only root may still fill is no room: full is where a node stops.
            used[name] = 100 * usage.used / max(1, usage.used + usage.free)
    return checks.disk(used, limits)


def _fsync(survey: Survey, limits: Limits) -> Finding:
    nodes = [one.name for one in survey.known if one.role == "node"]
    before = _syncs(survey, nodes)
    time.sleep(min(_WATCH_S, survey.timeout_s / 2))
    after = _syncs(survey, list(before))
    p99_s = {
        name: exposition.quantile(exposition.between(before[name], buckets), _PERCENTILE)
        for name, buckets in after.items()
    }
    return checks.fsync(p99_s, [name for name in nodes if name not in p99_s], limits)


def _syncs(survey: Survey, names: list[str]) -> dict[str, dict[float, float]]:
    answers = survey.ask({name: ("/metrics",) for name in names})
    texts = {name: answers.body(name, "/metrics") for name in names}
    found = {
        name: exposition.histogram(text, _FSYNC)
        for name, text in texts.items()
        if isinstance(text, str)
    }
    return {name: buckets for name, buckets in found.items() if buckets}


_MEASURES: Final[Mapping[str, Callable[[Survey, Limits], Finding]]] = {
    "cluster": _cluster,
    "replication": _replication,
    "lag": _lag,
    "disk": _disk,
    "coordinator": _coordinator,
    "edges": _edges,
    "fsync": _fsync,
    "ring": _ring,
}
