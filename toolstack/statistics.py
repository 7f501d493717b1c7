"""Counters: what was asked of the toolstack, and what it asked of libvirt."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from virtcim.daemon.observation.measures import Family, Tally, Timings

__all__ = ["UNKNOWN_METHOD", "Statistics"]

UNKNOWN_METHOD = "unknown"
"""Stands for whatever clients call that is no method."""


class Statistics:
    """Counts requests by method, and calls of libvirt's API apart by who caused them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._background = threading.local()
        self._libvirt_calls = 0
        self._libvirt_background_calls = 0
        self._timings = Timings()
        self._failures = Tally()

    def mark_background(self) -> None:
        """The calling thread follows the hypervisor; it serves no request."""
        self._background.marked = True

    def count_request(self, method: str) -> None:
        """One request of a known method, or UNKNOWN_METHOD, arrived."""
        with self._lock:
            self._requests[method] += 1

    def note_answer(self, method: str, duration_s: float, failure: str) -> None:
        """It was answered; ``failure`` is a code of the API, empty for a success."""
        self._timings.add(method, duration_s, failed=bool(failure))
        if failure:
            self._failures.add((failure,))

    def count_libvirt_call(self) -> None:
        """The calling thread is about to call libvirt."""
        with self._lock:
            if getattr(self._background, "marked", False):
                self._libvirt_background_calls += 1
            else:
                self._libvirt_calls += 1

    def snapshot(self) -> dict[str, object]:
        """Give all counters since the start."""
        with self._lock:
            return {
                "requests": dict(self._requests),
                "libvirt_calls": self._libvirt_calls,
                "libvirt_background_calls": self._libvirt_background_calls,
            }

    def families(self) -> Iterable[Family]:
        """The same as metrics, with how requests were answered."""
        yield Family(
            name="virtcim_xenapi_calls_total",
            kind="counter",
            what="Calls that were answered, by method and how they ended.",
            labels=("method", "outcome"),
            values=self._timings.outcomes(),
        )
        yield Family(
            name="virtcim_xenapi_call_duration_seconds",
            kind="histogram",
            what="From a call to its answer; event.from waits for events.",
            labels=("method",),
            values=self._timings.durations(),
        )
        yield Family(
            name="virtcim_xenapi_failures_total",
            kind="counter",
            what="Calls that failed, by the code of the XenAPI.",
            labels=("code",),
            values=self._failures.read(),
        )
        yield Family(
            name="virtcim_libvirt_calls_total",
            kind="counter",
            what="Calls of libvirt, for a request or to follow it.",
            labels=("purpose",),
            values={
                ("request",): self._libvirt_calls,
                ("following",): self._libvirt_background_calls,
            },
        )
