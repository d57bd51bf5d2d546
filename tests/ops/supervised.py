"""A program for test_supervisor: supervises fake processes as `hubbub up` supervises real ones.

    python supervised.py FOLDER ROLE:NAME:BEHAVIOUR ...

Prints `ready {pids}` as JSON when all are ready and after each change, `stopped {exit codes}` at
the end, `failed TEXT` if the start fails.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.answer import Failure
from ops.restarts import Policy, Restarts
from ops.signals import Signals
from ops.supervisor import Child, Journal, ProcessSpec, Supervisor

FAKE = Path(__file__).with_name("fake_role.py")


def main() -> None:
    folder = Path(sys.argv[1])
    read_fd, _write_fd = os.pipe()
    specs = []
    for word in sys.argv[2:]:
        role, name, behaviour = word.split(":")
        address, log = folder / f"{name}.url", folder / f"{name}.log"
        command = [sys.executable, str(FAKE), str(address), str(read_fd), behaviour]
        specs.append(ProcessSpec(role, name, command, log))

    def is_ready(spec: ProcessSpec) -> bool:
        try:
            pid = int((folder / f"{spec.name}.url").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return False
        return supervisor.children[spec.name].process.pid == pid

    def on_change(children: Mapping[str, Child]) -> None:
        print("ready", json.dumps({n: c.process.pid for n, c in children.items()}), flush=True)

    with Signals() as signals:
        supervisor = Supervisor(
            specs,
            Journal(folder / "events.ndjson"),
            signals,
            is_ready,
            on_change,
            os.environ,
            read_fd,
            restarts=Restarts(Policy(first_s=0.05, startup_tries=2)),
        )
        try:
            supervisor.start(20)
            supervisor.run()
            print("stopped", json.dumps(supervisor.stop()), flush=True)
        except Failure as failure:
            print("failed", json.dumps(failure.lines()), flush=True)


if __name__ == "__main__":
    main()
