"""What is counted of CIM operations, and what can be told of the whole server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from time import perf_counter

from virtcim.cim.records import CimError, StatusCode
from virtcim.cim.value_maps import JobState
from virtcim.daemon.observation.measures import Family, Tally, Timings
from virtcim.providers import METHODS, Job, Providers, failure_of

__all__ = ["JobMeasures", "OperationMeasures", "PeerMeasures"]

_UNKNOWN = "unknown"
_STATUSES = {
    value: name.lower() for name, value in vars(StatusCode).items() if isinstance(value, int)
}
_LIMITS = ("open-enumerations", "subscriptions", "operations")


class OperationMeasures:
    """Counts and times operations; ``names`` are those of the intrinsic ones.

    What a client calls an operation is a label only where it is one of ours.
    """

    def __init__(self, names: Iterable[str]) -> None:
        methods = (method.name for method in METHODS.values())
        self._names = {name.lower(): name for name in (*methods, *names)}
        # As nearly all clients spell them.
        self._spelled = frozenset(self._names.values())
        self._timings = Timings()
        self._errors = Tally()
        self._limits = Counter[str]()

    def note(self, name: str, began_s: float, error: CimError | None = None) -> None:
        """An operation of this name, begun when ``perf_counter`` said so, has ended."""
        duration_s = perf_counter() - began_s
        if name not in self._spelled:
            name = self._names.get(name.lower(), _UNKNOWN)
        self._timings.add(name, duration_s, failed=error is not None)
        if error is not None:
            self._errors.add((failure_of(error).code.name, _status(error.status_code)))
            if error.status_code == StatusCode.SERVER_LIMITS_EXCEEDED:
                self._limits[_limit_of(name)] += 1

    def limits_reached(self) -> Mapping[str, int]:
        """How often operations have reached a limit, by its name."""
        return {**dict.fromkeys(_LIMITS, 0), **self._limits.copy()}

    def families(self) -> Iterable[Family]:
        """What has been counted."""
        yield Family(
            name="virtcim_cim_operations_total",
            kind="counter",
            what="CIM operations and methods, by how they ended.",
            labels=("operation", "outcome"),
            values=self._timings.outcomes(),
        )
        yield Family(
            name="virtcim_cim_operation_duration_seconds",
            kind="histogram",
            what="From a request that is complete to its answer.",
            labels=("operation",),
            values=self._timings.durations(),
        )
        yield Family(
            name="virtcim_cim_errors_total",
            kind="counter",
            what="Failures that clients were told of, by their code and CIM status.",
            labels=("error", "status"),
            values=self._errors.read(),
        )


class PeerMeasures:
    """Times for how long writes wait until other servers and workers show them."""

    def __init__(self) -> None:
        self._timings = Timings()

    def waited(self, written: str, duration_s: float) -> None:
        """A write has waited; ``written`` says where (``hypervisor`` or ``state``)."""
        self._timings.add(written, duration_s, failed=False)

    def families(self) -> Iterable[Family]:
        """What has been timed."""
        yield Family(
            name="virtcim_peer_wait_seconds",
            kind="histogram",
            what="How long writes have waited until all other servers and workers showed them.",
            labels=("written",),
            values=self._timings.durations(),
        )


class JobMeasures:
    """Counts jobs that end; ``ended`` is told of each."""

    def __init__(self) -> None:
        self._ended = Tally()

    def ended(self, job: Job) -> None:
        """A job has ended."""
        error = "" if job.failure is None else job.failure.code.name
        self._ended.add((job.state.name.lower(), error))

    def families(self, providers: Providers) -> Iterable[Family]:
        """Those that have ended, and those that there are."""
        yield Family(
            name="virtcim_jobs_ended_total",
            kind="counter",
            what="Jobs that have ended, by their last state and the code of their error.",
            labels=("state", "error"),
            values=self._ended.read(),
        )
        there = {**dict.fromkeys(JobState, 0), **providers.jobs_by_state()}
        yield Family(
            name="virtcim_jobs",
            kind="gauge",
            what="Jobs that clients can see, by their state.",
            labels=("state",),
            values={(state.name.lower(),): count for state, count in there.items()},
            together="most",
        )
        yield Family.single(
            "virtcim_operations_running",
            "gauge",
            "Operations in progress at hypervisors, jobs included.",
            providers.operations_running,
        )


def _limit_of(operation: str) -> str:
    """The limit that an operation has reached."""
    enumerations, subscriptions, operations = _LIMITS
    if operation.startswith("Open"):
        return enumerations
    return subscriptions if operation == "CreateInstance" else operations


def _status(status_code: int) -> str:
    return _STATUSES.get(int(status_code), "other")
