"""What tells one device of a domain from the others: user alias, address, target or MAC."""

from __future__ import annotations

from typing import Any, NamedTuple

from virtcim.toolstack.reading.elements import NONE, children_of, device_address, user_alias

__all__ = ["DeviceKey", "disk_key", "interface_key"]


class DeviceKey(NamedTuple):
    """``name`` is a disk's target or an interface's MAC address; all may be empty."""

    alias: str = ""
    address: str = ""
    name: str = ""


def disk_key(element: Any) -> DeviceKey:
    """Give the key of a ``<disk>``, whichever library read it."""
    return _key(element, "target", "dev")


def interface_key(element: Any) -> DeviceKey:
    """Give the key of an ``<interface>``, whichever library read it."""
    key = _key(element, "mac", "address")
    return key._replace(name=key.name.lower())


def _key(element: Any, tag: str, attribute: str) -> DeviceKey:
    children = children_of(element)
    return DeviceKey(
        alias=user_alias(children),
        address=device_address(children.get("address")),
        name=children.get(tag, NONE).get(attribute, ""),
    )
