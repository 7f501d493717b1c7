"""The lock under which records change, so that what belongs together is seen together."""

from __future__ import annotations

import threading

from virtcim.toolstack.database import Database

__all__ = ["TogetherLock"]


class TogetherLock:
    """A re-entrant lock: what is published while it is held is seen together, when it is let go."""

    def __init__(self, database: Database) -> None:
        self._lock = threading.RLock()
        self._database = database

    def __enter__(self) -> None:
        self._lock.acquire()
        self._database.begin_batch()

    def __exit__(self, *_: object) -> None:
        self._database.end_batch()
        self._lock.release()
