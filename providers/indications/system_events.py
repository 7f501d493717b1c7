"""What happened to a virtual system by itself, as the difference of two of its states tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from virtcim.cim.path_text import path_text
from virtcim.cim.value_maps import PerceivedSeverity, PerceivedSeverityValue
from virtcim.errormap import ErrorCode, StandardError
from virtcim.hypervisor.model import Incident, StopReason, VirtualSystem
from virtcim.providers.coded_error import Failure
from virtcim.providers.indications.alerts import About, alert_indication
from virtcim.providers.indications.contract import Indication
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM, path_of_system

__all__ = ["system_alerts"]


def system_alerts(
    namespace: str,
    before: VirtualSystem | None,
    after: VirtualSystem,
    now: datetime,
    correlated: Sequence[str],
) -> Iterator[Indication]:
    """The alerts of one system; ``correlated`` are the indications that its state has changed."""
    path = path_of_system(after.uuid, namespace)

    def alert(
        error: StandardError,
        description: str,
        since: datetime | None,
        severity: PerceivedSeverityValue | None = None,
    ) -> Indication:
        about = About(
            description=description,
            element=path,
            system=(COMPUTER_SYSTEM.name, after.uuid),
            severity=severity,
            correlated=correlated,
        )
        failure = Failure(code=error.code, standard=error, source=path_text(path))
        return alert_indication(namespace, failure, about, happened=since or now, now=now)

    label, stop = after.name_label, after.stop
    if stop is not None and _is_news(before, stop):
        text = f"the virtual system {label} stopped by itself: {stop.reason}"
        yield alert(stop.error, text, stop.since)
    known = () if before is None else before.incidents
    told = {(each.what, each.device, each.since) for each in known}
    for each in after.incidents:
        if (each.what, each.device, each.since) not in told:
            # The system goes on.
            severity = PerceivedSeverity.DEGRADED_WARNING
            yield alert(each.error, _survived(label, each), each.since, severity)


def _survived(label: str, incident: Incident) -> str:
    match incident.what:
        case "panic":
            return f"the guest of the virtual system {label} panicked"
        case "watchdog":
            return f"the watchdog of the virtual system {label} expired"
        case _:
            disk = incident.device
            return f"disk {disk} of the virtual system {label} could not be read or written"


def _is_news(before: VirtualSystem | None, stop: StopReason) -> bool:
    """Whether a system stopped anew, and for a failure.

    That the time becomes known is no other stop.
    """
    if stop.error.code is ErrorCode.ERR_SUCCESS:
        return False
    known = None if before is None else before.stop
    if known is None or (known.reason, known.error.code) != (stop.reason, stop.error.code):
        return True
    return None not in (known.since, stop.since) and known.since != stop.since
