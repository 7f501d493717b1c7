"""Alerts of a hypervisor that cannot be reached any more, and can be again."""

from __future__ import annotations

from datetime import datetime

from virtcim.cim.path_text import path_text
from virtcim.cim.records import ObjectPath
from virtcim.cim.value_maps import AlertType, PerceivedSeverity
from virtcim.errormap import ErrorCode, Fault, translate
from virtcim.providers.coded_error import Failure
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.indications.alerts import About, alert_indication
from virtcim.providers.indications.contract import Indication

__all__ = ["connection_lost", "connection_regained"]


def connection_lost(namespace: str, fault: Fault, host: str, now: datetime) -> Indication:
    """The connection has ended; ``host`` is the UUID of the host that was seen, empty without one.

    Whatever ended it, nothing can be read: at least major.
    """
    error = translate(fault)
    path = _path(namespace, host)
    failure = Failure(
        code=error.code, standard=error, source="" if path is None else path_text(path)
    )
    about = About(
        description=f"the connection with the hypervisor of {namespace} has been lost",
        element=path,
        system=(HOST_SYSTEM.name, host) if host else None,
        alert_type=AlertType.COMMUNICATIONS_ALERT,
    )
    return alert_indication(namespace, failure, about, happened=now, now=now)


def connection_regained(namespace: str, host: str, now: datetime) -> Indication:
    """There is a connection again, and everything has been read."""
    text = f"the connection with the hypervisor of {namespace} is there again"
    about = About(
        description=text,
        element=_path(namespace, host),
        system=(HOST_SYSTEM.name, host) if host else None,
        alert_type=AlertType.COMMUNICATIONS_ALERT,
        severity=PerceivedSeverity.INFORMATION,
    )
    failure = Failure(code=ErrorCode.ERR_SUCCESS, text=text)
    return alert_indication(namespace, failure, about, happened=now, now=now)


def _path(namespace: str, host: str) -> ObjectPath | None:
    if not host:
        return None
    return ObjectPath(HOST_SYSTEM.name, HOST_SYSTEM.shape.keys(host), namespace=namespace)
