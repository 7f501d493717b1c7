"""Running what changes something: at once where that is quick, as a job where it is not."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import replace

import sqlalchemy as sa

from virtcim.cim.records import CimError, MethodResult, ObjectPath, StatusCode
from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode, HypervisorError
from virtcim.hypervisor.change import Made
from virtcim.hypervisor.endpoint import Endpoint
from virtcim.hypervisor.model import Inventory
from virtcim.providers.coded_error import CodedError, Failure
from virtcim.providers.errors import failure, failure_of, translated
from virtcim.providers.jobs.operation import (
    Action,
    Incident,
    NamedBy,
    OnFailure,
    Operation,
    already_ended,
    tell_nobody,
)
from virtcim.providers.state.errors import StateError
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_requests import JobRequest, JobRequests
from virtcim.providers.state.job_store import JobStore

__all__ = ["JOB_STARTED", "MOST_OPERATIONS", "Operations"]

_log = logging.getLogger(__name__)
# "Method Parameters Checked - Job Started", the same number for every method.
JOB_STARTED = 4096
MOST_OPERATIONS = 256
# After a restart: how long a hypervisor may stay away, and how often it is tried.
_REACH_S = 60.0
_ASK_AGAIN_S = 0.25
# For how long another server is waited for that shall end a job of its own.
_ANSWER_S = 20.0
# How often a server that stops looks whether all operations have ended.
_LOOK_AGAIN_S = 0.05


def _logged(what: str, error: BaseException) -> str:
    """For a host that has no log of incidents."""
    _log.error("%s failed unexpectedly", what, exc_info=error)
    return f"{what} failed unexpectedly"


ElementsOf = Callable[[Made, Inventory], Iterable[JobElement]]


def _no_elements(_made: Made, _inventory: Inventory) -> tuple[JobElement, ...]:
    return ()


class Operations:
    """The running operations of all namespaces."""

    def __init__(
        self,
        store: JobStore,
        job_after_s: float,
        endpoints: Mapping[str, Endpoint] | None = None,
        elements_of: ElementsOf = _no_elements,
        incident: Incident | None = None,
        most: int = MOST_OPERATIONS,
        wrote: Callable[[str], None] = tell_nobody,
    ) -> None:
        """Take up what an earlier process left in the store; ``endpoints`` are by namespace.

        ``elements_of`` tells which instances stand for what an operation has made; ``incident``
        gives the phrase for a programming error within a job, which it logs. Beyond ``most`` of
        them further ones are refused. ``on_failure`` may be set to whoever wants to know what
        failed while its caller waited. ``wrote`` is called with the namespace of each operation
        that has ended, before anybody learns of that.
        """
        self._wrote = wrote
        self._incident = incident or _logged
        self._most = most
        self._store = store
        self._elements_of = elements_of
        self._job_after_s = job_after_s
        self._running: dict[str, Operation] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.on_failure: OnFailure = tell_nobody
        self._draining = False
        self._taken_up: set[str] = set()
        self._endpoints = dict(endpoints or {})
        self._requests = JobRequests(store.database)
        self.adopt()

    def adopt(self) -> None:
        """Take up the jobs that nobody runs any more. Raises StateError."""
        for job in self._store.adopt():
            endpoint = self._endpoints.get(job.namespace)
            if endpoint is None or not job.task_ref:
                self._store.put(_interrupted(job, self._store))
            else:
                self._take_up(job, endpoint)

    @property
    def running(self) -> int:
        """How many operations are in progress."""
        return len(self._running)

    def drain(self, timeout_s: float) -> None:
        """Begin none any more, and wait up to ``timeout_s`` until those begun here have ended.

        Whoever waits for one that goes on gets its job then.
        """
        with self._lock:
            self._draining = True
            # What an earlier process began can wait for the next one as well.
            begun = [one for key, one in self._running.items() if key not in self._taken_up]
        if begun:
            _log.info("stopping: waiting for %d operations", len(begun))
        deadline = time.monotonic() + timeout_s
        while begun and time.monotonic() < deadline and not self._closing.wait(_LOOK_AGAIN_S):
            begun = [operation for operation in begun if not operation.ended.is_set()]
        if begun:
            _log.warning("stopping while %d operations run; they go on as jobs", len(begun))
        self._answer_all()

    def close(self) -> None:
        """Wait for nothing any more; operations in progress go on without their jobs."""
        self._closing.set()
        self._answer_all()

    def _answer_all(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for operation in running:
            operation.to_answer.set()

    def run(
        self,
        name: str,
        endpoint: Endpoint,
        action: Action,
        *,
        namespace: str,
        source: ObjectPath,
        job_path: Callable[[str], ObjectPath],
        owner: JobElement | None = None,
        affected: tuple[JobElement, ...] = (),
        named_by: NamedBy = lambda _: (),
    ) -> MethodResult:
        """Run ``action`` in a thread of its own; where it takes long, give 4096 and its job.

        What the hypervisor refuses within that time is raised as CimError, later it ends in the
        job's error. Nothing is begun whose job could not be kept. ``source`` is what the operation
        is asked of, ``affected`` what it changes.
        """
        now = self._store.clock()
        job = Job(
            uuid=str(uuid.uuid4()),
            namespace=namespace,
            name=name,
            state=JobState.RUNNING,
            submitted=now,
            changed=now,
            updated=now,
            owner=owner,
            affected=affected,
        )
        operation = Operation(
            *(job, self._store, endpoint, named_by, self._incident),
            on_failure=self.on_failure,
        )
        self._admit(job, operation, source)
        self._start(job.uuid, operation, action, source)
        operation.to_answer.wait(self._job_after_s)
        if self._publish(operation, name):
            return MethodResult(return_value=JOB_STARTED, output={"Job": job_path(job.uuid)})
        return operation.outcome()

    def _admit(self, job: Job, operation: Operation, source: ObjectPath) -> None:
        """Let it be one of those that run, and keep its job; raises CimError where it must not."""
        with self._lock:
            if self._draining:
                raise failure(
                    ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED,
                    "the CIM server is being stopped and takes no new operations",
                )
            if len(self._running) >= self._most:
                raise CimError(
                    StatusCode.SERVER_LIMITS_EXCEEDED,
                    f"{self._most} operations are in progress; try again when some have ended",
                )
            self._running[job.uuid] = operation
        try:
            self._store.reserve(job)
        except StateError as error:
            with self._lock:
                del self._running[job.uuid]
            raise failure(
                ErrorCode.ERR_OPERATION_FAILED,
                f"nothing was begun, since its job could not be kept: {error}",
                source=source,
            ) from error

    def _publish(self, operation: Operation, name: str) -> bool:
        """Make it a job; where that cannot be kept any more, its caller waits for its end."""
        try:
            return operation.publish()
        except StateError as error:
            _log.error("%s is answered when it ends, since no job can be promised: %s", name, error)
            operation.to_answer.wait()
            if not operation.ended.is_set():
                raise _unknown_outcome(
                    f"the server ended while {name} was in progress, and no job could be kept: "
                    f"{error}"
                ) from error
            return False

    def cancel(self, job: Job, into: JobState, *, delete: bool = False) -> None:
        """Ask for the end of a job, which will then be in the state ``into``."""
        held = self._store.database.held
        if held is not None:
            raise failure(ErrorCode.ERR_OPERATION_FAILED, f"the job is not ended from here: {held}")
        operation = self._running.get(job.uuid)
        if operation is not None:
            operation.cancel(into, delete=delete)
        elif job.ended or not self._store.is_elsewhere(job.uuid):
            raise already_ended()
        else:
            self._ask_elsewhere(JobRequest(job.uuid, into, delete))

    def _ask_elsewhere(self, request: JobRequest) -> None:
        """Ask the server that runs a job for its end, and wait for what it says."""
        deadline = time.monotonic() + _ANSWER_S
        try:
            self._requests.ask(request)
            try:
                while True:
                    is_answered, refused = self._requests.answered(request.job)
                    if is_answered:
                        break
                    if time.monotonic() > deadline or self._closing.wait(_ASK_AGAIN_S):
                        raise _unknown_outcome("the server that runs the job does not answer")
            finally:
                self._requests.forget(request.job)
        except sa.exc.SQLAlchemyError as error:
            why = self._store.database.reason(error)
            raise _unknown_outcome(f"the job's server cannot be asked through {why}") from error
        if refused is not None:
            raise CodedError(Failure.recalled(refused))

    def cancel_as_requested(self) -> None:
        """End the jobs of which clients of other servers ask for it. Raises SQLAlchemyError."""
        for request in self._requests.asked(self._running.keys()):
            operation = self._running.get(request.job)
            refused = None
            try:
                if operation is None:
                    raise already_ended()
                operation.cancel(request.state, delete=request.forget)
            except CimError as error:
                refused = failure_of(error).as_stored()
            self._requests.answer(request.job, refused)

    def _take_up(self, job: Job, endpoint: Endpoint) -> None:
        """Learn how the task of a job ends that an earlier process has begun."""
        elements: list[JobElement] = []

        def follow(monitor: Operation) -> MethodResult:
            self._reach(endpoint, job)
            made = endpoint.follow(job.task_ref, job.name, monitor)
            if not job.decides:
                raise _unknown_outcome(
                    f"the server ended while {job.name} was in progress: the step that it had "
                    "begun has been done, and nobody did the others; of a definition or a change "
                    "everything is taken back"
                )
            if made != Made():
                elements.extend(self._elements_of(made, endpoint.inventory()))
            return MethodResult(return_value=0)

        operation = Operation.taken_up(
            job, self._store, endpoint, lambda _: tuple(elements), self._incident
        )
        with self._lock:
            self._running[job.uuid] = operation
            self._taken_up.add(job.uuid)
        self._start(job.uuid, operation, follow, None)

    def _reach(self, endpoint: Endpoint, job: Job) -> None:
        """Wait until the hypervisor can be asked."""
        deadline = time.monotonic() + _REACH_S
        while True:
            try:
                endpoint.inventory()
            except HypervisorError as exc:
                if time.monotonic() > deadline or self._closing.is_set():
                    raise _unknown_outcome(
                        f"the server ended while {job.name} was in progress, and the hypervisor "
                        f"cannot be asked how it ended: {exc}"
                    ) from exc
            else:
                return
            self._closing.wait(_ASK_AGAIN_S)

    def _start(
        self, key: str, operation: Operation, action: Action, source: ObjectPath | None
    ) -> None:
        # A daemon: a hypervisor that never answers must not keep the server from stopping.
        # In the context of whoever asked for it: who that was is known at its end, too.
        threading.Thread(
            target=copy_context().run,
            args=(self._work, key, operation, action, source),
            name=f"operation-{key[:8]}",
            daemon=True,
        ).start()

    def _work(
        self, key: str, operation: Operation, action: Action, source: ObjectPath | None
    ) -> None:
        try:
            try:
                with translated(source):
                    result = action(operation)
            finally:
                # What failed may have changed something, too.
                self._wrote(operation.namespace)
        except Exception as error:  # noqa: BLE001 - the one boundary of an operation
            operation.finish(None, error)
        else:
            operation.finish(result, None)
        finally:
            with self._lock:
                self._running.pop(key, None)


def _unknown_outcome(why: str) -> CimError:
    return failure(ErrorCode.ERR_UNABLE_TO_VERIFY_STATE, why)


def _interrupted(job: Job, store: JobStore) -> Job:
    """A job that was running when the server ended: nobody saw how it ended."""
    now = max(store.clock(), job.updated)
    error = _unknown_outcome(
        f"the server ended while {job.name} was in progress: it is not known whether it took "
        "effect",
    )
    return replace(
        job,
        state=JobState.EXCEPTION,
        changed=now,
        updated=now,
        failure=failure_of(error),
    )
