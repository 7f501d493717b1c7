"""Waiting for something to become true, with a deadline that says what never did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["DEADLINE_S", "wait_for"]

#: Far longer than anything here takes on a slow machine.
DEADLINE_S = 120.0
_POLL_INTERVAL_S = 0.02

T = TypeVar("T")


def wait_for(read: Callable[[], T], accept: Callable[[T], bool], what: str) -> T:
    """Read again and again until `accept` likes what was read, and give that."""
    deadline = time.monotonic() + DEADLINE_S
    while not accept(value := read()):
        assert time.monotonic() < deadline, f"{what}: still {value!r} after {DEADLINE_S:.0f} s"
        time.sleep(_POLL_INTERVAL_S)
    return value
