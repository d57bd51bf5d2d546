"""Several hosts on one machine: network namespaces on a switch, links to pull, packets to lose.

Each host is a namespace with an address; the switch is a bridge in a namespace of its own, so that
the machine's network is not touched. Needs root, `ip` and `nft`; else the test is skipped with the
reason, or fails where `HUBBUB_REQUIRE` names "netns".

Rules:
1. Whatever happens, `Network.__exit__` ends the processes in the namespaces and removes these. What
   a killed test left is removed, by its name, by the next one (`sweep`).
2. A name holds the pid of its test, so that tests run side by side.
3. A link that is down loses packets silently, as a pulled cable; so do `cut` and `lose`. Only
   `refuse` answers.
4. Namespaces part networks, not files: sockets at paths (`ipc://`) still connect all hosts.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from tests.support.cluster import wait_for
from tests.support.requirement import missing

TOOLS: Final = ("ip", "nft")
WITHIN_S: Final = 10.0
PREFIX: Final = "hubtest"
SWITCH: Final = "switch"
SUBNET: Final = "10.213.77"  # seen by our namespaces only
HOSTS_MAX: Final = 200
PERMILLE: Final = 1_000
_DROP: Final = "counter drop"
_RESET: Final = "meta l4proto tcp counter reject with tcp reset"
_CLONE_NEWNET: Final = 0x40000000
_NAME: Final = re.compile(rf"{PREFIX}-(\d+)-\d+-.+")
_serial = itertools.count(1)


class Host(NamedTuple):
    """One host: its name among the hosts, its address, its namespace."""

    name: str
    address: str
    namespace: str

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` there, as root."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def popen(self, words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """A process there; its pid is that of the program itself."""
        return subprocess.Popen(self.command(*words), **options)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes inside belong to the host, also afterwards.

        Only the calling thread moves: no `to_thread`, and no await that others run in between.
        """
        with open("/proc/thread-self/ns/net") as home, open(_path(self.namespace)) as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())


