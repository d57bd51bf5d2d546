"""A key becomes a cmid that the log looks up in every hour."""

from __future__ import annotations

import pytest

from edge.web.idempotency import IDEMPOTENCY_KEY_BYTES_MAX, idempotency_cmid
from hubbub.base.errors import BAD_REQUEST, Rejected
from hubbub.base.ids import IDEMPOTENCY_PREFIX


def test_the_same_key_is_the_same_cmid() -> None:
    assert idempotency_cmid("a") == idempotency_cmid("a") != idempotency_cmid("b")
    assert idempotency_cmid("a" * IDEMPOTENCY_KEY_BYTES_MAX).startswith(IDEMPOTENCY_PREFIX)


@pytest.mark.parametrize("key", ["", "a" * (IDEMPOTENCY_KEY_BYTES_MAX + 1)])
def test_a_key_has_a_length(key: str) -> None:
    with pytest.raises(Rejected) as refused:
        idempotency_cmid(key)
    assert refused.value.error is BAD_REQUEST
