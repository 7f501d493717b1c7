"""Registration with OpenPegasus."""

from virtcim.registration.pegasus.registering import PegasusSettings, pegasus_plan
from virtcim.registration.pegasus.removal import pegasus_removal
from virtcim.registration.pegasus.server import (
    PegasusServer,
    PegasusState,
    ServerAnswerError,
    Tools,
)
from virtcim.registration.pegasus.steps import MODULE

__all__ = [
    "MODULE",
    "PegasusServer",
    "PegasusSettings",
    "PegasusState",
    "ServerAnswerError",
    "Tools",
    "pegasus_plan",
    "pegasus_removal",
]
