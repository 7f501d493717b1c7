"""Noticing that the libvirt daemon hangs, and cutting the connection to it.

libvirt's own keepalive is not used: in libvirt 9.0 it ends only one of several calls that wait, and
the process crashes when the daemon goes on and answers the others. After the end of the connection
itself all calls fail as they should; so that end is brought about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.native.sockets import Sockets

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Connection

__all__ = ["Liveness"]

# The daemon has workers of their own for short questions, so that it answers them even while all
# its other workers wait for virtual machines.
_PATIENCE_S = 8.0
_INTERVAL_S = 2.0
_LAST_ANSWER_S = 0.5


class Liveness:
    """Asks the daemon of one connection again and again whether it is there.

    ``on_hang`` is called when it has not answered for some seconds; then ``sockets``, which become
    this object's own, are cut, and every call that waits fails.
    """

    def __init__(self, handle: Connection, sockets: Sockets, on_hang: Callable[[], None]) -> None:
        self._handle = handle
        self._sockets = sockets
        self._on_hang = on_hang
        self._asked_at: float | None = None
        self._stopping = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="libvirt-ask", daemon=True)
        self._watching = threading.Thread(target=self._watch, name="libvirt-watch", daemon=True)
        if sockets:  # without them the driver runs in this process
            self._asking.start()
            self._watching.start()

    def stop(self) -> None:
        """Ask no more, and let the sockets go; afterwards the connection may be closed."""
        self._stopping.set()
        if self._sockets:
            self._asking.join(_LAST_ANSWER_S)
            self._sockets.cut()
            self._asking.join()
            self._watching.join()
        self._sockets.close()

    def _ask(self) -> None:
        while not self._stopping.wait(_INTERVAL_S):
            self._asked_at = time.monotonic()
            try:
                self._handle.getLibVersion()
            except libvirt.libvirtError:
                return  # whoever uses the connection finds that out as well
            finally:
                self._asked_at = None

    def _watch(self) -> None:
        while not self._stopping.wait(_INTERVAL_S / 4):
            asked_at = self._asked_at
            if asked_at is not None and time.monotonic() - asked_at > _PATIENCE_S:
                self._on_hang()
                self._sockets.cut()
                return
