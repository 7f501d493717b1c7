"""The connections of a daemon with several workers: accepted here, and served by those.

Each goes to the worker that has the fewest, of several in their turn. Until that one has taken it a
copy stays here, so that no connection is lost with a worker that has not even seen it.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from virtcim.daemon.acceptor import Acceptor
from virtcim.daemon.admission import Admission
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.listener import BoundListener
from virtcim.daemon.workers.channel import Channel, Message
from virtcim.daemon.workers.worker import METRICS

__all__ = ["Counter", "Handed", "Reception"]

_LOOK_EVERY_S = 0.25
_METRICS_CONNECTIONS = 32
# One that has not taken a connection for so long gets no further ones while others do.
_SLOW_S = 1.0
# As in ``connections``: silent connections have as long to be closed.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Handed:
    """A connection that a worker has not taken yet, and since when."""

    listener: int
    sock: socket.socket
    address: str
    since_s: float


@dataclass(slots=True, eq=False)
class Counter:
    """What one worker has of the connections, counted by their listener and their address."""

    channel: Channel
    of_address: dict[tuple[int, str], int] = field(default_factory=dict)
    total: int = 0
    handed: dict[int, Handed] = field(default_factory=dict)

    def is_slow(self, now_s: float) -> bool:
        """Whether it takes nothing: it hangs, or is asleep."""
        oldest = next(iter(self.handed.values()), None)
        return oldest is not None and now_s - oldest.since_s > _SLOW_S


class Reception:
    """Accepts connections for the workers that were added. Used in the event loop."""

    def __init__(self, admission: Admission, limits: ClientLimits) -> None:
        self._admission = admission
        metrics = Admission(most=_METRICS_CONNECTIONS, most_of_an_address=_METRICS_CONNECTIONS)
        self._admissions = {METRICS: metrics}
        self._limits = limits
        self._counters: list[Counter] = []  # the one at the end got a connection last
        self._numbers = itertools.count(1)
        self._waiting: list[Handed] = []  # while there is no worker
        self._acceptors: list[Acceptor] = []
        self._told: tuple[bool, frozenset[str]] = (False, frozenset())

    @property
    def admission(self) -> Admission:
        """The places for connections."""
        return self._admission

    def open(self, listeners: Mapping[int, BoundListener]) -> None:
        """Accept the connections of these listeners; those of METRICS have places of their own."""
        for number, one in listeners.items():
            admission = self._admissions.setdefault(number, self._admission)
            entrance = _Entrance(number, self._receive)
            is_tls = one.listen.kind == "https"
            self._acceptors.append(Acceptor(one.sock, entrance, admission, is_tls=is_tls))

    def close(self) -> None:
        """Accept nothing any more."""
        for acceptor in self._acceptors:
            acceptor.close()
        for one in self._waiting:
            one.sock.close()
        self._waiting.clear()

    async def watch(self) -> None:
        """Refuse who has waited for too long, and say who waits, until cancelled."""
        loop = asyncio.get_running_loop()
        patience_s = self._limits.silence_when_full_s + _PATIENCE_S
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._admission.refuse_older(loop.time() - patience_s)
            wanted = self._admission.wanted()
            if wanted != self._told:
                self._told = wanted
                for counter in self._counters:
                    self._tell_wanted(counter)

    def add(self, channel: Channel) -> Counter:
        """One more worker serves connections."""
        counter = Counter(channel)
        self._counters.append(counter)
        self._tell_wanted(counter)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._hand(one)
        return counter

    def remove(self, counter: Counter) -> None:
        """A worker has ended: what it had is closed, and what it has not taken goes to others."""
        if counter in self._counters:
            self._counters.remove(counter)
        handed, counter.handed = [*counter.handed.values()], {}
        for one in handed:
            self._count(counter, one.listener, one.address, -1)
        for (listener, address), count in counter.of_address.items():
            for _ in range(count):
                self._admissions[listener].leave(address)
        for one in handed:
            self._hand(one)

    def retire(self, counter: Counter) -> None:
        """A worker is about to end, and gets no further connections."""
        if counter in self._counters:
            self._counters.remove(counter)

    def taken(self, counter: Counter, message: Message) -> None:
        """A worker has a connection."""
        handed = counter.handed.pop(message.values["connection"], None)
        if handed is not None:
            handed.sock.close()

    def left(self, counter: Counter, message: Message) -> None:
        """A connection of a worker has ended."""
        listener, address = message.values["listener"], message.values["address"]
        self._count(counter, listener, address, -1)
        self._admissions[listener].leave(address)

    def _receive(self, listener: int, sock: socket.socket, address: str) -> None:
        self._hand(Handed(listener, sock, address, asyncio.get_running_loop().time()))

    def _hand(self, one: Handed) -> None:
        now_s = asyncio.get_running_loop().time()
        counter = min(
            self._counters, key=lambda each: (each.is_slow(now_s), each.total), default=None
        )
        if counter is None:
            self._waiting.append(one)
            return
        self._counters.remove(counter)
        self._counters.append(counter)
        number = next(self._numbers)
        counter.handed[number] = replace(one, since_s=now_s)
        self._count(counter, one.listener, one.address, 1)
        values = {"listener": one.listener, "address": one.address, "connection": number}
        counter.channel.tell(Message(kind="connection", values=values, sock=one.sock.dup()))

    def _count(self, counter: Counter, listener: int, address: str, change: int) -> None:
        counter.total += change
        of = listener, address
        count = counter.of_address.get(of, 0) + change
        if count:
            counter.of_address[of] = count
        else:
            counter.of_address.pop(of, None)

    def _tell_wanted(self, counter: Counter) -> None:
        is_any, addresses = self._told
        values = {"any": is_any, "addresses": sorted(addresses)}
        counter.channel.tell(Message(kind="wanted", values=values))


class _Entrance:
    """Where the connections of one listener go."""

    def __init__(self, number: int, receive: Callable[[int, socket.socket, str], None]) -> None:
        self._number = number
        self._receive = receive

    def serve(self, sock: socket.socket, address: str) -> None:
        """Have a worker serve a connection."""
        self._receive(self._number, sock, address)

    async def wait_closed(self) -> None:
        """No connection is half made here."""
