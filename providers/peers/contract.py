"""What carries word of writes between the processes that show the same hypervisors and state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["EVERYTHING", "STATE", "Peers", "Reached", "Shows", "Written"]

# Instead of a namespace: what is kept in the shared database.
STATE = ""


@dataclass(frozen=True, slots=True)
class Written:
    """Where something was written: in which namespace, and up to where in its stream of changes.

    ``position`` is ``Endpoint.position`` of whoever wrote it, when it shows what was written;
    empty where that is not known: then it is everything until now.
    """

    namespace: str
    position: str = ""


# What one that was not waited for has to show before it is again.
EVERYTHING: Sequence[Written] | None = None

Reached = Callable[[], None]
"""Told, from any thread, that a process shows what was written, or shows nothing older."""


class Shows(Protocol):
    """A process as its carrier sees it."""

    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        """Show what another one has written, None for all that anybody has written until now.

        Returns at once; ``reached`` is called once, within about a second, however slow the
        hypervisor is: from then on no read that begins shows anything older.
        """


class Peers(Protocol):
    """The other processes, as far as a carrier reaches them; safe to use from many threads.

    A living peer is one that writers wait for. It is one from when it has joined; one that is not
    heard of for some seconds is none any more, and knows that by its own clock before the others
    do (``is_waited_for``), also when it was asleep.
    """

    def start(self, shows: Shows) -> None:
        """Join: be waited for from now on.

        Whenever it has joined, also again, the carrier asks ``shows`` to catch up with everything;
        only when that is reached ``is_waited_for`` is true.
        """

    @property
    def is_waited_for(self) -> bool:
        """Whether nobody's write is answered before this process shows it; without any call."""

    def announce(self, written: Sequence[Written]) -> None:
        """Return when each living peer has reached what was written.

        That takes no longer than until one that is silent is no peer any more. Where the carrier
        itself fails, it returns after a time in which every peer has seen what happened by itself,
        or is none any more. Raises nothing.
        """

    def stop(self) -> None:
        """Leave: nobody waits for this process any more, and it waits for nobody."""
