"""Which cluster a command asks."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.answer import Exit, Failure
from ops.cluster_options import LOOKED_FOR, TIMEOUT_S, cluster_options, directory_of


def test_the_given_directory_wins_and_need_not_exist(tmp_path: Path) -> None:
    assert directory_of(tmp_path / "x").root == tmp_path / "x"


@pytest.mark.parametrize("name", LOOKED_FOR)
def test_the_cluster_of_the_current_folder_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as refused:
        directory_of(None)
    assert refused.value.exit_code == Exit.NOT_FOUND
    assert f"./{name}" in refused.value.text
    (tmp_path / name / "run").mkdir(parents=True)
    (tmp_path / name / "run" / "cluster.json").write_text("{}")
    assert directory_of(None).root == Path(name)


def test_a_command_gets_both_options() -> None:
    seen: list[tuple[Path | None, float]] = []

    @click.command()
    @cluster_options
    def command(root: Path | None, timeout_s: float) -> None:
        seen.append((root, timeout_s))

    command.main([], standalone_mode=False)
    command.main(["--dir", "d", "--timeout", "7"], standalone_mode=False)
    assert seen == [(None, TIMEOUT_S), (Path("d"), 7.0)]
    with pytest.raises(click.BadParameter):
        command.main(["--timeout", "0"], standalone_mode=False)
