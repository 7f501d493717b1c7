"""What the handlers of VM calls share: finding the domain, and changing it safely."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Document
from virtcim.toolstack.faults import XapiFailure, bad_power_state, handle_invalid
from virtcim.toolstack.machines.transaction import Transaction
from virtcim.toolstack.native.operation_connections import Lease
from virtcim.toolstack.reading.views import DomainView
from virtcim.toolstack.records.vm import power_state
from virtcim.toolstack.refs import random_reference

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Domain

__all__ = [
    "PERSISTENT",
    "Machine",
    "all_or_nothing",
    "begin_operation",
    "change_machine",
    "changing",
    "check_blocked",
    "define",
    "end_operation",
    "is_refused_for_state",
    "look_again",
    "redefine",
    "require_persistent",
    "restore",
]

_log = logging.getLogger(__name__)

# All of the description for the next start, with its secrets.
PERSISTENT = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM as a handler works with it: libvirt's object, and its state at the beginning.

    ``domain`` belongs to a connection of the operation's own, as its calls may wait for the VM.
    """

    ref: str
    uuid: str
    domain: Domain
    view: DomainView
    lease: Lease

    @property
    def power_state(self) -> str:
        """XenAPI's power state at the beginning."""
        return power_state(self.view)


def _find_machine(context: Context, ref: str) -> Machine:
    """Look a VM up afresh; raises ``HANDLE_INVALID`` when it is gone."""
    services = context.services
    uuid = context.record("VM", ref)["uuid"]
    view = services.inventory.refresh_domain(uuid)
    if view is None:
        raise handle_invalid("VM", ref)
    lease = services.connection.lease()
    try:
        domain = services.connection.call(lease.handle.lookupByUUIDString, uuid)
    except BaseException:
        lease.release()
        raise
    return Machine(ref=ref, uuid=uuid, domain=domain, view=view, lease=lease)


def changing(context: Context, machine: Machine) -> AbstractContextManager[object]:
    """Give the lock under which a VM's descriptions are read and changed, so that none is lost.

    Who only looks at the VM, or ends it, does not wait for it: a change may wait for an emulator
    that does not answer.
    """
    return context.services.inventory.changing(f"descriptions/{machine.uuid}")


def look_again(context: Context, machine: Machine) -> Machine:
    """Give a VM as it is now, while ``changing`` is held; raises ``HANDLE_INVALID``."""
    view = context.services.inventory.refresh_domain(machine.uuid)
    if view is None:
        raise handle_invalid("VM", machine.ref)
    return replace(machine, view=view)


def check_blocked(machine: Machine, operations: Iterable[str]) -> None:
    """Raise ``OPERATION_BLOCKED`` when an administrator blocked one of these operations."""
    blocked = machine.view.config.extra.get("blocked_operations", {})
    for operation in operations:
        if operation in blocked:
            raise XapiFailure("OPERATION_BLOCKED", machine.ref, str(blocked[operation]))


def begin_operation(
    context: Context, ref: str, operation: str, *states: str
) -> tuple[Machine, str]:
    """Begin to work on a VM: check its state, and show the operation as in progress.

    Gives the VM and what ``end_operation`` must be told. Raises ``VM_BAD_POWER_STATE`` when the
    VM is in none of ``states`` (none given: any will do), ``OPERATION_BLOCKED`` when an
    administrator blocked the operation.
    """
    machine = _find_machine(context, ref)
    try:
        _check_allowed(machine, operation, states)
    except XapiFailure:
        machine.lease.release()
        raise
    key = context.task.ref if context.task else random_reference()
    context.services.current_operations.set(machine.uuid, key, operation)
    return machine, key


def _check_allowed(machine: Machine, operation: str, states: tuple[str, ...]) -> None:
    if states and machine.power_state not in states:
        raise bad_power_state(machine.ref, ", ".join(states), machine.power_state)
    check_blocked(machine, [operation])