class Network:
    """Hosts on one switch, from `__enter__` to `__exit__`."""

    def __init__(self, *names: str) -> None:
        assert 0 < len(names) <= HOSTS_MAX
        assert SWITCH not in names
        self._stem = f"{PREFIX}-{os.getpid()}-{next(_serial)}"
        self._switch = f"{self._stem}-{SWITCH}"
        self._hosts = {
            name: Host(name, f"{SUBNET}.{n}", f"{self._stem}-{name}")
            for n, name in enumerate(names, 1)
        }
        # (source, target) → what the target's rules do with packets of the source, in nft's words.
        self._rules: dict[tuple[str, str], tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        need()
        sweep()
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.remove()

    def host(self, name: str) -> Host:
        return self._hosts[name]

    @property
    def hosts(self) -> list[Host]:
        return list(self._hosts.values())

    def remove(self) -> None:
        """Kill what runs in the namespaces and delete them. May be called twice."""
        for namespace in [*(host.namespace for host in self.hosts), self._switch]:
            _remove(namespace)

    # --- faults

    def link_down(self, name: str) -> None:
        """Pull the cable of a host at the switch."""
        self._set_link(name, "down")

    def link_up(self, name: str) -> None:
        self._set_link(name, "up")

    def cut(self, source: str, target: str) -> None:
        """Packets from source to target vanish; the way back stays."""
        self._rule(source, target, _DROP)

    def lose(self, source: str, target: str, share: float) -> None:
        """Packets from source to target vanish at random.

        Args: share: of all packets, 0 to 1, in steps of 1/1000.
        """
        assert 0 <= share <= 1
        count = round(share * PERMILLE)
        self._rule(source, target, f"numgen random mod {PERMILLE} < {count} {_DROP}")

    def refuse(self, source: str, target: str) -> None:
        """TCP from source to target is answered with a reset; other packets vanish."""
        self._rule(source, target, _RESET, _DROP)

    def split(self, *groups: Sequence[str]) -> None:
        """Hosts of different groups do not reach one another; hosts in no group reach everybody."""
        for one, other in itertools.permutations(groups, 2):
            for source, target in itertools.product(one, other):
                self._rules[source, target] = (_DROP,)
        self._apply(*self._hosts)

    def heal(self) -> None:
        """All links up, no rules."""
        for name in self._hosts:
            self.link_up(name)
        self._rules.clear()
        self._apply(*self._hosts)

    def dropped(self, source: str, target: str) -> int:
        """Packets that the rule from source to target took so far; 0 without a rule."""
        host = self._hosts[target]
        said = json.loads(_run(host.command("nft", "-j", "list", "table", "ip", "chaos")))
        rules = [entry["rule"] for entry in said["nftables"] if "rule" in entry]
        words = [word for rule in rules if rule.get("comment") == source for word in rule["expr"]]
        return sum(int(word["counter"]["packets"]) for word in words if "counter" in word)

    # ---

    def _build(self) -> None:
        """Namespaces first: what follows names them."""
        orders = [f"netns add {name}" for name in [self._switch, *_namespaces(self.hosts)]]
        _ip(None, *orders)
        _ip(self._switch, "link add br0 type bridge", "link set br0 up")
        for host in self.hosts:
            port = _port(host)
            _ip(
                self._switch,
                f"link add {port} type veth peer name eth0 netns {host.namespace}",
                f"link set {port} master br0",
                f"link set {port} up",
            )
            _ip(
                host.namespace,
                "link set lo up",
                f"addr add {host.address}/24 dev eth0",
                "link set eth0 up",
            )
        self._apply(*self._hosts)

    def _set_link(self, name: str, state: str) -> None:
        _ip(self._switch, f"link set {_port(self._hosts[name])} {state}")

    def _rule(self, source: str, target: str, *statements: str) -> None:
        self._rules[source, target] = statements
        self._apply(target)

    def _apply(self, *targets: str) -> None:
        """Replace all rules of some hosts, each in one transaction."""
        for target in targets:
            lines = [
                f'ip saddr {self._hosts[source].address} {statement} comment "{source}"'
                for (source, to), statements in self._rules.items()
                for statement in statements
                if to == target
            ]
            text = (
                "table ip chaos\ndelete table ip chaos\ntable ip chaos {\n  chain in {\n"
                "    type filter hook input priority 0; policy accept;\n"
                + "".join(f"    {line}\n" for line in lines)
                + "  }\n}\n"
            )
            _run(self._hosts[target].command("nft", "-f", "-"), text)


def need() -> None:
    """Skips the running test, or fails it where "netns" is required, if this cannot work here."""
    if os.geteuid() != 0:
        missing("netns", "network namespaces need root")
    for tool in TOOLS:
        if not any(Path(folder, tool).exists() for folder in os.get_exec_path()):
            missing("netns", f"no {tool} on this machine")
    probe = f"{PREFIX}-{os.getpid()}-{next(_serial)}-probe"
    try:
        _ip(None, f"netns add {probe}")
        _run(["ip", "netns", "exec", probe, "nft", "list", "ruleset"])
    except subprocess.CalledProcessError as error:
        missing("netns", f"network namespaces do not work here: {error.stderr}")
    finally:
        _remove(probe)


def sweep() -> list[str]:
    """Remove the namespaces of tests that no longer run; their names."""
    known = [line.split()[0] for line in _run(["ip", "netns", "list"]).splitlines() if line]
    stale = [
        name
        for name in known
        if (found := _NAME.fullmatch(name)) and not Path(f"/proc/{found[1]}").exists()
    ]
    for name in stale:
        _remove(name)
    return stale


def _namespaces(hosts: Sequence[Host]) -> list[str]:
    return [host.namespace for host in hosts]


def _port(host: Host) -> str:
    """The host's interface at the switch; the address keeps it within 15 characters."""
    return f"port{host.address.rpartition('.')[2]}"


def _ip(namespace: str | None, *orders: str) -> None:
    words = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    _run(words, "".join(f"{order}\n" for order in orders))


def _run(words: Sequence[str], text: str = "") -> str:
    """What a tool printed. Raises CalledProcessError with what it complained about."""
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        error.add_note(f"{text}\n{done.stderr}")
        raise error
    return done.stdout


def _remove(namespace: str) -> None:
    """Kill by pid what runs in it, then delete it; no error if it is not there."""
    if not Path(_path(namespace)).exists():
        return

    def is_empty() -> bool:
        pids = _run(["ip", "netns", "pids", namespace]).split()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return not pids

    with suppress(subprocess.CalledProcessError):
        wait_for(is_empty, WITHIN_S, lambda: f"processes of {namespace} do not die")
    _run(["ip", "netns", "delete", namespace])


def _path(namespace: str) -> str:
    return f"/run/netns/{namespace}"


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
