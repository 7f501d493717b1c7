"""In which order the firmware of a domain tries its devices."""

from __future__ import annotations

from virtcim.toolstack.reading.views import DomainXml

__all__ = ["boot_words", "has_device_order"]

# libvirt's <disk device=...>, and its words for the kinds of devices to boot from.
_BOOT_WORDS = {"disk": "hd", "lun": "hd", "cdrom": "cdrom", "floppy": "fd"}


def has_device_order(config: DomainXml) -> bool:
    """Whether the order is told by single devices, which excludes an order of kinds."""
    return (
        bool(config.passed_boots)
        or any(disk.boot_order for disk in config.disks)
        or any(interface.boot_order for interface in config.interfaces)
    )


def boot_words(config: DomainXml) -> tuple[str, ...]:
    """Give the kinds of devices in the order in which the firmware tries them, each once."""
    orders = [(disk.boot_order, _BOOT_WORDS.get(disk.device, "hd")) for disk in config.disks]
    orders += [(interface.boot_order, "network") for interface in config.interfaces]
    orders += config.passed_boots
    words = [word for order, word in sorted(orders) if order] or config.boot
    return tuple(dict.fromkeys(words))
