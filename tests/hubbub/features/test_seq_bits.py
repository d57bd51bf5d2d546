"""Sets of seqs in blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.features.seq_bits import block_of, seqs_in, with_seq, without_seq


@given(st.sets(st.integers(512, 767)), st.sets(st.integers(512, 767)))
def test_a_block_is_a_set(added: set[int], removed: set[int]) -> None:
    bits = b""
    for seq in added:
        assert block_of(seq) == 2
        bits = with_seq(bits, seq)
    for seq in removed:
        bits = without_seq(bits, seq)
    assert seqs_in(2, bits) == sorted(added - removed)
