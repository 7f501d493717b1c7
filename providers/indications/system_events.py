"""What happened to a virtual system by itself, as the difference of two of its states tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from virtcim.cim.path_text import path_text
from virtcim.errormap import ErrorCode
from virtcim.hypervisor.model import StopReason, VirtualSystem
from virtcim.providers.coded_error import Failure
from virtcim.providers.indications.alerts import About, alert_indication
from virtcim.providers.indications.indication import Indication
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
    stop = after.stop
    if stop is not None and _is_news(before, stop):
        path = path_of_system(after.uuid, namespace)
        yield alert_indication(
            namespace,
            Failure(code=stop.error.code, standard=stop.error, source=path_text(path)),
            About(
                description=f"the virtual system {after.name_label} stopped by itself: "
                f"{stop.reason}",
                element=path,
                system=(COMPUTER_SYSTEM.name, after.uuid),
                correlated=correlated,
            ),
            happened=stop.since or now,
            now=now,
        )


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
