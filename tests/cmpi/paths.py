"""Paths as a CIM server hands them over, and what is asked about them."""

from __future__ import annotations

from tests.cim.everything import EVERYTHING
from tests.cmpi.words import Path

__all__ = ["of_class", "one", "system"]

SYSTEM = "VirtCIM_ComputerSystem"


def one(identity: str, namespace: str = "root/virt") -> Path:
    """An instance of Test_Everything: "id N", or what happens when it is asked for."""
    return Path(namespace=namespace, class_name=EVERYTHING, keys={"Id": ("string", identity)})


def of_class(name: str, namespace: str = "root/virt") -> Path:
    return Path(namespace=namespace, class_name=name)


def system(number: int) -> Path:
    """A virtual system of the real providers."""
    return Path(
        namespace="root/virt",
        class_name=SYSTEM,
        keys={
            "CreationClassName": ("string", SYSTEM),
            "Name": ("string", f"00000000-0000-0000-0000-{number:012}"),
        },
    )
