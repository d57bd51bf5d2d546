"""A proxy in a thread and one in a child process obey the same orders, and end without a trace."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.chaos.proxy_drivers import ChildProxy, ThreadProxy
from tests.support.chaos.proxy_orders import Way
from tests.support.chaos.signals import paused
from tests.support.cluster import wait_for
from tests.support.processes import process

WITHIN_S = 10.0


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WITHIN_S)
        yield listener


@pytest.fixture(params=[ThreadProxy, ChildProxy])
def proxy(
    request: pytest.FixtureRequest, target: socket.socket
) -> Iterator[ThreadProxy | ChildProxy]:
    with request.param(target.getsockname(), seed=1) as started:
        yield started


def connect(
    proxy: ThreadProxy | ChildProxy, target: socket.socket
) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(proxy.address, WITHIN_S)
    server, _ = target.accept()
    server.settimeout(WITHIN_S)
    return client, server


def test_orders_reach_a_proxy_that_runs_elsewhere(
    proxy: ThreadProxy | ChildProxy, target: socket.socket
) -> None:
    client, server = connect(proxy, target)
    with client, server:
        proxy.cut(Way.FORWARD)
        client.sendall(b"held")
        wait_for(lambda: proxy.counts().forward.held == 4, WITHIN_S, lambda: str(proxy.counts()))
        server.sendall(b"back")
        assert client.recv(9) == b"back"
        proxy.heal()
        assert server.recv(9) == b"held"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.address, WITHIN_S)
        proxy.delay(1, jitter_ms=1)
        proxy.rate(1_000_000)
        client.sendall(b"slowly")
        assert server.recv(9) == b"slowly"
        assert proxy.counts().forward == (10, 0, 0)
        proxy.heal()
        proxy.half_open()
        with socket.create_connection(proxy.address, WITHIN_S):
            wait_for(lambda: proxy.counts().half_open == 1, WITHIN_S, lambda: str(proxy.counts()))
        assert proxy.reset() == 1
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_a_thread_ends_with_its_proxy(target: socket.socket) -> None:
    before = set(threading.enumerate())
    proxy = ThreadProxy(target.getsockname())
    assert set(threading.enumerate()) != before
    proxy.close()
    proxy.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.address, WITHIN_S)


def test_a_child_can_stand_still_and_ends_with_its_pipe(target: socket.socket) -> None:
    proxy = ChildProxy(target.getsockname())
    child = process(proxy.pid)
    client, server = connect(proxy, target)
    with client, server:
        with paused(proxy.pid):
            client.sendall(b"waits")
        assert server.recv(9) == b"waits"
    proxy.close()
    proxy.close()
    assert not child.is_alive


def test_a_child_that_died_is_noticed(target: socket.socket) -> None:
    with ChildProxy(target.getsockname()) as proxy:
        proxy._process.kill()
        proxy._process.wait()
        with pytest.raises((EOFError, BrokenPipeError)):
            proxy.counts()
