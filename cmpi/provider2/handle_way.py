"""Indications of ours on their way to a binding: by the handle of the server that it gives."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple

import pywbem

__all__ = ["HandleWay", "Told"]

_log = logging.getLogger(__name__)


class Told(NamedTuple):
    """An indication, and the namespace that it tells of."""

    namespace: str
    indication: pywbem.CIMInstance


class HandleWay:
    """``indications.Way`` over the operations of the server; safe in many threads.

    One thread delivers them all: a binding takes a thread that it did not make only once that has
    been attached, with a handle that was prepared for it where the server knew the thread.
    """

    def __init__(self, handle: Any) -> None:
        """``handle`` is that of a request that the server is waiting for."""
        prepare = getattr(handle, "PrepareAttachThread", None)
        self._handle = handle if prepare is None else prepare()
        self._waiting: queue.SimpleQueue[tuple[Told, Future[str]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="indications", daemon=True)
        self._thread.start()

    def deliver(self, what: Told) -> str:
        """Deliver one indication; why that failed, empty where it did not."""
        done: Future[str] = Future()
        self._waiting.put((what, done))
        return done.result()

    def close(self) -> None:
        """End the thread; nothing uses the server when this returns."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._tell("AttachThread")
        while (item := self._waiting.get()) is not None:
            told, done = item
            done.set_result(self._delivered(told))
        self._tell("DetachThread")

    def _delivered(self, told: Told) -> str:
        try:
            self._handle.DeliverIndication(told.namespace, told.indication)
        except Exception as error:  # noqa: BLE001 - of the server's, in whatever form
            return str(error) or type(error).__name__
        return ""

    def _tell(self, operation: str) -> None:
        try:
            getattr(self._handle, operation, lambda: None)()
        except Exception:  # noqa: BLE001 - what follows says more
            _log.exception("%s failed", operation)
