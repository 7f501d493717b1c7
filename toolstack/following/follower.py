"""The thread that keeps the inventory true: the connection, what events say, reconciliation."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.following import watch
from virtcim.toolstack.following.first_reading import read_everything
from virtcim.toolstack.following.inventory import Inventory
from virtcim.toolstack.following.messages import (
    DOMAIN,
    Changed,
    Message,
    Messages,
    Rebooted,
    StopSeen,
    Unmade,
)
from virtcim.toolstack.following.observer import Observer
from virtcim.toolstack.following.reconcile import Reconciliation
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.native.event_loop import EVENT_LOOP
from virtcim.toolstack.native.message_language import MessageLanguage

__all__ = ["Follower"]

_log = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_JOIN_S = 5.0
# How soon an object is looked at again that an operation was working on.
_POSTPONE_S = 0.2
# Between them who asks for something comes first.
_COURTESY_S = 0.001


class Follower:
    """Follows libvirt for one inventory; what cannot be read is tried again for ever."""

    def __init__(
        self,
        inventory: Inventory,
        connection: LibvirtConnection,
        observer: Observer,
        *,
        reconcile_s: float,
        mark_background: Callable[[], None],
    ) -> None:
        self._inventory = inventory
        self._connection = connection
        self._observer = observer
        self._mark_background = mark_background
        self._messages = Messages()
        observer.on_unmade = lambda *unmade: self._messages.put(Unmade(*unmade))
        self._reconciliation = Reconciliation(inventory, connection, reconcile_s=reconcile_s)
        self._language = MessageLanguage()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="inventory", daemon=True)

    def start(self) -> None:
        """Begin to follow libvirt."""
        self._thread.start()

    def stop(self) -> None:
        """Follow libvirt no more."""
        self._stopping.set()
        self.wake()

    def join(self) -> None:
        """Wait a little for the thread to end, once the connection is closed."""
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def wake(self) -> None:
        """Let the thread look at the connection again."""
        self._messages.wake()

    def _keep(self) -> None:
        self._mark_background()
        failures = 0
        while not self._stopping.is_set():
            try:
                self._connect()
                failures = 0
                self._follow()
            except XapiFailure as failure:
                if self._stopping.is_set():
                    return
                if failures == 0:
                    _log.warning("no connection to libvirt: %s", " ".join(failure.description))
                self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            except libvirt.libvirtError as error:
                # Reading everything failed half way: nothing is known to be true any more.
                self._connection.lose(error.get_error_message() or str(error))
            except Exception:  # noqa: BLE001 - the boundary of this thread: logs and starts over
                _log.exception("following libvirt failed unexpectedly; starting over")
                self._connection.lose("reading its objects failed unexpectedly")
                self._stopping.wait(_BACKOFF_S[-1])

    def _connect(self) -> None:
        connection, history = self._connection, self._inventory.history
        connection.open()
        history.blind()
        watch.register_events(connection.handle, self._messages.put, history, connection.at_close)
        # Everything that is made now stays: looking for garbage among it takes longer than reading.
        gc.disable()
        try:
            with EVENT_LOOP.resting():
                self._read_first()
        finally:
            self._observer.announcing = False
            gc.enable()
        gc.freeze()
        self._inventory.write_known_devices()

    def _read_first(self) -> None:
        self._observer.announcing = True
        inventory = self._inventory
        was_shown = bool(inventory.understood)
        inventory.refresh_host()
        read_everything(inventory, self._connection, self._mark_background)
        if was_shown:
            inventory.answers.want_all()  # nobody is shown what was before
        self._language.look(self._connection)
        self._observer.announcing = False
        self._connection.mark_ready()
        _log.info(
            "connected to libvirt at %s: %d domains, %d pools, %d networks",
            self._connection.uri,
            len(inventory.understood) + len(inventory.answers),
            len(inventory.pools),
            len(inventory.networks),
        )
        # Whoever wants something understands it, and need not wait for this thread.
        while inventory.answers.want_some() and not self._stopping.wait(_COURTESY_S):
            pass

    def _follow(self) -> None:
        """Handle messages until the connection is lost (raises XapiFailure) or all stops."""
        steps: Iterator[None] | None = None
        due_s = time.monotonic() + self._reconciliation.pause_s()
        while not self._stopping.is_set():
            self._connection.require()
            inventory = self._inventory
            wait_s = 0.0 if steps is not None else max(0.0, due_s - time.monotonic())
            if inventory.has_postponed:
                wait_s = min(wait_s, _POSTPONE_S)
            if (pause_s := self._observer.pause_s()) is not None:
                wait_s = min(wait_s, pause_s)
            messages = self._messages.take(wait_s)
            if messages is not None:
                self._handle(messages)
                continue
            inventory.refresh_postponed()
            if self._observer.pause_s() == 0.0:
                inventory.flush_waiting()
            now_s = time.monotonic()
            if steps is None and now_s >= due_s:
                began_s, steps = now_s, self._reconciliation.round()
            if steps is not None and next(steps, self) is self:
                steps, due_s = None, began_s + self._reconciliation.pause_s()

    def _handle(self, messages: Iterable[Message]) -> None:
        inventory = self._inventory
        for message in messages:
            match message:
                case Changed(kind, uuid):
                    inventory.refresh_unless_busy(kind, uuid)
                case StopSeen(uuid, detail):
                    inventory.note_stop(uuid, detail)
                case Rebooted():
                    self._observer.domain_rebooted()
                case Unmade(class_name, uuid, error):
                    kind = DOMAIN if class_name == "VM" else class_name
                    inventory.leave_out(kind, uuid, error)
                    inventory.tell_what_is_left_out()
