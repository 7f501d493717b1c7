"""Whatever dies, sleeps, lags or is cut off: no read shows less than what was answered before."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import count

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from virtcim.providers.peers.board import Present, Said
from virtcim.providers.peers.contract import Reached, Written
from virtcim.providers.peers.peer import Peer
from virtcim.providers.peers.standing import LEASE_S, SILENCE_S, Standing

_SERVERS = 2
# What a connection is given up after that brings nothing; see ``postgresql.py``.
_DEAF_S = 5.0


class World:
    """A hypervisor whose changes are numbered, a board, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.changes = 0
        self.answered = 0
        self.rows: dict[str, Present] = {}
        self.names = map(str, count())
        self.servers = [Server(self, number) for number in range(_SERVERS)]

    def post(self, said: Said) -> None:
        for each in self.servers:
            if each.hears:
                each.heard.append(json.dumps(said))


class Server:
    """Implements ``Board`` as one server reaches it, and ``Shows``."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.sleeps = False
        # Its thread does nothing, while it still answers reads.
        self.is_stuck = False
        self.speaks = False
        self.hears = False
        self.heard: deque[str] = deque()
        # What its inventory shows, and who waits until it shows more.
        self.shown = 0
        self.is_behind = False
        self.waiting: list[tuple[int, Reached]] = []
        self.writes: list[tuple[int, int, ExitStack]] = []
        self.peer = Peer(
            self,
            self,
            name=str(number),
            standing=Standing(clock=lambda: world.now),
            new_id=lambda: next(world.names),
        )

    def _speak(self) -> None:
        if not self.speaks:
            raise OSError("cut off")

    def join(self, peer: str, name: str) -> None:
        self._speak()
        self.world.rows[peer] = Present(peer, name, 0)

    def leave(self, peer: str) -> None:
        self._speak()
        self.world.rows.pop(peer, None)

    def beat(self, peer: str, beat: int) -> Sequence[Present] | None:
        self._speak()
        if peer not in self.world.rows:
            return None
        self.world.rows[peer] = self.world.rows[peer]._replace(beat=beat)
        self.world.post({"beat": beat, "by": peer})
        return [one for one in self.world.rows.values() if one.id != peer]

    def strike_off(self, peer: str, beat: int) -> None:
        self._speak()
        if peer in self.world.rows and self.world.rows[peer].beat == beat:
            del self.world.rows[peer]

    def tell(self, peer: str, said: Said) -> Mapping[str, str]:
        self._speak()
        there = {one.id: one.name for one in self.world.rows.values() if one.id != peer}
        if there:
            self.world.post({**said, "by": peer})
        return there

    def say(self, peer: str, said: Said) -> None:
        with suppress(OSError):
            self._speak()
            self.world.post({**said, "by": peer})

    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        wanted = self.world.changes
        if written is not None and written[0].position:
            wanted = int(written[0].position)
        if self.is_behind or self.shown >= wanted:
            reached()
        else:
            self.waiting.append((wanted, reached))

    def follow(self) -> None:
        """Events arrive."""
        self.shown, self.is_behind = self.world.changes, False
        self.give_all()

    def give_all(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, reached in waiting:
            reached()

    def give_up(self) -> None:
        """Whoever waits has waited long enough."""
        self.is_behind = True
        self.give_all()

    def write(self, *, knows_where: bool) -> None:
        self.world.changes += 1
        # A write is not over before its own server shows it.
        self.shown = self.world.changes
        stack = ExitStack()
        number = stack.enter_context(self.peer.awaited.one_more())
        written = [Written("root/virt", str(self.shown) if knows_where else "")]
        with suppress(OSError):
            self.peer.ask(number, written)
            self.writes.append((number, self.world.changes, stack))
            return
        # Nobody could be asked: it is not answered for as long as that takes.
        stack.close()

    def answer(self) -> None:
        """Answer the writes that all have reached."""
        for one in tuple(self.writes):
            number, change, stack = one
            if self.peer.awaited.wait(number, 0.0):
                self.world.answered = max(self.world.answered, change)
                self.writes.remove(one)
                stack.close()

    def ask_again(self) -> None:
        for number, change, _ in self.writes:
            with suppress(OSError):
                self.peer.ask(number, [Written("root/virt", str(change))])

    def hear(self) -> None:
        self.peer.hear(json.loads(self.heard.popleft()))

    def connect(self) -> None:
        self.speaks = self.hears = True
        self.peer.join()

    def disconnect(self) -> None:
        with suppress(OSError):
            self.peer.leave()
        self.speaks = self.hears = False
        self.heard.clear()

    def beat_once(self) -> None:
        try:
            if self.peer.unheard_s > _DEAF_S:
                raise OSError("deaf")
            self.peer.beat()
        except OSError:
            self.disconnect()
            self.connect()

    def read(self) -> None:
        """A server that is not waited for, or behind, looks itself: that is always right."""
        if self.peer.standing.is_waited_for and not self.is_behind:
            assert self.shown >= self.world.answered


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for one in self.world.servers:
            one.connect()
        self.all_do_what_they_should(1)

    def awake(self) -> list[Server]:
        return [one for one in self.world.servers if not one.sleeps]

    def working(self) -> list[Server]:
        return [one for one in self.awake() if not one.is_stuck]

    one = st.integers(0, _SERVERS - 1)

    @rule(rounds=st.sampled_from((1, 1, 3, 6)))
    def all_do_what_they_should(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.now += 0.9
            for each in self.working():
                each.beat_once()
                each.ask_again()
            for each in self.working():
                while each.heard:
                    each.hear()
            self.settle()

    @rule(seconds=st.sampled_from((0.5, 2.0, 4.5)))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(number=one, knows_where=st.booleans())
    def somebody_writes(self, number: int, *, knows_where: bool) -> None:
        one = self.world.servers[number]
        if not one.sleeps:
            one.write(knows_where=knows_where)
        self.settle()

    @rule(number=one)
    def one_beats(self, number: int) -> None:
        one = self.world.servers[number]
        if not one.sleeps:
            one.beat_once()
            one.ask_again()
        self.settle()

    @rule(number=one)
    def one_hears(self, number: int) -> None:
        one = self.world.servers[number]
        if not one.sleeps and one.heard:
            one.hear()
        self.settle()

    @rule(number=one)
    def events_arrive(self, number: int) -> None:
        one = self.world.servers[number]
        if not one.sleeps:
            one.follow()
        self.settle()

    @rule(number=one)
    def one_gives_up(self, number: int) -> None:
        one = self.world.servers[number]
        if not one.sleeps and one.waiting:
            one.give_up()
        self.settle()

    @rule(number=one)
    def one_falls_asleep(self, number: int) -> None:
        self.world.servers[number].sleeps = True

    @rule(number=one)
    def one_is_stuck_or_no_more(self, number: int) -> None:
        one = self.world.servers[number]
        one.is_stuck = not one.is_stuck

    @precondition(lambda self: len(self.awake()) < _SERVERS)
    @rule()
    def all_wake_up(self) -> None:
        for each in self.world.servers:
            each.sleeps = False
            # Before it has done anything else.
            each.read()

    @rule(number=one, hears=st.booleans(), speaks=st.booleans())
    def a_line_is_cut(self, number: int, *, hears: bool, speaks: bool) -> None:
        one = self.world.servers[number]
        one.hears, one.speaks = one.hears and hears, one.speaks and speaks

    def settle(self) -> None:
        for each in self.awake():
            each.answer()
        for each in self.awake():
            each.read()

    def teardown(self) -> None:
        for each in self.world.servers:
            for *_, stack in each.writes:
                stack.close()


@pytest.fixture
def world() -> World:
    world = World()
    for one in world.servers:
        one.connect()
    all_work(world)
    return world


def all_work(world: World, *servers: Server, rounds: int = 1) -> None:
    """Some servers do for a while what they should; all without any."""
    for _ in range(rounds):
        world.now += 0.9
        for each in servers or world.servers:
            each.beat_once()
            each.ask_again()
        for each in servers or world.servers:
            while each.heard:
                each.hear()
            each.answer()


def test_one_that_is_silent_keeps_a_writer_waiting_until_it_knows_that_itself(
    world: World,
) -> None:
    writer, silent = world.servers
    all_work(world, writer)
    writer.write(knows_where=True)
    waited = 0
    while not world.answered:
        assert waited < 8
        all_work(world, writer)
        waited += 1
    assert not silent.peer.standing.is_waited_for
    assert waited >= 3
    # Clocks do not go equally fast.
    assert SILENCE_S >= LEASE_S + 1


def test_one_that_was_struck_off_is_not_believed_before_it_has_caught_up(world: World) -> None:
    writer, silent = world.servers
    [other] = [row for row in world.rows.values() if row.name != "0"]
    writer.strike_off(other.id, other.beat)
    writer.write(knows_where=True)
    writer.answer()
    assert world.answered == 1
    all_work(world, rounds=3)
    assert not silent.peer.standing.is_waited_for
    silent.follow()
    all_work(world)
    assert silent.peer.standing.is_waited_for


def test_one_that_hears_nothing_does_not_believe_that_it_is_waited_for(world: World) -> None:
    deaf, other = world.servers
    deaf.hears = False
    all_work(world, rounds=4)
    assert not deaf.peer.standing.is_waited_for
    assert other.peer.standing.is_waited_for
    # Its connection is given up, and with another one it hears again.
    all_work(world, rounds=4)
    assert deaf.peer.standing.is_waited_for


def test_a_late_answer_to_an_old_beat_is_no_new_lease(world: World) -> None:
    _, late = world.servers
    late.beat_once()
    world.now += 3.0
    while late.heard:
        late.hear()
    assert not late.peer.standing.is_waited_for


def test_where_nobody_else_is_nobody_is_waited_for() -> None:
    world = World()
    alone, _ = world.servers
    alone.connect()
    alone.write(knows_where=True)
    alone.answer()
    assert world.answered == 1
    assert not alone.heard


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=200, stateful_step_count=30)
