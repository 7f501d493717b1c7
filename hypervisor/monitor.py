"""Whom a long operation keeps informed."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Monitor"]


class Monitor(Protocol):
    """Whom a long operation tells how far it is."""

    def task(self, ref: str, *, decisive: bool = False) -> None:
        """A task of the management API now carries the operation.

        ``decisive``: how the task ends is how the operation ends.
        """

    def progress(self, fraction: float) -> None:
        """The operation is done to ``fraction`` (0.0 to 1.0)."""
