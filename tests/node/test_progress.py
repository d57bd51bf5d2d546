"""What a leader knows of a copy: when it may speak, and when it speaks again."""

from __future__ import annotations

from node.progress import RETRY_MS, RETRY_MS_MAX, WINDOW_BYTES, Progress


def streaming() -> Progress:
    progress = Progress(1, counts=True)
    progress.sent(1, 100, 0)
    progress.appended(1)
    return progress


def test_it_asks_once_until_it_is_answered() -> None:
    progress = Progress(7, counts=True)
    assert progress.is_probing
    assert progress.may_send()
    progress.sent(6, 0, 10)
    assert not progress.may_send()
    assert (progress.next, progress.match, progress.sent_ms) == (7, 0, 10)
    progress.appended(6)
    assert not progress.is_probing
    assert progress.may_send()
    assert (progress.next, progress.match) == (7, 6)


def test_it_streams_up_to_a_window() -> None:
    progress = streaming()
    for index in range(2, 6):
        assert progress.may_send()
        progress.sent(index, WINDOW_BYTES // 4, 0)
    assert not progress.may_send()
    progress.appended(2)
    assert progress.may_send()
    progress.appended(5)
    assert (progress.match, progress.next) == (5, 6)


def test_an_answer_that_was_overtaken_takes_nothing_back() -> None:
    progress = streaming()
    for index in (2, 3, 4):
        progress.sent(index, 1, 0)
    progress.appended(4)
    progress.appended(2)
    assert (progress.match, progress.next) == (4, 5)


def test_a_refusal_goes_back_to_what_is_shared() -> None:
    progress = streaming()
    progress.sent(9, 1, 0)
    progress.refused(3)
    assert progress.is_probing
    assert progress.next == 4
    assert progress.may_send()


def test_only_the_first_of_many_refusals_makes_a_probe() -> None:
    progress = streaming()
    for index in range(2, 6):
        progress.sent(index, 1, 0)
    progress.refused(1)
    progress.sent(5, 4, 0)  # the probe: entries 2 to 5
    for _ in range(3):
        progress.refused(1)
        assert not progress.may_send()
    progress.refused(0)  # but this is news
    assert progress.may_send()
    assert progress.next == 1


def test_silence_is_asked_again_and_again_more_slowly() -> None:
    progress = Progress(5, counts=True)
    progress.sent(5, 1, 0)
    now_ms, waits = 0, list[int]()
    for _ in range(6):
        before = now_ms
        while not progress.is_late(5, now_ms):
            now_ms += 10
        waits.append(now_ms - before)
        progress.probe(5)
        progress.sent(5, 1, now_ms)
    assert waits == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS, *[RETRY_MS_MAX] * 3]
    progress.appended(5)
    progress.sent(6, 1, now_ms)
    assert progress.is_late(6, now_ms + RETRY_MS)


def test_who_has_everything_is_never_late() -> None:
    progress = streaming()
    assert not progress.is_late(1, 10**9)
    assert progress.is_late(2, 10**9), "there is more now"


def test_an_answer_that_is_owed_is_late_though_nothing_is_lacking() -> None:
    """The probe without entries was lost: nobody knows yet that nothing is lacking."""
    progress = streaming()
    progress.probe(2)
    progress.sent(1, 0, 0)
    assert progress.is_late(1, RETRY_MS)
