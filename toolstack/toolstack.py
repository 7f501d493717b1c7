"""The toolstack put together: from a libvirt URI to an ASGI application."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from virtcim.daemon.audit import Audit
from virtcim.daemon.roles import EVERYTHING, Rights
from virtcim.toolstack.database import Database
from virtcim.toolstack.following.disk_sizes import DiskSizes
from virtcim.toolstack.following.follower import Follower
from virtcim.toolstack.following.inventory import Inventory
from virtcim.toolstack.images.fence import is_local, parse_fence
from virtcim.toolstack.images.known import KnownImages
from virtcim.toolstack.images.leftovers import clean_up
from virtcim.toolstack.images.provisional import Provisional
from virtcim.toolstack.images.recorded import MadePools, RecordedFormats
from virtcim.toolstack.limits import Limits
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.known_devices import KnownDevices
from virtcim.toolstack.records.publisher import Publisher
from virtcim.toolstack.records.together_lock import TogetherLock
from virtcim.toolstack.state import State
from virtcim.toolstack.statistics import Statistics

if TYPE_CHECKING:
    from virtcim.daemon.asgi import ASGIApp
    from virtcim.daemon.logins import Logins
    from virtcim.daemon.observation.pages import Observation
    from virtcim.daemon.observation.readiness import Connection as ConnectionState
    from virtcim.toolstack.dispatcher import Dispatcher
    from virtcim.toolstack.services import Services

__all__ = ["Toolstack", "ToolstackOptions"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolstackOptions:
    """What an administrator decides.

    ``domain_type`` is auto, kvm or qemu. ``authenticate`` decides about user names and passwords
    that come over TCP, ``knows`` about users whom a client certificate names, and ``rights`` about
    what a user may do; without the first everybody who can
    connect is trusted. What changes something is told to ``audit``. ``image_directories`` and
    ``image_sources`` are where clients may name images (docs/security.md).
    """

    libvirt_uri: str
    state_directory: Path | None = None
    domain_type: str = "auto"
    authenticate: Callable[[str, str], bool] | None = None
    user_stamp: Callable[[str], object] = lambda _: None
    login_threads: int = 1
    knows: Callable[[str], bool] = lambda _: False
    rights: Callable[[str], Rights] = lambda _: EVERYTHING
    audit: Audit = field(default_factory=lambda: Audit("toolstack"))
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
        self._options = options
        self._fence = fence
        self._state = State(options.state_directory)
        self._formats = RecordedFormats(self._state.database)
        self._made_pools = MadePools(self._state.database)
        images = KnownImages(fence, self._made_pools, self._formats)
        self._statistics = Statistics()
        self._database = database = Database(self._state.begin_life())
        lock = TogetherLock(database)
        self._connection = LibvirtConnection(options.libvirt_uri, self._statistics)
        self._provisional = Provisional(self._state.database)
        self._publisher = publisher = Publisher(
            *(database, self._state, images, options.libvirt_uri, lock),
            hidden=self._provisional.names,
        )
        mark_background = self._statistics.mark_background
        self._sizes = DiskSizes(
            self._connection, publisher.size_told, mark_background=mark_background
        )
        publisher.on_size_wanted = self._sizes.ask
        publisher.notes.most_bytes = options.limits.notes_bytes
        self._devices = KnownDevices(self._state.database)
        self._inventory = Inventory(
            self._connection,
            self._state,
            publisher,
            self._devices,
            lock=lock,
        )
        self._follower = Follower(
            *(self._inventory, self._connection, publisher),
            reconcile_s=options.reconcile_s,
            mark_background=mark_background,
        )
        database.on_wanted = self._inventory.answers.want
        database.on_all_wanted = self._inventory.answers.want_all
        self._connection.on_opened = self._finish_operations
        self._connection.on_lost = self._connection_lost
        self._dispatcher: Dispatcher | None = None
        self._logins: Logins | None = None
        self._application: ASGIApp | None = None

    # libvirt is read while what answers calls is loaded.

    @cached_property
    def _services(self) -> Services:
        from virtcim.daemon.logins import Logins
        from virtcim.toolstack.services import Services
        from virtcim.toolstack.sessions import Sessions
        from virtcim.toolstack.tasks import Tasks

        options = self._options
        if options.authenticate is not None:
            self._logins = Logins(
                options.authenticate,
                threads=options.login_threads,
                refused=options.audit.login_refused,
            )
        return Services(
            connection=self._connection,
            database=self._database,
            inventory=self._inventory,
            devices=self._devices,
            publisher=self._publisher,
            sessions=Sessions(
                idle_s=options.session_idle_s,
                most=options.limits.sessions,
                most_of_one=options.limits.sessions_per_user,
                stamp=options.user_stamp,
                rights=options.rights,
            ),
            tasks=Tasks(self._database, most=options.limits.tasks),
            state=self._state,
            provisional=self._provisional,
            fence=self._fence,
            formats=self._formats,
            made_pools=self._made_pools,
            statistics=self._statistics,
            logins=self._logins,
            knows=options.knows,
            limits=options.limits,
            audit=options.audit,
            shutdown_timeout_s=options.shutdown_timeout_s,
            domain_type=options.domain_type,
        )

    @property
    def application(self) -> ASGIApp:
        """What answers the calls; it is made when it is first wanted, from one thread."""
        if self._application is None:
            from virtcim.daemon.bodies import bounded_bodies
            from virtcim.daemon.client_certificates import certificate_user
            from virtcim.daemon.incidents import incident
            from virtcim.daemon.message_memory import MessageMemory
            from virtcim.toolstack.accessors import accessor_calls
            from virtcim.toolstack.calls import CALLS_OF_READERS, calls_of_changers
            from virtcim.toolstack.dispatcher import Dispatcher
            from virtcim.wire.application import XmlRpcApplication
            from virtcim.wire.decode import Limits as MessageLimits

            calls = [*accessor_calls(), *CALLS_OF_READERS]
            limits = self._options.limits
            self._dispatcher = Dispatcher(
                self._services,
                calls,
                more=calls_of_changers,
                threads=limits.threads,
                longest_wait_s=limits.turn_timeout_s,
            )
            self._application = bounded_bodies(
                XmlRpcApplication(
                    self._dispatcher.dispatch,
                    limits=MessageLimits(
                        max_bytes=limits.request_bytes,
                        max_depth=limits.request_depth,
                        max_elements=limits.request_elements,
                    ),
                    incident=incident,
                    certificate_user=certificate_user,
                ),
                most_bytes=limits.request_bytes,
                timeout_s=limits.body_timeout_s,
                memory=MessageMemory(limits.message_memory_bytes),
            )
        return self._application

    def observe(self, observation: Observation) -> None:
        """Give what others may see of it; once ``application`` is made."""
        from virtcim.toolstack.observing import limits_reached, page_access, toolstack_families

        dispatcher = self._dispatcher
        assert dispatcher is not None
        observation.limits_reached.append(lambda: limits_reached(self._services, dispatcher))
        observation.access = page_access(self._services)
        observation.sources.append(lambda: toolstack_families(self._services))

    def connections(self) -> Mapping[str, ConnectionState]:
        """How it stands with libvirt."""
        from virtcim.toolstack.observing import libvirt_connection

        return {"libvirt": libvirt_connection(self._connection)}

    def load(self) -> None:
        """Load what changes machines, unless somebody has needed it: readers come first."""
        if self._dispatcher is not None:
            self._dispatcher.load()

    def start(self) -> None:
        """Connect to libvirt and follow it, in a thread of its own."""
        self._devices.start()
        self._sizes.start()
        self._follower.start()

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
        self._follower.stop()
        self._connection.close()
        self._follower.join()
        if self._logins is not None:
            self._logins.close()
        idle = self._dispatcher is None or self._dispatcher.close()
        self._devices.close()
        self._state.close()
        return idle

    def _finish_operations(self) -> None:
        """End what was cut off; what a VM names is known only once its changes are whole."""
        if self._state.has_unfinished_changes():
            # What changes machines is not needed to read them.
            from virtcim.toolstack.machines.change_journal import take_back_unfinished

            take_back_unfinished(self._connection, self._state.database)
        clean_up(self._connection, self._provisional)

    def _connection_lost(self) -> None:
        self._follower.wake()
        self._database.wake()
