"""The management daemon: the XenAPI dialect of XML-RPC over any libvirt driver."""

from __future__ import annotations

from virtcim.toolstack.images.fence import FenceError
from virtcim.toolstack.state import StateError
from virtcim.toolstack.toolstack import Toolstack, ToolstackOptions

__all__ = ["FenceError", "StateError", "Toolstack", "ToolstackOptions"]
