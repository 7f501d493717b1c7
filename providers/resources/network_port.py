"""Network ports (DSP1050)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import LinkTechnology, PortType, RequestType, ResourceType, SharingMode
from virtcim.hypervisor.change import NetworkPortChange, VirtualSystemChange
from virtcim.hypervisor.model import (
    Network,
    NetworkPortSpec,
    VirtualNetworkPort,
    VirtualSystem,
    VirtualSystemSpec,
)
from virtcim.providers.engine.instance_class import Node
from virtcim.providers.engine.per_object import per_object, per_part
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.engine.sources import SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.parameters.setting_difference import different
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resource_pool.offer import pool_offer
from virtcim.providers.resource_pool.pools import pool_id, pool_values, primordial_pool
from virtcim.providers.resources.allocation import ALLOCATED
from virtcim.providers.resources.devices import device_per_part, device_values
from virtcim.providers.resources.kind import (
    Definition,
    Devices,
    Plugging,
    PoolsOfKind,
    Profile,
    ResourceKind,
    ResourceSetting,
)
from virtcim.providers.resources.pool_names import pool_object
from virtcim.providers.resources.settings import accept_one, setting_like

__all__ = ["NETWORK_POOL", "NETWORK_PORTS", "PRIMORDIAL_NETWORK_POOL"]

# The properties that name the network of a port.
_NETWORK_NAMES = ("PoolID", "Connection", "HostResource", "NetworkName", "NetworkType")
# What asks for a port like another: its MAC address is its own.
_LIKE = ("ResourceType", "AddressOnParent", "PoolID", "ResourceSubType")
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)


# Pools, and what can be had from them.


class OfNetwork(NamedTuple):
    """The pool of the ports that a network can have."""

    network: Network


def _pool_values(of: OfNetwork) -> Mapping[str, Value]:
    network = of.network
    return {
        **pool_values(
            pool_id(NETWORK_POOL, network.uuid),
            network.name_label,
            ResourceType.ETHERNET_ADAPTER,
            "count",
            active=network.active,
            primordial=False,
            problem=network.problem,
        ),
        "Caption": "Network pool",
        "Description": network.name_description or None,
        # A network takes as many ports as are asked for: there is no capacity to tell.
        "Reserved": 0,
    }


PRIMORDIAL_NETWORK_POOL = primordial_pool(
    "Networks",
    ResourceType.ETHERNET_ADAPTER,
    "count",
    name="VirtCIM_PrimordialNetworkPool",
    caption="Primordial network pool",
)
NETWORK_POOL = per_object(
    "VirtCIM_NetworkPool",
    lambda view: view.inventory.networks,
    lambda _: OfNetwork,
    lambda of: of.network.uuid,
    _pool_values,
    part="NetworkPool",
)


def _range(network: Network) -> AllocationRange:
    """The network ports that one setting can ask for."""
    return AllocationRange(
        units="count",
        default=1 if network.active and network.takes_ports else None,
        minimum=1,
        maximum=1,
        increment=1,
    )


_OFFERS = (
    pool_offer(
        PRIMORDIAL_NETWORK_POOL,
        lambda of: of.host,
        None,
        resource_type=ResourceType.ETHERNET_ADAPTER,
        request_types=(RequestType.SPECIFIC, RequestType.SPECIFIC),
        sharing_mode=SharingMode.SHARED,
        children=NETWORK_POOL,
    ),
    pool_offer(
        NETWORK_POOL,
        lambda of: of.network,
        _range,
        resource_type=ResourceType.ETHERNET_ADAPTER,
        request_types=(RequestType.GENERAL, RequestType.GENERAL),
        sharing_mode=SharingMode.SHARED,
        pluggable=True,
    ),
)


# Allocations and devices.


def _allocation_values(system: VirtualSystem, port: VirtualNetworkPort) -> Mapping[str, Value]:
    pool = pool_id(NETWORK_POOL, port.network_uuid) if port.network_uuid else None
    return {
        **ALLOCATED,
        "ElementName": f"Network port {port.id} of {system.name_label}",
        "Caption": "Network port allocation",
        "ResourceType": ResourceType.ETHERNET_ADAPTER,
        "ResourceSubType": port.model or None,
        "PoolID": pool,
        "Address": port.mac_address or None,
        "AddressOnParent": port.id,
        "AllocationUnits": "count",
        "VirtualQuantity": 1,
        "VirtualQuantityUnits": "count",
        # A network that does not exist has a name, and no pool.
        "Connection": [pool or port.network_name] if pool or port.network_name else None,
    }


_ALLOCATION = per_part(
    "VirtCIM_NetworkPortResourceAllocationSettingData",
    "network",
    lambda system: system.network_ports,
    _allocation_values,
)


def _device_values(system: VirtualSystem, port: VirtualNetworkPort) -> Mapping[str, Value]:
    # CIM_NetworkPort writes a MAC address as twelve hexadecimal digits.
    address = port.mac_address.replace(":", "").upper() or None
    name, caption = f"Network port {port.id}", "Virtual network port"
    return {
        **device_values(
            system,
            name,
            caption,
            attached=port.attached,
            link_up=port.link_up,
            problem=port.problem,
        ),
        "PortType": PortType.UNKNOWN,
        "LinkTechnology": LinkTechnology.ETHERNET,
        "PermanentAddress": address,
        "NetworkAddresses": None if address is None else [address],
        "SupportedMaximumTransmissionUnit": port.mtu or None,
        "ActiveMaximumTransmissionUnit": port.mtu or None,
    }


_DEVICE = device_per_part(
    "VirtCIM_NetworkPort", "network", lambda system: system.network_ports, _device_values
)


def _devices(system: VirtualSystem) -> Iterator[Node[SystemPart[VirtualNetworkPort]]]:
    return (_DEVICE.node(SystemPart(system, port)) for port in system.network_ports)


def _pool_of(view: View, node: Node[SystemPart[VirtualNetworkPort]]) -> Iterator[Node[OfNetwork]]:
    network = view.inventory.networks.get(node.sources.part.network_uuid)
    if network is not None:
        yield NETWORK_POOL.node(OfNetwork(network))


def _from_pool(view: View, node: Node[OfNetwork]) -> Iterator[Node[SystemPart[VirtualNetworkPort]]]:
    return (_ALLOCATION.node(each) for each in view.ports_on(node.sources.network.uuid))


# How one is asked for, changed and removed.


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


def _remove(change: VirtualSystemChange, of: SystemPart[VirtualNetworkPort]) -> VirtualSystemChange:
    return replace(change, removed_network_ports=(*change.removed_network_ports, of.part.id))


def _change(
    setting: ResourceSetting, of: SystemPart[VirtualNetworkPort], change: VirtualSystemChange
) -> VirtualSystemChange:
    reader, port = setting.reader, of.part
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


NETWORK_PORTS: ResourceKind[SystemPart[VirtualNetworkPort]] = ResourceKind(
    name="network",
    profile=Profile(1050, "Ethernet Port Resource Virtualization", "1.0.0"),
    allocation=_ALLOCATION,
    allocations=lambda _, system: (SystemPart(system, port) for port in system.network_ports),
    devices=Devices(
        classes=(_DEVICE,),
        of_system=_devices,
        of_allocation=same(_DEVICE),
        allocations=reach_from(_DEVICE, same(_ALLOCATION)),
    ),
    pools=PoolsOfKind(
        offers=_OFFERS,
        of_allocation=_pool_of,
        allocations=reach_from(NETWORK_POOL, _from_pool),
    ),
    definition=Definition(
        resource_types=(ResourceType.ETHERNET_ADAPTER,),
        class_names=(
            "NetworkPortResourceAllocationSettingData",
            "NetResourceAllocationSettingData",
            "NetworkPortSettingData",
            "EthernetPortAllocationSettingData",
        ),
        read=_define,
        places=lambda of: (of.part.id,),
        like=lambda _, of: setting_like(_ALLOCATION.values(of), _LIKE),
    ),
    change=_change,
    plugging=Plugging(
        plurals=("network ports",),
        add=_add,
        remove=_remove,
        added=lambda devices: devices.network_ports,
    ),
)
