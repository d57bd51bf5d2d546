"""Every request ends once, whatever happens (dialogues: test_core)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubbub.client.events import Answered, Event, Failed, Refused
from hubbub.client.requests import Requests

STEPS = st.sampled_from(["answer", "temporary", "refuse", "lost", "time", "forget"])


@given(st.booleans(), st.lists(STEPS, max_size=20))
def test_a_request_ends_once_at_the_latest_at_its_deadline(repeats: bool, steps: list[str]) -> None:
    events: list[Event] = []
    requests = Requests(events.append, lambda: 0.5)
    now_ms, id = 0, 0
    number = requests.add("{}", 15_000, repeats=repeats, is_patient=True)
    is_forgotten = False
    for step in steps:
        for request in requests.to_send(now_ms):
            id += 1
            requests.sent(request, id, now_ms)
        if step == "answer":
            requests.answered(id, "data", None, now_ms)
        elif step == "temporary":
            requests.answered(id, None, Refused(100, "later", True, {}), now_ms)
        elif step == "refuse":
            requests.answered(id, None, Refused(103, "no", False, {}), now_ms)
        elif step == "lost":
            requests.lost(now_ms)
        elif step == "time":
            now_ms += 400
            requests.tick(now_ms)
        else:
            is_forgotten = not events
            requests.forget(number)
    requests.tick(15_000)
    assert len(events) == (0 if is_forgotten else 1)
    assert all(isinstance(e, Answered | Failed) and e.number == number for e in events)
    assert (len(requests), requests.next_ms(online=True)) == (0, None)
