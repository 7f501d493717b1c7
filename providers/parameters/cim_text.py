"""CIM values from their text in CIM-XML (DSP0201 clause 5.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cim.records import Scalar
from virtcim.providers.errors import rejected

__all__ = ["convert"]

_RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
    | {f"sint{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
)
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})")
_BOOLEANS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})


def convert(text: str, cim_type: str, where: str) -> Scalar:
    """The value of type ``cim_type`` that ``text`` stands for.

    A datetime stays text. Raises CimError (ERR_BAD_PARAMETER) that begins with ``where``.
    """
    kind = cim_type.lower()
    if kind in _RANGES:
        stripped = text.strip()
        if not _INTEGER.fullmatch(stripped):
            raise rejected(f"{where}: {text[:80]!r} is no {kind}")
        number = int(stripped, 16 if "x" in stripped.lower() else 10)
        low, high = _RANGES[kind]
        if not low <= number <= high:
            raise rejected(f"{where}: {number} is beyond {kind}")
        return number
    if kind == "boolean":
        if text.strip().lower() not in _BOOLEANS:
            raise rejected(f"{where}: {text[:80]!r} is no boolean")
        return _BOOLEANS[text.strip().lower()]
    if kind in ("real32", "real64"):
        try:
            return float(text)
        except ValueError as error:
            raise rejected(f"{where}: {text[:80]!r} is no {kind}") from error
    return text
