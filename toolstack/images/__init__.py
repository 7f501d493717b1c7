"""Disk images that are made for machines: provisional until the machine has them."""

from __future__ import annotations

from virtcim.toolstack.images.leftovers import clean_up, find_volume
from virtcim.toolstack.images.provisional import Provisional, ProvisionalVolume
from virtcim.toolstack.images.users import is_used

__all__ = ["Provisional", "ProvisionalVolume", "clean_up", "find_volume", "is_used"]
