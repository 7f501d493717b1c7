"""Disks and interfaces of many machines: they differ in a path or a MAC address, and little else.

The rest of each is a pattern, which is read once, with a placeholder for that text. Where this is
found again in what was read, every device that is made after the pattern has its own text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from virtcim.toolstack.reading.common import parse_xml
from virtcim.toolstack.reading.device_reader import read_disk, read_interfaces
from virtcim.toolstack.reading.views import DiskView, InterfaceView

__all__ = ["read_disk_text", "read_interface_text"]

_PATH, _MAC, _END = "<source file='", "<mac address='", "'"
_PLACEHOLDER = "/placeholder"
_MOST = 1 << 12


class _Pattern(NamedTuple):
    """The fields of the view of a device, without its own text where it ``has_own``."""

    fields: Mapping[str, Any]
    has_own: bool
    alias: str | None = None  # in the running domain


def read_disk_text(text: str) -> tuple[DiskView, str | None]:
    """Read ``<disk>``, and its alias; raises what ``read_disk`` raises, and ParseError."""
    before, path, after = _apart(text, _PATH)
    pattern = _disk(before, after)
    if not pattern.has_own:
        return DiskView(**pattern.fields), pattern.alias
    return DiskView(source=path, sources=(path,), **pattern.fields), pattern.alias


def read_interface_text(text: str, number: int) -> InterfaceView:
    """Read ``<interface>``; raises what ``read_interfaces`` raises, and ParseError."""
    before, mac, after = _apart(text, _MAC)
    pattern = _interface(before, after)
    if not pattern.has_own:
        return InterfaceView(number=number, **pattern.fields)
    return InterfaceView(number=number, mac=mac.lower(), **pattern.fields)


def _apart(text: str, attribute: str) -> tuple[str, str, str]:
    """Give what is before, in and after an attribute; all is before one that is no plain text."""
    before, _, rest = text.partition(attribute)
    value, _, after = rest.partition(_END)
    if not value or "&" in value or not value.isprintable():
        return text, "", ""
    return before, value, after


def _with_placeholder(before: str, attribute: str, after: str) -> Element:
    return parse_xml(f"{before}{attribute}{_PLACEHOLDER}{_END}{after}" if after else before)


@lru_cache(maxsize=_MOST)
def _disk(before: str, after: str) -> _Pattern:
    element = _with_placeholder(before, _PATH, after)
    view = read_disk(element)
    has_own = view.source == _PLACEHOLDER
    alias = element.find("alias")
    return _Pattern(
        _fields(view, {"source", "sources"} if has_own else set()),
        has_own,
        None if alias is None else alias.get("name", ""),
    )


@lru_cache(maxsize=_MOST)
def _interface(before: str, after: str) -> _Pattern:
    [view] = read_interfaces([_with_placeholder(before, _MAC, after)])
    has_own = view.mac == _PLACEHOLDER
    return _Pattern(_fields(view, {"number", "mac"} if has_own else {"number"}), has_own)


def _fields(view: DiskView | InterfaceView, without: Collection[str]) -> Mapping[str, Any]:
    names = (field.name for field in fields(view))
    return {name: getattr(view, name) for name in names if name not in without}
