"""What libvirt's events tell the thread that follows it, in order."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass

from virtcim.toolstack.reading.stop_reason import StopDetail

__all__ = [
    "DOMAIN",
    "NETWORK",
    "POOL",
    "Changed",
    "Message",
    "Messages",
    "Rebooted",
    "Report",
    "StopSeen",
    "Unmade",
]

DOMAIN, POOL, NETWORK = "domain", "pool", "network"


@dataclass(frozen=True, slots=True)
class Changed:
    """The object is out of date; ``kind`` is one of DOMAIN, POOL and NETWORK."""

    kind: str
    uuid: str


@dataclass(frozen=True, slots=True)
class StopSeen:
    """A domain has stopped by itself; no ``detail``: it goes on."""

    uuid: str
    detail: StopDetail | None


@dataclass(frozen=True, slots=True)
class Rebooted:
    """A guest has restarted."""

    uuid: str


@dataclass(frozen=True, slots=True)
class Unmade:
    """A record of an object could not be made when it was read."""

    class_name: str
    uuid: str
    error: Exception


Message = Changed | StopSeen | Rebooted | Unmade
Report = Callable[[Message], None]


class Messages:
    """A queue of messages, which anybody fills and one thread takes."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        """Add a message."""
        self._queue.put(message)

    def wake(self) -> None:
        """End the waiting of whoever takes messages."""
        self._queue.put(None)

    def take(self, timeout_s: float) -> list[Message] | None:
        """Wait for messages; None when the time is over. Several that say the same are one."""
        try:
            taken = [self._queue.get(block=timeout_s > 0, timeout=timeout_s)]
        except queue.Empty:
            return None
        while not self._queue.empty():
            taken.append(self._queue.get())
        # The last of equal messages counts: it was sent after all the changes before it.
        repeatable = (Changed, Rebooted)
        last = {
            message: number
            for number, message in enumerate(taken)
            if isinstance(message, repeatable)
        }
        return [
            message
            for number, message in enumerate(taken)
            if message is not None
            and (not isinstance(message, repeatable) or last[message] == number)
        ]
