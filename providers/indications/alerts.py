"""Alerts: what somebody should know (DSP1054, "Alert Indication"), with the standard codes.

In English, as whoever subscribed is a program: the code's name and the arguments are the same in
every language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from virtcim.cim.path_text import path_text
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cim.value_maps import (
    AlertingElementFormat,
    AlertType,
    AlertTypeValue,
    PerceivedSeverityValue,
)
from virtcim.providers.coded_error import Failure
from virtcim.providers.indications.contract import ALERT, Indication
from virtcim.providers.indications.life_cycle import new_identifier

__all__ = ["About", "alert_indication"]

_PROVIDER = "virtcim"
# AlertType of each CIM_Error.ErrorType that the vocabulary uses.
_ALERT_TYPES: Mapping[object, AlertTypeValue] = MappingProxyType(
    {
        0: AlertType.OTHER,
        2: AlertType.COMMUNICATIONS_ALERT,
        4: AlertType.PROCESSING_ERROR,
        7: AlertType.SECURITY_ALERT,
        8: AlertType.PROCESSING_ERROR,
        9: AlertType.PROCESSING_ERROR,
        10: AlertType.PROCESSING_ERROR,
    }
)
# What CIM_Error and CIM_AlertIndication have in common.
_TAKEN_OVER = (
    "OwningEntity",
    "MessageID",
    "Message",
    "MessageArguments",
    "PerceivedSeverity",
    "ProbableCause",
    "ProbableCauseDescription",
    "RecommendedActions",
    "ErrorTableVersion",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an alert is about: the element, the system that it belongs to, and the operation.

    ``system`` is the class and the Name of a system. ``severity`` is one that goes before the
    code's own, ``alert_type`` likewise. ``correlated`` are the identifiers of indications of the
    same event.
    """

    description: str
    element: ObjectPath | None = None
    system: tuple[str, str] | None = None
    operation: str = ""
    job_id: str = ""
    severity: PerceivedSeverityValue | None = None
    alert_type: AlertTypeValue | None = None
    correlated: Sequence[str] = ()


def alert_indication(
    namespace: str, failure: Failure, about: About, *, happened: datetime, now: datetime
) -> Indication:
    """The alert of a failure that ``happened`` then, and is told ``now``."""
    error = failure.record().values
    values: dict[str, Value] = {
        "IndicationIdentifier": new_identifier(),
        "IndicationTime": now,
        "EventTime": happened,
        "Description": about.description,
        "AlertType": about.alert_type or _ALERT_TYPES.get(error["ErrorType"], AlertType.OTHER),
        "ProviderName": _PROVIDER,
        "AlertingElementFormat": AlertingElementFormat.UNKNOWN,
        **{name: error[name] for name in _TAKEN_OVER},
    }
    if values["AlertType"] == AlertType.OTHER:
        values["OtherAlertType"] = "Unknown"
    if about.severity is not None:
        values["PerceivedSeverity"] = about.severity
    if about.element is not None:
        values["AlertingManagedElement"] = path_text(about.element)
        values["AlertingElementFormat"] = AlertingElementFormat.CIMOBJECT_PATH
    if about.system is not None:
        values["SystemCreationClassName"], values["SystemName"] = about.system
    if about.operation:
        values["Operation"] = about.operation
        values["CIMStatusCode"] = error["CIMStatusCode"]
    if about.job_id:
        values["JobInstanceID"] = about.job_id
    if about.correlated:
        values["CorrelatedIndications"] = [*about.correlated]
    return Indication(namespace=namespace, record=Record(ALERT, values))
