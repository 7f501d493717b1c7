"""How objects of libvirt are called in XenAPI."""

from __future__ import annotations

from virtcim.toolstack.reading.views import DiskView, InterfaceView
from virtcim.toolstack.refs import derived_uuid, reference

__all__ = [
    "CONNECTABLE_KINDS",
    "console_identity",
    "network_key",
    "path_identity",
    "path_sr_uuid",
    "pool_uuid",
    "user_network_key",
    "vbd_identity",
    "vif_identity",
    "vm_ref",
    "volume_identity",
]


def vm_ref(domain_uuid: str) -> str:
    """Give the reference of a VM."""
    return reference("VM", domain_uuid)


def vbd_identity(domain_uuid: str, disk: DiskView) -> str:
    """Give what identifies a disk of a domain: the id that it keeps for its life."""
    return f"{domain_uuid}/{disk.id or disk.target}"


def vif_identity(domain_uuid: str, interface: InterfaceView) -> str:
    """Give what identifies an interface of a domain: the id that it keeps for its life."""
    return f"{domain_uuid}/{interface.id or interface.number}"


def console_identity(domain_uuid: str, console_id: str) -> str:
    """Give what identifies a console of a domain."""
    return f"{domain_uuid}/{console_id}"


def volume_identity(pool_uuid: str, name: str) -> str:
    """Give what identifies a volume: its pool and its name there."""
    return f"{pool_uuid}/{name}"


def path_identity(host_uuid: str, path: str) -> str:
    """Give what identifies a disk outside all pools: its path on the host."""
    return f"path/{host_uuid}/{path}"


def path_sr_uuid(host_uuid: str) -> str:
    """Give the UUID of the SR that holds the paths outside all pools."""
    return derived_uuid("SR", f"path/{host_uuid}")


def pool_uuid(host_uuid: str) -> str:
    """Give the UUID of the XenAPI pool that the host is alone in."""
    return derived_uuid("pool", host_uuid)


# Types of interfaces that can be made from the name of their network alone.
CONNECTABLE_KINDS = frozenset({"network", "bridge", "direct", "user"})


def network_key(kind: str, source: str) -> str:
    """Give what identifies a network that libvirt has no object for: a bridge, a device."""
    return f"{kind}/{source}"


def user_network_key() -> str:
    """Give the key of the network of all interfaces with user-mode networking."""
    return network_key("user", "")
