"""What all reading of libvirt's objects shares: XML, units, and saying what cannot be read."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, fromstring

import libvirt

from virtcim.toolstack.native.written import as_meant

__all__ = ["GONE", "ReadingError", "attribute", "parse_xml", "size_in_bytes", "unreadable", "whole"]

GONE = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
        libvirt.VIR_ERR_NO_NETWORK,
    }
)

_MAX_64 = 2**64 - 1

# https://libvirt.org/formatdomain.html#memory-allocation: powers of 1000 end in B, of 1024 in iB.
_POWERS = {letter: power for power, letter in enumerate("KMGTPE", start=1)}
_UNITS = {
    "b": 1,
    "bytes": 1,
    **{letter.lower(): 1024**power for letter, power in _POWERS.items()},
    **{f"{letter.lower()}ib": 1024**power for letter, power in _POWERS.items()},
    **{f"{letter.lower()}b": 1000**power for letter, power in _POWERS.items()},
}


class ReadingError(ValueError):
    """Something in a description cannot be understood; the text is half a sentence."""


def unreadable(error: Exception) -> str:
    """Say in half a sentence why something cannot be read."""
    match error:
        case UnicodeDecodeError():
            return "is not UTF-8"
        case ReadingError():
            return str(error)
        case ParseError():
            return f"is no XML ({error})"
        case libvirt.libvirtError():
            return f"cannot be read: {error.get_error_message() or error}"
    return f"cannot be understood ({type(error).__name__})"


def parse_xml(xml: str) -> Element:
    """Parse a description; raises ParseError."""
    return fromstring(as_meant(xml))  # noqa: S314 - libvirt wrote it


def attribute(root: Element, path: str, name: str) -> str:
    """Give an attribute of the first element at ``path``, or nothing."""
    element = root.find(path)
    return "" if element is None else element.get(name, "")


def whole(text: str, what: str) -> int:
    """Read a number of at most 64 bits that is not negative; raises ReadingError."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= _MAX_64):
        raise ReadingError(f"{what} is {text[:40]!r}, which is no number of 64 bits")
    return int(text)


def size_in_bytes(text: str, unit: str, what: str) -> int:
    """Read a scaled size; raises ReadingError for unknown units and sizes beyond 64 bits."""
    factor = _UNITS.get(unit.lower())
    if factor is None:
        raise ReadingError(f"the unit of {what} is {unit[:40]!r}, which is unknown")
    size: int = whole(text, what) * factor
    if size > _MAX_64:
        raise ReadingError(f"{what} is beyond 64 bits")
    return size
