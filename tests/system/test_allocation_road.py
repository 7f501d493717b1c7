"""A client that knows the DMTF's classes only, from the profiles to a running system and back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import libvirt
import pytest
import pywbem
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.cim import NAMESPACE
from tests.system.waiting import wait_for
from virtcim.mof.standard import OPTIONAL_CLASSES

Cim = pywbem.WBEMConnection
Path = pywbem.CIMInstanceName
_MIB = 1 << 20
_INTEROP = "root/interop"
_PROCESSOR, _MEMORY, _PORT, _DISK = 3, 4, 10, 17
# CIM_SettingsDefineCapabilities.ValueRole and ValueRange.
_DEFAULT = (0, 0)
_ROLES = {_DEFAULT: "Default", (3, 1): "Minimum", (3, 2): "Maximum", (3, 3): "Increment"}


class StandardClient:
    """A client that has never heard of a class that is not the DMTF's."""

    def __init__(self, cim: Cim) -> None:
        self._cim = cim

    def hosts(self) -> list[Path]:
        """The central instances of the profile System Virtualization."""
        profiles = self._cim.EnumerateInstances("CIM_RegisteredProfile", namespace=_INTEROP)
        [profile] = [each for each in profiles if each["RegisteredName"] == "System Virtualization"]
        found: list[Path] = self._cim.AssociatorNames(
            profile.path, AssocClass="CIM_ElementConformsToProfile"
        )
        return found

    def service(self, host: Path) -> Path:
        [path] = self._cim.AssociatorNames(
            host,
            AssocClass="CIM_HostedService",
            ResultClass="CIM_VirtualSystemManagementService",
        )
        return path

    def pools(self, host: Path) -> list[pywbem.CIMInstance]:
        found: list[pywbem.CIMInstance] = self._cim.Associators(
            host, AssocClass="CIM_HostedResourcePool", ResultClass="CIM_ResourcePool"
        )
        return found

    def offers(self, pool: Path) -> Mapping[str, pywbem.CIMInstance]:
        """What a pool offers, by the role of the setting."""
        [capabilities] = self._cim.AssociatorNames(
            pool, AssocClass="CIM_ElementCapabilities", ResultClass="CIM_AllocationCapabilities"
        )
        return {
            _ROLES[reference["ValueRole"], reference["ValueRange"]]: self._cim.GetInstance(
                reference["PartComponent"]
            )
            for reference in self._cim.References(
                capabilities, ResultClass="CIM_SettingsDefineCapabilities"
            )
        }

    def define(self, service: Path, name: str, resources: Sequence[pywbem.CIMInstance]) -> Path:
        status, output = self._cim.InvokeMethod(
            "DefineSystem",
            service,
            SystemSettings=pywbem.CIMInstance(
                "CIM_VirtualSystemSettingData", {"ElementName": name}
            ),
            ResourceSettings=list(resources),
        )
        assert status == 0
        path: Path = output["ResultingSystem"]
        return path

    def settings(self, system: Path) -> Path:
        [path] = self._cim.AssociatorNames(
            system,
            AssocClass="CIM_SettingsDefineState",
            ResultClass="CIM_VirtualSystemSettingData",
        )
        return path

    def resources(self, system: Path) -> Mapping[int, list[pywbem.CIMInstance]]:
        """The resources of a system by ResourceType."""
        found: dict[int, list[pywbem.CIMInstance]] = {}
        for each in self._cim.Associators(
            self.settings(system), AssocClass="CIM_VirtualSystemSettingDataComponent"
        ):
            found.setdefault(each["ResourceType"], []).append(each)
        return found

    def call(self, method: str, target: Path, **parameters: Any) -> Any:
        status, output = self._cim.InvokeMethod(method, target, **parameters)
        assert status == 0, output
        return output


@pytest.fixture(params=["test driver", "QEMU"])
def client(request: pytest.FixtureRequest) -> Iterator[Cim]:
    """A client of a CIM server over the toolstack, over each driver of libvirt."""
    if request.param == "QEMU":
        yield request.getfixturevalue("cim")
        return
    start_toolstack: Callable[[str], tuple[Daemon, str]] = request.getfixturevalue(
        "start_toolstack"
    )
    start_server: Callable[..., Daemon] = request.getfixturevalue("start_cim_server")
    _, url = start_toolstack("test:///default")
    server = start_server(url)
    with pywbem.WBEMConnection(
        server.url, None, default_namespace=NAMESPACE, timeout=120
    ) as connection:
        yield connection


def test_whatever_a_pool_offers_is_made_as_it_is(client: Cim) -> None:
    standard = StandardClient(client)
    [host] = standard.hosts()
    service = standard.service(host)
    asked: list[tuple[int, str]] = []
    without = []
    for pool in standard.pools(host):
        offers = standard.offers(pool.path)
        if "Default" not in offers:
            assert offers == {}
            without.append(pool["ElementName"])
        for role, setting in offers.items():
            if role == "Increment":
                continue
            kind = setting["ResourceType"]
            asked.append((kind, role))
            system = standard.define(service, f"{kind}-{role}-{len(asked)}", [setting])
            [made] = standard.resources(system)[kind]
            assert made["VirtualQuantity"] == setting["VirtualQuantity"], setting
            standard.call("DestroySystem", service, AffectedSystem=system)
    for kind in (_PROCESSOR, _MEMORY, _PORT, _DISK):
        assert (kind, "Default") in asked
        assert (kind, "Minimum") in asked
    assert "Paths outside storage pools" in without


