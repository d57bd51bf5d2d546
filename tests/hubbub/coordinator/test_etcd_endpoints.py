"""The members of a url, who is asked when, and which versions are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.coordinator.etcd_endpoints import AVOID_S, Endpoints, check_version, parse_place
from hubbub.coordinator.etcd_gateway import NotEtcd

A, B, C = "http://a:1", "http://b:1", "http://c:1"


class TestOrder:
    def test_the_urls_order_while_all_are_well(self) -> None:
        members = Endpoints([A, B, C])
        assert members.order(0.0) == members.well(0.0) == [A, B, C]

    def test_who_failed_is_asked_last_for_a_while(self) -> None:
        members = Endpoints([A, B, C])
        members.failed(A, 10.0)
        assert members.order(10.0) == [B, C, A]
        assert members.well(10.0) == [B, C]
        assert members.order(10.0 + AVOID_S) == [A, B, C]

    def test_the_longest_ago_first(self) -> None:
        members = Endpoints([A, B, C])
        members.failed(B, 1.0)
        members.failed(C, 2.0)
        members.failed(A, 3.0)
        assert members.order(3.0) == [B, C, A]
        assert members.well(3.0) == []

    def test_an_answer_puts_it_back(self) -> None:
        members = Endpoints([A, B])
        members.failed(A, 1.0)
        members.answered(A)
        assert members.order(1.0) == [A, B]

    def test_a_version_counts_until_the_next_failure(self) -> None:
        members = Endpoints([A, B])
        assert not members.is_checked(A)
        members.answered(A)
        assert members.is_checked(A)
        assert not members.is_checked(B)
        members.failed(A, 1.0)
        assert not members.is_checked(A)

    def test_turns_go_round_those_that_are_well(self) -> None:
        members = Endpoints([A, B, C])
        assert [members.in_turn(0.0, turn) for turn in range(4)] == [A, B, C, A]
        members.failed(B, 0.0)
        assert [members.in_turn(0.0, turn) for turn in range(3)] == [A, C, A]
        members.failed(A, 0.0)
        members.failed(C, 0.0)
        assert {members.in_turn(0.0, turn) for turn in range(3)} == {A, B, C}

    def test_nobody_is_a_mistake_and_twice_is_once(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            Endpoints([])
        assert Endpoints([A, A, B]).order(0.0) == [A, B]


class TestPlace:
    def test_one_member(self) -> None:
        assert parse_place("127.0.0.1:2379") == (("http://127.0.0.1:2379",), "hubbub")

    def test_several_and_a_namespace(self) -> None:
        assert parse_place("a:1,b.example:2,[::1]:3/chat-2") == (
            ("http://a:1", "http://b.example:2", "http://[::1]:3"),
            "chat-2",
        )
        assert parse_place("a:1/") == (("http://a:1",), "hubbub")
        assert parse_place("a:1,a:1") == (("http://a:1",), "hubbub")

    def test_https(self) -> None:
        assert parse_place("https://a:1,b:2/x") == (("https://a:1", "http://b:2"), "x")

    @pytest.mark.parametrize(
        "place",
        [
            "",
            "a",
            "a:",
            ":1",
            "a:b",
            "a:1,",
            ",a:1",
            "a:1 b:2",
            "ftp://a:1",
            "a:1\n",
            "user:password@a:1",
            "a:1?x",
        ],
    )
    def test_other_forms_are_refused(self, place: str) -> None:
        with pytest.raises(ValueError, match=r"etcd=HOST:PORT\[,HOST:PORT"):
            parse_place(place)

    @pytest.mark.parametrize("place", ["a:0", "a:65536", "a:1,b:99999"])
    def test_a_port_is_a_port(self, place: str) -> None:
        with pytest.raises(ValueError, match="port from 1 to 65535"):
            parse_place(place)

    @pytest.mark.parametrize("place", ["a:1/x y", "a:1/-", "a:1/" + "x" * 65])
    def test_a_namespace_is_plain(self, place: str) -> None:
        with pytest.raises(ValueError, match="namespace"):
            parse_place(place)

    @given(st.text())
    def test_any_text_is_a_place_or_a_value_error(self, place: str) -> None:
        try:
            urls, namespace = parse_place(place)
        except ValueError:
            return
        assert urls
        assert namespace


def answer(version: str) -> bytes:
    return json.dumps({"etcdserver": version, "etcdcluster": "3.4.0"}).encode()


class TestVersions:
    @pytest.mark.parametrize(
        "version",
        ["3.4.22", "3.4.23", "3.4.37", "3.5.6", "3.5.21", "3.6.0", "3.6.0-rc.1", "3.7.1", "4.0.0"],
    )
    def test_good_ones(self, version: str) -> None:
        check_version(answer(version))

    @pytest.mark.parametrize(
        "version",
        [
            "2.3.8",
            "3.0.17",
            "3.3.27",
            "3.4.0",
            "3.4.21",
            "3.5.0",
            "3.5.1",
            "3.5.5",
            "3.5.0-alpha.0",
        ],
    )
    def test_bad_ones_are_refused_with_the_cure(self, version: str) -> None:
        with pytest.raises(NotEtcd) as caught:
            check_version(answer(version))
        assert f"etcd {version} is refused" in str(caught.value)
        assert "3.4.22" in str(caught.value)
        assert "3.5.6" in str(caught.value)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"{}", b'{"etcdserver":3}', answer("3.4"), answer("3.4.2.3")]
    )
    def test_what_is_no_etcd_is_refused(self, body: bytes) -> None:
        with pytest.raises(NotEtcd, match="no etcd of version 3"):
            check_version(body)

    @given(st.binary())
    def test_any_bytes_are_good_or_refused(self, body: bytes) -> None:
        try:
            check_version(body)
        except NotEtcd:
            pass
