"""What an app has, counted by slot: live, at replay, over nodes that hear of one another late."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from msgspec.structs import replace

from hubbub.base.errors import OVERLOADED, QUOTA_REACHED, Rejected
from hubbub.coordinator.records import Quotas
from hubbub.model.usage import Growth
from hubbub.wire.replication import NodeBeat
from hubbub.wire.shapes import Outcome
from node import keys
from node.store.api import Family
from node.usage import STEP_MIN, AppUsage, stored
from tests.node.rig import APP, Rig
from tests.node.trio import Trio

CHANNEL = Growth(channels=1)


def limited(rig: Rig, **quotas: int) -> Rig:
    """Its slots are led as a service does it, and the app has quotas."""
    rig.apps[APP] = replace(rig.apps[APP], quotas=Quotas(**quotas))
    for number, slot in rig.slots.items():
        rig.engine.usage.lead(number, stored(slot.overlay, number))
    return rig


def code_of(result: object) -> str:
    return result.error.name if isinstance(result, Rejected) else "ok"


def test_no_more_than_the_quota_and_what_is_deleted_gives_room() -> None:
    rig = limited(Rig(), channels_max=3, users_max=2)
    for n in range(3):
        rig.create(f"group:{n}")
    refused = rig.do("group:3", "channel.create", {"channel": "group:3"})
    assert isinstance(refused, Rejected)
    assert refused.error is QUOTA_REACHED
    assert refused.details == {"quota": "channels_max", "limit": 3, "used": 3, "scope": "app"}
    assert isinstance(rig.send("group:1", "what exists goes on"), Outcome)
    assert isinstance(rig.do("group:1", "channel.delete", {"channel": "group:1"}), Outcome)
    rig.create("group:3")
    ensure = [
        rig.do(f"#{user}", "user.ensure", {"user": user}, user=user, authority="system")
        for user in ("ann", "ben", "cat", "ann")
    ]
    assert [code_of(one) for one in ensure] == ["ok", "ok", "quota_reached", "ok"]
    usage = rig.engine.usage.known(APP)
    assert (usage.users, usage.channels, usage.complete) == (2, 3, True)
    assert rig.engine.usage.statistics().exceeded == {APP: {"channels_max": 1, "users_max": 1}}


def test_a_quota_below_what_there_is_refuses_only_what_is_new() -> None:
    rig = Rig()
    for n in range(3):
        rig.create(f"group:{n}")
    limited(rig, channels_max=1)
    assert isinstance(rig.send("group:1", "hi"), Outcome)
    update = {"channel": "group:1", "name": "Tea"}
    assert isinstance(rig.do("group:1", "channel.update", update), Outcome)
    assert code_of(rig.do("group:4", "channel.create", {"channel": "group:4"})) == "quota_reached"
    again = rig.do("group:1", "channel.create", {"channel": "group:1"})
    assert code_of(again) == "channel_exists", "it exists, whatever the quota"


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_brute_force_also_at_replay(seed: int) -> None:
    random = Random(seed)
    rig = limited(Rig(seed=seed))
    living: set[str] = set()
    ended: set[str] = set()
    users: set[str] = set()
    for _ in range(150):
        key, user = f"group:{random.randrange(40)}", f"u{random.randrange(30)}"
        what = random.randrange(3)
        if what == 0:
            rig.do(key, "channel.create", {"channel": key}, user="alice")
            living |= {key} - ended
        elif what == 1:
            rig.do(key, "channel.delete", {"channel": key}, user="alice")
            ended |= living & {key}
            living.discard(key)
        else:
            tag = random.choice(("user.ensure", "user.update"))
            rig.do(f"#{user}", tag, {"user": user, "name": user}, user=user, authority="system")
            users.add(user)
    usage = rig.engine.usage.known(APP)
    assert (usage.users, usage.channels) == (len(users), len(living))
    rows = [row for row in rig.dump()[Family.META] if row[0][:1] == b"q"]
    again = limited(Rig(rig.store, term=2, seed=seed + 1))
    assert again.engine.usage.known(APP) == usage, "a new term reads what stands in the rows"
    assert [row for row in again.dump()[Family.META] if row[0][:1] == b"q"] == rows


def test_every_copy_of_a_slot_counts_the_same() -> None:
    trio = Trio("group:tea")
    trio.elect(0)
    trio.submit(0, "channel.create", {"channel": "group:tea"})
    trio.run()
    trio.beat()
    rows = [member.store.get(Family.META, keys.usage(trio.number, APP)) for member in trio.members]
    assert rows[0] is not None
    assert len(set(rows)) == 1
    assert stored(trio.members[1].slot.overlay, trio.number) == {APP: CHANNEL}


def test_a_deleted_apps_counts_go_with_its_rows() -> None:
    rig = limited(Rig())
    rig.create("group:tea")
    slot = rig.slot("group:tea")
    rig.obey(slot.app_gone(APP, (), rig.now))
    rig.settle()
    assert rig.store.get(Family.META, keys.usage(slot.number, APP)) is None
    rig.engine.usage.drop(APP)
    assert rig.engine.usage.known(APP).channels == 0


# --- over nodes


class Party:
    """Nodes that share 12 slots, and beats that are on their way for as long as the test likes."""

    def __init__(self, nodes: int, limit: int) -> None:
        self.names = [f"node-{n}" for n in range(nodes)]
        self.quotas = Quotas(channels_max=limit)
        self.nodes = {name: AppUsage(12) for name in self.names}
        self.of_slot = {slot: self.names[slot % nodes] for slot in range(12)}
        for slot, name in self.of_slot.items():
            self.nodes[name].lead(slot, {})
        self.made = 0
        self.beats: dict[tuple[str, str], list[NodeBeat]] = {}
        self.heard: dict[tuple[str, str], int] = {}
        self.n = 0

    def others(self, name: str) -> Iterator[str]:
        return (other for other in self.names if other != name)

    def beat(self, name: str) -> None:
        me = self.nodes[name]
        for other in self.others(name):
            self.n += 1
            echo = self.heard.get((other, name), 0)
            beat = NodeBeat(1, self.n, echo, (), (), led=me.led_count, usage=me.report())
            self.beats.setdefault((name, other), []).append(beat)
            me.sent(other, self.n)

    def deliver(self, name: str, other: str) -> None:
        for beat in self.beats.pop((name, other), []):
            self.heard[name, other] = beat.n
            self.nodes[other].heard(name, beat)

    def exchange(self, rounds: int = 2) -> None:
        for _ in range(rounds):
            for name in self.names:
                self.beat(name)
            for name in self.names:
                for other in self.others(name):
                    self.deliver(name, other)

    def make(self, name: str, slot: int) -> str:
        """A channel in a slot that a node leads; "ok", or why not."""
        try:
            self.nodes[name].admit(APP, self.quotas, CHANNEL)
        except Rejected as refusal:
            return refusal.error.name
        self.nodes[name].add(slot, APP, CHANNEL)
        self.made += 1
        return "ok"

    def lead(self, slot: int, name: str) -> None:
        """Another node begins a term, with what the rows say."""
        before = self.nodes[self.of_slot[slot]]
        rows = dict(before._led[slot])
        before.forget(slot)
        self.nodes[name].lead(slot, rows)
        self.of_slot[slot] = name


def test_on_a_quiet_cluster_the_quota_is_exact() -> None:
    party = Party(3, 10)
    party.exchange()
    answers = []
    for n in range(12):
        answers.append(party.make(party.names[n % 3], n))
        party.exchange()
    assert answers == ["ok"] * 10 + [QUOTA_REACHED.name] * 2
    assert party.nodes["node-0"].known(APP).channels == 10


@pytest.mark.parametrize("limit", [1, 10, 400])
@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_however_late_beats_are_the_overshoot_has_its_bound(nodes: int, limit: int) -> None:
    worst = 0
    for seed in range(4):
        random = Random(seed * 31 + nodes)
        party = Party(nodes, limit)
        party.exchange()
        slow = random.choice(party.names), random.choice(party.names)  # one way is far slower
        for _ in range(40):
            for name in party.names:
                for _ in range(random.randrange(limit // 20 + 4)):
                    slot = next(s for s, led in party.of_slot.items() if led == name)
                    party.make(name, slot)
                if random.random() < 0.7:
                    party.beat(name)
            for name in party.names:
                for other in party.others(name):
                    if random.random() < (0.02 if (name, other) == slow else 0.6):
                        party.deliver(name, other)
        worst = max(worst, party.made - limit)
        party.exchange()
        assert {node.known(APP).channels for node in party.nodes.values()} == {party.made}
        while party.make(party.names[0], 0) != QUOTA_REACHED.name:
            party.exchange()
        assert party.made >= limit, "what the quota allows can be made"
    assert worst <= max(2 * STEP_MIN * nodes, limit // 100), worst


def test_while_slots_change_their_leader_nobody_is_refused_for_good() -> None:
    party = Party(3, 4)
    party.exchange()
    for n in range(4):
        assert party.make(party.names[n % 3], n) == "ok"
        party.exchange()
    lost = [slot for slot, name in party.of_slot.items() if name == "node-2"]
    for name in ("node-0", "node-1"):
        party.nodes[name].suspected = frozenset({"node-2"})
    assert party.make("node-0", 0) == QUOTA_REACHED.name, "its last word counts"
    party.lead(lost[0], "node-0")
    assert party.make("node-0", 0) == OVERLOADED.name, "taken over by halves: nobody knows"
    for slot in lost[1:]:
        party.lead(slot, "node-1")
    party.beat("node-0")
    party.beat("node-1")
    party.deliver("node-0", "node-1")
    party.deliver("node-1", "node-0")
    assert party.make("node-0", 0) == QUOTA_REACHED.name
    assert party.nodes["node-0"].known(APP).channels == 4


def test_nothing_is_known_before_the_others_have_spoken() -> None:
    party = Party(3, 10)
    assert party.make("node-0", 0) == OVERLOADED.name
    assert not party.nodes["node-0"].known(APP).complete
    party.nodes["node-0"].admit(APP, Quotas(), CHANNEL)  # without a quota nobody has to know
