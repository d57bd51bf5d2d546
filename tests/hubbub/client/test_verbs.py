"""What clients know of the features is what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

from hubbub.base.errors import all_errors
from hubbub.client.calls import PAGED
from hubbub.client.events import KINDS, NotFound, Refused
from hubbub.client.replies import Error, refused
from hubbub.client.verbs import COMMANDS
from hubbub.features.registry import REGISTRY

BEARING = sorted(n for n, v in REGISTRY.verbs.items() if "cmid" in v.shape.__struct_fields__)


def test_the_commands_are_the_verbs_that_bear_a_cmid() -> None:
    assert sorted(COMMANDS) == BEARING, "write this list into hubbub/client/verbs.py"


def test_every_code_has_its_kind_of_refusal() -> None:
    assert {row.http_status for row in all_errors()} == set(KINDS)
    for row in all_errors():
        found = refused(Error(row.code, f'{row.name}: why {{"limit": 3}}'))
        assert isinstance(found, Refused)
        assert (type(found), found.reason, found.details) == (
            KINDS[row.http_status],
            row.name,
            {"limit": 3},
        )
    assert KINDS[404] is NotFound


def test_both_clients_know_the_same_lists() -> None:
    module = Path(__file__).parents[3] / "edge" / "web" / "sdk" / "hubbub.js"
    rows = re.findall(r'^  "([\w.]+)": \["(\w+)", "(\w+)"\],$', module.read_text("utf-8"), re.M)
    assert {verb: (place, name) for verb, place, name in rows} == PAGED


def test_both_clients_sort_the_codes_alike() -> None:
    module = Path(__file__).parents[3] / "edge" / "web" / "sdk" / "hubbub.js"
    rows = re.findall(r"^  \[(\w+), \[([\d, ]+)\]\],$", module.read_text("utf-8"), re.MULTILINE)
    found = {int(code): kind for kind, codes in rows for code in codes.split(",")}
    wanted = {row.code: KINDS[row.http_status].__name__ for row in all_errors()}
    assert found == wanted, "write the code into KINDS of edge/web/sdk/hubbub.js"
