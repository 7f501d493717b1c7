"""Where peers see who is there, and tell each other something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Board", "Present", "Said"]

Said = Mapping[str, Any]
"""What is told, in values of JSON; ``by`` is who says it."""


class Present(NamedTuple):
    """One who is there: what it is called, for people, and the beat that it has counted."""

    id: str
    name: str
    beat: int


class Board(Protocol):
    """A table of who is there, and whatever carries what is said to all who listen.

    Each call is one step, before or after each other one. What was said before a step is heard
    before what is said after it, by whoever listened all the time.
    """

    def join(self, peer: str, name: str) -> None:
        """Be there."""

    def leave(self, peer: str) -> None:
        """Be there no more."""

    def beat(self, peer: str, beat: int) -> Sequence[Present] | None:
        """Count a beat, say it to all, and give who else is there.

        None, and nothing of it, for one who is not there.
        """

    def strike_off(self, peer: str, beat: int) -> None:
        """Take away one that has counted no further beat."""

    def tell(self, peer: str, said: Said) -> Mapping[str, str]:
        """Say something where others are there; gives their names, by what they are called."""

    def say(self, peer: str, said: Said) -> None:
        """Say something to all who listen."""
