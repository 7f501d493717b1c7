"""What a source of indications has heard and not yet told, in the order in which it was heard."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from virtcim.errormap import Fault
from virtcim.hypervisor.model import Inventory
from virtcim.providers.state.job import Job

__all__ = ["JobNews", "News", "NewsQueue", "OperationFailed"]

_log = logging.getLogger(__name__)
# So many inventories wait; then the newest takes the place of the one before it.
_MOST_INVENTORIES = 64
# Of so many news of jobs only the newest of each job is kept.
_MOST_OF_JOBS = 10_000
# So many failures of operations wait, whose callers have been told anyway.
_MOST_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class JobNews:
    """A job is there, is another than before, or is gone (None)."""

    uuid: str
    job: Job | None


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """An operation failed while its caller waited; nobody sees its job."""

    job: Job


# An inventory, or why there is none any more.
News = Inventory | Fault | JobNews | OperationFailed


class NewsQueue:
    """A queue for many writers and one reader; ``wake`` is called after each addition."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: deque[News] = deque()
        self._inventories = self._failures = self._of_jobs = 0

    def put(self, news: News) -> None:
        """Add the newest; returns at once."""
        with self._lock:
            if isinstance(news, OperationFailed):
                if self._failures >= _MOST_FAILURES:
                    _log.warning("an alert is given up, as %d wait: %s", self._failures, news.job)
                    return
                self._failures += 1
            last = self._waiting[-1] if self._waiting else None
            if isinstance(news, Inventory):
                if self._inventories >= _MOST_INVENTORIES and isinstance(last, Inventory):
                    self._waiting.pop()
                else:
                    self._inventories += 1
            elif isinstance(news, JobNews) and _only_goes_on(last, news):
                self._waiting.pop()
            self._waiting.append(news)
            if isinstance(news, JobNews):
                self._of_jobs += 1
                if self._of_jobs > _MOST_OF_JOBS:
                    self._waiting = deque(_newest_of_each_job(self._waiting))
                    self._of_jobs = 0
        self._wake()

    def take(self) -> list[News]:
        """Everything that waits."""
        with self._lock:
            taken = [*self._waiting]
            self._waiting.clear()
            self._inventories = self._failures = self._of_jobs = 0
        return taken


def _only_goes_on(last: News | None, news: JobNews) -> bool:
    """Whether a job has got further since the last news, and nothing else has happened."""
    return (
        isinstance(last, JobNews)
        and last.uuid == news.uuid
        and last.job is not None
        and news.job is not None
        and last.job.state is news.job.state
    )


def _newest_of_each_job(waiting: Iterable[News]) -> list[News]:
    news = [*waiting]
    newest = {one.uuid: number for number, one in enumerate(news) if isinstance(one, JobNews)}
    return [
        one
        for number, one in enumerate(news)
        if not isinstance(one, JobNews) or newest[one.uuid] == number
    ]
