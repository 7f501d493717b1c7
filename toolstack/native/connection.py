"""The connection to libvirt: opened, watched, lost, opened again.

Events come by one connection, and reading goes by it. Operations have others beside it, which come
and go with it, unless the driver runs in this process or keeps its state per connection, as
libvirt's test driver does (``test:///file.xml``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import libvirt

from virtcim.toolstack.faults import XapiFailure, libvirt_failure, lost_connection
from virtcim.toolstack.native.event_loop import EVENT_LOOP
from virtcim.toolstack.native.liveness import Liveness
from virtcim.toolstack.native.operation_connections import Lease, OperationConnections
from virtcim.toolstack.native.sockets import Sockets, open_connection
from virtcim.toolstack.statistics import Statistics

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Connection

__all__ = ["LibvirtConnection", "Loading"]

_log = logging.getLogger(__name__)
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "it was closed by an error",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "the daemon closed it or went away",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "the daemon does not answer",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "it was closed here",
}

# How long the end of the process waits for the daemon to take note of it.
_LAST_CLOSE_S = 5.0


def _is_remote(uri: str, sockets: Sockets) -> bool:
    """Whether the driver is in a daemon, not in this process."""
    return bool(sockets) or "+" in uri.partition(":")[0]


def _connection_of(function: Callable[..., object]) -> Connection | None:
    """The ``virConnect`` that a bound method of one of libvirt's objects works on."""
    native = getattr(function, "__self__", None)
    connect = getattr(native, "connect", None)
    return native if connect is None else connect()


def _is_alive(handle: Connection) -> bool:
    try:
        return bool(handle.isAlive())
    except libvirt.libvirtError:
        return False  # it is closed


class Loading(NamedTuple):
    """How many domains were read of a new connection; ``of`` is 0 while nobody knows."""

    read: int = 0
    of: int = 0


class _Lost(NamedTuple):
    """A connection that has ended, and what is still to be let go of."""

    handle: Connection
    liveness: Liveness
    operations: OperationConnections | None
    registrations: list[Callable[[], object]]


