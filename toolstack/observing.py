"""What others see of a toolstack: whether libvirt is there, and what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.daemon.http_login import HttpLogin
from virtcim.daemon.observation.access import PageAccess
from virtcim.daemon.observation.measures import Family
from virtcim.daemon.observation.program import program_families
from virtcim.daemon.observation.readiness import Connection, State
from virtcim.daemon.roles import TOOLSTACK
from virtcim.toolstack.dispatcher import Dispatcher
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.services import Services

__all__ = ["libvirt_connection", "limits_reached", "page_access", "toolstack_families"]

_SHOWN_CLASSES = ("host", "network", "SR", "VDI", "VM", "task")


def libvirt_connection(connection: LibvirtConnection) -> Connection:
    """How it stands with libvirt. Nothing of its own words is in it: others may read it."""
    if connection.is_ready:
        return Connection(State.CONNECTED)
    loading = connection.loading
    if loading is not None:
        return Connection(State.LOADING, _error_code(connection.failure()), *loading)
    if not connection.was_attempted:
        return Connection(State.LOADING, "ERR_COMMUNICATION_NOT_ESTABLISHED")
    return Connection(State.DISCONNECTED, _error_code(connection.failure()))


def _error_code(failure: XapiFailure) -> str:
    # What decides it takes long to load, and is not needed while libvirt is there.
    from virtcim.errormap import from_xapi, translate

    return translate(from_xapi(failure.description)).code.name


def page_access(services: Services) -> PageAccess:
    """Who may read metrics: users who may read, and whoever can open the Unix socket."""
    login = HttpLogin(
        services.logins,
        stamp=services.sessions.stamp,
        knows=services.knows,
        rights=services.sessions.rights,
        came=services.audit.login_done,
        refused=services.audit.login_refused,
    )
    return PageAccess(login=login, scopes=(TOOLSTACK,), trusts_unix=True)


def limits_reached(services: Services, dispatcher: Dispatcher) -> Mapping[str, int]:
    """How often clients have reached a limit, by its name."""
    return {
        "turn-timeout": dispatcher.turns_refused,
        "sessions": services.sessions.crowded_out,
        "tasks": services.tasks.refused,
        "notes-bytes": services.notes.refused,
    }


def toolstack_families(services: Services) -> Iterable[Family]:
    """What was counted, and what there is."""
    yield from services.statistics.families()
    yield Family.single(
        "virtcim_libvirt_connected",
        "gauge",
        "Whether libvirt has been reached and read, 1 or 0.",
        int(services.connection.is_ready),
    )
    yield Family.single("virtcim_sessions", "gauge", "Open sessions.", services.sessions.count())
    if services.connection.is_ready:
        yield Family(
            name="virtcim_objects",
            kind="gauge",
            what="Objects of the API, by their class.",
            labels=("class",),
            values={(one,): services.database.count(one) for one in _SHOWN_CLASSES},
        )
    yield from program_families("toolstack", services.logins, services.audit)
