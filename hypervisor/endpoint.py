"""What the providers know of a hypervisor: one endpoint, its inventory and its operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from virtcim.errormap import Fault, HypervisorError
from virtcim.hypervisor.change import AddedDevices, Made, VirtualSystemChange
from virtcim.hypervisor.inventory import Watcher
from virtcim.hypervisor.model import Inventory, PowerOperation, PowerState, VirtualSystemSpec
from virtcim.hypervisor.monitor import Monitor
from virtcim.hypervisor.storage import Storage
from virtcim.hypervisor.undo import UndoLog

__all__ = ["Endpoint", "Monitor", "PowerStateError"]


class PowerStateError(HypervisorError):
    """An operation was refused, as the virtual system is in another state; ``present`` names it."""

    def __init__(self, fault: Fault, present: PowerState) -> None:
        super().__init__(fault)
        self.present = present


class Endpoint(Protocol):
    """One management API, with a live inventory; safe to use from many threads.

    The operations block until they ended and until ``inventory()`` shows their effect. They raise
    HypervisorError, also when it is unknown whether they took effect (``Fault.sent``).
    """

    @property
    def name(self) -> str:
        """The name given by the administrator, empty for the endpoint without one."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""

    def inventory(self) -> Inventory:
        """The state of everything now, without any call to the hypervisor.

        Raises HypervisorError with the reason of the disconnection while there is no connection,
        InventoryLoadingError while everything is being read for the first time since.
        """

    @property
    def age_s(self) -> float:
        """How long ago ``inventory()`` was last known to be complete; 0 while there is none."""

    @property
    def position(self) -> str:
        """Up to where ``inventory()`` is complete, for others that follow the same API.

        At least up to the last operation that has ended here; empty where that is not known.
        """

    def has_reached(self, position: str) -> bool:
        """Whether ``inventory()`` is known to show everything up to another one's ``position``."""

    def reach(self, position: str, timeout_s: float) -> bool:
        """Wait until ``inventory()`` shows everything up to another one's ``position``.

        Empty: everything that has happened until now. It is reached, too, where ``inventory()``
        raises, and will show nothing older when it does no more. False: not within ``timeout_s``.
        """

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` with every new inventory, and with the Fault that ends the connection.

        In their order, and first of all with what there is now, if the first connection stands or
        has failed. It is called from threads of the endpoint and must return at once. Gives what
        ends it; ``close`` ends it, too.
        """

    def change_power(
        self, uuid: str, operation: PowerOperation, monitor: Monitor | None = None
    ) -> None:
        """Ask the virtual system ``uuid`` to change its state (XenAPI ``Async.VM.<operation>``).

        Raises PowerStateError where its present state does not allow the operation;
        ``inventory()`` shows that state then.
        """

    def define(self, spec: VirtualSystemSpec, monitor: Monitor | None = None) -> str:
        """Make a virtual system, all of it or none, and give its UUID.

        Raises RolledBackError where something failed and nothing of it remains.
        """

    def modify(
        self, uuid: str, change: VirtualSystemChange, monitor: Monitor | None = None
    ) -> AddedDevices:
        """Change the virtual system ``uuid``, now and for its next start; all of it or nothing.

        Raises RolledBackError where something failed and nothing of the change remains.
        """

    def destroy(self, uuid: str, monitor: Monitor | None = None) -> None:
        """Stop the virtual system ``uuid`` if it runs, and remove it; its disk images stay."""

    def keep_undo_steps(self, log: UndoLog) -> None:
        """Keep in ``log`` what takes unfinished operations back, so that it outlives the process.

        What an earlier process left there is taken back as soon as there is a connection. To be
        called before the first operation.
        """

    @property
    def storage(self) -> Storage:
        """The operations on storage repositories and disk images."""

    def follow(self, task_ref: str, operation: str, monitor: Monitor | None = None) -> Made:
        """Wait for the end of a task that an earlier process began; gives what it has made.

        Raises HypervisorError with what made it fail, or where nobody knows the task any more.
        """

    def cancel(self, task_ref: str) -> None:
        """Ask for a task to be cancelled (XenAPI ``task.cancel``)."""

    def is_cancellation(self, fault: Fault) -> bool:
        """Whether an operation failed so because its task was cancelled."""

    def wait_attempted(self, timeout_s: float) -> bool:
        """Wait until the first connection stands or has failed; False: neither in time."""

    def close(self) -> None:
        """Stop following the hypervisor and give back the session.

        Reads fail from then on, and nobody waits for the end of an operation any more.
        """
