"""Our own element in a domain's ``<metadata>``: what XenAPI has and libvirt has no place for.

An administrator, or another version of us, may have written anything into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["EXTRA_FIELDS", "EXTRA_NAMESPACE", "EXTRA_TAG", "read_extra"]

EXTRA_NAMESPACE = "urn:virtcim:toolstack:vm"
EXTRA_TAG = f"{{{EXTRA_NAMESPACE}}}record"

# The fields of a VM that are kept in it, and their types.
EXTRA_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "other_config": "map",
        "platform": "map",
        "HVM_boot_params": "map",
        "VCPUs_params": "map",
        "xenstore_data": "map",
        "blocked_operations": "map",
        "bios_strings": "map",
        "tags": "set",
        "user_version": "int",
        "memory_static_min": "int",
        "memory_dynamic_min": "int",
        "is_a_template": "bool",
        "HVM_boot_policy": "string",
        "PV_bootloader": "string",
        "PV_bootloader_args": "string",
        "PV_legacy_args": "string",
        "recommendations": "string",
        "actions_after_softreboot": "string",
    }
)

_MOST = 1 << 20  # characters; more is no record of ours
_MAX_64 = 2**63 - 1


def read_extra(text: str, problems: list[str]) -> Mapping[str, object]:
    """Read the element's text; each field that is not of its type is named and left out."""
    try:
        extra = json.loads(text or "{}") if len(text) <= _MOST else None
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, dict):
        problems.append("its virtcim metadata is no JSON object")
        return {}
    good: dict[str, object] = {}
    for name, value in extra.items():
        kind = EXTRA_FIELDS.get(name)
        if kind is None:
            continue  # of another version
        readable = _READERS[kind](value)
        if readable is not None:
            good[name] = readable
        if readable is None or (kind in ("map", "set") and len(readable) != len(value)):
            problems.append(f"{name} in its virtcim metadata is not of its type, {kind}")
    return good


def _map(value: object) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {key: item for key, item in value.items() if isinstance(item, str)}


def _set(value: object) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [item for item in value if isinstance(item, str)]


def _int(value: object) -> int | str | None:
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_64:
        return None
    return value


_READERS: Mapping[str, Callable[[object], Any]] = {
    "map": _map,
    "set": _set,
    "int": _int,
    "bool": lambda value: value if isinstance(value, bool) else None,
    "string": lambda value: value if isinstance(value, str) else None,
}
