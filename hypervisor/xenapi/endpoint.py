"""One XenAPI endpoint: XenServer, XCP-ng, or our own toolstack."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Thread
from typing import Any

from virtcim.errormap import Fault, HypervisorError, from_transport, from_xapi
from virtcim.hypervisor.change import AddedDevices, Made, VirtualSystemChange
from virtcim.hypervisor.credentials import Credentials
from virtcim.hypervisor.endpoint import Monitor, PowerStateError
from virtcim.hypervisor.inventory import InventoryStore, Watcher
from virtcim.hypervisor.model import (
    Inventory,
    PowerOperation,
    PowerState,
    VirtualSystemSpec,
)
from virtcim.hypervisor.placement import (
    change_in_order,
    in_given_order,
    specification_in_order,
)
from virtcim.hypervisor.storage import Storage
from virtcim.hypervisor.undo import UndoLog
from virtcim.hypervisor.xenapi.define import Definition, UnfinishedNames, WholeDefinition
from virtcim.hypervisor.xenapi.follower import Follower
from virtcim.hypervisor.xenapi.inquiry import Inquirer
from virtcim.hypervisor.xenapi.modify import Modification, OneAtATime
from virtcim.hypervisor.xenapi.operations import TaskRunner
from virtcim.hypervisor.xenapi.own_calls import WholeChange, added_ids
from virtcim.hypervisor.xenapi.recovery import Recovery
from virtcim.hypervisor.xenapi.results import made_by
from virtcim.hypervisor.xenapi.session import Connect, XenApiSession, connector
from virtcim.hypervisor.xenapi.steps import Steps
from virtcim.hypervisor.xenapi.storage import XenApiStorage
from virtcim.hypervisor.xenapi.tokens import is_at_least, is_same_life
from virtcim.wire import EndpointUrl, TlsOptions

__all__ = ["XenApiEndpoint"]

_log = logging.getLogger(__name__)

# A reader sees a change a few milliseconds after it; the rest is for a machine under load.
_BARRIER_TIMEOUT_S = 20.0
_JOIN_TIMEOUT_S = 5.0
_TASK_CANCELLED = "TASK_CANCELLED"

# host.API_version_vendor of our own toolstack, which has calls of its own.
_OURS = "virtcim"

# XenAPI VM.start and VM.resume: (start_paused, force).
_EXTRA_PARAMETERS: dict[PowerOperation, tuple[object, ...]] = {
    PowerOperation.START: (False, False),
    PowerOperation.RESUME: (False, False),
}


class XenApiEndpoint:
    """Implements ``Endpoint`` over the XenAPI; begins to connect at once, in the background.

    ``own_calls``: whether what only our own toolstack can is used where it is one; without it is
    treated as a XenServer. ``on_resynchronised`` is called whenever everything has been read.
    """

    def __init__(
        self,
        url: EndpointUrl,
        *,
        name: str = "",
        credentials: Credentials | None = None,
        tls: TlsOptions | None = None,
        connect: Connect | None = None,
        own_calls: bool = True,
        on_resynchronised: Callable[[], None] = lambda: None,
    ) -> None:
        self._own_calls = own_calls
        self._name = name
        self._url = url
        self._session = XenApiSession(
            url, credentials or Credentials(), connect or connector(tls=tls)
        )
        self._store = InventoryStore()
        self._unfinished = UnfinishedNames()
        self._modified = OneAtATime()
        self._follower = Follower(
            *(self._session, self._store, name or str(url), self._unfinished),
            on_resynchronised=on_resynchronised,
        )
        self._tasks = TaskRunner(
            self._session, self._follower, Inquirer(self._session, self._store)
        )
        self._recovery = Recovery(
            self._session, self._store, name or str(url), self._modified.alone
        )
        self._storage = XenApiStorage(
            self._session, self._tasks, self._store, self._recovery, self._wait_visible
        )
        # Whether what was done last may not be shown yet.
        self._is_unsure = False
        self._follower.start()

    @property
    def name(self) -> str:
        """The name given by the administrator, empty for the endpoint without one."""
        return self._name

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return str(self._url)

    def inventory(self) -> Inventory:
        """The state of everything, without any call.

        Raises HypervisorError with the reason of the disconnection while there is no connection.
        """
        return self._store.read()

    @property
    def age_s(self) -> float:
        """How long ago ``inventory()`` was last known to be complete; 0 while there is none."""
        return self._store.age_s

    @property
    def position(self) -> str:
        """The token of event.from up to which ``inventory()`` is complete."""
        return "" if self._is_unsure else self._store.token

    def has_reached(self, position: str) -> bool:
        """Whether a token is one of those that compare, and not greater than ours."""
        return self._are_ordered and is_at_least(self._store.token, position)

    def reach(self, position: str, timeout_s: float) -> bool:
        """Wait for a token that compares, else until an event.from has ended that began later."""
        if self._are_ordered and is_same_life(self._store.token, position):
            look = self._store.next_look
        else:
            look, is_new = self._store.want_look()
            if is_new and self._store.connected:
                # Whoever waits does not wait for the answer, which may never come.
                Thread(target=self._wake_follower, name="virtcim-look", daemon=True).start()

        def reached(token: str) -> bool:
            return self._are_ordered and is_at_least(token, position)

        return self._store.wait_look(look, timeout_s, reached=reached)

    @property
    def _are_ordered(self) -> bool:
        """Whether tokens are more than something that is equal or not."""
        return self._follower.vendor == _OURS

    def _wake_follower(self) -> None:
        """End the event.from that waits for something to happen; it would end by itself."""
        try:
            self._session.call("event.inject", "pool", self._follower.pool_ref)
        except HypervisorError as exc:
            _log.info("%s: no event could be injected: %s", self.url, exc)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` with every new inventory, and with what ends the connection."""
        return self._store.watch(watcher)

    def wait_attempted(self, timeout_s: float) -> bool:
        """Wait until the first connection stands or has failed; False: neither in time."""
        return self._store.wait_attempted(timeout_s)

    def change_power(
        self, uuid: str, operation: PowerOperation, monitor: Monitor | None = None
    ) -> None:
        """Change the state of a virtual system (XenAPI ``Async.VM.<operation>``)."""
        ref = self._vm_ref(uuid)
        extra = _EXTRA_PARAMETERS.get(operation, ())
        try:
            self._tasks.run(f"VM.{operation}", ref, *extra, monitor=monitor, decisive=True)
        except HypervisorError as exc:
            present = _present_state(exc.fault)
            if present is None:
                raise
            self._wait_visible()
            raise PowerStateError(exc.fault, present) from exc
        self._wait_visible()

    def define(self, spec: VirtualSystemSpec, monitor: Monitor | None = None) -> str:
        """Make a virtual system, all of it or none, and give its UUID."""
        inventory = self._store.read()
        in_order = specification_in_order(spec)
        if self._is_ours:
            try:
                return self._define_whole(inventory, in_order, monitor)
            except HypervisorError as exc:
                # An older toolstack of ours has only the calls of the XenAPI.
                if exc.fault.code != "MESSAGE_METHOD_UNKNOWN":
                    raise
        definition = Definition(self._steps("VM.create", spec.name_label, inventory, monitor))
        with self._unfinished.making(spec.name_label):
            try:
                uuid = definition.make(in_order)
            finally:
                # When the machine is shown, everything that belongs to it is known; and when it
                # could not be made, that nothing of it is left.
                self._wait_visible()
        self._wait_visible()
        return uuid

    def _define_whole(
        self, inventory: Inventory, spec: VirtualSystemSpec, monitor: Monitor | None
    ) -> str:
        try:
            return WholeDefinition(self._tasks, inventory, monitor).make(spec)
        finally:
            self._wait_visible()

    def modify(
        self, uuid: str, change: VirtualSystemChange, monitor: Monitor | None = None
    ) -> AddedDevices:
        """Change a virtual system, now and for its next start; all of it or nothing."""
        if change.is_empty:
            return AddedDevices()
        in_order = change_in_order(change)
        # Taking back one change must not meet another one half-way.
        with self._modified.alone(uuid.lower()):
            try:
                if self._is_ours:
                    added = self._modify_whole(uuid, in_order, monitor)
                    return in_given_order(change, added)
            except HypervisorError as exc:
                # An older toolstack of ours has only the calls of the XenAPI.
                if exc.fault.code != "MESSAGE_METHOD_UNKNOWN":
                    raise
            ref = self._vm_ref(uuid)
            inventory = self._store.read()
            self._recovery.finish(uuid.lower())
            modification = Modification(self._steps("VM.modify", uuid.lower(), inventory, monitor))
            try:
                added = modification.make(ref, in_order)
                return in_given_order(change, added)
            finally:
                self._wait_visible()

    def _steps(
        self, name: str, subject: str, inventory: Inventory, monitor: Monitor | None
    ) -> Steps:
        """Begin an operation of several steps (``Recovery.begin``)."""
        return Steps(
            session=self._session,
            tasks=self._tasks,
            inventory=inventory,
            rollback=self._recovery.begin(name, subject),
            monitor=monitor,
        )

    @property
    def _is_ours(self) -> bool:
        return self._own_calls and self._follower.vendor == _OURS

    def _modify_whole(
        self, uuid: str, change: VirtualSystemChange, monitor: Monitor | None
    ) -> AddedDevices:
        inventory = self._store.read()
        system = inventory.virtual_systems.get(uuid.lower())
        if system is None:
            raise HypervisorError(from_xapi(["UUID_INVALID", "VM", uuid], operation="VM.modify"))
        try:
            added = WholeChange(self._tasks, inventory, monitor).make(system, change)
        finally:
            self._wait_visible()
        return added_ids(self._seen("VM.modify").virtual_systems.get(uuid.lower()), added)

    def destroy(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Stop the virtual system if it runs, and remove it; its disk images stay."""
        with self._modified.alone(uuid.lower()):
            self._destroy(uuid, monitor)

    def keep_undo_steps(self, log: UndoLog) -> None:
        """Keep in ``log`` what takes operations back, and take back what it holds already."""
        self._recovery.keep_in(log)

    @property
    def storage(self) -> Storage:
        """The operations on storage repositories and disk images."""
        return self._storage

    def follow(self, task_ref: str, operation: str, monitor: Monitor | None = None) -> Made:
        """Wait for the end of a task that an earlier process began; gives what it has made."""
        result = self._tasks.follow(task_ref, operation, monitor)
        self._wait_visible()
        return made_by(result, self._seen(operation)) if result else Made()

    def cancel(self, task_ref: str) -> None:
        """Ask for a task to be cancelled (XenAPI ``task.cancel``)."""
        self._session.call("task.cancel", task_ref)

    def is_cancellation(self, fault: Fault) -> bool:
        """Whether a fault, or one that it was caused by, is XenAPI's TASK_CANCELLED."""
        while fault.code != _TASK_CANCELLED and fault.cause is not None:
            fault = fault.cause
        return fault.code == _TASK_CANCELLED

    def close(self) -> None:
        """Stop following, give the session back, and close the connections."""
        self._follower.stop()
        self._session.close()
        self._recovery.stop()
        self._follower.join(_JOIN_TIMEOUT_S)
        # That it is closed is no news of the hypervisor.
        self._store.end_watching()
        # What nobody follows any more soon is not so.
        self._store.disconnect(
            from_transport(
                phase="connect", exception="Closed", message="the endpoint has been closed"
            )
        )

    def _destroy(self, uuid: str, monitor: Monitor | None) -> None:
        ref = self._vm_ref(uuid)
        record: Mapping[str, Any] = self._session.call("VM.get_record", ref)
        blocked = record.get("blocked_operations", {})
        if "destroy" in blocked:
            # To be known before it is stopped for nothing.
            description = ["OPERATION_BLOCKED", ref, blocked["destroy"]]
            raise HypervisorError(from_xapi(description, operation="VM.destroy"))
        running = record["power_state"] != PowerState.HALTED
        stopped = running and self._stop(ref, monitor)
        try:
            try:
                self._tasks.run("VM.destroy", ref, monitor=monitor, decisive=True)
            except HypervisorError as exc:
                if running or _present_state(exc.fault) in (None, PowerState.HALTED):
                    raise
                # It was started since it was looked at.
                stopped = self._stop(ref, monitor)
                self._tasks.run("VM.destroy", ref, monitor=monitor, decisive=True)
        except HypervisorError as exc:
            if not stopped:
                raise
            # One that exists only while it runs has gone with its run.
            if not _is_gone(exc.fault, ref):
                raise HypervisorError(_only_stopped(exc)) from exc
        finally:
            self._wait_visible()

    def _stop(self, ref: str, monitor: Monitor | None) -> bool:
        """Stop a virtual machine hard; False where it had halted by itself."""
        try:
            self._tasks.run("VM.hard_shutdown", ref, monitor=monitor)
        except HypervisorError as exc:
            if _present_state(exc.fault) is PowerState.HALTED:
                return False
            raise
        return True

    def _seen(self, operation: str) -> Inventory:
        """The inventory after an operation that is done. Raises HypervisorError."""
        try:
            return self._store.read()
        except HypervisorError as exc:
            raise HypervisorError(_unseen(exc, operation)) from exc

    def _vm_ref(self, uuid: str) -> str:
        system = self._store.read().virtual_systems.get(uuid.lower())
        if system is not None:
            return system.ref
        return str(self._session.call("VM.get_by_uuid", uuid))

    def _wait_visible(self) -> None:
        """Wait until readers see what has been done so far.

        An event injected now comes after all events of what was done before. The operation has
        succeeded by now, so nothing here makes it fail.
        """
        pool_ref = self._follower.pool_ref
        try:
            token = str(self._session.call("event.inject", "pool", pool_ref))
        except HypervisorError as exc:
            self._is_unsure = True
            _log.warning("%s: no event could be injected: %s", self.url, exc)
            return
        is_seen = self._store.wait_for(token, _BARRIER_TIMEOUT_S)
        self._is_unsure = not is_seen
        if not is_seen:
            _log.error("%s: a change is not visible after %g s", self.url, _BARRIER_TIMEOUT_S)


def _present_state(fault: Fault) -> PowerState | None:
    """The state that VM_BAD_POWER_STATE names as the present one; None for other faults.

    Its arguments are the reference, the expected state and the actual one, in either case.
    """
    if fault.source != "xapi" or fault.code != "VM_BAD_POWER_STATE" or len(fault.arguments) < 3:
        return None
    try:
        return PowerState(fault.arguments[2].capitalize())
    except ValueError:
        return None


def _is_gone(fault: Fault, ref: str) -> bool:
    """Whether a fault says that there is no such virtual machine."""
    return (fault.source, fault.code, fault.arguments) == ("xapi", "HANDLE_INVALID", ("VM", ref))


def _unseen(error: HypervisorError, operation: str) -> Fault:
    """The connection was lost right after the hypervisor had said that it is done."""
    fault = from_transport(
        phase="after_send",
        exception="ConnectionLost",
        message=f"it was done, but cannot be looked at: {error}",
        operation=operation,
    )
    return replace(fault, cause=error.fault)


def _only_stopped(error: HypervisorError) -> Fault:
    """What made a removal fail, after the machine had been stopped for it."""
    return Fault(
        source="xapi",
        operation=error.fault.operation,
        code="ONLY_STOPPED",
        text=f"{error}; the virtual machine is still there, but it has been stopped",
        sent=error.fault.sent,
        cause=error.fault,
    )
