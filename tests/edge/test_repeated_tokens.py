"""The short check of tokens: what it accepts the full check accepts too, with the same result."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.auth import Auth, TokenKey
from edge.repeated_tokens import HEADERS_MAX, RepeatedTokens
from hubbub.base.errors import INVALID_TOKEN, TOKEN_EXPIRED, Rejected, RemoteProtocolError

SECRET = "s" * 64
NOW = int(time.time())
NOW_MS = NOW * 1_000
GOOD = {"sub": "ann", "iat": NOW, "exp": NOW + 3_600}
OPTIONS: Any = {"verify_aud": False, "verify_sub": False, "verify_iat": False}


def sign(claims: dict[str, Any], secret: str = SECRET, **options: Any) -> str:
    return jwt.encode(claims, secret, **({"algorithm": "HS256"} | options))


def known(*algorithms: str) -> RepeatedTokens:
    tokens = RepeatedTokens()
    for algorithm in algorithms or ("HS256",):
        tokens.accepted(sign(GOOD, algorithm=algorithm), "k", algorithm, SECRET)
    return tokens


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_good_token_under_a_known_header(algorithm: str) -> None:
    tokens = known(algorithm)
    token = sign(GOOD | {"info": {"name": "Änn"}}, algorithm=algorithm)
    full = jwt.decode(token, SECRET, algorithms=[algorithm], options=OPTIONS)
    assert tokens.claims(token, NOW_MS) == ("k", full)
    assert tokens.claims(sign({"sub": "bob"}, algorithm=algorithm), NOW_MS) == ("k", {"sub": "bob"})


def test_what_it_does_not_answer() -> None:
    tokens = known()
    token = sign(GOOD)
    header, payload, signature = token.split(".")
    doubtful = [
        "",
        ".",
        "..",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{signature[:-1]}",
        f"{header}.{payload}.{signature[:-1]}ä",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}.{payload}=.{signature}",
        f".{payload}.{signature}",
        sign(GOOD, "t" * 64),
        sign(GOOD, headers={"kid": "other"}),
        sign(GOOD, algorithm="HS384"),
        sign(GOOD | {"exp": NOW}),
        sign(GOOD | {"exp": NOW - 1}),
        sign(GOOD | {"exp": NOW + 0.5}),
        sign(GOOD | {"exp": str(NOW + 9)}),
        sign(GOOD | {"exp": None}),
        sign(GOOD | {"nbf": NOW - 9}),
        sign(GOOD | {"nbf": NOW + 9}),
        jwt.api_jws.encode(b"[]", SECRET, algorithm="HS256"),
        jwt.api_jws.encode(b"no json", SECRET, algorithm="HS256"),
    ]
    assert tokens.claims(token, NOW_MS) is not None
    assert [text for text in doubtful if tokens.claims(text, NOW_MS) is not None] == []


def test_time_is_looked_at_each_time() -> None:
    tokens, token = known(), sign(GOOD)
    assert tokens.claims(token, NOW_MS + 3_599_999) is not None
    assert tokens.claims(token, NOW_MS + 3_600_000) is None


def test_a_payload_that_is_no_canonical_base64_is_left_to_the_full_check() -> None:
    tokens = known()
    header = sign(GOOD).partition(".")[0]
    hs256 = jwt.get_algorithm_by_name("HS256")
    for payload in (b"eyJzdWIiOiJhbm4ifR", b"eyJzdWIiOiJhbm4ifQ=", b"eyJz dWIiOiJhbm4ifQ", b"e30!"):
        signed = header.encode() + b"." + payload
        text = signed + b"." + jwt.utils.base64url_encode(hs256.sign(signed, SECRET.encode()))
        assert tokens.claims(text.decode(), NOW_MS) is None, payload


def test_headers_are_forgotten_with_the_keys_and_bounded() -> None:
    tokens = known()
    tokens.forget()
    assert tokens.claims(sign(GOOD), NOW_MS) is None
    for number in range(HEADERS_MAX + 1):
        token = sign(GOOD, headers={"n": number})
        tokens.accepted(token, "k", "HS256", SECRET)
    assert tokens.claims(sign(GOOD, headers={"n": 0}), NOW_MS) is None
    assert tokens.claims(sign(GOOD, headers={"n": 1}), NOW_MS) is not None


def test_only_shared_secrets_are_remembered() -> None:
    tokens = RepeatedTokens()
    tokens.accepted(sign(GOOD), "k", "RS256", SECRET)
    assert tokens.claims(sign(GOOD), NOW_MS) is None


@given(st.integers(0, 400), st.characters(codec="utf-8"))
def test_a_changed_token_is_not_believed(at: int, character: str) -> None:
    token = sign(GOOD)
    at %= len(token)
    changed = token[:at] + character + token[at + 1 :]
    assert changed == token or known().claims(changed, NOW_MS) is None


# --- through Auth


@pytest.fixture
def auth() -> Auth:
    made = Auth("demo")
    made.set_app("demo", "server-key", [TokenKey("demo", "HS256", SECRET)])
    assert made.connection(sign(GOOD)).user == "ann"
    return made


def outcome(auth: Auth, token: str) -> object:
    try:
        return auth.connection(token)
    except Rejected as refusal:
        return refusal.error
    except RemoteProtocolError as error:
        return error.close


CLAIMS: list[dict[str, Any]] = [
    {"sub": "bob", "exp": NOW + 60, "channels": ["raw:a"], "info": {"a": 1}, "jti": "j"},
    {"sub": "bob", "exp": NOW - 60},
    {"sub": "bob", "exp": "soon"},
    {"sub": "bob", "nbf": NOW + 600},
    {"sub": "bob", "jti": 7},
    {"sub": 7},
    {"sub": "no user"},
    {"sub": "bob", "aud": "other"},
    {"sub": "bob", "aud": ["demo", "other"]},
    {"sub": "bob", "app": "other"},
    {"sub": "bob", "channel": "raw:a"},
    {"sub": "bob", "b64info": "%"},
    {"sub": "bob", "iat": "yesterday", "exp": NOW + 0.5},
]


@pytest.mark.parametrize("claims", CLAIMS)
def test_a_known_header_changes_no_outcome(auth: Auth, claims: dict[str, Any]) -> None:
    fresh = Auth("demo")
    fresh.set_app("demo", "server-key", [TokenKey("demo", "HS256", SECRET)])
    assert outcome(auth, sign(claims)) == outcome(fresh, sign(claims))


def test_a_token_that_was_accepted_is_not_accepted_for_ever(auth: Auth) -> None:
    token = sign(GOOD | {"jti": "one"})
    assert auth.connection(token).user == "ann"
    auth.revoke_token("demo", "one")
    assert outcome(auth, token) is INVALID_TOKEN
    token = sign(GOOD)
    auth.revoke_user("demo", "ann", (NOW + 1) * 1_000)
    assert outcome(auth, token) is INVALID_TOKEN
    assert outcome(auth, sign(GOOD | {"exp": NOW - 1})) is TOKEN_EXPIRED


def test_a_key_that_was_replaced_signs_no_more(auth: Auth) -> None:
    auth.set_app("demo", "server-key", [TokenKey("demo", "HS256", "t" * 64)])
    assert outcome(auth, sign(GOOD)) is INVALID_TOKEN
    assert auth.connection(sign(GOOD, "t" * 64)).user == "ann"
