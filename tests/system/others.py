"""Machines as other programs make them, and their documents before and after a change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import libvirt
import pywbem

from tests.system.cim import NAMESPACE, service_path
from tests.system.waiting import wait_for

__all__ = ["Machine", "allocation", "allocations", "invoke", "settings_path", "somebody_elses"]

_VSSD = "VirtCIM_VirtualSystemSettingData"
_WHOLE = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE


@dataclass(frozen=True, slots=True)
class Machine:
    """A domain that somebody else has defined."""

    domain: libvirt.virDomain
    uuid: str

    def document(self) -> str:
        """Its persistent description, with secrets, in canonical form."""
        return ElementTree.canonicalize(self.domain.XMLDesc(_WHOLE))

    def part(self, path: str) -> str:
        """One element of its persistent description, in canonical form."""
        element = ElementTree.fromstring(self.domain.XMLDesc(_WHOLE)).find(path)
        assert element is not None, path
        element.tail = None
        return ElementTree.canonicalize(ElementTree.tostring(element, "unicode"), strip_text=True)

    def macs(self) -> list[tuple[str, str]]:
        """The MAC address and the model of its interfaces, in order."""
        root = ElementTree.fromstring(self.domain.XMLDesc(_WHOLE))
        return [
            (
                interface.find("mac").get("address", ""),  # type: ignore[union-attr]
                interface.find("model").get("type", ""),  # type: ignore[union-attr]
            )
            for interface in root.iterfind("devices/interface")
        ]


@contextmanager
def somebody_elses(qemu: libvirt.virConnect, devices: str, *, rest: str = "") -> Iterator[Machine]:
    """Define a halted domain with these devices, as virsh would; undefine it at the end."""
    name = f"others-{uuid.uuid4().hex[:8]}"
    domain = qemu.defineXML(
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        f"<os><type>hvm</type></os>{rest}<devices>{devices}</devices></domain>"
    )
    try:
        yield Machine(domain, domain.UUIDString())
    finally:
        if domain.isActive():
            domain.destroy()
        domain.undefine()


def settings_path(system: str) -> pywbem.CIMInstanceName:
    """The path of the settings of a virtual system."""
    return pywbem.CIMInstanceName(_VSSD, {"InstanceID": f"VirtCIM:{system}"}, namespace=NAMESPACE)


def allocations(
    cim: pywbem.WBEMConnection, system: str, part: str
) -> dict[str, pywbem.CIMInstance]:
    """The settings of one kind of resource of a virtual system by what follows the kind."""
    wait_for(
        lambda: cim.EnumerateInstanceNames(_VSSD),
        lambda paths: any(path["InstanceID"] == f"VirtCIM:{system}" for path in paths),
        f"virtual system {system}",
    )
    found = cim.Associators(
        settings_path(system), AssocClass="VirtCIM_VirtualSystemSettingDataComponent"
    )
    prefix = f"VirtCIM:{system}/{part}/"
    return {
        each["InstanceID"].removeprefix(prefix): each
        for each in found
        if each["InstanceID"].startswith(prefix)
    }


def allocation(cim: pywbem.WBEMConnection, system: str, part: str) -> pywbem.CIMInstance:
    """One setting of a resource of a virtual system, such as ``disk/vda``."""
    kind, _, identity = part.partition("/")
    return allocations(cim, system, kind)[identity]


def invoke(cim: pywbem.WBEMConnection, method: str, **parameters: Any) -> Any:
    """Call a method of the management service, which must succeed at once."""
    status, output = cim.InvokeMethod(method, service_path(cim), **parameters)
    assert status == 0, output
    return output
