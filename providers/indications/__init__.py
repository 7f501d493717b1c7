"""What happened becomes indications: of changed instances, and alerts.

Whoever delivers them is an ``IndicationSink``, which the host of the providers gives.
"""

from __future__ import annotations

from virtcim.providers.indications.contract import (
    ALERT,
    CREATION,
    DELETION,
    INDICATION_CLASSES,
    MODIFICATION,
    Indication,
    IndicationSink,
    Remember,
    identified,
    indication_classes_of,
)

__all__ = [
    "ALERT",
    "CREATION",
    "DELETION",
    "INDICATION_CLASSES",
    "MODIFICATION",
    "Indication",
    "IndicationSink",
    "Remember",
    "identified",
    "indication_classes_of",
]
