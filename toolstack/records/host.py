"""Records of host, host_metrics, host_cpu, pool and network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from virtcim.toolstack.names import shown_name
from virtcim.toolstack.reading.views import HostView, NetworkView
from virtcim.toolstack.records.identity import CONNECTABLE_KINDS, pool_uuid
from virtcim.toolstack.records.problem import stated
from virtcim.toolstack.refs import NULL, derived_uuid, reference

__all__ = [
    "host_cpu_values",
    "host_metrics_values",
    "host_values",
    "network_values",
    "pool_values",
    "pseudo_network_values",
]

_API_VERSION = (2, 21)
_API_VENDOR = "virtcim"
_USER_NETWORK_NAME = "User networking"
_DEFAULT_MTU = 1500


@cache
def _own_version() -> str:
    # It takes longer to load than to read a hundred machines.
    from importlib.metadata import version

    return version("virtcim")


def host_values(
    host: HostView, uri: str, vms: Iterable[str], sr_uuids: Iterable[str]
) -> dict[str, object]:
    """Give the values of the host record."""
    version = _own_version()
    return {
        "uuid": host.uuid,
        "name_label": host.hostname,
        "hostname": host.hostname,
        "address": host.hostname,
        "enabled": True,
        "allowed_operations": ["vm_start", "vm_resume"],
        "API_version_major": _API_VERSION[0],
        "API_version_minor": _API_VERSION[1],
        "API_version_vendor": _API_VENDOR,
        "API_version_vendor_implementation": {"toolstack": version},
        "software_version": {
            "product_brand": "virtcim",
            "product_version": version,
            "toolstack": version,
            "libvirt": host.libvirt_version,
            "hypervisor": host.driver,
            host.driver.lower(): host.driver_version,
            "libvirt_uri": uri,
        },
        "capabilities": sorted(host.domain_types),
        "cpu_info": _cpu_info(host),
        "cpu_configuration": {},
        "other_config": stated(host.problem),
        "resident_VMs": list(vms),
        "host_CPUs": [_cpu_ref(host, number) for number in range(host.cpu_count)],
        "PBDs": [reference("PBD", uuid) for uuid in sr_uuids],
        "metrics": reference("host_metrics", host.uuid),
    }


def _cpu_info(host: HostView) -> Mapping[str, str]:
    return {
        "cpu_count": str(host.cpu_count),
        "socket_count": str(host.sockets),
        "threads_per_core": str(host.threads),
        "vendor": host.cpu_vendor,
        "modelname": host.cpu_model or host.arch,
        "speed": str(host.cpu_mhz),
        "arch": host.arch,
        "flags": " ".join(host.cpu_features),
    }


def _cpu_ref(host: HostView, number: int) -> str:
    return reference("host_cpu", f"{host.uuid}/{number}")


def host_cpu_values(host: HostView) -> Iterable[tuple[str, dict[str, object]]]:
    """Give reference and values of the host_cpu records."""
    for number in range(host.cpu_count):
        yield (
            _cpu_ref(host, number),
            {
                "uuid": derived_uuid("host_cpu", f"{host.uuid}/{number}"),
                "host": reference("host", host.uuid),
                "number": number,
                "vendor": host.cpu_vendor,
                "speed": host.cpu_mhz,
                "modelname": host.cpu_model or host.arch,
                "flags": " ".join(host.cpu_features),
            },
        )


def host_metrics_values(host: HostView) -> dict[str, object]:
    """Give the values of the host_metrics record."""
    return {
        "uuid": derived_uuid("host_metrics", host.uuid),
        "memory_total": host.memory_bytes,
        "memory_free": host.memory_free_bytes,
        "live": True,
    }


def pool_values(host: HostView, default_sr: str) -> dict[str, object]:
    """Give the values of the pool record: one host that is its own coordinator."""
    return {
        "uuid": pool_uuid(host.uuid),
        "name_label": host.hostname,
        "master": reference("host", host.uuid),
        "default_SR": default_sr or NULL,
        "cpu_info": _cpu_info(host),
    }


def network_values(network: NetworkView, vifs: Iterable[str]) -> dict[str, object]:
    """Give the values of the record of a libvirt network."""
    return {
        "uuid": network.uuid,
        "name_label": shown_name(network.name),
        "bridge": network.bridge,
        "MTU": network.mtu or _DEFAULT_MTU,
        "managed": True,
        "VIFs": list(vifs),
        "default_locking_mode": "unlocked",
        "other_config": {
            "active": "true" if network.active else "false",
            "autostart": "true" if network.autostart else "false",
            "forward": network.forward,
            **stated(network.problem),
        },
    }


def pseudo_network_values(key: str, vifs: Iterable[str]) -> dict[str, object]:
    """Give the values of a network that libvirt has no object for (see ``network_key``)."""
    kind, _, source = key.partition("/")
    return {
        "uuid": derived_uuid("network", key),
        "name_label": _USER_NETWORK_NAME
        if kind == "user"
        else shown_name(f"{kind} {source}".strip()),
        "bridge": source if kind == "bridge" else "",
        "MTU": _DEFAULT_MTU,
        "managed": False,
        "VIFs": list(vifs),
        "default_locking_mode": "unlocked",
        "other_config": {
            "active": "true",
            "takes-ports": "true" if kind in CONNECTABLE_KINDS else "false",
            "interface-type": kind,
        },
    }
