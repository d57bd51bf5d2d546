"""A scripted cluster: nothing happens by itself. Every message, sync and record waits for its cue.

The nodes, disks and invariants are those of the simulator; only chance and time are missing.

    stage = Stage(3)
    stage.lead("s0")                         # named, told, and helped until it is active
    stage.send("s0", 7)                      # a client's message with cmid 7
    stage.sync("s0"); stage.deliver("s1")    # a disk; a copy's mail
    stage.crash("s1"); stage.start("s1")
    stage.check()                            # at the end: heal, catch up, compare with the clients
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from hubbub.ring.map import SlotRecord, next_leader, placed
from node import keys
from node.replica import Mail, Replica, Role
from node.slot_log import Logged
from node.store.api import DeleteRange, Family
from tests.sim.clients import Message
from tests.sim.coordinator import Coordinator
from tests.sim.disk import Disk
from tests.sim.history import check_history
from tests.sim.invariants import Invariants
from tests.sim.machine import NO_STREAM, SLOT, Line, entry_of
from tests.sim.network import Network
from tests.sim.process import Cluster, Node
from tests.sim.run import answers_on, lines_on
from tests.sim.world import World

ROUNDS_MAX: Final = 500  # of mail and syncs until nothing moves any more


class Post(NamedTuple):
    """A message on its way."""

    sender: str
    mail: Mail

    @property
    def kind(self) -> str:
        """What it carries."""
        return type(self.mail.body).__name__


class Asked(NamedTuple):
    """A compare-and-swap that waits for its turn."""

    revision: int
    record: SlotRecord
    reply: Callable[[bool, int], object]


class _Posts(Network):
    """A network that keeps everything until it is asked for."""

    __slots__ = ("posts", "senders")

    def __init__(self, world: World) -> None:
        super().__init__(world, Random(0))
        self.posts: list[Post] = []
        self.senders: list[str] = []

    def send(self, source: int, mails: Any) -> None:
        self.posts += [Post(self.senders[source], mail) for mail in mails]

    def carry(self, source: int, target: int, call: Callable[..., object], *args: Any) -> None:
        """Beats: scripts say them themselves."""

    def carry_client(self, call: Callable[..., object], *args: Any) -> None:
        call(*args)


class _Desk(Coordinator):
    """A coordinator that tells nobody and answers when it is asked to."""

    __slots__ = ("asked",)

    def __init__(self, world: World, record: SlotRecord) -> None:
        super().__init__(world, Random(0), record)
        self.asked: list[Asked] = []

    def compare_and_swap(
        self, revision: int, record: SlotRecord, reply: Callable[[bool, int], object]
    ) -> None:
        self.asked.append(Asked(revision, record, reply))

    def read(self, reply: Callable[[SlotRecord, int], object]) -> None:
        """Nobody reads by himself."""

    def tell_all(self) -> None:
        """Nobody hears by himself."""


class Said:
    """One attempt of a script's client, and its answers."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.answers: list[int] = []

    def __call__(self, result: int) -> None:
        self.answers.append(result)
        if result > 0:
            self.message.seq, self.message.acked = result, 0.0


