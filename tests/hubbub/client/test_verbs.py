"""What clients know of the features is what the registry says."""

from __future__ import annotations

from hubbub.base.errors import all_errors
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
        assert (type(found), found.name, found.details) == (
            KINDS[row.http_status],
            row.name,
            {"limit": 3},
        )
    assert KINDS[404] is NotFound
