"""A fault that was found in a text, and its place."""

from __future__ import annotations

from typing import NamedTuple

from virtcim.errormap.fault import Fault

__all__ = ["Found", "line_end"]


class Found(NamedTuple):
    """One fault in a text: where it begins and ends."""

    begin: int
    end: int
    fault: Fault


def line_end(text: str, at: int) -> int:
    """Where the line that holds the place ``at`` ends."""
    end = text.find("\n", at)
    return end if end >= 0 else len(text)
