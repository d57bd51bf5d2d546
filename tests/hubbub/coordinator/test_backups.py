"""Keys and records of a backup: they sort, they fit, every view sees the request alone."""

from __future__ import annotations

import re

from hubbub.coordinator.api import Coordinator, Delete, Put
from hubbub.coordinator.backups import (
    BACKUPS_PREFIX,
    PAGE_SLOTS,
    BackupRequest,
    Phase,
    SlotCopies,
    SlotCopy,
    answer_key,
    answers_prefix,
    page_key,
    request_key,
)
from hubbub.coordinator.cluster import create_cluster
from hubbub.coordinator.view import ClusterView
from hubbub.wire.codec import decode_json, encode_json

ETCD_REQUEST_BYTES_MAX = 1_500_000
U64_MAX = (1 << 64) - 1


def test_answers_lie_apart_from_requests_and_pages_below_their_answer() -> None:
    assert request_key("b1") == "/backups/b1"
    assert not answer_key("b1", "node-1").startswith(BACKUPS_PREFIX)
    assert answer_key("b1", "node-1").startswith(answers_prefix("b1"))
    assert not answer_key("b10", "node-1").startswith(answers_prefix("b1"))
    pages = [page_key("b1", "node-1", page) for page in range(16)]
    assert pages == sorted(pages)
    assert all(page.startswith(answer_key("b1", "node-1") + "/") for page in pages)


def test_a_page_fits_into_one_record_of_any_coordinator() -> None:
    largest = SlotCopy(
        16_383, U64_MAX, U64_MAX, U64_MAX, "f" * 16, U64_MAX, 1 << 32, U64_MAX, 1 << 32
    )
    data = encode_json(SlotCopies((largest,) * PAGE_SLOTS))
    assert len(data) * 4 < ETCD_REQUEST_BYTES_MAX
    assert decode_json(data, SlotCopies).copies[-1] == largest


async def test_a_view_shows_what_is_asked_for_and_forgets_it_when_it_is_over(
    coordinator: Coordinator,
) -> None:
    await create_cluster(coordinator, 16)
    request = BackupRequest("b1", "/mnt/backups", 5)
    await coordinator.transact([], [Put(request_key("b1"), encode_json(request))])
    await coordinator.transact([], [Put(page_key("b1", "node-1", 0), b"[]")])
    view = ClusterView(coordinator)
    heard: list[tuple[str, str]] = []
    view.on_change(lambda kind, name: heard.append((kind, name)))
    await view.load()
    assert view.backups == {"b1": request}
    assert ("backup", "b1") in heard
    await coordinator.transact([], [Delete(request_key("b1"))])
    await view.load()
    assert view.backups == {}
    assert view.statistics().unreadable == 0


def test_the_phases_are_named_in_their_order() -> None:
    assert [phase.value for phase in Phase] == ["hold", "checkpoint", "copy"]
    assert all(re.fullmatch("[a-z]+", phase) for phase in Phase)