def test_a_pool_in_which_nothing_can_be_made_is_refused_by_its_name(client: Cim) -> None:
    standard = StandardClient(client)
    [host] = standard.hosts()
    [pool] = [
        each
        for each in standard.pools(host)
        if each["ElementName"] == "Paths outside storage pools"
    ]
    setting = pywbem.CIMInstance(
        "CIM_StorageAllocationSettingData",
        {
            "ResourceType": pywbem.Uint16(_DISK),
            "PoolID": pool["PoolID"],
            "VirtualQuantity": pywbem.Uint64(_MIB),
            "VirtualQuantityUnits": "byte",
        },
    )
    with pytest.raises(pywbem.CIMError) as refused:
        standard.define(standard.service(host), "never", [setting])
    said = refused.value.status_description
    assert said.startswith("ERR_BAD_PARAMETER: ResourceSettings[0].PoolID")
    assert pool["PoolID"] in said
    assert pool["ElementName"] in said
    assert "OpaqueRef" not in said


def test_a_client_of_the_standard_classes_makes_changes_and_removes_a_system(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    standard = StandardClient(cim)
    [host] = standard.hosts()
    service = standard.service(host)
    defaults: dict[int, pywbem.CIMInstance] = {}
    for pool in standard.pools(host):
        default = standard.offers(pool.path).get("Default")
        if default is not None:
            defaults.setdefault(pool["ResourceType"], default)
    assert sorted(defaults) == [_PROCESSOR, _MEMORY, _PORT, _DISK]
    defaults[_MEMORY]["VirtualQuantity"] = pywbem.Uint64(64 * _MIB)
    system = standard.define(service, "standard", list(defaults.values()))
    for kind, resources in standard.resources(system).items():
        assert [each["VirtualQuantity"] for each in resources] == [
            defaults[kind]["VirtualQuantity"]
        ]
    # Start.
    standard.call("RequestStateChange", system, RequestedState=pywbem.Uint16(2))
    assert cim.GetInstance(system)["EnabledState"] == 2
    [memory_pool] = [
        each
        for each in standard.pools(host)
        if (each["ResourceType"], each["Primordial"]) == (_MEMORY, True)
    ]
    assert memory_pool["Reserved"] == 64 * _MIB
    # Stop, read, change one property, send all of it back.
    standard.call("RequestStateChange", system, RequestedState=pywbem.Uint16(3))
    changed = []
    for kind, quantity in ((_PROCESSOR, 2), (_MEMORY, 96 * _MIB)):
        [setting] = standard.resources(system)[kind]
        assert setting["Limit"] == setting["VirtualQuantity"] < quantity
        setting["VirtualQuantity"] = pywbem.Uint64(quantity)
        changed.append(setting)
    standard.call("ModifyResourceSettings", service, ResourceSettings=changed)
    found = standard.resources(system)
    assert found[_PROCESSOR][0]["VirtualQuantity"] == found[_PROCESSOR][0]["Limit"] == 2
    assert found[_MEMORY][0]["VirtualQuantity"] == found[_MEMORY][0]["Limit"] == 96 * _MIB
    # Another disk like the first, by what the pool offers, and another system with one more.
    small = defaults[_DISK].copy()
    small["VirtualQuantity"] = pywbem.Uint64(_MIB)
    output = standard.call(
        "AddResourceSettings",
        service,
        AffectedConfiguration=standard.settings(system),
        ResourceSettings=[small],
    )
    [added] = output["ResultingResourceSettings"]
    assert cim.GetInstance(added)["VirtualQuantity"] == _MIB
    status, output = cim.InvokeMethod(
        "DefineSystem",
        service,
        SystemSettings=pywbem.CIMInstance(
            "CIM_VirtualSystemSettingData", {"ElementName": "standard-2"}
        ),
        ResourceSettings=[small],
        ReferenceConfiguration=standard.settings(system),
    )
    assert status == 0
    second: Path = output["ResultingSystem"]
    assert len(standard.resources(second)[_DISK]) == 3
    # Rename, as the capabilities say.
    [capabilities] = cim.Associators(
        system,
        AssocClass="CIM_ElementCapabilities",
        ResultClass="CIM_EnabledLogicalElementCapabilities",
    )
    assert capabilities["ElementNameEditSupported"] is True
    setting = cim.GetInstance(standard.settings(system))
    setting["ElementName"] = "\N{GRINNING FACE}" * capabilities["MaxElementNameLen"]
    standard.call("ModifySystemSettings", service, SystemSettings=setting)
    assert cim.GetInstance(system)["ElementName"] == setting["ElementName"]
    # Remove; the images that were made are there until they are deleted, too.
    for each in (system, second):
        standard.call("DestroySystem", service, AffectedSystem=each)
    assert qemu.listAllDomains() == []
    [pool_service] = cim.AssociatorNames(
        host,
        AssocClass="CIM_HostedService",
        ResultClass="CIM_ResourcePoolConfigurationService",
    )
    [pool] = [each for each in standard.pools(host) if each["PoolID"] == small["PoolID"]]
    images = cim.AssociatorNames(
        pool.path, AssocClass="CIM_ConcreteComponent", ResultClass="CIM_StorageExtent"
    )
    assert len(images) == 5
    for image in images:
        standard.call("DeleteResourceInPool", pool_service, Resource=image)
    assert list(shared_libvirt.images.iterdir()) == []


# What the server itself has, for those who subscribe.
_INDICATION_SERVICE = frozenset(
    (
        "CIM_FilterCollection",
        "CIM_IndicationFilter",
        "CIM_IndicationService",
        "CIM_IndicationServiceCapabilities",
        "CIM_MemberOfCollection",
        "CIM_OwningCollectionElement",
    )
)


def test_looking_for_an_optional_service_finds_none(cim: Cim) -> None:
    experimental = ("CIM_VirtualSystemMigrationService", "CIM_MostCurrentSnapshotInBranch")
    for namespace in (NAMESPACE, _INTEROP):
        for name in (*OPTIONAL_CLASSES, *experimental):
            found = cim.EnumerateInstanceNames(name, namespace=namespace)
            assert bool(found) is (namespace == _INTEROP and name in _INDICATION_SERVICE), name
            assert cim.GetClass(name, namespace=namespace).classname == name
    [host] = StandardClient(cim).hosts()
    assert cim.Associators(host, ResultClass="CIM_VirtualSystemSnapshotService") == []
    with pytest.raises(pywbem.CIMError) as refused:
        cim.EnumerateInstanceNames("CIM_NoSuchService")
    assert refused.value.status_code == pywbem.CIM_ERR_INVALID_CLASS


def test_a_pool_offers_images_while_it_is_active(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    directory = shared_libvirt.images.parent / "at-times"
    directory.mkdir()
    shared_libvirt.give(directory)
    pool = qemu.storagePoolDefineXML(
        f"<pool type='dir'><name>at-times</name><target><path>{directory}</path></target></pool>"
    )
    standard = StandardClient(cim)
    [host] = standard.hosts()
    [shown] = wait_for(
        lambda: [each for each in standard.pools(host) if each["ElementName"] == "at-times"],
        lambda found: len(found) == 1,
        "the pool",
    )
    assert standard.offers(shown.path) == {}
    setting = pywbem.CIMInstance(
        "CIM_ResourceAllocationSettingData",
        {
            "ResourceType": pywbem.Uint16(_DISK),
            "PoolID": shown["PoolID"],
            "VirtualQuantity": pywbem.Uint64(_MIB),
            "AllocationUnits": "byte",
        },
    )
    with pytest.raises(pywbem.CIMError) as refused:
        standard.define(standard.service(host), "early", [setting])
    said = refused.value.status_description
    assert said.startswith("ERR_WRONG_STATE_FOR_OP: ResourceSettings[0].PoolID")
    assert shown["PoolID"] in said
    pool.create()
    [capabilities] = cim.AssociatorNames(shown.path, ResultClass="CIM_AllocationCapabilities")

    def request_types() -> int:
        return int(cim.GetInstance(capabilities)["RequestTypesSupported"])

    wait_for(request_types, lambda found: found == 4, "what the active pool offers")
    assert "Default" in standard.offers(shown.path)
    system = standard.define(standard.service(host), "late", [setting])
    assert len(list(directory.iterdir())) == 1
    standard.call("DestroySystem", standard.service(host), AffectedSystem=system)
    pool.destroy()
    wait_for(request_types, lambda found: found == 2, "nothing but what is there")
    assert standard.offers(shown.path) == {}
    shutil.rmtree(directory)


_NUMA = """<domain type='qemu'><name>numa</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<os><type arch='x86_64'>hvm</type></os>
<cpu><numa><cell id='0' cpus='0-1' memory='65536' unit='KiB'/></numa></cpu></domain>"""


def test_memory_in_numa_nodes_is_refused_for_what_it_is_and_stays(
    cim: Cim, qemu: libvirt.virConnect
) -> None:
    domain = qemu.defineXML(_NUMA)
    before = domain.XMLDesc()
    [memory] = wait_for(
        lambda: cim.EnumerateInstances("VirtCIM_MemoryResourceAllocationSettingData"),
        lambda found: len(found) == 1,
        "the memory of the domain",
    )
    service = StandardClient(cim).service(StandardClient(cim).hosts()[0])
    for name in ("VirtualQuantity", "Limit"):
        changed = memory.copy()
        changed[name] = pywbem.Uint64(96 * _MIB)
        with pytest.raises(pywbem.CIMError) as refused:
            cim.InvokeMethod("ModifyResourceSettings", service, ResourceSettings=[changed])
        assert refused.value.status_description.startswith(
            "ERR_OPERATION_FAILED: The memory of a virtual machine that is divided into NUMA nodes"
        )
        assert domain.XMLDesc() == before