def end_operation(context: Context, machine: Machine, key: str) -> None:
    """Show the operation as ended, and its outcome as far as libvirt can be asked."""
    machine.lease.release()
    context.services.current_operations.set(machine.uuid, key, None)
    _refresh_quietly(context, machine.uuid)


@contextmanager
def change_machine(context: Context, ref: str, operation: str, *states: str) -> Iterator[Machine]:
    """Work on a VM between ``begin_operation`` and ``end_operation``.

    Afterwards the database shows the outcome; where it cannot, that is a failure of its own,
    unless there is one to report already.
    """
    machine, key = begin_operation(context, ref, operation, *states)
    try:
        yield machine
    except BaseException as error:
        end_operation(context, machine, key)
        if is_refused_for_state(error):
            _check_state(context, machine, states)
        raise
    machine.lease.release()
    context.services.current_operations.set(machine.uuid, key, None)
    context.services.inventory.refresh_domain(machine.uuid)


def is_refused_for_state(error: BaseException) -> bool:
    """Whether libvirt has refused an operation for the state that the VM is in."""
    return (
        isinstance(error, libvirt.libvirtError)
        and error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
    )


def _check_state(context: Context, machine: Machine, states: tuple[str, ...]) -> None:
    """Raise ``VM_BAD_POWER_STATE`` where the VM has left the states that were needed meanwhile."""
    view = context.services.inventory.domains.get(machine.uuid)
    if states and view is not None and power_state(view) not in states:
        raise bad_power_state(machine.ref, ", ".join(states), power_state(view))


def _refresh_quietly(context: Context, uuid: str) -> None:
    """Read a domain after a failure, which is what the caller must hear of."""
    try:
        context.services.inventory.refresh_domain(uuid)
    except (XapiFailure, libvirt.libvirtError) as error:
        _log.info("domain %s could not be read after a failure: %s", uuid, error)


def require_persistent(context: Context, machine: Machine, what: str) -> None:
    """Refuse to change ``what`` of a VM that exists only while it runs.

    libvirt would make it persistent. Raises ``VIRTCIM_TRANSIENT``.
    """
    if not context.services.connection.call(machine.domain.isPersistent):
        raise XapiFailure("VIRTCIM_TRANSIENT", machine.ref, what)


def define(context: Context, machine: Machine, text: str, what: str = "configuration") -> None:
    """Give a VM another persistent description; the only way to change one.

    Raises ``VIRTCIM_TRANSIENT`` naming ``what`` shall be changed.
    """
    require_persistent(context, machine, what)
    connection = context.services.connection
    connection.call(connection.handle.defineXML, text)


def restore(context: Context, machine: Machine, text: str) -> None:
    """Give a VM the persistent description back that it had."""
    if context.services.connection.call(machine.domain.XMLDesc, PERSISTENT) != text:
        define(context, machine, text)


@contextmanager
def all_or_nothing(context: Context, machine: Machine) -> Iterator[Transaction]:
    """Change a VM in several steps: where one fails it gets the description back that it had.

    What else is to be taken back is the block's to say.
    """
    with Transaction() as steps:
        if machine.view.persistent:
            before = context.services.connection.call(machine.domain.XMLDesc, PERSISTENT)
            steps.taken_back_by(
                partial(restore, context, machine, before), "the persistent description"
            )
        yield steps


def redefine(
    context: Context, machine: Machine, what: str, change: Callable[[Document], None]
) -> None:
    """Change the persistent description of a VM, for its next start.

    ``what`` is the CIM property that says so, for a VM that has no next start.
    """
    services = context.services
    with changing(context, machine):
        require_persistent(context, machine, what)
        document = Document(services.connection.call(machine.domain.XMLDesc, PERSISTENT))
        before = document.text
        change(document)
        if document.text != before:
            define(context, machine, document.text, what)
        services.inventory.refresh_domain(machine.uuid)