class Stage:
    """Copies `s0`, `s1`, …; the first `members` of them are members."""

    def __init__(
        self, copies: int = 3, members: int | None = None, *, is_lenient: bool = False
    ) -> None:
        """Args: is_lenient: broken invariants are found, not raised (forged mail, lost rows)."""
        self.world = World(0)
        storages = [f"s{n}" for n in range(copies)]
        self.desk = _Desk(self.world, placed(tuple(storages[: members or copies])))
        self.invariants = Invariants(self.desk, is_lenient=is_lenient)
        self.network = _Posts(self.world)
        self.cluster = Cluster(self.world, self.network, self.desk, self.invariants, Random(0))
        self.messages: dict[int, Message] = {}
        for storage in storages:
            self.network.senders.append(storage)
            Node(self.cluster, self._disk(), storage).start()

    def _disk(self) -> Disk:
        return Disk(self.world, Random(0), sync_ms=1.0, sync_tail=0.0)

    # --- who is who

    def node(self, storage: str) -> Node:
        """The node that holds a copy."""
        return next(node for node in self.cluster.nodes if node.storage == storage)

    def replica(self, storage: str) -> Replica:
        """The copy itself, which must be up."""
        replica = self.node(storage).replica
        assert replica is not None, f"{storage} is down"
        return replica

    def role(self, storage: str) -> Role:
        """What it is doing."""
        return self.replica(storage).role

    def log(self, storage: str) -> list[tuple[int, int]]:
        """(index, term) of the log as the copy sees it."""
        log = self.replica(storage).log
        return [(one.index, one.term) for one in _all(log.read, log.base + 1, log.last_index)]

    # --- the coordinator

    def name(self, storage: str, *members: str) -> SlotRecord:
        """Write the next term, led by the process of a copy; tells nobody."""
        record = next_leader(self.desk.record, self.node(storage).leader, members or None)
        self.desk.write(record)
        return record

    def tell(self, *storages: str) -> None:
        """They hear of the record as it is now."""
        for storage in storages:
            self.node(storage).map_changed(self.desk.record, self.desk.state.revision)

    def decide(self) -> bool:
        """The coordinator does the oldest compare-and-swap and answers; whether it was done."""
        asked = self.desk.asked.pop(0)
        done = asked.revision == self.desk.state.revision
        if done:
            self.desk.write(asked.record)
        asked.reply(done, self.desk.state.revision)
        return done

    # --- mail and disks

    def posts(self, to: str = "", kind: str = "", sender: str = "") -> list[Post]:
        """What is on its way, as far as it fits."""
        return [
            post
            for post in self.network.posts
            if to in ("", post.mail.to) and kind in ("", post.kind) and sender in ("", post.sender)
        ]

    def take(self, to: str = "", kind: str = "", sender: str = "") -> list[Post]:
        """Hold back what fits: it arrives only by `give`."""
        taken = self.posts(to, kind, sender)
        self.network.posts = [post for post in self.network.posts if post not in taken]
        return taken

    drop = take

    def give(self, posts: list[Post]) -> None:
        """These arrive now; again, if they did before."""
        for post in posts:
            node = self.cluster.nodes[self.network.place_of(post.mail.to)]
            node.receive(post.mail.term, post.mail.body)

    def deliver(self, to: str = "", kind: str = "", sender: str = "") -> int:
        """What fits arrives, in order; how much it was."""
        posts = self.take(to, kind, sender)
        self.give(posts)
        return len(posts)

    def sync(self, *storages: str) -> bool:
        """Their disks finish what they have; whether there was anything."""
        return any([self.node(storage).disk.sync_now() for storage in storages])

    def settle(self, *storages: str) -> None:
        """Mail between these copies and their syncs, until nothing moves. All, unless named."""
        among = storages or tuple(node.storage for node in self.cluster.nodes)
        for _ in range(ROUNDS_MAX):
            moved = self.sync(*among)
            for post in [p for p in self.network.posts if {p.sender, p.mail.to} <= {*among}]:
                self.network.posts.remove(post)
                self.give([post])
                moved = True
            if not moved:
                return
        raise AssertionError("it never comes to rest")

    def lead(self, storage: str, *among: str, members: tuple[str, ...] = ()) -> None:
        """The copy is named, told, and helped by these (all, unless named) until it is active."""
        self.name(storage, *members)
        self.tell(storage)
        self.settle(*among)
        while self.desk.asked:
            assert self.decide()
            self.settle(*among)
        assert self.role(storage) is Role.ACTIVE, self.role(storage)

    # --- clients

    def send(self, storage: str, cmid: int, *, stream: int = 0) -> Said:
        """A client's message, or one more attempt; nothing is synced or delivered."""
        known = self.messages.setdefault(cmid, Message(cmid, stream, 0.0, is_extra=False))
        said = Said(known)
        self.node(storage).submit(said)
        return said

    def committed(self, storage: str, cmid: int, *among: str) -> int:
        """A client's message that these help to commit; its seq."""
        said = self.send(storage, cmid)
        self.settle(*among)
        assert said.answers, f"{cmid} was not answered"
        assert said.answers[0] > 0, said.answers
        return said.answers[0]

    def fill(self, storage: str, byte_count: int) -> None:
        """A leader's entry of that size, which means nothing."""
        replica = self.replica(storage)
        line = Line(replica.term, replica.log.last_index + 1, NO_STREAM, 0, 0)
        replica.append(entry_of(line) + bytes(byte_count), self.node(storage).now())
        self.node(storage).obey()

    def read(self, storage: str, *, stream: int = 0) -> int:
        """The seq that a client reads at a copy."""
        seen: list[int] = []
        self.node(storage).read(stream, 0, lambda seq, _cmid: seen.append(seq))
        return seen[0]

    def read_linear(self, storage: str, *, stream: int = 0) -> list[int]:
        """A read that may not be stale; its answer, once there is one, is in the list."""
        seen: list[int] = []
        self.node(storage).read_linear(stream, lambda seq, _cmid: seen.append(seq))
        return seen

    # --- harm and time

    def crash(self, storage: str, keep: int = 0) -> None:
        """The process dies; its disk keeps so many of the batches that it had not synced."""
        self.node(storage).crash(keep)

    def start(self, storage: str) -> None:
        """A new process on what the disk has."""
        self.node(storage).start()

    def wipe(self, storage: str) -> str:
        """The disk is lost; the name of the new, empty copy, which is up."""
        node = self.node(storage)
        node.replace_disk(self._disk(), storage + "b")
        self.network.senders[node.number] = node.storage
        node.start()
        return node.storage

    def trim(self, storage: str) -> None:
        """The copy writes its rows, and drops every entry that it may."""
        node = self.node(storage)
        self.wait(0, storage)
        self.sync(storage)
        node.snapshots.trim(1)
        node.obey()
        self.sync(storage)

    def lose(self, storage: str, above: int) -> None:
        """The disk of a dead process forgets entries that it had synced."""
        node = self.node(storage)
        assert node.replica is None
        store = node.disk.store
        lost = DeleteRange(Family.LOG, keys.log(SLOT, above + 1), keys.log(SLOT, keys.U64_MAX))
        rows = store.iterate(Family.META, *keys.term_range(SLOT), limit=1 << 30)
        terms = [(Family.META, key, None) for key, row in rows if keys.read_u64(row) > above]
        store.write([lost, *terms])

    def wait(self, ms: int, *storages: str) -> None:
        """Time passes, and these notice."""
        self.world.now += ms
        for storage in storages:
            self.node(storage).tick(self.replica(storage))

    # --- the end

    def check(self, leader: str = "") -> None:
        """Heal everything, let a member lead, and compare the log with what clients were told."""
        self.network.posts.clear()
        self.desk.asked.clear()
        for node in self.cluster.nodes:
            node.start()
        self.lead(leader or self.desk.record.members[0])
        lead = leader or self.desk.record.members[0]
        self.wait(3_000, *self.desk.record.members)
        self.settle()
        ends = {self.replica(s).log.last_chain for s in self.desk.record.members}
        assert len(ends) == 1, ends
        first = self.replica(lead)
        for storage in self.desk.record.members:
            self.node(storage).hear_beat(first.term, self.node(lead).boot_id, first.commit)
            self.wait(0, storage)
        self.settle()
        rows = answers_on(self.node(lead))
        for storage in self.desk.record.members:
            assert answers_on(self.node(storage)) == rows, storage
        check_history(list(self.messages.values()), lines_on(self.node(lead)))


def _all(read: Callable[[int, int], list[Logged]], first: int, last: int) -> list[Logged]:
    found: list[Logged] = []
    while first <= last:
        found += read(first, 1 << 30)
        first = found[-1].index + 1
    return found
