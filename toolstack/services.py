"""What the handlers of calls work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virtcim.daemon.audit import Audit
from virtcim.daemon.logins import Logins
from virtcim.toolstack.database import Database
from virtcim.toolstack.following.inventory import Inventory
from virtcim.toolstack.images.fence import Fence
from virtcim.toolstack.images.provisional import Provisional
from virtcim.toolstack.images.recorded import MadePools, RecordedFormats
from virtcim.toolstack.limits import Limits
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.known_devices import KnownDevices
from virtcim.toolstack.records.current_operations import CurrentOperations
from virtcim.toolstack.records.lookup import Lookup
from virtcim.toolstack.records.notes import Notes
from virtcim.toolstack.records.publisher import Publisher
from virtcim.toolstack.sessions import Sessions
from virtcim.toolstack.state import State
from virtcim.toolstack.statistics import Statistics
from virtcim.toolstack.tasks import Tasks

__all__ = ["Services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One toolstack's parts.

    ``logins`` decides about user name and password on TCP; None lets everybody in. ``knows`` says
    whether there is a user whom a client certificate names.
    """

    connection: LibvirtConnection
    database: Database
    inventory: Inventory
    devices: KnownDevices
    publisher: Publisher
    sessions: Sessions
    tasks: Tasks
    state: State
    provisional: Provisional
    fence: Fence
    formats: RecordedFormats
    made_pools: MadePools
    statistics: Statistics
    logins: Logins | None
    knows: Callable[[str], bool]
    limits: Limits
    audit: Audit
    shutdown_timeout_s: float
    domain_type: str

    @property
    def notes(self) -> Notes:
        """What clients set on objects."""
        return self.publisher.notes

    @property
    def current_operations(self) -> CurrentOperations:
        """What is in progress on virtual machines."""
        return self.publisher.current_operations

    @property
    def lookup(self) -> Lookup:
        """What libvirt calls the objects of references."""
        return self.publisher.lookup
