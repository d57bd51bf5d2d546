"""Tokens: what is believed and what is not."""

from __future__ import annotations

import base64
import math
import time
from functools import reduce

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from edge.auth import SETTLED_MS, TIME_S_MAX, Auth, TokenKey
from hubbub.base.errors import (
    INVALID_TOKEN,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    Rejected,
    RemoteProtocolError,
)

SECRET = "s" * 40
NOW = int(time.time())


def public_pem(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def auth(rsa_key: rsa.RSAPrivateKey) -> Auth:
    made = Auth("demo")
    rsa_public = TokenKey("demo", "RS256", public_pem(rsa_key), kid="r1")
    made.set_app("demo", "demo-server-key", [TokenKey("demo", "HS256", SECRET), rsa_public])
    made.set_app("other", "other-server-key", [TokenKey("other", "HS256", "o" * 40)])
    return made


def token(claims: dict[str, object], secret: str = SECRET, **options: object) -> str:
    return jwt.encode(claims, secret, algorithm="HS256", **options)  # type: ignore[arg-type]


def refused(auth: Auth, text: str) -> bool:
    with pytest.raises(RemoteProtocolError) as error:
        auth.connection(text)
    return error.value.close is INVALID_TOKEN


def test_our_own_tokens_are_good(auth: Auth) -> None:
    identity = auth.connection(auth.sign("demo", "ann", now_ms=NOW * 1000, ttl_s=3_600, jti="j"))
    assert (identity.app, identity.user) == ("demo", "ann")
    assert identity.expires_ms == (NOW + 3_600) * 1000
    other = auth.connection(auth.sign("other", "ann", now_ms=NOW * 1000, ttl_s=3_600, jti="j"))
    assert other.app == "other"


def test_rs256_and_eddsa(auth: Auth, rsa_key: rsa.RSAPrivateKey) -> None:
    signed = jwt.encode({"sub": "ann"}, rsa_key, algorithm="RS256", headers={"kid": "r1"})
    assert auth.connection(signed).user == "ann"
    edwards = ed25519.Ed25519PrivateKey.generate()
    auth.set_app("ed", "ed-server-key", [TokenKey("ed", "EdDSA", public_pem(edwards), kid="e1")])
    signed = jwt.encode({"sub": "eve"}, edwards, algorithm="EdDSA", headers={"kid": "e1"})
    assert auth.connection(signed).app == "ed"


def test_none_and_key_confusion_have_no_way_in(auth: Auth, rsa_key: rsa.RSAPrivateKey) -> None:
    assert refused(auth, jwt.encode({"sub": "ann"}, None, algorithm="none"))
    # the public key as an HMAC secret, under the RSA key's kid (built by hand: libraries refuse)
    import base64
    import hmac
    import json

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "kid": "r1", "typ": "JWT"}) + b"." + part({"sub": "root"})
    mac = hmac.digest(public_pem(rsa_key).encode(), body, "sha256")
    forged = body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
    assert refused(auth, forged.decode())
    assert refused(auth, token({"sub": "ann"}, SECRET, headers={"kid": "r1"}))


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "x" * 20_000, "....", "eyJhbGciOiJIUzI1NiJ9..", "\udcff.a.b"]
)
def test_garbage_is_refused(auth: Auth, text: str) -> None:
    assert refused(auth, text)


def test_claims_that_do_not_fit(auth: Auth) -> None:
    assert refused(auth, token({"sub": "ann"}, "w" * 40))
    assert refused(auth, token({"sub": 7}))
    assert refused(auth, token({"sub": "a,b"}))
    assert refused(auth, token({"sub": "ann", "channel": "c"}))
    assert refused(auth, token({"sub": "ann", "aud": "other"}))
    assert refused(auth, token({"sub": "ann", "app": "other"}))
    assert refused(auth, token({"sub": "ann", "nbf": NOW + 600}))
    assert refused(auth, token({"sub": "ann"}, headers={"kid": "nobody"}))
    assert auth.connection(token({"sub": "ann", "aud": ["x", "demo"]})).user == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        {"expire_at": math.nan},
        {"b64info": "bm8="},
        {"b64info": base64.b64encode(b"\xff").decode()},
        {"info": reduce(lambda inner, _: [inner], range(200), 0)},
    ],
)
def test_what_would_break_whoever_reads_it_later(auth: Auth, claims: dict[str, object]) -> None:
    """Times that are none and info that is no JSON, or too deep, once cost the connection a 3004,
    and a reader of REST a 503."""
    with pytest.raises((Rejected, RemoteProtocolError)):
        auth.connection(token({"sub": "ann", **claims}))
    good = token({"sub": "ann", "channel": "$c", **claims})
    with pytest.raises(Rejected) as error:
        auth.subscription(good, app="demo", user="ann", channel="$c", client="1")
    assert error.value.error is PERMISSION_DENIED


@pytest.mark.parametrize("far", [math.inf, 1e300, 10**30])
def test_times_beyond_the_calendar_are_its_end(auth: Auth, far: float) -> None:
    given = auth.connection(token({"sub": "ann", "iat": far, "expire_at": far}))
    assert given.expires_ms == given.issued_ms == TIME_S_MAX * 1000


