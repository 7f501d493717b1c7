"""Who is logged in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from virtcim.daemon.roles import EVERYTHING, NOTHING, TOOLSTACK, Rights, Role
from virtcim.toolstack.datamodel import CLASSES, Record
from virtcim.toolstack.faults import XapiFailure, field_type_error
from virtcim.toolstack.refs import random_reference

__all__ = ["Sessions"]


class Sessions:
    """The sessions of this process; one that is idle longer than ``idle_s`` ends.

    Beyond ``most_of_one`` of them, or ``most`` in all, those of the same owner that are longest
    idle give way, never those of another. ``stamp`` gives what is another thing as soon as a user
    has to log in again, None for users who need not; ``rights`` what a user who has logged in may
    do.
    """

    def __init__(
        self,
        *,
        idle_s: float,
        most: int,
        most_of_one: int | None = None,
        stamp: Callable[[str], object] = lambda _: None,
        rights: Callable[[str], Rights] = lambda _: EVERYTHING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_s = idle_s
        self._most = most
        self._most_of_one = most if most_of_one is None else most_of_one
        self.stamp = stamp
        self.rights = rights
        self._clock = clock
        self._lock = threading.Lock()
        #: How often there was no room: a session of the same owner gave way, or there was none.
        self.crowded_out = 0
        self._records: dict[str, Record] = {}
        # The one that is idle longest first.
        self._last_active: OrderedDict[str, float] = OrderedDict()
        self._stamps: dict[str, tuple[str, object]] = {}  # with the user
        self._owners: dict[str, str] = {}
        self._owned: dict[str, set[str]] = {}

    def open(
        self,
        user: str,
        originator: str,
        this_host: str,
        stamp: object = None,
        *,
        address: str = "",
    ) -> str:
        """Begin a session and give its reference; it ends as soon as ``stamp`` is out of date.

        ``stamp`` is what ``self.stamp`` gave of the user before he was asked who he is, None where
        nobody asked: then he is another one at each ``address``. Raises ``TOO_BUSY`` where others
        have all the sessions that there are.
        """
        owner = user if stamp is not None else f"{user} at {address}"
        ref = random_reference()
        rights = EVERYTHING if stamp is None else self.rights(user)
        record = CLASSES["session"].record(
            {
                "uuid": ref.removeprefix("OpaqueRef:"),
                "auth_user_name": user,
                "originator": originator,
                "this_host": this_host,
                "is_local_superuser": rights.may(Role.ADMINISTER, TOOLSTACK),
                "pool": False,
                "last_active": datetime.now(UTC),
                "validation_time": datetime.now(UTC),
            }
        )
        with self._lock:
            self._expire()
            self._make_room(owner)
            self._owners[ref] = owner
            self._owned.setdefault(owner, set()).add(ref)
            self._records[ref] = record
            self._last_active[ref] = self._clock()
            if stamp is not None:
                self._stamps[ref] = user, stamp
        return ref

    def require(self, ref: object) -> str:
        """Note that the session is used; raises ``SESSION_INVALID`` when there is none such."""
        if not isinstance(ref, str):
            raise field_type_error("session_id")
        with self._lock:
            self._expire()
            if ref in self._stamps:
                user, stamp = self._stamps[ref]
                if self.stamp(user) != stamp:
                    self._drop(ref)
            if ref not in self._records:
                raise XapiFailure("SESSION_INVALID", ref)
            self._last_active[ref] = self._clock()
            self._last_active.move_to_end(ref)
            self._records[ref]["last_active"] = datetime.now(UTC)
        return ref

    def user(self, ref: str) -> tuple[str, Rights]:
        """The user of a session, and what he may do: everything where nobody has asked who he is.

        Nobody, and nothing, where there is no such session.
        """
        with self._lock:
            record = self._records.get(ref)
            if record is None:
                return "", NOTHING
            user = str(record["auth_user_name"])
            return user, self.rights(user) if ref in self._stamps else EVERYTHING

    def count(self) -> int:
        """How many sessions are open."""
        with self._lock:
            self._expire()
            return len(self._records)

    def get(self, ref: str) -> Record | None:
        """Give the session's record, or None when it has ended."""
        with self._lock:
            self._expire()
            record = self._records.get(ref)
            return None if record is None else dict(record)

    def change(self, ref: str, field: str, change: Callable[[Any], object]) -> None:
        """Change a field of a session that is known to exist: ``change`` is given what is there."""
        with self._lock:
            if ref in self._records:
                self._records[ref][field] = change(self._records[ref][field])

    def close(self, ref: str) -> None:
        """End a session."""
        with self._lock:
            self._drop(ref)

    def _expire(self) -> None:
        oldest = self._clock() - self._idle_s
        while self._last_active:
            ref, used = next(iter(self._last_active.items()))
            if used >= oldest:
                return
            self._drop(ref)

    def _make_room(self, owner: str) -> None:
        """End sessions of an owner who has too many. Raises ``TOO_BUSY``."""
        while True:
            own = self._owned.get(owner, ())
            if len(own) < self._most_of_one and len(self._records) < self._most:
                return
            self.crowded_out += 1
            if not own:
                raise XapiFailure("TOO_BUSY")
            self._drop(min(own, key=lambda ref: self._last_active[ref]))

    def _drop(self, ref: str) -> None:
        owner = self._owners.pop(ref, None)
        if owner is not None:
            self._owned[owner].discard(ref)
            if not self._owned[owner]:
                del self._owned[owner]
        self._records.pop(ref, None)
        self._last_active.pop(ref, None)
        self._stamps.pop(ref, None)
