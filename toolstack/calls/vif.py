"""Network interfaces of VMs (XenAPI ``VIF``)."""

from __future__ import annotations

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.documents.interface import InterfaceChange
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.machines.device_kinds import VIF, find_device
from virtcim.toolstack.machines.devices import add_device, change_device, device_calls
from virtcim.toolstack.machines.new_interface import network_source, read_new_interface

__all__ = ["VIF_CALLS"]

VIF_CALLS = CallTable()

for _call in device_calls(VIF):
    VIF_CALLS.enter(_call)


@VIF_CALLS.add("VIF.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Give a VM a network interface, from its next start or (``VIF.plug``) at once.

    Raises ``MAC_INVALID``, and ``DEVICE_ALREADY_EXISTS`` for a device number or MAC address that
    the VM has already.
    """
    vm = GivenRecord("VIF", args).required_reference(context, "VM", "VM")
    return add_device(context, vm, read_new_interface(context, args))


@VIF_CALLS.add("VIF.move", "VIF self, network network", asynchronous=True)
def move(context: Context, vif: str, network: str) -> None:
    """Connect an interface to another network, at once too if it is plugged.

    Raises ``VIRTCIM_NEXT_START_ONLY`` where libvirt cannot do it in the running VM.
    """
    device = find_device(context, VIF, vif)
    change = InterfaceChange(source=network_source(context, network))
    change_device(context, device, "attach", change)
