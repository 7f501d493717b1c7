"""The types of libvirt's objects that the toolstack is checked by are those of the binding."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import libvirt
import pytest

from virtcim.toolstack.native import objects

_BINDING = {
    objects.Connection: libvirt.virConnect,
    objects.Domain: libvirt.virDomain,
    objects.Network: libvirt.virNetwork,
    objects.StoragePool: libvirt.virStoragePool,
    objects.StorageVolume: libvirt.virStorageVol,
}
_KINDS = [
    *_BINDING.items(),
    (objects.RememberedDomain, libvirt.virDomainSnapshot),
    (objects.RememberedDomain, libvirt.virDomainCheckpoint),
    *((objects.ApiObject, _BINDING[one]) for one in (objects.Domain, objects.Network)),
    (objects.ApiObject, libvirt.virStoragePool),
]


def _functions(protocol: type) -> Iterator[str]:
    return (name for name in dir(protocol) if not name.startswith("_"))


@pytest.mark.parametrize(
    ("protocol", "binding"), _KINDS, ids=[f"{one.__name__}-{kind.__name__}" for one, kind in _KINDS]
)
def test_each_function_is_there_and_takes_what_is_declared(protocol: type, binding: type) -> None:
    assert list(_functions(protocol))
    for name in _functions(protocol):
        declared = inspect.signature(getattr(protocol, name)).parameters.values()
        real = inspect.signature(getattr(binding, name)).parameters.values()
        needed = [one for one in real if one.default is inspect.Parameter.empty]
        assert len(needed) <= len(declared) <= len(real), name
        asked = [one for one in declared if one.default is inspect.Parameter.empty]
        assert len(needed) <= len(asked), name


def test_what_functions_give_is_of_the_declared_type(host_uri: str) -> None:
    """What C gives back, on libvirt's test driver: the binding's own annotations say `str`."""
    connection: objects.Connection = libvirt.open(host_uri)
    try:
        [domain, *_] = connection.listAllDomains()
        [pool] = connection.listAllStoragePools()
        [network] = connection.listAllNetworks()
        assert [type(one) for one in connection.getInfo()] == [str, *7 * [int]]
        assert [type(one) for one in domain.state()] == [int, int]
        assert type(pool.listAllVolumes()) is list
        for found, statistics in connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE):
            assert isinstance(found, libvirt.virDomain)
            assert {type(one) for one in statistics.values()} == {int}
        for one in (domain, pool, network):
            assert [type(text) for text in (one.name(), one.UUIDString(), one.XMLDesc())] == [
                *(str, str, str)
            ]
            assert type(one.isActive()) is int
        assert [type(number) for number in (domain.ID(), domain.autostart())] == [int, int]
    finally:
        connection.close()