class LibvirtConnection:
    """Calls libvirt, and knows whether it can be reached.

    ``require`` and ``call`` raise XapiFailure ``LIBVIRT_ERROR`` while there is no connection.
    ``on_lost`` is called from any thread, once per loss; ``on_opened`` once per connection, before
    calls may come.
    """

    def __init__(
        self, uri: str, statistics: Statistics, *, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self.uri = uri
        self.on_lost = on_lost
        self.on_opened: Callable[[], None] = lambda: None
        self._statistics = statistics
        self._lock = threading.Lock()
        self._readiness = threading.Event()
        self._attempted = threading.Event()
        self._handle: Connection | None = None
        self._remote = False
        self._liveness: Liveness | None = None
        self._operations: OperationConnections | None = None
        # Lost connections: closed where it cannot disturb libvirt's own threads.
        self._lost: list[_Lost] = []
        # What libvirt holds on to with the open connection, to be taken back before it is closed.
        self._registrations: list[Callable[[], object]] = []
        self._epoch = 0
        self._loading = Loading()
        self._failure = lost_connection(uri, "it has not been opened yet")

    @property
    def handle(self) -> Connection:
        """The open ``virConnect``; raises XapiFailure when there is none."""
        handle = self._handle
        if handle is None:
            raise self.failure()
        return handle

    @property
    def is_remote(self) -> bool:
        """Whether the driver is in a daemon, which works while this process does something else."""
        return self._remote

    def open(self) -> None:
        """Open the connection; raises XapiFailure, which is also what ``require`` raises then."""
        EVENT_LOOP.start()
        # Not here: closing waits for libvirt, and must not hold up the way back to it.
        threading.Thread(target=self._close_lost, name="libvirt-close", daemon=True).start()
        try:
            self._statistics.count_libvirt_call()
            handle, sockets = open_connection(self.uri)
            remote = _is_remote(self.uri, sockets)
            # Whether what one connection does is seen by another one, in the daemon of both.
            shared = remote and handle.getType() != "TEST"
        except libvirt.libvirtError as error:
            failure = libvirt_failure(error)
            with self._lock:
                self._failure = failure
            self._attempted.set()
            raise failure from error
        with self._lock:
            self._handle, self._remote = handle, remote
            self._loading = Loading()
            self._registrations = [handle.unregisterCloseCallback]
            self._operations = OperationConnections(self.uri, sockets) if shared else None
            self._epoch += 1
            epoch = self._epoch
            self._liveness = Liveness(
                handle, sockets, lambda: self.lose("the daemon does not answer", epoch)
            )
        handle.registerCloseCallback(self._closed, epoch)
        self.on_opened()

    @property
    def at_close(self) -> Callable[[Callable[[], object]], None]:
        """Takes what is to be called before the connection that is open now is closed."""
        return self._registrations.append

    @property
    def loading(self) -> Loading | None:
        """How far reading is while there is a connection and calls may not come yet, else None."""
        with self._lock:
            return None if self._handle is None or self.is_ready else self._loading

    def expect_domains(self, of: int) -> None:
        """So many domains are there to be read."""
        with self._lock:
            self._loading = Loading(0, of)

    def note_read(self, domains: int) -> None:
        """So many more domains were read."""
        with self._lock:
            self._loading = Loading(self._loading.read + domains, self._loading.of)

    def mark_ready(self) -> None:
        """Everything has been read: calls may come."""
        with self._lock:
            if self._handle is not None:
                self._readiness.set()
                self._attempted.set()

    @property
    def is_ready(self) -> bool:
        """Whether calls may come."""
        return self._readiness.is_set()

    @property
    def was_attempted(self) -> bool:
        """Whether the first attempt has succeeded or failed."""
        return self._attempted.is_set()

    def wait_attempted(self, timeout_s: float) -> bool:
        """Wait until the first attempt has succeeded or failed; False when the time is over."""
        return self._attempted.wait(timeout_s)

    def lose(self, reason: str, epoch: int | None = None) -> None:
        """Give up the connection (the one of ``epoch``, if it is still that)."""
        with self._lock:
            if self._handle is None or (epoch is not None and epoch != self._epoch):
                return
            assert self._liveness is not None
            operations = self._operations
            self._lost.append(_Lost(self._handle, self._liveness, operations, self._registrations))
            self._handle = self._liveness = self._operations = None
            self._readiness.clear()
            self._failure = lost_connection(self.uri, reason)
        _log.warning("connection to libvirt at %s has ended: %s", self.uri, reason)
        if operations is not None:
            operations.cut()
        self.on_lost()

    def close(self) -> None:
        """Close for good."""
        self.lose("the toolstack is stopping")
        closing = threading.Thread(target=self._close_lost, name="libvirt-close", daemon=True)
        closing.start()
        closing.join(_LAST_CLOSE_S)

    def _close_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, []
        for each in lost:
            each.liveness.stop()
            if each.operations is not None:
                each.operations.close()
            for close in (*each.registrations, each.handle.close):
                try:
                    close()
                except libvirt.libvirtError as error:
                    _log.debug("closing a connection to libvirt: %s", error)

    def failure(self) -> XapiFailure:
        """Give the failure that says why there is no connection, or that it is not ready."""
        loading = self.loading
        if loading is not None:
            how_far = f", {loading.read:,} of {loading.of:,} domains" if loading.of else ""
            return lost_connection(self.uri, f"it is being read{how_far}")
        with self._lock:
            return XapiFailure(*self._failure.description)

    def require_open(self) -> None:
        """Raise the failure unless there is a connection, whether all was read of it or not."""
        if self._handle is None:
            raise self.failure()

    def require(self) -> None:
        """Raise the failure unless libvirt is connected and everything of it was read."""
        if not self._readiness.is_set():
            raise self.failure()

    def lease(self) -> Lease:
        """Give a connection for calls that may wait for a machine, until it is released.

        Raises XapiFailure when there is none.
        """
        handle, operations = self.handle, self._operations
        if operations is None:
            return Lease(handle)
        try:
            return operations.lease()
        except libvirt.libvirtError as error:
            # Perhaps the daemon serves no more clients; if it is gone, the first call finds out.
            _log.warning("no further connection to libvirt can be opened: %s", error)
            return Lease(handle)

    @contextmanager
    def operating(self) -> Iterator[Connection]:
        """Give the ``virConnect`` of a lease while the block runs."""
        lease = self.lease()
        try:
            yield lease.handle
        finally:
            lease.release()

    def call(
        self,
        function: Callable[_Parameters, _Result],
        *arguments: _Parameters.args,
        **named: _Parameters.kwargs,
    ) -> _Result:
        """Call one function of libvirt's API; raises XapiFailure or ``libvirt.libvirtError``."""
        epoch, _ = self._epoch, self.handle
        self._statistics.count_libvirt_call()
        try:
            return function(*arguments, **named)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_INVALID_CONN:
                # It was closed at this very moment: the call has not been made.
                raise self.failure() from error
            # The call that finds the daemon gone knows it before the event loop does.
            if error.get_error_domain() == libvirt.VIR_FROM_RPC and self._has_lost_one(function):
                self.lose(error.get_error_message() or "a call failed", epoch)
            raise

    def _has_lost_one(self, function: Callable[..., object]) -> bool:
        """Whether the connection has ended: the main one, or one for operations that was used."""
        with self._lock:
            handle, operations = self._handle, self._operations
        if handle is None or not _is_alive(handle):
            return True
        used = _connection_of(function)
        if used is None or operations is None:
            return False
        return operations.has(used) and not _is_alive(used)

    def _closed(self, _connection: object, reason: int, epoch: int) -> None:
        self.lose(_CLOSE_REASONS.get(reason, f"reason {reason}"), epoch)
