"""Network ports (DSP1050)."""

from __future__ import annotations

import re
from dataclasses import replace

from virtcim.hypervisor.change import NetworkPortChange, VirtualSystemChange
from virtcim.hypervisor.model import (
    Network,
    NetworkPortSpec,
    VirtualNetworkPort,
    VirtualSystem,
    VirtualSystemSpec,
)
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.setting_difference import different
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resource_pool.pools import ETHERNET_ADAPTER, NETWORK_POOL, pool_id
from virtcim.providers.resources.allocation import NETWORK_PORT_ALLOCATION
from virtcim.providers.resources.kind import Definition, Plugging, ResourceKind, ResourceSetting
from virtcim.providers.resources.pool_names import pool_object
from virtcim.providers.resources.settings import accept_one, setting_like

__all__ = ["NETWORK_PORTS"]

# The properties that name the network of a port.
_NETWORK_NAMES = ("PoolID", "Connection", "HostResource", "NetworkName", "NetworkType")
# What asks for a port like another: its MAC address is its own.
_LIKE = ("ResourceType", "AddressOnParent", "PoolID", "ResourceSubType")
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)


def _read(setting: ResourceSetting) -> NetworkPortSpec:
    """The network port that a setting asks for. Raises CimError."""
    reader = setting.reader
    accept_one(reader)
    return NetworkPortSpec(
        id=reader.text("AddressOnParent") or reader.text("VirtualDevice"),
        network_uuid=_network(reader, setting.view).uuid,
        mac_address=_mac_address(reader),
        model=reader.text("ResourceSubType"),
    )


def _mac_address(reader: SettingReader) -> str:
    """The MAC address with colons; empty where it is not given. Raises CimError."""
    mac_address = reader.text("Address")
    if mac_address and not _MAC.fullmatch(mac_address):
        raise reader.refuse("Address", mac_address, "is no MAC address")
    digits = re.sub("[:-]", "", mac_address.lower())
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _network(reader: SettingReader, view: View) -> Network:
    """The network that PoolID, Connection, HostResource or a peer's property names.

    Raises CimError.
    """
    networks = view.inventory.networks.values()
    found: Network | None = None
    for name in _NETWORK_NAMES[:-1]:
        for given in reader.texts(name):
            network = pool_object(given, "NetworkPool", "NetworkPool", networks)
            if network is None or (found is not None and network is not found):
                known = "another network" if network else "no network that is known here"
                raise reader.refuse(name, given, f"is {known}")
            found = network
    kind = reader.text("NetworkType").lower()
    if kind not in ("", "network", "user", "bridge"):
        raise reader.refuse("NetworkType", kind, "is none of network, bridge, user")
    if kind == "user" and found is None:
        found = next((each for each in networks if each.user_mode), None)
    if found is None:
        raise reader.refuse("PoolID", None, "a network port needs the network it connects to")
    if not found.takes_ports:
        pool = f"{found.name_label} ({pool_id(NETWORK_POOL, found.uuid)})"
        raise rejected(
            f"{reader.where}.PoolID: no network port can be connected to the network pool {pool}"
        )
    return found


def _define(
    setting: ResourceSetting, spec: VirtualSystemSpec, _: VirtualSystem | None
) -> VirtualSystemSpec:
    return replace(spec, network_ports=(*spec.network_ports, _read(setting)))


def _add(setting: ResourceSetting, change: VirtualSystemChange) -> VirtualSystemChange:
    return replace(change, added_network_ports=(*change.added_network_ports, _read(setting)))


def _remove(change: VirtualSystemChange, port: str) -> VirtualSystemChange:
    return replace(change, removed_network_ports=(*change.removed_network_ports, port))


def _change(
    setting: ResourceSetting,
    _: VirtualSystem,
    port: VirtualNetworkPort,
    change: VirtualSystemChange,
) -> VirtualSystemChange:
    reader = setting.reader
    reader.accept("VirtualDevice", port.id)
    if reader.has("AddressOnParent"):
        address = reader.text("AddressOnParent")
        raise reader.refuse("AddressOnParent", address, "cannot be changed: it tells ports apart")
    accept_one(reader)
    network_uuid = None
    if any(reader.has(name) for name in _NETWORK_NAMES):
        network_uuid = _network(reader, setting.view).uuid
    wanted = NetworkPortChange(
        id=port.id,
        network_uuid=different(network_uuid, port.network_uuid),
        mac_address=different(_mac_address(reader) or None, port.mac_address),
        model=different(reader.text("ResourceSubType") or None, port.model),
    )
    if wanted == NetworkPortChange(id=port.id):
        return change
    return replace(change, changed_network_ports=(*change.changed_network_ports, wanted))


NETWORK_PORTS: ResourceKind[VirtualNetworkPort] = ResourceKind(
    name="network",
    allocation=NETWORK_PORT_ALLOCATION,
    definition=Definition(
        resource_types=(ETHERNET_ADAPTER,),
        class_names=(
            "NetworkPortResourceAllocationSettingData",
            "NetResourceAllocationSettingData",
            "NetworkPortSettingData",
            "EthernetPortAllocationSettingData",
        ),
        read=_define,
        parts=lambda system: system.network_ports,
        places=lambda port: (port.id,),
        like=lambda _, system, port: setting_like(
            NETWORK_PORT_ALLOCATION.values(SystemPart(system, port)), _LIKE
        ),
    ),
    change=_change,
    plugging=Plugging(
        plurals=("network ports",),
        add=_add,
        remove=_remove,
        added=lambda devices: devices.network_ports,
    ),
)
