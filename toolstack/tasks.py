"""Tasks: what ``Async.*`` calls leave behind, and tasks that clients make for themselves."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any

from virtcim.daemon.shares import Shares
from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.refs import random_reference

__all__ = ["RunningTask", "Tasks"]

_log = logging.getLogger(__name__)

# As XAPI keeps them.
_KEEP_FINISHED_S = 65 * 60
_KEEP_PENDING_S = 24 * 60 * 60
# An owner who is alone may have three quarters of all.
_SHARE = 3


@dataclass(slots=True)
class RunningTask:
    """One task that carries an operation; a handler that can be stopped sets ``on_cancel``."""

    ref: str
    cancelled: bool = False
    on_cancel: Callable[[], object] | None = field(default=None)


class Tasks:
    """The tasks of this process; they are records in the database like any other object.

    There are at most ``most``. Of an owner who has all that he may have those go that ended first;
    where none has ended he gets no further one.
    """

    def __init__(self, database: Database, *, most: int = 5000) -> None:
        #: How often there was no room for another.
        self.refused = 0
        self._database = database
        self._shares = Shares(most, factor=_SHARE)
        self._owners: dict[str, str] = {}
        # By owner, those that have ended, in that order.
        self._ended: dict[str, dict[str, None]] = {}
        self._lock = threading.RLock()
        self._running: dict[str, RunningTask] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._expiry: dict[str, float] = {}

    def create(self, label: str, description: str = "", *, owner: str = "") -> str:
        """Make a pending task and give its reference (XenAPI ``task.create``).

        Raises ``TOO_MANY_PENDING_TASKS``.
        """
        self._expire()
        self._make_room(owner)
        ref = random_reference()
        record = CLASSES["task"].record(
            {
                "uuid": ref.removeprefix("OpaqueRef:"),
                "name_label": label,
                "name_description": description,
                "status": "pending",
                "type": "<none/>",
                "created": datetime.now(UTC),
                "allowed_operations": ["destroy"],
            }
        )
        self._expiry[ref] = time.monotonic() + _KEEP_PENDING_S
        with self._lock:
            self._owners[ref] = owner
            self._shares.change(owner, 1)
        self._database.publish("task", ref, record)
        return ref

    def start(
        self,
        label: str,
        work: Callable[[RunningTask], Awaitable[object]],
        ended: Callable[[], None] = lambda: None,
        *,
        owner: str = "",
    ) -> str:
        """Run ``work`` as a task; its outcome becomes the task's, and ``ended`` is called then."""
        task = RunningTask(self.create(label, owner=owner))
        self._running[task.ref] = task
        self._update(task.ref, allowed_operations=["cancel", "destroy"])
        job = asyncio.get_running_loop().create_task(self._run(task, work))
        # The event loop itself keeps only weak references.
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        job.add_done_callback(lambda _: ended())
        return task.ref

    async def _run(
        self, task: RunningTask, work: Callable[[RunningTask], Awaitable[object]]
    ) -> None:
        try:
            value = await work(task)
        except XapiFailure as failure:
            if failure.code == "TASK_CANCELLED":
                self._finish(task, "cancelled", error_info=list(failure.description))
            else:
                self._finish(task, "failure", error_info=list(failure.description))
        else:
            # XAPI gives results as an XML-RPC value without the envelope.
            result = f"<value>{escape(value)}</value>" if isinstance(value, str) and value else ""
            self._finish(task, "success", result=result, progress=1.0)

    def _finish(self, task: RunningTask, status: str, **values: object) -> None:
        with self._lock:
            self._running.pop(task.ref, None)
            self._expiry[task.ref] = time.monotonic() + _KEEP_FINISHED_S
            self._note_end(task.ref)
            self._update(
                task.ref,
                status=status,
                finished=datetime.now(UTC),
                allowed_operations=["destroy"],
                **values,
            )

    def cancel(self, ref: str) -> None:
        """Ask a task to stop (XenAPI ``task.cancel``)."""
        with self._lock:
            task = self._running.get(ref)
            if task is None:
                return
            stop = task.on_cancel
            if stop is None:
                raise XapiFailure("OPERATION_NOT_ALLOWED", "this task cannot be stopped now")
            task.cancelled = True
            self._update(ref, status="cancelling")
        stop()

    def note_progress(self, task: RunningTask, fraction: float) -> None:
        """Show how much of a running task is done (0.0 to 1.0)."""
        with self._lock:
            if task.ref in self._running:
                self._update(task.ref, progress=fraction)

    def destroy(self, ref: str) -> None:
        """Forget a task; what it carries goes on (XenAPI ``task.destroy``)."""
        with self._lock:
            self._expiry.pop(ref, None)
            owner = self._owners.pop(ref, None)
            if owner is not None:
                self._shares.change(owner, -1)
                ended = self._ended.get(owner, {})
                ended.pop(ref, None)
                if not ended:
                    self._ended.pop(owner, None)
        self._database.remove("task", ref)

    def set(self, ref: str, field_name: str, value: object) -> None:
        """Set a field, as the client that made the task may."""
        if ref in self._running:
            raise XapiFailure("OPERATION_NOT_ALLOWED", "this task is not the client's own")
        values: dict[str, object] = {field_name: value}
        if field_name == "status" and value in {"success", "failure", "cancelled"}:
            values["finished"] = datetime.now(UTC)
            self._expiry[ref] = time.monotonic() + _KEEP_FINISHED_S
            self._note_end(ref)
        self._update(ref, **values)

    def annotate(self, ref: str, field_name: str, change: Callable[[Any], object]) -> None:
        """Change what means nothing to the task itself: ``change`` is given what is there."""
        with self._lock:
            record = self._database.get("task", ref)
            if record is not None:
                self._update(ref, **{field_name: change(record[field_name])})

    def _update(self, ref: str, **values: object) -> None:
        with self._lock:
            record = self._database.get("task", ref)
            if record is not None:
                self._database.publish("task", ref, {**record, **values})

    def _make_room(self, owner: str) -> None:
        """Forget what has ended of an owner who has all that he may have.

        Raises ``TOO_MANY_PENDING_TASKS``.
        """
        while not self._shares.has_room(owner):
            with self._lock:
                oldest = next(iter(self._ended.get(owner, ())), None)
            if oldest is None:
                self.refused += 1
                raise XapiFailure("TOO_MANY_PENDING_TASKS")
            self.destroy(oldest)

    def _note_end(self, ref: str) -> None:
        with self._lock:
            if ref in self._owners:
                self._ended.setdefault(self._owners[ref], {})[ref] = None

    def _expire(self) -> None:
        now = time.monotonic()
        for ref in [ref for ref, end in self._expiry.items() if end < now]:
            if ref not in self._running:
                self.destroy(ref)
