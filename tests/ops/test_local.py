"""The life of a local cluster, with fakes for processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

from ops.answer import Exit
from tests.ops.fake_cluster import Fake, is_running


def test_a_crashed_process_comes_back_and_the_file_says_so(fake: Fake) -> None:
    fake.up("--edges", "2", "--slots", "16")
    old, port = fake.pid("edge-2"), fake.file.processes
    os.kill(old, signal.SIGKILL)
    fake.wait(lambda: fake.pid("edge-2") != old)
    assert [p.url for p in port if p.role == "edge"] == [
        p.url for p in fake.file.processes if p.role == "edge"
    ]
    assert fake.hubbub("status").returncode == Exit.DONE


def test_after_a_killed_supervisor_the_next_up_works_on_the_same_data(fake: Fake) -> None:
    fake.up("--slots", "16")
    before = fake.file
    fake.ups[0].kill()
    fake.ups[0].wait()
    status = fake.hubbub("status", "--json")
    assert status.returncode == Exit.UNHEALTHY
    assert json.loads(status.stdout)["data"]["supervisor_runs"] is False
    fake.up()
    assert fake.file.supervisor_pid == fake.ups[1].pid
    assert not any(is_running(process.pid) for process in before.processes)
    assert (fake.file.server_key, fake.file.token_secret) == (
        before.server_key,
        before.token_secret,
    )
    assert [p.url for p in fake.file.processes if p.role == "edge"] == [
        p.url for p in before.processes if p.role == "edge"
    ]


def test_an_emptied_node_is_not_taken_for_the_one_with_the_data(fake: Fake) -> None:
    fake.up("--nodes", "2", "--slots", "16")
    fake.hubbub("down")
    shutil.rmtree(fake.dir / "nodes" / "node-2")
    refused = fake.hubbub("up", "--port", "0")
    assert refused.returncode == Exit.FAILED
    assert "the data of node-2 is not in" in refused.stderr


def test_tcp_links_get_keys_and_the_configs_name_them(fake: Fake) -> None:
    fake.up("--slots", "16", "--link", "tcp")
    config = json.loads((fake.dir / "run" / "config" / "router-1.json").read_text())
    assert config["listen"].startswith("tcp://127.0.0.1:")
    assert (Path(config["keys_dir"]) / "router-1.secret").stat().st_mode & 0o777 == 0o600
    assert {path.stem for path in (Path(config["keys_dir"]) / "public").iterdir()} == {
        "node-1",
        "router-1",
        "edge-1",
    }
