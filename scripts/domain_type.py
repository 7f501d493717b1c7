"""Whether virtual machines can run with KVM here, found out by running one."""

from __future__ import annotations

import time

import libvirt
from boot_sectors import POWER_OFF, write_disk
from private_libvirt import PrivateLibvirt

__all__ = ["best_domain_type"]

_TIMEOUT_S = 15.0
_POLL_INTERVAL_S = 0.02

_PROBE_XML = """\
<domain type='kvm'>
  <name>probe</name><memory unit='MiB'>16</memory><os><type>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='raw'/><source file='{image}'/><target dev='hda' bus='ide'/>
    </disk>
  </devices>
</domain>
"""


def best_domain_type(private_libvirt: PrivateLibvirt) -> str:
    """Tell whether virtual machines there should be of type `kvm` or `qemu` (emulation).

    Having /dev/kvm says little (it may be forbidden, nested or broken), so a virtual machine has
    to run its first instructions and switch itself off.
    """
    image = private_libvirt.images / "probe.img"
    private_libvirt.give(write_disk(image, POWER_OFF, size_bytes=1 << 20))
    connection = libvirt.open(private_libvirt.uri)
    try:
        domain = connection.createXML(_PROBE_XML.format(image=image))
    except libvirt.libvirtError:
        return "qemu"
    else:
        return "kvm" if _switches_itself_off(domain) else "qemu"
    finally:
        connection.close()
        image.unlink()


def _switches_itself_off(domain: libvirt.virDomain) -> bool:
    deadline = time.monotonic() + _TIMEOUT_S
    try:
        while domain.isActive():
            if time.monotonic() > deadline:
                domain.destroy()
                return False
            time.sleep(_POLL_INTERVAL_S)
    except libvirt.libvirtError as error:
        # A transient domain that has stopped does not exist any more.
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    return True
