"""Patterns that are compiled when they are first used.

A run of a command needs few of them, and compiling takes longer than all that the others do.
"""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["later"]


class _Later:
    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self.pattern, self.flags)
        self.search = compiled.search
        self.match = compiled.match
        self.fullmatch = compiled.fullmatch
        self.finditer = compiled.finditer
        self.sub = compiled.sub
        return getattr(compiled, name)


def later(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The compiled form of ``pattern``, made at its first use."""
    return cast("re.Pattern[str]", _Later(pattern, flags))
