"""The source of the indications of one namespace: what it hears, and when it tells of that."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.indications.comparison import Comparison, State, Step
from virtcim.providers.indications.contract import Indication, IndicationSink, Remember
from virtcim.providers.indications.news import JobNews, News, NewsQueue, OperationFailed
from virtcim.providers.indications.operation_events import operation_alert
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.job import Job
from virtcim.providers.state.job_store import JobStore
from virtcim.providers.state.told_store import (
    AlreadyToldError,
    SupersededError,
    ToldStore,
)

__all__ = ["Source"]

_log = logging.getLogger(__name__)
# So many indications, and so many rows of what there is at first, are kept in one transaction.
_MOST_AT_ONCE = 500
_ROWS_AT_ONCE = 1_000


class Source:
    """Hears of one namespace from any thread, and tells of it in one.

    While nobody wants indications it only keeps hold of what it hears. Once somebody does, that is
    where it begins. ``leads``: whether this server is the one that tells of differences; every one
    tells of the operations that failed in itself.
    """

    def __init__(
        self,
        namespace: Namespace,
        jobs: JobStore,
        *,
        wake: Callable[[], None],
        leads: Callable[[], bool],
    ) -> None:
        self.name = namespace.name
        self._namespace = namespace
        self._jobs = jobs
        self._leads = leads
        self._wake = wake
        self._store = ToldStore(jobs.database, namespace.name)
        self._queue = NewsQueue(wake)
        self._unheard: deque[News] = deque()
        self._seen = State()  # all that was heard, while nothing is told
        self._comparison: Comparison | None = None  # while something is told
        # What there was when somebody began to want indications, until another one tells of it.
        self._base: State | None = None
        self._is_told_elsewhere = False
        self._forgotten = False
        self._pending = Step()  # what is to be told
        self._failures: list[Indication] = []  # what failed in this server and is to be told

    def hear(self, news: News) -> None:
        """Take what has happened, in the order in which it did; returns at once."""
        self._queue.put(news)

    def listen(self, endpoint: Endpoint) -> Callable[[], None]:
        """Hear of what changes from now on; gives what ends it. What is there now is no news."""
        ends = (endpoint.watch(self.hear), self._jobs.watch(self._hear_of_job))
        for news in self._queue.take():
            self._seen.note(news)

        def end() -> None:
            for each in ends:
                each()

        return end

    def _hear_of_job(self, namespace: str, uuid: str, job: Job | None) -> None:
        if namespace == self.name:
            self.hear(JobNews(uuid, job))

    def next_expiry_s(self) -> float | None:
        """In how many seconds the next job is to be removed, None where nobody is told of it."""
        return None if self._comparison is None else self._jobs.removal_in_s()

    def remove_expired(self) -> None:
        """Remove the jobs whose time has come: that is heard of."""
        self._jobs.all(self.name)

    def work(self, sink: IndicationSink) -> None:
        """Tell everything that was heard.

        Raises StateError where the sink does: nothing is lost then, and it is to be called again.
        """
        try:
            self._tell(sink)
            # First what was heard: what happens after somebody subscribed is then told.
            self._unheard.extend(self._queue.take())
            wanted = bool(sink.wanted(self.name))
            if not wanted:
                self._base, self._is_told_elsewhere = None, False
            if not self._leads():
                self._rest()
                if wanted:
                    self._keep_base()
            elif not wanted:
                self._forget()
            elif self._comparison is None:
                self._begin(sink)
            self._hear_all(sink, wanted=wanted)
        except SupersededError:
            # What is told here next is compared with what the other one told of.
            _log.warning("%s: another server tells of what happens there", self.name)
            self._rest()
            if self._leads():
                # It did so before this one led: what was to be told is not to wait for more news.
                self._wake()

    def _rest(self) -> None:
        """Tell of no differences any more, and keep hold of what is heard."""
        if self._comparison is not None:
            self._seen, self._comparison = self._comparison.state, None
        self._pending = Step()
        self._forgotten = False

    def _keep_base(self) -> None:
        """Until there is one that leads: what happens meanwhile is told by the next who does."""
        if self._is_told_elsewhere:
            return
        self._is_told_elsewhere = self._store.is_complete()
        if self._is_told_elsewhere:
            self._base = None
        elif self._base is None:
            self._base = replace(self._seen, jobs=dict(self._seen.jobs))

    def _forget(self) -> None:
        if not self._forgotten:
            self._store.forget()
            self._rest()
            self._forgotten = True

    def _begin(self, sink: IndicationSink) -> None:
        """Go on from what was told last; where nothing was, from what was there at first."""
        told = self._store.claim()
        if told is None:
            base = self._base or self._seen
            comparison = Comparison(self._namespace, self._jobs.clock, base)
            self._keep(sink, (), self._store.begin())
            rows = comparison.rows()
            while some := dict(islice(rows, _ROWS_AT_ONCE)):
                self._keep(sink, (), self._store.remember(some, complete=False))
            self._keep(sink, (), self._store.remember({}))
            if base is not self._seen:
                self._unheard.extendleft(reversed([*self._seen.news(base)]))
        else:
            comparison = Comparison.going_on(self._namespace, self._jobs.clock, told, self._seen)
            self._unheard.extendleft(reversed([*self._seen.news(comparison.state)]))
        self._seen, self._comparison = State(), comparison
        self._base, self._is_told_elsewhere = None, False
        self._forgotten = False

    def _hear_all(self, sink: IndicationSink, *, wanted: bool) -> None:
        while self._unheard:
            news = self._unheard[0]
            if isinstance(news, OperationFailed):
                if wanted:
                    self._failures.append(self._alert_of(news.job))
                complete = True
            elif self._comparison is None:
                self._seen.note(news)
                complete = True
            else:
                complete = self._compare(self._comparison, news)
            if complete:
                self._unheard.popleft()
            if len(self._pending.indications) + len(self._failures) >= _MOST_AT_ONCE:
                self._tell(sink)
        self._tell(sink)

    def _alert_of(self, job: Job) -> Indication:
        host = "" if self._comparison is None else self._comparison.host
        return operation_alert(self._namespace, job, host, self._jobs.clock(), is_shown=False)

    def _compare(self, comparison: Comparison, news: News) -> bool:
        """Take up what is to be told of the news; gives whether that was all of it."""
        try:
            step = comparison.compare(news)
        except Exception:  # noqa: BLE001 - what cannot be told shall not silence what comes after it
            _log.exception("%s: a change cannot be told of", self.name)
            comparison.give_up(news)
            return True
        self._pending.indications += step.indications
        self._pending.rows.update(step.rows)
        return step.complete

    def _tell(self, sink: IndicationSink) -> None:
        """Tell what is to be told. Raises StateError, SupersededError."""
        if self._pending.indications or self._pending.rows:
            told = self._pending
            self._keep(sink, told.indications, self._store.remember(told.rows))
            self._pending = Step()
        if self._failures:
            sink.tell(self._failures, _remember_nothing)
            self._failures = []

    def _keep(
        self, sink: IndicationSink, indications: Sequence[Indication], remember: Remember
    ) -> None:
        try:
            sink.tell(indications, remember)
        except AlreadyToldError:
            # The answer of the database was lost, not what it was to keep.
            _log.info("%s: the last indications had been kept", self.name)
        self._store.kept()


def _remember_nothing(_connection: object) -> None:
    """What failed in this server is told of when it happens, or never."""
