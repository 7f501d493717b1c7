"""libvirt's event loop: without it there are no events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

__all__ = ["EVENT_LOOP", "EventLoop"]

_log = logging.getLogger(__name__)


class EventLoop:
    """Runs in a thread of its own, once started; there is one in a process."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._started = False
        self._resting = 0
        self._may_run = threading.Event()
        self._may_run.set()

    def start(self) -> None:
        """Start it, unless it runs: before the first connection is opened that has events."""
        with self._starting:
            if self._started:
                return
            self._started = True
        # Every error is raised as an exception too: libvirt need not print it.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether nobody lets it rest."""
        return self._may_run.is_set()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Let it rest: events wait for the end of the block, and are told then, in their order.

        It looks at the socket of a connection before and after each call. Where thousands of calls
        follow each other that takes longer than the calls (libvirt 9.0 to 12.8).
        """
        with self._starting:
            self._resting += 1
            self._may_run.clear()
        try:
            yield
        finally:
            with self._starting:
                self._resting -= 1
                if not self._resting:
                    self._may_run.set()

    def _run(self) -> None:
        while True:
            self._may_run.wait()
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                _log.exception("libvirt's event loop reports an error")


EVENT_LOOP = EventLoop()
"""The one of this process."""
