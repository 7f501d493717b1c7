"""The management daemon: the XenAPI dialect of XML-RPC over any libvirt driver."""

from __future__ import annotations

from virtcim.toolstack.toolstack import Toolstack, ToolstackOptions

__all__ = ["Toolstack", "ToolstackOptions"]
