"""What is counted and timed while requests are answered, and the form in which it is given away.

Counting costs a request a microsecond, and nothing of it knows Prometheus, whose library is loaded
when somebody asks for the first time.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BOUNDS_S", "Distribution", "Family", "Labels", "Tally", "Timings"]

Labels = tuple[str, ...]
Together = Literal["sum", "most", "least"]

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many durations there were up to each of BOUNDS_S and beyond them, and their sum."""

    counts: Sequence[int]
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The values of one metric by the values of its labels; ``name`` as Prometheus shows it.

    Those of a counter only grow as long as the process lives. ``together`` is what the gauges of
    several processes of one daemon are together; what is counted is added up.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    what: str
    labels: Labels = ()
    values: Mapping[Labels, float | Distribution] = field(default_factory=dict)
    together: Together = "sum"

    @classmethod
    def single(
        cls,
        name: str,
        kind: Literal["counter", "gauge"],
        what: str,
        value: float,
        *,
        together: Together = "sum",
    ) -> Family:
        """A metric without labels."""
        return cls(name=name, kind=kind, what=what, values={(): value}, together=together)


class Tally:
    """Counts by the values of labels, of which there are to be few; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Labels, int] = {}

    def add(self, labels: Labels) -> None:
        """Count one more."""
        with self._lock:
            self._counts[labels] = self._counts.get(labels, 0) + 1

    def read(self) -> dict[Labels, float | Distribution]:
        """The counts at present."""
        with self._lock:
            return {**self._counts}


class _Timing:
    """What is known of one name."""

    __slots__ = ("counts", "failures", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.failures = 0
        self.sum_s = 0.0


class Timings:
    """How long what was asked by a few names took, and whether it failed; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, _Timing] = {}

    def add(self, name: str, duration_s: float, *, failed: bool) -> None:
        """Note one more."""
        place = bisect_left(BOUNDS_S, duration_s)
        with self._lock:
            timing = self._of.get(name)
            if timing is None:
                timing = self._of[name] = _Timing()
            timing.counts[place] += 1
            timing.sum_s += duration_s
            if failed:
                timing.failures += 1

    def outcomes(self) -> dict[Labels, float | Distribution]:
        """By name and outcome, how many there were."""
        with self._lock:
            read: dict[Labels, float | Distribution] = {}
            for name, timing in self._of.items():
                read[name, "success"] = sum(timing.counts) - timing.failures
                read[name, "failure"] = timing.failures
            return read

    def durations(self) -> dict[Labels, float | Distribution]:
        """By name, how long they took."""
        with self._lock:
            return {
                (name,): Distribution((*timing.counts,), timing.sum_s)
                for name, timing in self._of.items()
            }
