"""`hubbub explain`: pages put together, figures compared, layers named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from ops import cli
from ops.answer import Exit
from ops.commands import explain

UNREAD = "/v1/channels/group%3Atea/unread/ann"


@dataclass
class Rest:
    """Answers by path; whatever else is asked fails the test."""

    answers: dict[str, Any] = field(default_factory=dict)

    def need(self, method: str, path: str) -> Any:
        assert method == "GET"
        return self.answers[path]


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Rest:
    rest = Rest()
    monkeypatch.setattr(explain, "_rest", lambda *_: ("main", rest))
    return rest


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", *words])
    return int(str(ended.value.code))


def page(*messages: tuple[int, bool, str], unread: int, mentions: int, next_: int = 0) -> Any:
    rows = [{"seq": seq, "counts": counts, "why": why} for seq, counts, why in messages]
    figures = {"mark": 2, "rev": 1, "head": 9, "unread": unread, "mentions": mentions}
    return figures | {"messages": rows} | ({"next": next_} if next_ else {})


def test_unread_reads_all_pages_and_adds_them_up(
    rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    rest.answers[UNREAD] = page((3, True, "mention"), (4, False, "own"), unread=2, mentions=1)
    rest.answers[UNREAD]["next"] = 4
    rest.answers[UNREAD + "?after=4"] = page((9, True, "message"), unread=2, mentions=1)
    assert run("unread", "group:tea", "ann") == Exit.DONE
    said = capsys.readouterr().out
    assert "ann in group:tea: 2 unread, 1 mentions" in said
    assert "read up to 2 of 9; moved back 1 times" in said
    assert [line.split("  ")[-1] for line in said.splitlines()[2:]] == [
        "counts, and names him",
        "does not count: own",
        "counts",
    ]


def test_unread_says_where_figures_and_messages_differ(
    rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    rest.answers[UNREAD] = page((3, True, "message"), unread=2, mentions=0)
    assert run("unread", "group:tea", "ann") == Exit.UNHEALTHY
    assert "WRONG: the messages shown are 1 unread, 0 mentions" in capsys.readouterr().out
    assert run("unread", "group:tea", "ann", "--json") == Exit.UNHEALTHY
    assert json.loads(capsys.readouterr().out)["data"]["agrees"] is False


def test_an_endless_list_is_cut_and_nothing_is_claimed(
    rest: Rest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "_PAGES", 1)
    rest.answers[UNREAD] = page((3, True, "message"), unread=5, mentions=0, next_=4)
    assert run("unread", "group:tea", "ann") == Exit.DONE
    assert "… and more behind 4" in capsys.readouterr().out


def test_permission_names_the_layer(rest: Rest, capsys: pytest.CaptureFixture[str]) -> None:
    rest.answers["/v1/channels/group%3Atea/capabilities?user=ann"] = {
        "role": "member",
        "capabilities": {
            "send": {"allowed": False, "from": "mute"},
            "read": {"allowed": True, "from": "kind"},
        },
    }
    assert run("permission", "group:tea", "ann", "send") == Exit.DONE
    head, line = capsys.readouterr().out.splitlines()
    assert head == "ann in group:tea: member"
    assert line.split() == ["no", "send", "mute"]
    assert run("permission", "group:tea", "ann") == Exit.DONE
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert run("permission", "group:tea", "ann", "fly") == Exit.USAGE
