"""The thread in which everything is told that happens in any namespace."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.providers.indications.contract import IndicationSink
from virtcim.providers.indications.namespace_source import Source
from virtcim.providers.indications.news import OperationFailed
from virtcim.providers.jobs.runner import Operations
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.errors import StateError
from virtcim.providers.state.job import Job
from virtcim.providers.state.job_store import JobStore

__all__ = ["IndicationSources"]

_log = logging.getLogger(__name__)
# How soon it is tried again where the sink cannot keep anything; longer each time.
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# The sink may be within a transaction when it is to stop.
_JOIN_S = 30.0
# The clock may be set meanwhile.
_LONGEST_S = 60.0
_A_MOMENT_S = 0.1


class IndicationSources:
    """Tells a sink of what happens in some namespaces, until it is stopped."""

    def __init__(
        self,
        namespaces: Mapping[Namespace, Endpoint],
        jobs: JobStore,
        operations: Operations,
        sink: IndicationSink,
        leads: Callable[[], bool],
    ) -> None:
        """Begin to tell."""
        self._sink = sink
        self._operations = operations
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._sources = {
            namespace.name: Source(namespace, jobs, wake=self._wake.set, leads=leads)
            for namespace in namespaces
        }
        self._ends = [
            self._sources[namespace.name].listen(endpoint)
            for namespace, endpoint in namespaces.items()
        ]
        operations.on_failure = self._operation_failed
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="virtcim-indications", daemon=True)
        self._thread.start()

    def look_again(self) -> None:
        """What the sink wants, or whether this server leads, may be otherwise."""
        self._wake.set()

    def stop(self) -> None:
        """Hear nothing any more, tell what was heard, and end."""
        self._operations.on_failure = _ignore
        for end in self._ends:
            end()
        self._stopping.set()
        self._wake.set()
        self._thread.join(_JOIN_S)

    def _operation_failed(self, job: Job) -> None:
        source = self._sources.get(job.namespace)
        if source is not None:
            source.hear(OperationFailed(job))

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:
                # What is heard meanwhile waits.
                self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1])
            else:
                self._wake.wait(self._until_expiry_s())
            self._wake.clear()
            stopping = self._stopping.is_set()
            failures = 0 if self._work(failures) else failures + 1
            if stopping:
                return

    def _work(self, failures: int) -> bool:
        """Tell everything; gives whether that could be done."""
        done = True
        for source in self._sources.values():
            try:
                source.work(self._sink)
            except StateError as error:
                if not failures:
                    _log.error(
                        "%s: indications wait until they can be kept: %s", source.name, error
                    )
                done = False
            except Exception:  # noqa: BLE001 - the thread's boundary
                _log.exception("%s: indications cannot be told", source.name)
                done = False
            else:
                self._remove_expired(source)
        return done

    def _remove_expired(self, source: Source) -> None:
        due_s = source.next_expiry_s()
        if due_s is not None and due_s < 0:
            source.remove_expired()

    def _until_expiry_s(self) -> float | None:
        """How long nothing will happen by itself; None where nothing will ever."""
        due = [each.next_expiry_s() for each in self._sources.values()]
        first_s = min((one for one in due if one is not None), default=None)
        return None if first_s is None else min(max(first_s, 0.0) + _A_MOMENT_S, _LONGEST_S)


def _ignore(_job: Job) -> None:
    """Nobody wants to know."""
