"""Which connections are served: so many in all and of one address, and a few that wait for a place.

Nothing here reads or writes; ``daemon.acceptor`` has the sockets.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Admission", "Places", "Waiting"]

# Each is a descriptor of the reserve.
_MOST_WAITING = 64
_MOST_WAITING_OF_AN_ADDRESS = 16

Outcome = Literal["served", "waits", "refused"]


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A connection without a place: it is served when there is one, or refused in the end."""

    address: str
    since_s: float
    serve: Callable[[], None]
    refuse: Callable[[], None]


class Places(Protocol):
    """What is known of the places for connections, and of those who wait for one."""

    refused: int

    @property
    def total(self) -> int:
        """How many connections have a place."""

    def wanting(self, address: str) -> bool:
        """Whether somebody waits for a place that the end of a connection of ``address`` gives."""

    def refuse_older(self, than_s: float) -> None:
        """Refuse those who have waited since ``than_s`` or longer."""


class Admission:
    """Counts connections, and gives free places to those that wait: to each address in its turn."""

    def __init__(self, *, most: int, most_of_an_address: int) -> None:
        self._most = most
        self._most_of_an_address = most_of_an_address
        self._total = 0
        self._of_address: Counter[str] = Counter()
        self._waiting: dict[str, deque[Waiting]] = {}
        self._waiting_count = 0
        self.refused = 0

    @property
    def total(self) -> int:
        """How many connections have a place."""
        return self._total

    @property
    def is_full(self) -> bool:
        """Whether nobody can be served or wait: connections stay where the system keeps them."""
        return self._total >= self._most and self._waiting_count >= _MOST_WAITING

    def wanting(self, address: str) -> bool:
        """Whether somebody waits for a place that the end of a connection of ``address`` gives."""
        if self._total >= self._most:
            return self._waiting_count > 0
        return address in self._waiting

    def wanted(self) -> tuple[bool, frozenset[str]]:
        """Whose end gives somebody a place: whether that of any connection, and those addresses."""
        full = self._total >= self._most
        return full and self._waiting_count > 0, frozenset(() if full else self._waiting)

    def enter(self, waiting: Waiting) -> Outcome:
        """Take a place for a new connection, or have it wait; whoever is served calls ``leave``."""
        address = waiting.address
        if self._has_place(address) and not self.wanting(address):
            self._take(address)
            return "served"
        queue = self._waiting.get(address, ())
        if len(queue) >= _MOST_WAITING_OF_AN_ADDRESS or self._waiting_count >= _MOST_WAITING:
            self.refused += 1
            return "refused"
        self._waiting.setdefault(address, deque()).append(waiting)
        self._waiting_count += 1
        return "waits"

    def leave(self, address: str) -> None:
        """Give back a place: whoever waits for it is served."""
        self._total -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]
        for one in self._next():
            one.serve()

    def refuse_older(self, than_s: float) -> None:
        """Refuse those who have waited since ``than_s`` or longer."""
        for address, queue in tuple(self._waiting.items()):
            while queue and queue[0].since_s <= than_s:
                self._waiting_count -= 1
                self.refused += 1
                queue.popleft().refuse()
            if not queue:
                del self._waiting[address]

    def _next(self) -> Iterator[Waiting]:
        """Those who can be served now, with their places."""
        for address in tuple(self._waiting):
            if not self._has_place(address):
                continue
            queue = self._waiting.pop(address)
            self._waiting_count -= 1
            if len(queue) > 1:
                self._waiting[address] = queue  # behind the others
            self._take(address)
            yield queue.popleft()

    def _has_place(self, address: str) -> bool:
        return self._total < self._most and self._of_address[address] < self._most_of_an_address

    def _take(self, address: str) -> None:
        self._total += 1
        self._of_address[address] += 1
