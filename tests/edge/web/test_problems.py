"""Refusals as problem+json: what stands in the body, and which headers go with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.web.problems import MEDIA_TYPE, problem
from hubbub.base.errors import (
    BAD_REQUEST,
    CMID_REUSED,
    OVERLOADED,
    RATE_LIMITED,
    UNKNOWN_OUTCOME,
    ErrorCode,
    Rejected,
)


def told(refusal: Rejected) -> tuple[int, dict[str, Any], dict[str, str]]:
    status, body, headers = problem(refusal, "r 1", "/v1/channels/group:x")
    return status, json.loads(body), headers


def test_a_refusal_names_its_error_and_the_request() -> None:
    status, body, headers = told(Rejected(BAD_REQUEST, "no text"))
    assert status == body["status"] == 400
    assert body == {
        "type": "/docs/errors#bad_request",
        "title": BAD_REQUEST.text,
        "status": 400,
        "code": "bad_request",
        "detail": "no text",
        "hint": BAD_REQUEST.hint,
        "instance": "/v1/channels/group:x#r%201",
        "retryable": False,
        "request_id": "r 1",
    }
    assert headers == {"Content-Type": MEDIA_TYPE, "X-Request-Id": "r 1"}


@pytest.mark.parametrize(
    ("error", "retryable"), [(UNKNOWN_OUTCOME, True), (OVERLOADED, True), (CMID_REUSED, False)]
)
def test_it_says_whether_the_same_request_may_be_sent_again(
    error: ErrorCode, retryable: bool
) -> None:
    status, body, _ = told(Rejected(error))
    assert (status, body["retryable"]) == (error.http_status, retryable)


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/v1/a%3A", "/v1/a%3A#r"),
        ("/v1/%3A" + "%3A" * 500, "/v1/" + "%3A" * 165 + "#r"),  # no escape is cut in two
        ("/v1/%zz%", "/v1/%25zz#r"),
        ('/v1/"é<', "/v1/%22%C3%A9%3C#r"),
    ],
)
def test_its_instance_is_a_part_of_a_uri(path: str, instance: str) -> None:
    _, body, _ = problem(Rejected(BAD_REQUEST), "r", path)
    assert json.loads(body)["instance"] == instance


def test_details_stand_beside_the_rest() -> None:
    _, body, _ = told(Rejected(BAD_REQUEST, "x", **{"field": "text", "text_bytes_max": 9}))
    assert (body["field"], body["text_bytes_max"]) == ("text", 9)


@pytest.mark.parametrize(("wait_ms", "wait_s"), [(1, "1"), (1_000, "1"), (1_001, "2")])
def test_a_limit_says_when_to_come_back_in_whole_seconds_rounded_up(
    wait_ms: int, wait_s: str
) -> None:
    details: dict[str, object] = {"retry_after_ms": wait_ms, "scope": "channel", "burst": 20}
    status, body, headers = told(Rejected(RATE_LIMITED, "slow down", **details))
    assert (status, body["retry_after_ms"]) == (429, wait_ms)
    assert headers["Retry-After"] == wait_s
    assert headers["RateLimit-Policy"] == '"channel";q=20;w=1'
    assert headers["RateLimit"] == f'"channel";r=0;t={wait_s}'


def test_another_error_with_a_wait_has_no_limit_to_tell_of() -> None:
    _, _, headers = told(Rejected(OVERLOADED, "", **{"retry_after_ms": 300}))
    assert headers["Retry-After"] == "1"
    assert not [name for name in headers if name.startswith("RateLimit")]
