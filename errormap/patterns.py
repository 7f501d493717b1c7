"""Regular expressions that are compiled when they are first used.

Most faults need few of the patterns that the tables and the readers hold, and compiling them all
takes longer than everything else that one explanation does.
"""

from __future__ import annotations

import re
from typing import cast

__all__ = ["later", "written"]

_METHODS = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn")
_written: dict[str, None] = {}


def later(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """What ``re.compile`` gives, compiled at its first use, where it may raise re.error."""
    _written[pattern] = None
    return cast("re.Pattern[str]", _Later(pattern, flags))


def written() -> tuple[str, ...]:
    """All patterns that were asked for so far."""
    return tuple(_written)


class _Later:
    """Stands for a compiled pattern; equal where pattern and flags are."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        # Asked only for what is not there yet: after the first use the methods are.
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Later):
            return NotImplemented
        return (self.pattern, self._flags) == (other.pattern, other._flags)

    def __hash__(self) -> int:
        return hash((self.pattern, self._flags))

    def __repr__(self) -> str:
        return f"later({self.pattern!r}, {self._flags})"
