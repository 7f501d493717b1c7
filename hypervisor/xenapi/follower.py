"""Following one endpoint: connect, read everything, then apply the stream of changes for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Mapping
from contextlib import closing
from typing import Any

from virtcim.errormap import HypervisorError, from_transport
from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.model import Task
from virtcim.hypervisor.xenapi.assembly import Assembly
from virtcim.hypervisor.xenapi.class_records import ClassRecords, read_class
from virtcim.hypervisor.xenapi.fields import RecordError
from virtcim.hypervisor.xenapi.first_reading import FirstReading, all_of_it_stays
from virtcim.hypervisor.xenapi.progress import ReadingProgress
from virtcim.hypervisor.xenapi.records import PARTS, read_record
from virtcim.hypervisor.xenapi.session import (
    UnusableAnswerError,
    XenApiSession,
    is_session_invalid,
)

__all__ = ["Follower"]

_log = logging.getLogger(__name__)

# The server answers a long poll at the latest after the first; if it has not after both, it hangs.
_POLL_S = 3.0
_POLL_GRACE_S = 7.0
_UNCONNECTED_WAIT_S = 0.3
# When what cannot be read is looked at again, and how much longer than the last look that is, in
# times of that: a large class is not worth a processor.
_LOOK_AGAIN_S = 10.0
_LOOK_SHARE = 20.0
_LONGEST_PAUSE_S = 10.0
# Quick at first, as a daemon that restarts is back at once.
_BACKOFF_S = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)

# XAPI writes class names in events in lower case.
_CLASS_NAMES = {name.lower(): name for name in PARTS}
_FOLLOWED = list(PARTS)


class Follower:
    """A thread that keeps an InventoryStore, and the tasks, equal to what the endpoint has.

    ``on_resynchronised`` is called whenever everything has been read: that took several times the
    memory of what is kept of it.
    """

    def __init__(
        self,
        session: XenApiSession,
        store: InventoryStore,
        name: str,
        unfinished: Container[str] = (),
        *,
        on_resynchronised: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._store = store
        self._name = name
        self._on_resynchronised = on_resynchronised
        self._stopping = threading.Event()
        self._assembly = Assembly(unfinished)
        self._tasks_changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._pool_ref = ""
        self._told: dict[tuple[str, str], str] = {}
        self._odd: dict[str, float] = {}  # when to look again at classes not read in full
        self._vendor = ""
        self._thread = threading.Thread(
            target=self._run, name=f"virtcim-follower-{name}", daemon=True
        )

    @property
    def pool_ref(self) -> str:
        """The reference of the pool, an object that is always there; empty if it has none."""
        return self._pool_ref

    @property
    def vendor(self) -> str:
        """Who made the server of the API that is followed; empty before the first connection."""
        return self._vendor

    @property
    def stopping(self) -> bool:
        """Whether nothing will be told any more."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following; the session must be interrupted as well to end a long poll."""
        self._stopping.set()
        with self._tasks_changed:
            self._tasks_changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout_s)

    def task(self, ref: str) -> Task | None:
        """The newest state of a task that an event told of, None if none did."""
        return self._tasks.get(ref)

    def wait_task_change(self, ref: str, known: Task | None, timeout_s: float) -> Task | None:
        """Wait until an event tells something else than ``known`` of a task.

        A disconnection ends the wait, and so does ``stop``; without a connection it is short.
        """
        connected = self._store.connected

        def changed() -> bool:
            ended = self._store.connected != connected or self._stopping.is_set()
            return ended or self._tasks.get(ref) != known

        with self._tasks_changed:
            self._tasks_changed.wait_for(changed, timeout_s if connected else _UNCONNECTED_WAIT_S)
            return self._tasks.get(ref)

    def _run(self) -> None:
        failures = 0
        renewed = False
        session = ""
        while not self._stopping.is_set():
            try:
                session = self._session.open()
                token = self._synchronise(session)
                failures = 0
                renewed = False
                while not self._stopping.is_set():
                    token = self._follow(session, token)
            except HypervisorError as exc:
                if is_session_invalid(exc.fault) and not renewed:
                    renewed = True  # the server is there; everything must be read anew
                    continue
                # What answers there next may be another life of the server, or another master.
                self._disconnected(exc)
                if session and not self._stopping.is_set():
                    self._session.give_back(session)
                session = ""
            except Exception:  # noqa: BLE001 - the thread's boundary; it ends in a failing read
                _log.exception("%s: following failed unexpectedly", self._name)
                self._disconnected(_unreadable("event.from", "the inventory could not be kept"))
            self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    def _disconnected(self, exc: HypervisorError) -> None:
        if self._stopping.is_set():
            return
        if self._store.connected:
            _log.warning("%s: connection lost: %s", self._name, exc)
        elif not self._store.attempted:
            _log.warning("%s: no connection yet: %s", self._name, exc)
        self._store.disconnect(exc.fault)
        with self._tasks_changed:
            self._tasks_changed.notify_all()

    def _synchronise(self, session: str) -> str:
        """Read everything in a constant number of calls, and give the token up to which it is.

        The token counts in this session only: a server that has restarted knows no sessions of
        before, and does not tell of what vanished while it was down.

        What changes meanwhile comes as events after the first token; taking it twice is harmless.
        One call for each class, or one for so many objects of it, not one for all: the answer for
        one class of a large pool is of tens of megabytes.
        """
        token = self._token_now(session)
        progress = ReadingProgress(self._count_systems(session), self._store.load)
        with closing(FirstReading(self._session, session, progress, self._name)) as first:
            for class_name in PARTS:
                self._read_class(session, class_name, first)
        # Each class was read at another moment; with these events all of them are of one.
        self._store.begin_look()
        token = self._take_changes(session, token, 0.0)
        self._pool_ref = self._assembly.pool_ref
        self._vendor = self._assembly.vendor
        with all_of_it_stays():
            inventory = self._assembly.inventory()
        self._store.publish(inventory, token, resynchronised=True)
        self._on_resynchronised()
        _log.info("%s: connected", self._name)
        return token

    def _token_now(self, session: str) -> str:
        return _token(self._session.call_in(session, "event.from", ["pool"], "", 0.0))

    def _count_systems(self, session: str) -> int:
        """How many virtual systems there are, 0 where that is not told: it is said, and no more."""
        try:
            return len(self._session.call_in(session, "VM.get_all"))
        except (UnusableAnswerError, TypeError):
            return 0

    def _read_class(self, session: str, class_name: str, first: FirstReading | None = None) -> None:
        """Read all objects of a class; where that cannot be, everything else is kept true."""
        began_s = time.monotonic()
        try:
            if first is None:
                read = read_class(self._session, session, class_name)
            else:
                read = first.read(class_name, self._assembly.vendor)
        except UnusableAnswerError as exc:
            self._tell(class_name, "", f"not read: {exc.brief}")
            self._assembly.unreadable(class_name, exc.fault)
            odd = True
        else:
            self._tell(class_name, "", "")
            with all_of_it_stays():
                self._replace_class(class_name, read)
            odd = bool(read.unreadable)
        self._odd.pop(class_name, None)
        if odd:
            now_s = time.monotonic()
            pause_s = max(_LOOK_AGAIN_S, (now_s - began_s) * _LOOK_SHARE)
            self._odd[class_name] = now_s + pause_s

    def _look_again(self, session: str) -> None:
        """Read the classes again that could not be read in full, once their time has come."""
        for class_name, due_s in tuple(self._odd.items()):
            if time.monotonic() >= due_s:
                self._read_class(session, class_name)

    def _follow(self, session: str, token: str) -> str:
        is_waited_for = self._store.begin_look()
        new_token = self._take_changes(session, token, 0.0 if is_waited_for else _POLL_S)
        self._look_again(session)
        self._store.publish(self._assembly.inventory(), new_token)
        return new_token

    def _take_changes(self, session: str, token: str, timeout_s: float) -> str:
        try:
            events, new_token = self._events(session, _FOLLOWED, token, timeout_s)
            classes = {self._apply(event) for event in events}
        except UnusableAnswerError as exc:
            if exc.fault.source == "xapi":
                raise  # it says that there are none
            return self._take_changes_by_class(session, token, exc.brief)
        if "" in classes:
            return self._take_changes_by_class(session, token, "an event of unknown form")
        return new_token

    def _take_changes_by_class(self, session: str, token: str, because: str) -> str:
        """Take the changes of each class by themselves; one whose changes cannot be is read anew.

        That takes no more than half of the time, however often it happens.
        """
        self._tell("event", "", f"changes cannot be read together, but class by class: {because}")
        began_s = time.monotonic()
        # What happens meanwhile comes after it, once more.
        new_token = self._token_now(session)
        for class_name in PARTS:
            try:
                events, _ = self._events(session, [class_name], token, 0.0)
                readable = "" not in {self._apply(event) for event in events}
            except UnusableAnswerError as exc:
                if exc.fault.source == "xapi":
                    raise
                readable = False
            if not readable:
                self._read_class(session, class_name)
        self._stopping.wait(min(time.monotonic() - began_s, _LONGEST_PAUSE_S))
        return new_token

    def _events(
        self, session: str, classes: list[str], token: str, timeout_s: float
    ) -> tuple[list[Any], str]:
        batch = self._session.call_in(
            session,
            "event.from",
            *(classes, token, timeout_s),
            read_timeout_s=timeout_s + _POLL_GRACE_S,
        )
        events = batch.get("events") if isinstance(batch, dict) else None
        if not isinstance(events, list):
            raise _unreadable("event.from", "the batch holds no list of events")
        return events, _token(batch)

    def _apply(self, event: Any) -> str:
        """Take what an event tells; gives its class, empty where it has not the form of one."""
        match event:
            case {"class": str(lower), "operation": str(operation), "ref": str(ref)}:
                class_name = _CLASS_NAMES.get(lower.lower(), "")
            case _:
                return ""
        if not class_name:
            return lower
        if operation == "del":
            self._tell(class_name, ref, "")
            self._put(class_name, ref, None)
            return class_name
        record = event.get("snapshot")
        try:
            part = self._read(class_name, ref, record)
        except RecordError as exc:
            self._leave_out(class_name, ref, record, str(exc))
        else:
            self._put(class_name, ref, part)
        return class_name

    def _put(self, class_name: str, ref: str, part: object | None) -> None:
        if class_name != "task":
            self._assembly.put(class_name, ref, part)
            return
        with self._tasks_changed:
            if isinstance(part, Task):
                self._tasks[ref] = part
            else:
                self._tasks.pop(ref, None)
            self._tasks_changed.notify_all()

    def _leave_out(self, class_name: str, ref: str, record: object, problem: str) -> None:
        if class_name == "task":
            self._put(class_name, ref, None)
        else:
            self._assembly.leave_out(class_name, ref, record, problem)

    def _replace_class(self, class_name: str, read: ClassRecords) -> None:
        parts: dict[str, object] = {}
        left_out: dict[str, tuple[object, str]] = {}
        for ref, problem in read.unreadable.items():
            self._tell(class_name, ref, f"left out: {problem}")
            left_out[ref] = (None, problem)
        for ref, record in read.records.items():
            try:
                parts[ref] = self._read(class_name, ref, record)
            except RecordError as exc:
                left_out[ref] = (record, str(exc))
        if class_name == "task":
            self._replace_tasks(parts)
        else:
            self._assembly.replace_class(class_name, parts, left_out)

    def _read(self, class_name: str, ref: str, record: object) -> object:
        """Read a record, and tell the log what is odd about it. Raises RecordError."""
        try:
            part = read_record(class_name, ref, record)
        except RecordError as exc:
            self._tell(class_name, ref, f"left out: {exc}")
            raise
        self._tell(class_name, ref, getattr(part, "problem", ""))
        return part

    def _tell(self, class_name: str, ref: str, problem: str) -> None:
        """Warn of an odd object, once for each cause."""
        if not problem:
            self._told.pop((class_name, ref), None)
        elif self._told.get((class_name, ref)) != problem:
            self._told[class_name, ref] = problem
            _log.warning("%s: %s %s: %s", self._name, class_name, ref, problem)

    def _replace_tasks(self, parts: Mapping[str, object]) -> None:
        with self._tasks_changed:
            self._tasks = {ref: task for ref, task in parts.items() if isinstance(task, Task)}
            self._tasks_changed.notify_all()


def _token(batch: object) -> str:
    match batch:
        case {"token": str(token)}:
            return token
    raise _unreadable("event.from", "the batch holds no token")


def _unreadable(operation: str, message: str) -> UnusableAnswerError:
    return UnusableAnswerError(
        from_transport(
            phase="after_send", exception="RecordError", message=message, operation=operation
        )
    )
