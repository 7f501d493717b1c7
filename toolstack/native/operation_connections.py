"""Connections for operations, so that a machine that does not answer holds up no other.

libvirtd works on five requests of one connection at a time (max_client_requests), and on the
others when those have ended. What waits for an emulator may take for ever: so operations have
connections of their own, and few share one. Reading, which waits for nobody, and the events have
the main connection.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.native.sockets import Sockets, open_connection

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Connection

__all__ = ["Lease", "OperationConnections"]

_log = logging.getLogger(__name__)

# An operation may also have calls under way that ask how far it is, and that cancel it.
_OPERATIONS_EACH = 2
# What is kept open while nothing uses it.
_IDLE = 4


@dataclass(slots=True, eq=False)
class _Member:
    handle: Connection
    sockets: Sockets
    operations: int = field(default=0)


class Lease:
    """The use of a connection for one operation, until ``release``."""

    def __init__(self, handle: Connection, release: Callable[[], None] = lambda: None) -> None:
        self.handle = handle
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Let others use it; a second time does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()


class OperationConnections:
    """The connections that go with one main connection; opened when needed, closed together."""

    def __init__(self, uri: str, main: Sockets) -> None:
        self._uri = uri
        self._main = main
        self._lock = threading.Lock()
        self._members: list[_Member] = []
        self._closed = False

    def lease(self) -> Lease:
        """Give a connection that few others use; raises libvirt.libvirtError if none opens."""
        with self._lock:
            member = min(self._members, key=lambda each: each.operations, default=None)
            if member is not None and member.operations < _OPERATIONS_EACH:
                member.operations += 1
                return Lease(member.handle, lambda: self._release(member))
        handle, sockets = open_connection(self._uri, like=self._main)
        opened = _Member(handle, sockets, operations=1)
        with self._lock:
            if not self._closed:
                self._members.append(opened)
                return Lease(handle, lambda: self._release(opened))
        _close(opened)
        raise libvirt.libvirtError("the connection has ended")

    def has(self, handle: object) -> bool:
        """Whether it is one of these."""
        with self._lock:
            return any(member.handle is handle for member in self._members)

    def cut(self) -> None:
        """End them all, so that every call that waits fails; none is opened any more."""
        with self._lock:
            self._closed = True
            members = tuple(self._members)
        for member in members:
            member.sockets.cut()

    def close(self) -> None:
        """Close them, after ``cut``."""
        with self._lock:
            members, self._members = self._members, []
        for member in members:
            _close(member)

    def _release(self, member: _Member) -> None:
        with self._lock:
            member.operations -= 1
            idle = sum(not each.operations for each in self._members)
            if self._closed or member.operations or idle <= _IDLE:
                return
            self._members.remove(member)
        _close(member)


def _close(member: _Member) -> None:
    try:
        member.handle.close()
    except libvirt.libvirtError as error:
        _log.debug("closing a connection to libvirt: %s", error)
    member.sockets.close()