def test_no_app_speaks_for_another(auth: Auth) -> None:
    """A kid is its first owner's; an app's own name is always its own."""
    auth.set_app(
        "b", "b-key", [TokenKey("b", "HS256", "b" * 40), TokenKey("b", "HS256", "k" * 40, "k")]
    )
    for kid in ("demo", "k"):
        with pytest.raises(ValueError, match="another app"):
            auth.set_app(
                "c",
                "c-key",
                [TokenKey("c", "HS256", "c" * 40), TokenKey("c", "HS256", "x" * 40, kid)],
            )
    auth.set_app("d", "d-key", [TokenKey("d", "HS256", "d" * 40)])
    forged = token({"sub": "ann"}, "x" * 40, headers={"kid": "k"})
    assert refused(auth, forged)
    own = token({"sub": "ann"}, "k" * 40, headers={"kid": "k"})
    assert auth.connection(own).app == "b"


def test_an_expired_token_asks_for_a_new_one(auth: Auth) -> None:
    with pytest.raises(Rejected) as error:
        auth.connection(token({"sub": "ann", "exp": NOW - 1}))
    assert error.value.error is TOKEN_EXPIRED


def test_revocation_by_issue_time(auth: Auth) -> None:
    old = auth.sign("demo", "ann", now_ms=NOW * 1000, ttl_s=600, jti="j")
    auth.revoke_user("demo", "ann", NOW * 1000 + 5)
    assert refused(auth, old)
    assert refused(auth, token({"sub": "ann"}))  # without iat any revocation counts
    assert (
        auth.connection(auth.sign("demo", "bob", now_ms=NOW * 1000, ttl_s=600, jti="j")).user
        == "bob"
    )
    one = token({"sub": "bob", "jti": "j1"})
    assert auth.connection(one).jti == "j1"
    auth.revoke_token("demo", "j1")
    assert refused(auth, one)
    assert auth.connection(auth.sign("demo", "ann", now_ms=NOW * 1000 + 6, ttl_s=600, jti="j"))


def test_subscription_tokens(auth: Auth) -> None:
    good = token({"sub": "ann", "channel": "$c", "info": {"k": 1}})
    grant = auth.subscription(good, app="demo", user="ann", channel="$c", client="1")
    assert grant.info == b'{"k":1}'
    for user, channel in (("bob", "$c"), ("ann", "$d")):
        with pytest.raises(RemoteProtocolError):
            auth.subscription(good, app="demo", user=user, channel=channel, client="1")
    with pytest.raises(Rejected) as error:
        auth.subscription("bad", app="demo", user="ann", channel="$c", client="1")
    assert error.value.error is PERMISSION_DENIED


def test_server_keys_belong_to_one_app(auth: Auth) -> None:
    assert auth.server_app("Bearer demo-server-key") == "demo"
    assert auth.server_app("bearer other-server-key") == "other"
    for header in ("", "Bearer ", "Basic demo-server-key", "Bearer \udcff"):
        with pytest.raises(Rejected, match="a server key is needed"):
            auth.server_app(header)
    with pytest.raises(Rejected, match="no app has this server key"):
        auth.server_app("Bearer nope")
    assert not auth.is_root("Bearer \udcff")


def rotated(*secrets: TokenKey) -> Auth:
    auth = Auth("demo")
    auth.set_app("demo", "k", list(secrets))
    return auth


OLD = TokenKey("demo", "HS256", "o" * 40, id="first", since_ms=0)
NEW = TokenKey("demo", "HS256", "n" * 40, id="2f", since_ms=NOW * 1_000)


def test_two_secrets_are_good_at_a_time_also_for_one_header() -> None:
    auth = rotated(OLD, NEW)
    for _ in range(3):  # each remembers the header anew
        for key in (OLD, NEW):
            assert auth.connection(token({"sub": "ann"}, key.key)).secret == key.id
            headers = {"kid": "demo"}
            named = jwt.encode({"sub": "ann"}, key.key, algorithm="HS256", headers=headers)
            assert auth.connection(named).secret == key.id
    assert refused(auth, token({"sub": "ann"}, "x" * 40))


def test_the_edge_signs_with_the_new_one_when_all_edges_know_it() -> None:
    auth = rotated(OLD, NEW)

    def signed_by(now_ms: int) -> str:
        text = auth.sign("demo", "ann", now_ms=now_ms, ttl_s=3_600, jti="j")
        return auth.connection(text).secret

    assert signed_by(NOW * 1_000 + SETTLED_MS - 1) == "first"
    assert signed_by(NOW * 1_000 + SETTLED_MS) == "2f"
    assert rotated(NEW).sign("demo", "ann", now_ms=NOW * 1_000, ttl_s=9, jti="j"), "the only one"


def test_what_a_revoked_secret_signed_is_worth_nothing() -> None:
    auth = rotated(OLD, NEW)
    old, new = token({"sub": "ann"}, OLD.key), token({"sub": "ann"}, NEW.key)
    assert auth.connection(old)
    assert auth.connection(new)
    assert not auth.is_revoked("demo", "ann", NOW, "", "first")
    assert auth.set_app("demo", "k", [NEW]), "one is gone"
    assert not auth.set_app("demo", "k", [NEW]), "that was all"
    assert refused(auth, old)
    assert auth.connection(new)
    assert auth.is_revoked("demo", "ann", NOW, "", "first")
    assert not auth.is_revoked("demo", "ann", NOW, "", "2f")
    assert auth.set_app("demo", "k", [])
    assert refused(auth, new)
    with pytest.raises(ValueError, match="signs its tokens itself"):
        auth.sign("demo", "ann", now_ms=0, ttl_s=9, jti="j")
