"""Which of several workers this process is, for whoever writes something down."""

from __future__ import annotations

__all__ = ["be_worker", "worker_number"]

_number = 0


def be_worker(number: int) -> None:
    """This process is the worker of that number; the first is 1."""
    global _number  # noqa: PLW0603 - a process is one worker, for as long as it runs
    _number = number


def worker_number() -> int:
    """The number of this worker, 0 in a process that is none."""
    return _number
