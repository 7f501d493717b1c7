"""What the written providers are asked about."""

from __future__ import annotations

from tests.cmpi.words import Path, Typed

__all__ = ["DISKS", "NAMESPACE", "SHELF", "disk"]

NAMESPACE = "root/test"
SHELF = Path(namespace=NAMESPACE, class_name="Test_Shelf", keys={"Name": ("string", "shelf ä")})
DISKS = Path(namespace=NAMESPACE, class_name="Test_Disk")


def disk(number: int, class_name: str = "Test_Disk") -> Path:
    key: Typed = ("uint32", number)
    return Path(namespace=NAMESPACE, class_name=class_name, keys={"Number": key})
