"""`hubbub status`: every process of a cluster on this machine, its copies, and what is wrong.

Reads cluster.json, the coordinator's file and each admin server; whatever of these answers is
shown, the rest is named. Works with one process alive, and with none.
"""

from __future__ import annotations

from pathlib import Path

from ops import cluster_file, health, render
from ops.answer import Exit, envelope, print_json
from ops.cli import json_wanted, verb
from ops.cluster_options import cluster_options, directory_of
from ops.diagnosis import diagnose
from ops.survey import Survey


@verb("status")
@cluster_options
def status(root: Path | None, timeout_s: float) -> Exit:
    """Show every process of a running cluster; exit code 10 if it is not healthy.

    HEALTHY: all runs, every slot has all its copies. DEGRADED: something is missing; what is served
    is acknowledged by a majority as ever. DOWN: nothing is served.

    \b
    Examples:
      hubbub status --dir data
      hubbub status --dir data --json | jq .data.state
    """
    directory = directory_of(root)
    cluster_file.read(directory.cluster_file)  # of what does not run there is no status
    with Survey(directory, timeout_s) as survey:
        found = diagnose(survey)
    if json_wanted():
        print_json(
            envelope(
                "hubbub.status/1",
                found.app,
                found.data(),
                warnings=health.what_now(found),
                unreachable=found.unreachable,
            )
        )
    else:
        print("\n".join(render.status_table(found)))
    return Exit.DONE if found.verdict == "HEALTHY" else Exit.UNHEALTHY
