"""The toolstack put together: from a libvirt URI to an ASGI application."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from virtcim.toolstack.database import Database
from virtcim.toolstack.following.disk_sizes import DiskSizes
from virtcim.toolstack.following.inventory import Inventory
from virtcim.toolstack.images.fence import is_local, parse_fence
from virtcim.toolstack.images.known import KnownImages
from virtcim.toolstack.images.leftovers import clean_up
from virtcim.toolstack.images.provisional import Provisional
from virtcim.toolstack.images.recorded import MadePools, RecordedFormats
from virtcim.toolstack.limits import Limits
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.known_devices import KnownDevices
from virtcim.toolstack.records.publisher import Publisher, TogetherLock
from virtcim.toolstack.services import Services
from virtcim.toolstack.sessions import Sessions
from virtcim.toolstack.state import State
from virtcim.toolstack.statistics import Statistics
from virtcim.toolstack.tasks import Tasks

if TYPE_CHECKING:
    from virtcim.daemon.asgi import ASGIApp
    from virtcim.toolstack.dispatcher import Dispatcher

__all__ = ["Toolstack", "ToolstackOptions"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolstackOptions:
    """What an administrator decides.

    ``domain_type`` is auto, kvm or qemu. ``authenticate`` decides about user names and passwords
    that come over TCP; without it everybody who can connect is trusted. ``image_directories`` and
    ``image_sources`` are where clients may name images (docs/security.md).
    """

    libvirt_uri: str
    state_directory: Path | None = None
    domain_type: str = "auto"
    authenticate: Callable[[str, str], bool] | None = None
    session_idle_s: float = 24 * 60 * 60
    shutdown_timeout_s: float = 120.0
    reconcile_s: float = 10.0
    image_directories: tuple[str, ...] = ()
    image_sources: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


class Toolstack:
    """One management daemon over one libvirt connection."""

    def __init__(self, options: ToolstackOptions) -> None:
        # libvirt translates its messages; those that travel are for programs too.
        os.environ["LC_ALL"] = "C"
        fence = parse_fence(
            options.image_directories,
            options.image_sources,
            local=is_local(options.libvirt_uri),
        )
        if fence.is_open:
            _log.warning(
                "--image-directory / lets every client name any file of the host as a disk: read "
                "it, write it, boot it"
            )
        self._state = State(options.state_directory)
        formats = RecordedFormats(self._state.database)
        made_pools = MadePools(self._state.database)
        images = KnownImages(fence, made_pools, formats)
        statistics = Statistics()
        database = Database(self._state.begin_life())
        lock = TogetherLock(database)
        self._connection = LibvirtConnection(options.libvirt_uri, statistics)
        provisional = Provisional(self._state.database)
        publisher = Publisher(
            *(database, self._state, images, options.libvirt_uri, lock), hidden=provisional.names
        )
        self._sizes = DiskSizes(
            self._connection, publisher.size_told, mark_background=statistics.mark_background
        )
        publisher.on_size_wanted = self._sizes.ask
        self._connection.on_opened = lambda: self._finish_operations(provisional)
        self._devices = devices = KnownDevices(self._state.database)
        self._inventory = Inventory(
            self._connection,
            self._state,
            publisher,
            devices,
            lock=lock,
            reconcile_s=options.reconcile_s,
            mark_background=statistics.mark_background,
        )
        self._database = database
        self._connection.on_lost = self._connection_lost
        services = Services(
            connection=self._connection,
            database=database,
            inventory=self._inventory,
            devices=devices,
            publisher=publisher,
            sessions=Sessions(idle_s=options.session_idle_s, most=options.limits.sessions),
            tasks=Tasks(database),
            state=self._state,
            provisional=provisional,
            fence=fence,
            formats=formats,
            made_pools=made_pools,
            statistics=statistics,
            authenticate=options.authenticate,
            shutdown_timeout_s=options.shutdown_timeout_s,
            domain_type=options.domain_type,
        )
        self._services = services
        self._limits = options.limits
        self._dispatcher: Dispatcher | None = None
        self._application: ASGIApp | None = None

    @property
    def application(self) -> ASGIApp:
        """What answers the calls; it is made when it is first wanted, from one thread."""
        if self._application is None:
            # So that libvirt can be read while all the calls are loaded.
            from virtcim.daemon.bodies import bounded_bodies
            from virtcim.daemon.incidents import incident
            from virtcim.toolstack.accessors import accessor_calls
            from virtcim.toolstack.calls import ALL_CALLS
            from virtcim.toolstack.dispatcher import Dispatcher
            from virtcim.wire.application import XmlRpcApplication
            from virtcim.wire.decode import Limits as MessageLimits

            calls = [*accessor_calls(), *ALL_CALLS]
            limits = self._limits
            self._dispatcher = Dispatcher(self._services, calls, threads=limits.threads)
            self._application = bounded_bodies(
                XmlRpcApplication(
                    self._dispatcher.dispatch,
                    limits=MessageLimits(
                        max_bytes=limits.request_bytes,
                        max_depth=limits.request_depth,
                        max_elements=limits.request_elements,
                    ),
                    incident=incident,
                ),
                most_bytes=limits.request_bytes,
                timeout_s=limits.body_timeout_s,
            )
        return self._application

    def start(self) -> None:
        """Connect to libvirt and follow it, in a thread of its own."""
        self._devices.start()
        self._sizes.start()
        self._inventory.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until libvirt was reached and read; False once it refused or the time is over."""
        self._connection.wait_attempted(timeout_s)
        return self._connection.is_ready

    def why_not_connected(self) -> str:
        """Give libvirt's own words for why it cannot be reached."""
        return self._connection.failure().description[4]

    async def drain(self, timeout_s: float) -> None:
        """Take no new operations, and wait up to ``timeout_s`` for those that run."""
        if self._dispatcher is not None:
            await self._dispatcher.drain(timeout_s)

    def stop(self) -> bool:
        """Let go of libvirt; False if it still works on something, which is not waited for."""
        self._sizes.stop()
        self._inventory.stop()
        self._connection.close()
        self._inventory.join()
        idle = self._dispatcher is None or self._dispatcher.close()
        self._devices.close()
        self._state.close()
        return idle

    def _finish_operations(self, provisional: Provisional) -> None:
        """End what was cut off; what a VM names is known only once its changes are whole."""
        if self._state.has_unfinished_changes():
            # What changes machines is not needed to read them.
            from virtcim.toolstack.machines.change_journal import take_back_unfinished

            take_back_unfinished(self._connection, self._state.database)
        clean_up(self._connection, provisional)

    def _connection_lost(self) -> None:
        self._inventory.wake()
        self._database.wake()
