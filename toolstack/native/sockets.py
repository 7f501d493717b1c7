"""The sockets of libvirt's connections, which libvirt itself does not give away."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Connection

__all__ = ["Sockets", "open_connection"]

_one_at_a_time = threading.Lock()


class Sockets:
    """Duplicates of the sockets of one connection; none where the driver is in this process."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self.peers = frozenset(map(_peer, sockets)) - {""}

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def cut(self) -> None:
        """End the connection, so that every call on it fails."""
        for one in self._sockets:
            with suppress(OSError):  # it has ended already
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let them go."""
        for one in self._sockets:
            one.close()


def open_connection(uri: str, *, like: Sockets | None = None) -> tuple[Connection, Sockets]:
    """Open a connection, and give the sockets that belong to it.

    ``like`` are those of another connection to the same daemon: then only what leads to the same
    place can belong to it. Raises libvirt.libvirtError.
    """
    # What is new afterwards belongs to it: so nobody else may open one meanwhile.
    with _one_at_a_time:
        before = _connections()
        try:
            handle = libvirt.open(uri)
        finally:
            for one in before.values():
                one.close()
        after = _connections()
    for inode in before.keys() & after.keys():
        after.pop(inode).close()
    if like is not None:
        for inode, one in tuple(after.items()):
            if _peer(one) not in like.peers:
                after.pop(inode).close()
    return handle, Sockets(list(after.values()))


def _peer(one: socket.socket) -> str:
    try:
        return str(one.getpeername())
    except OSError:
        return ""  # it has ended already


def _connections() -> dict[int, socket.socket]:
    """Give duplicates of the sockets that this process has connected to others, by inode."""
    found: dict[int, socket.socket] = {}
    accepted_from: set[int] = set()
    for name in tuple(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # closed meanwhile
            _note(int(name.name), found, accepted_from)
    for inode, one in tuple(found.items()):
        # What was accepted has the port that is listened on.
        if one.family != socket.AF_UNIX and one.getsockname()[1] in accepted_from:
            found.pop(inode).close()
    return found


def _note(descriptor: int, found: dict[int, socket.socket], accepted_from: set[int]) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISSOCK(status.st_mode) or status.st_ino in found:
        return
    duplicate = socket.socket(fileno=os.dup(descriptor))
    if duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        if duplicate.family != socket.AF_UNIX:
            accepted_from.add(duplicate.getsockname()[1])
    else:
        with suppress(OSError):  # not connected
            if duplicate.getpeername():  # a client that was accepted on a Unix socket has no name
                found[status.st_ino] = duplicate
                return
    duplicate.close()
