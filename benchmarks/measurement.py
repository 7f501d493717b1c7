"""Timing: one thing done many times, and what to say about how long it took."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Measurement", "Recorder", "timed"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How long each repetition of one thing took.

    ``size_bytes`` is that of the whole reply, 0 where there is none; ``baseline`` names the
    measurement in the same run that this one is to be compared with; the median should stay below
    ``target_s``.
    """

    name: str
    seconds: tuple[float, ...]
    size_bytes: int = 0
    baseline: str = ""
    target_s: float | None = None

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def minimum_s(self) -> float:
        return min(self.seconds)

    @property
    def percentile_90_s(self) -> float:
        """The time that nine of ten repetitions stay within."""
        return sorted(self.seconds)[(9 * len(self.seconds) - 1) // 10]

    @property
    def meets_target(self) -> bool | None:
        """None where there is no target."""
        return None if self.target_s is None else self.median_s < self.target_s


class Recorder:
    """Takes measurements and keeps them; ``announce`` is told the name of each.

    ``targets`` False leaves out all targets, as they do not hold for what is measured.
    """

    def __init__(self, announce: Callable[[str], None], *, targets: bool = True) -> None:
        self._announce = announce
        self._targets = targets
        self.measurements: list[Measurement] = []
        self.repetitions = 0

    def repeat(
        self,
        name: str,
        action: Callable[[], T],
        check: Callable[[T], None],
        *,
        times: int,
        baseline: str = "",
        target_s: float | None = None,
    ) -> None:
        """Time ``action`` that many times, after one repetition that does not count.

        Each result goes through ``check``, outside the time taken: a fast wrong answer is an error.
        """
        self._announce(name)
        check(action())
        seconds = []
        size_bytes = 0
        for _ in range(times):
            taken, result = timed(action)
            check(result)
            seconds.append(taken)
            size_bytes = len(result) if isinstance(result, bytes) else 0
        self.repetitions += 1 + times
        self.add(name, seconds, size_bytes=size_bytes, baseline=baseline, target_s=target_s)

    def add(
        self,
        name: str,
        seconds: Sequence[float],
        *,
        size_bytes: int = 0,
        baseline: str = "",
        target_s: float | None = None,
    ) -> None:
        """Keep what was timed by the caller."""
        self.measurements.append(
            Measurement(
                name=name,
                seconds=tuple(seconds),
                size_bytes=size_bytes,
                baseline=baseline,
                target_s=target_s if self._targets else None,
            )
        )


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Do ``action``; give the seconds that it took and its result."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result
