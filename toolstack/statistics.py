"""Counters: what was asked of the toolstack, and what it asked of libvirt."""

from __future__ import annotations

import threading
from collections import Counter

__all__ = ["Statistics"]


class Statistics:
    """Counts requests by method, and calls of libvirt's API apart by who caused them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._background = threading.local()
        self._libvirt_calls = 0
        self._libvirt_background_calls = 0

    def mark_background(self) -> None:
        """The calling thread follows the hypervisor; it serves no request."""
        self._background.marked = True

    def count_request(self, method: str) -> None:
        """One request arrived."""
        with self._lock:
            self._requests[method[:100]] += 1

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
