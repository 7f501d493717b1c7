"""What libvirt has answered about domains at the start: it is understood when somebody wants it.

To understand a description, name its devices and find a place for each among the records takes
longer than to have it written by libvirt. Whoever wants to know something of one machine waits for
that machine alone, and who wants to know something of all for what is left; meanwhile a thread
that has nothing else to do goes through them. What there is to be understood is complete, and does
not change: so nobody can tell when it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from itertools import islice

from virtcim.toolstack.reading.queries import DomainAnswers

__all__ = ["Answers"]

# So many domains are understood, and become visible, together.
_LOT = 10


class Answers:
    """Answers by the UUID of their domain; safe to use from many threads.

    ``understand`` is called with each of them, once, and ``end`` after the last one; both with
    ``lock`` held, which is re-entrant. Neither gets what it wants to know from here.
    """

    def __init__(
        self,
        lock: AbstractContextManager[object],
        understand: Callable[[DomainAnswers], None],
        end: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._understand = understand
        self._end = end
        self._answers: dict[str, DomainAnswers] = {}
        self._is_at_work = False
        self._are_understood = True

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def uuids(self) -> Collection[str]:
        """The domains of which an answer is left to be understood."""
        return tuple(self._answers)

    @property
    def are_understood(self) -> bool:
        """Whether nothing is left to be understood."""
        return self._are_understood

    def add(self, answers: Iterable[DomainAnswers]) -> None:
        """Take answers, to be understood later."""
        with self._lock:
            self._answers |= {each.uuid: each for each in answers}
            self._are_understood = False

    def discard(self, uuid: str) -> None:
        """Something newer is known of a domain, or it is gone."""
        self._answers.pop(uuid, None)

    def want(self, uuid: str) -> None:
        """Understand what was answered about one domain, unless it is."""
        if not self._are_understood:
            with self._lock:
                self._work(uuid)

    def want_all(self) -> None:
        """Understand all that is left."""
        while self.want_some():
            pass

    def want_some(self) -> bool:
        """Understand a part of what is left; False where nothing is."""
        if self._are_understood:
            return False
        with self._lock:
            if self._is_at_work:
                return False  # this very thread
            self._work(*islice(self._answers, _LOT))
        return True

    def _work(self, *uuids: str) -> None:
        if self._is_at_work:
            return
        self._is_at_work = True
        try:
            for uuid in uuids:
                if (answers := self._answers.pop(uuid, None)) is not None:
                    self._understand(answers)
            if not self._answers and not self._are_understood:
                self._end()
                # Not sooner: whoever sees it waits for nothing any more.
                self._are_understood = True
        finally:
            self._is_at_work = False
