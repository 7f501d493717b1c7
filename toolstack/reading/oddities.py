"""What cannot be read, understood or shown: told to the log once per object and cause."""

from __future__ import annotations

import logging

__all__ = ["Oddities"]

_log = logging.getLogger(__name__)


class Oddities:
    """The problems of objects by kind and identity; used with the inventory's lock held or not."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}
        self._left_out: dict[tuple[str, str], str] = {}

    def note(self, kind: str, identity: str, name: str, problem: str) -> None:
        """Tell the log about the problem of an object, unless it knows; none: all is well."""
        if not problem:
            self._told.pop((kind, identity), None)
        elif self._told.get((kind, identity)) != problem:
            self._told[kind, identity] = problem
            _log.warning("%s %r: %s", kind, name, problem)

    def leave_out(self, kind: str, identity: str, problem: str) -> None:
        """Note why something is not shown at all; no problem: it is."""
        self.note(kind, identity, identity, problem)
        if problem:
            self._left_out[kind, identity] = problem
        else:
            self._left_out.pop((kind, identity), None)

    def is_left_out(self, kind: str, identity: str) -> bool:
        """Whether something is not shown at all."""
        return (kind, identity) in self._left_out

    @property
    def left_out(self) -> str:
        """Everything that is not shown at all, in one text."""
        return "; ".join(tuple(self._left_out.values()))
