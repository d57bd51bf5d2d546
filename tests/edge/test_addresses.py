"""Whose address counts: the peer's, or what a proxy of ours says of it."""

from __future__ import annotations

import pytest

from edge.addresses import UNKNOWN, Addresses, is_here

HOME = "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (HOME, "", HOME),
        ("", "", ""),
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # nobody's proxy: it may say what it likes
        (HOME, "198.51.100.1", "198.51.100.1"),
        ("::1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (HOME, "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # the first is the client's invention
        (HOME, "1.2.3.4, 198.51.100.1,10.0.0.9", "198.51.100.1"),
        ("10.0.0.9", "198.51.100.1", "198.51.100.1"),
        ("10.1.0.9", "198.51.100.1", "10.1.0.9"),
        (HOME, "198.51.100.1, 127.0.0.1", "198.51.100.1"),
        (HOME, "127.0.0.1", UNKNOWN),
        (HOME, "10.0.0.9", UNKNOWN),
        (HOME, "198.51.100.1, nonsense", UNKNOWN),
        (HOME, "nonsense", UNKNOWN),
        (HOME, ",", UNKNOWN),
        (HOME, "198.51.100.1, ", UNKNOWN),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (HOME, "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("::1", "", "::1"),
    ],
)
def test_whose_address_it_is(peer: str, forwarded: str, address: str) -> None:
    assert Addresses(("10.0.0.0/24",)).of(peer, forwarded) == address


def test_only_this_machine_is_here() -> None:
    found = {
        text: is_here(Addresses().of(HOME, text)) for text in ("", HOME, "nonsense", "1.2.3.4")
    }
    assert found == {"": True, HOME: False, "nonsense": False, "1.2.3.4": False}


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        Addresses(("10.0.0.1/8",))
