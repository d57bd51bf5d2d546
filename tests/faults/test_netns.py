"""Namespaces are hosts: they reach one another until a link or a rule says otherwise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.chaos.netns import PREFIX, Host, Network, sweep
from tests.support.cluster import wait_for

pytestmark = [pytest.mark.alone, pytest.mark.faults, pytest.mark.timeout(60)]

PORT = 5_000
WITHIN_S = 10.0
SILENCE_S = 0.2  # nothing can come: the wait only lets a wrong packet show itself
SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
sys.stdin.read()
"""
LOSS_TRIES = 400


@pytest.fixture
def network() -> Iterator[Network]:
    with Network("ann", "bob", "cat") as made:
        yield made


@pytest.fixture
def mail(network: Network) -> Iterator[dict[str, socket.socket]]:
    """A datagram socket on each host."""
    sockets = {host.name: bound(host, socket.SOCK_DGRAM) for host in network.hosts}
    yield sockets
    for each in sockets.values():
        each.close()


def bound(host: Host, kind: socket.SocketKind) -> socket.socket:
    with host.inside():
        made = socket.socket(socket.AF_INET, kind)
    made.settimeout(WITHIN_S)
    made.bind((host.address, PORT))
    return made


def reaches(network: Network, mail: dict[str, socket.socket], source: str, target: str) -> bool:
    """Whether a datagram arrives."""
    what = os.urandom(8)
    mail[source].sendto(what, (network.host(target).address, PORT))
    mail[target].settimeout(SILENCE_S)
    try:
        while mail[target].recv(64) != what:
            pass
    except TimeoutError:
        return False
    return True


def waits_to_reach(network: Network, mail: dict[str, socket.socket], *way: str) -> None:
    wait_for(lambda: reaches(network, mail, *way), WITHIN_S, lambda: f"{way} is not healed")


def test_hosts_reach_one_another_and_nobody_else(
    network: Network, mail: dict[str, socket.socket]
) -> None:
    for source in mail:
        for target in mail:
            assert reaches(network, mail, source, target)
    with pytest.raises(OSError, match="unreachable"):
        mail["ann"].sendto(b"x", ("192.0.2.1", PORT))


def test_one_way_is_cut_and_the_other_passes(
    network: Network, mail: dict[str, socket.socket]
) -> None:
    network.cut("ann", "bob")
    assert not reaches(network, mail, "ann", "bob")
    assert reaches(network, mail, "bob", "ann")
    assert reaches(network, mail, "cat", "bob")
    assert network.dropped("ann", "bob") == 1
    assert network.dropped("cat", "bob") == network.dropped("bob", "ann") == 0
    network.heal()
    assert reaches(network, mail, "ann", "bob")


def test_a_pulled_cable_and_a_plugged_one(network: Network, mail: dict[str, socket.socket]) -> None:
    network.link_down("ann")
    assert not reaches(network, mail, "ann", "bob")
    assert not reaches(network, mail, "bob", "ann")
    assert reaches(network, mail, "bob", "cat")
    network.link_up("ann")
    waits_to_reach(network, mail, "ann", "bob")
    waits_to_reach(network, mail, "bob", "ann")


def test_groups_are_split(network: Network, mail: dict[str, socket.socket]) -> None:
    network.split(["ann"], ["bob", "cat"])
    assert not reaches(network, mail, "ann", "bob")
    assert not reaches(network, mail, "cat", "ann")
    assert reaches(network, mail, "bob", "cat")
    network.heal()
    assert reaches(network, mail, "cat", "ann")


def test_packets_are_lost_at_random(network: Network, mail: dict[str, socket.socket]) -> None:
    assert reaches(network, mail, "ann", "bob")  # the address is resolved
    network.lose("ann", "bob", 0.5)
    for _ in range(LOSS_TRIES):
        mail["ann"].sendto(b"x", (network.host("bob").address, PORT))
    # Further off than 10 standard deviations: it happens in no lifetime.
    assert LOSS_TRIES * 0.25 < network.dropped("ann", "bob") < LOSS_TRIES * 0.75


def test_tcp_is_refused_and_a_live_connection_reset(network: Network) -> None:
    ann, bob = network.host("ann"), network.host("bob")
    with bound(bob, socket.SOCK_STREAM) as listener:
        listener.listen()
        with ann.inside():
            live = socket.create_connection((bob.address, PORT), WITHIN_S)
        with live:
            network.refuse("ann", "bob")
            live.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                live.recv(1)
        with ann.inside(), pytest.raises(ConnectionRefusedError):
            socket.create_connection((bob.address, PORT), WITHIN_S)
        assert network.dropped("ann", "bob") >= 2
        network.heal()
        with ann.inside():
            socket.create_connection((bob.address, PORT), WITHIN_S).close()


def test_a_process_lives_on_a_host_and_ends_with_the_network() -> None:
    with Network("ann") as network:
        command = [sys.executable, "-c", SERVER, str(PORT)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with network.host("ann").popen(command, **pipes) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"listening\n"
            with network.host("ann").inside():
                socket.create_connection(("127.0.0.1", PORT), WITHIN_S).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", PORT), WITHIN_S)
            network.remove()
            assert child.wait(WITHIN_S) == -9


def test_a_failure_inside_leaves_nothing_behind() -> None:
    stem = ""

    def fail() -> None:
        with Network("ann") as network:
            nonlocal stem
            stem = network.host("ann").namespace.removesuffix("ann")
            assert any(name.startswith(stem) for name in os.listdir("/run/netns"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stem
    assert not any(name.startswith(stem) for name in os.listdir("/run/netns"))


def test_what_a_killed_test_left_is_swept_and_what_runs_is_not() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with Network("ann") as network:
        left = f"{PREFIX}-{gone.pid}-1-bob"
        subprocess.run(["ip", "netns", "add", left], check=True)
        try:
            assert left in sweep()
            assert left not in os.listdir("/run/netns")
        finally:
            subprocess.run(["ip", "netns", "del", left], check=False, stderr=subprocess.DEVNULL)
        assert network.host("ann").namespace in os.listdir("/run/netns")


@pytest.mark.parametrize("why", ["no root", "no tool"])
def test_without_rights_or_tools_it_is_skipped_or_fails_where_required(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    causes: dict[str, Callable[[], None]] = {
        "no root": lambda: monkeypatch.setattr(os, "geteuid", lambda: 1_000),
        "no tool": lambda: monkeypatch.setenv("PATH", "/nowhere"),
    }
    causes[why]()
    reason = {"no root": "need root", "no tool": "no ip on this machine"}[why]
    monkeypatch.delenv("HUBBUB_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match=reason), Network("ann"):
        pass
    monkeypatch.setenv("HUBBUB_REQUIRE", "node,netns")
    with pytest.raises(pytest.fail.Exception, match=f"{reason}.*HUBBUB_REQUIRE names netns"):
        Network("ann").__enter__()
