"""The CMPI types by their CIM names (The Open Group C061, "CMPIType")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ARRAY", "INSTANCE", "REFERENCE", "STRING", "TYPES"]

ARRAY = 0x2000
INSTANCE = 0x1000
REFERENCE = 0x1100
STRING = 0x1600

TYPES: Mapping[str, int] = MappingProxyType(
    {
        "boolean": 0x0002,
        "char16": 0x0003,
        "real32": 0x0008,
        "real64": 0x000C,
        "uint8": 0x0080,
        "uint16": 0x0090,
        "uint32": 0x00A0,
        "uint64": 0x00B0,
        "sint8": 0x00C0,
        "sint16": 0x00D0,
        "sint32": 0x00E0,
        "sint64": 0x00F0,
        "reference": REFERENCE,
        "string": STRING,
        "datetime": 0x1800,
    }
)
