"""What no label of an object may hold, on any hypervisor."""

from __future__ import annotations

from virtcim.wire.labels import label_fault

__all__ = ["label_fault"]
