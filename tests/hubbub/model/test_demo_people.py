"""The demo's people have ids that the system accepts, and one bot beside them."""

from __future__ import annotations

from hubbub.base.names import check_user
from hubbub.model.demo_people import BOT, HUMANS


def test_ids_are_valid_and_their_own() -> None:
    people = [*HUMANS, BOT]
    assert len({check_user(person.id) for person in people}) == len(people)
    assert all(person.name and person.about for person in people)
