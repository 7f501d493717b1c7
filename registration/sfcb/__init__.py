"""Registration with sfcb."""

from virtcim.registration.sfcb.registering import SfcbSettings, sfcb_plan
from virtcim.registration.sfcb.removal import sfcb_removal
from virtcim.registration.sfcb.server import (
    Directories,
    SfcbState,
    Tools,
    assumed_state,
    packaged_directories,
    sfcb_state,
)

__all__ = [
    "Directories",
    "SfcbSettings",
    "SfcbState",
    "Tools",
    "assumed_state",
    "packaged_directories",
    "sfcb_plan",
    "sfcb_removal",
    "sfcb_state",
]
