"""What takes an unfinished operation back, as values that outlive the process that needs them.

The steps are written down *before* what they take back is done. Whoever comes next, after a lost
connection or a restart, can then finish the work without knowing anything else.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

__all__ = ["MemoryUndoLog", "UndoLog", "UndoLogError", "UndoStep", "UnfinishedOperation"]


class UndoLogError(Exception):
    """The steps cannot be kept; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStep:
    """A management call (``call`` with ``params``) that takes back one step (``does``) of several.

    Where the step makes an object whose reference nobody knows beforehand, ``found_by`` tells the
    object apart: these fields of its record have these values, or (maps) hold them. ``ref`` is its
    reference as soon as it is known, and the first parameter of ``call``. A call that makes an
    object again gives another reference; it ``replaces`` the former one in the steps before it.

    ``expects`` are the fields that the object had after the step: where another process finds
    others, somebody has changed it since, and it is left as it is. ``tasks`` are the tasks of the
    management API that carry the step, ``suspects`` those that might, where its own is not known
    (None: nobody has looked). ``done`` is whether the step is known to have taken effect.
    """

    does: str
    call: str
    params: tuple[Any, ...] = ()
    found_by: Mapping[str, Any] = field(default_factory=dict)
    ref: str = ""
    replaces: str = ""
    expects: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    suspects: tuple[str, ...] | None = None
    done: bool = False

    @property
    def class_name(self) -> str:
        """The class of the object that the call is on."""
        return self.call.partition(".")[0]

    @property
    def verb(self) -> str:
        """The call without its class."""
        return self.call.rpartition(".")[2]

    @property
    def subject(self) -> str:
        """What the call is on, as far as it is known."""
        if self.replaces:
            return self.replaces
        named = str(self.params[0]) if self.params else ""
        return self.ref or named or str(dict(self.found_by))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedOperation:
    """One operation of several steps, and what takes back those that were begun.

    ``name`` is the operation as faults call it (``VM.create``), ``subject`` the UUID or the name
    of what it is about.
    """

    id: str
    name: str
    subject: str
    begun: datetime
    steps: tuple[UndoStep, ...] = ()


class UndoLog(Protocol):
    """Where unfinished operations are kept; safe to use from many threads."""

    def put(self, operation: UnfinishedOperation) -> None:
        """Keep an operation as it is now; it is durable on return. Raises UndoLogError."""

    def remove(self, operation_id: str) -> None:
        """Forget an operation that has ended, or was taken back. Raises UndoLogError."""

    def unfinished(self) -> tuple[UnfinishedOperation, ...]:
        """The operations that have not ended, the oldest first. Raises UndoLogError."""


class MemoryUndoLog:
    """Implements ``UndoLog`` for the life of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: dict[str, UnfinishedOperation] = {}

    def put(self, operation: UnfinishedOperation) -> None:
        """Keep an operation as it is now."""
        with self._lock:
            self._operations[operation.id] = operation

    def remove(self, operation_id: str) -> None:
        """Forget an operation."""
        with self._lock:
            self._operations.pop(operation_id, None)

    def unfinished(self) -> tuple[UnfinishedOperation, ...]:
        """The operations that have not ended, the oldest first."""
        with self._lock:
            return tuple(self._operations.values())
