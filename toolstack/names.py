"""The names that clients give: checked here, before libvirt makes paths of them.

libvirt takes most names as parts of file names. What it refuses itself it refuses late: 9.0 began
to delete the tree ``snapshot/..``, with the definitions of all machines in it, while it refused
to define a machine of the name ``..``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.wire.labels import label_fault, shown_label

__all__ = [
    "LIMITS",
    "MACHINE",
    "NETWORK",
    "POOL",
    "SNAPSHOT",
    "VOLUME",
    "check_label",
    "check_name",
    "shown_name",
    "stays_named",
]

MACHINE: Final = "virtual machine"
POOL: Final = "storage pool"
VOLUME: Final = "volume"
NETWORK: Final = "network"
SNAPSHOT: Final = "snapshot"

# Bytes of UTF-8, by kind: a file name has 255, and libvirt 9.0 first writes NAME.xml.new. A
# machine has files with longer endings, such as its variables of the firmware.
LIMITS: Mapping[str, int] = {
    MACHINE: 245,
    POOL: 247,
    VOLUME: 255,
    NETWORK: 247,
    SNAPSHOT: 247,
}


def check_name(kind: str, name: str) -> str:
    """Give the name back, or refuse it.

    Raises ``VIRTCIM_NAME_REFUSED`` (kind, name, rule) and ``VIRTCIM_NAME_TOO_LONG`` (kind, name,
    limit in bytes of UTF-8).
    """
    rule = _broken_rule(name)
    if rule:
        raise XapiFailure("VIRTCIM_NAME_REFUSED", kind, shown_name(name), rule)
    if len(name.encode()) > LIMITS[kind]:
        raise XapiFailure("VIRTCIM_NAME_TOO_LONG", kind, name, str(LIMITS[kind]))
    return name


def _broken_rule(name: str) -> str:
    if not name.strip():
        return "it is empty"
    if name in {".", ".."}:
        return "it means a directory"
    if "/" in name:
        return "it contains a slash"
    fault = label_fault(name)
    return fault and f"it {fault}"


def check_label(field: str, label: str) -> str:
    """Give back a label that is a note only, or refuse it: it must be one readable line.

    Raises ``VALUE_NOT_SUPPORTED``.
    """
    fault = label_fault(label)
    if fault:
        raise value_not_supported(field, shown_name(label), fault)
    return label


def shown_name(name: str) -> str:
    """Give a name as answers carry it: what hides, reorders or breaks text is escaped."""
    return shown_label(name)


def stays_named(present: str, wanted: str) -> bool:
    """Whether a client that wants this name asks for no change: it may send what it was shown."""
    return wanted in {present, shown_name(present)}
