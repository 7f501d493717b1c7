"""Storage pools and volumes by a CIM client, on real file systems: made, filled, removed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE
from private_libvirt import PrivateLibvirt

from tests.system.cim import NAMESPACE, define, request_state
from tests.system.stack import Stack

_MIB = 1 << 20
_SERVICE = "VirtCIM_ResourcePoolConfigurationService"
_NOT_SUPPORTED = 1

pytestmark = pytest.mark.usefixtures("qemu")
Cim = pywbem.WBEMConnection
PoolPath = pywbem.CIMInstanceName
MakeDisk = Callable[..., Path]


def setting(**values: Any) -> pywbem.CIMInstance:
    return pywbem.CIMInstance("CIM_StorageAllocationSettingData", values)


def invoke(cim: Cim, method: str, **parameters: Any) -> dict[str, Any]:
    [service] = cim.EnumerateInstanceNames(_SERVICE)
    status, output = cim.InvokeMethod(method, service, **parameters)
    assert status == 0
    return dict(output)


def refusal(cim: Cim, method: str, **parameters: Any) -> str:
    with pytest.raises(pywbem.CIMError) as caught:
        invoke(cim, method, **parameters)
    code, _, _ = str(caught.value.status_description).partition(":")
    [error] = caught.value.instances
    assert error["MessageID"] == code
    return code


def make_pool(cim: Cim, directory: Path, name: str = "") -> PoolPath:
    settings = [setting(HostResource=[str(directory)])]
    pool = invoke(cim, "CreateChildResourcePool", ElementName=name or None, Settings=settings)
    path: PoolPath = pool["Pool"]
    return path


def image_setting(name: str, size_bytes: int, **values: Any) -> pywbem.CIMInstance:
    return setting(
        ElementName=name,
        VirtualQuantity=pywbem.Uint64(size_bytes),
        AllocationUnits="byte",
        **values,
    )


def make_image(
    cim: Cim, pool: PoolPath, name: str, size_bytes: int = _MIB, **values: Any
) -> PoolPath:
    made = invoke(
        cim, "CreateResourceInPool", Settings=image_setting(name, size_bytes, **values), Pool=pool
    )
    path: PoolPath = made["Resource"]
    return path


@pytest.fixture
def default_pool(cim: Cim) -> PoolPath:
    return next(
        each.path
        for each in cim.EnumerateInstances("VirtCIM_StoragePool")
        if each["ElementName"] == "default"
    )


def test_a_pool_and_its_directory_are_made_and_removed(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    directory = shared_libvirt.images.parent / "made" / "pool"
    pool = make_pool(cim, directory, "made")
    assert directory.is_dir()
    found = qemu.storagePoolLookupByName("made")
    assert (found.isActive(), found.autostart()) == (1, 1)
    assert cim.GetInstance(pool)["ElementName"] == "made"
    invoke(cim, "DeleteResourcePool", Pool=pool)
    assert [each.name() for each in qemu.listAllStoragePools()] == ["default"]
    assert not directory.exists()
    with pytest.raises(pywbem.CIMError) as caught:
        cim.GetInstance(pool)
    assert caught.value.status_code == pywbem.CIM_ERR_NOT_FOUND


def test_a_pool_is_removed_without_the_images_that_are_in_it(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    directory = shared_libvirt.images.parent / "kept"
    pool = make_pool(cim, directory)
    make_image(cim, pool, "kept.img")
    invoke(cim, "DeleteResourcePool", Pool=pool)
    assert [each.name() for each in qemu.listAllStoragePools()] == ["default"]
    assert [file.name for file in directory.iterdir()] == ["kept.img"]
    again = make_pool(cim, directory)
    [image] = cim.AssociatorNames(again, ResultClass="VirtCIM_DiskImage")
    invoke(cim, "DeleteResourceInPool", Resource=image)
    invoke(cim, "DeleteResourcePool", Pool=again)
    directory.rmdir()


def test_an_image_is_made_resized_and_deleted(
    cim: Cim, default_pool: PoolPath, shared_libvirt: PrivateLibvirt
) -> None:
    image = make_image(cim, default_pool, "data.qcow2", 64 * _MIB)
    file = shared_libvirt.images / "data.qcow2"
    assert cim.GetInstance(image)["Name"] == str(file)
    assert file.read_bytes()[:4] == b"QFI\xfb"
    invoke(cim, "ResizeResourceInPool", Resource=image, Size=pywbem.Uint64(128 * _MIB))
    assert cim.GetInstance(image)["NumberOfBlocks"] == 128 * _MIB
    # Shrinking would cut off what is in it.
    shrink = pywbem.Uint64(_MIB)
    assert refusal(cim, "ResizeResourceInPool", Resource=image, Size=shrink) == "ERR_BAD_PARAMETER"
    invoke(cim, "DeleteResourceInPool", Resource=image, Pool=default_pool)
    assert not file.exists()


def test_an_image_that_a_system_has_is_in_use(
    cim: Cim, default_pool: PoolPath, make_disk: MakeDisk
) -> None:
    disk = make_disk(IDLE)
    uuid = define(cim, "user", disks=[disk])
    request_state(cim, uuid, "run")
    image = next(
        each.path
        for each in cim.EnumerateInstances("VirtCIM_DiskImage")
        if each["Name"] == str(disk)
    )
    assert refusal(cim, "DeleteResourceInPool", Resource=image) == "ERR_FILE_IN_USE"
    invoke(cim, "ResizeResourceInPool", Resource=image, Size=pywbem.Uint64(2 * _MIB))
    assert cim.GetInstance(image)["NumberOfBlocks"] == 2 * _MIB
    request_state(cim, uuid, "switch off")
    assert refusal(cim, "DeleteResourceInPool", Resource=image) == "ERR_FILE_IN_USE"
    assert disk.exists()


def test_a_pool_that_a_system_has_an_image_in_is_in_use(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    directory = shared_libvirt.images.parent / "used"
    pool = make_pool(cim, directory)
    image = make_image(cim, pool, "x")
    define(cim, "user", disks=[Path(cim.GetInstance(image)["Name"])])
    assert refusal(cim, "DeleteResourcePool", Pool=pool) == "ERR_FILE_IN_USE"
    assert qemu.storagePoolLookupByName("used").isActive()
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_full_file_system_is_out_of_disk_space_and_nothing_remains(
    cim: Cim, full_soon: Path, image_format: str
) -> None:
    pool = make_pool(cim, full_soon)
    wanted = 64 * _MIB
    settings = image_setting(
        "large.img", wanted, Reservation=pywbem.Uint64(wanted), ResourceSubType=image_format
    )
    code = refusal(cim, "CreateResourceInPool", Settings=settings, Pool=pool)
    assert code == "ERR_OUT_OF_DISK_SPACE"
    assert list(full_soon.iterdir()) == []
    assert cim.AssociatorNames(pool, ResultClass="VirtCIM_DiskImage") == []
    # What takes no space before it is written fits.
    make_image(cim, pool, "thin.img", wanted, ResourceSubType=image_format)
    invoke(cim, "DeleteResourcePool", Pool=pool)
    # The mount itself was there before, and stays.
    assert [file.name for file in full_soon.iterdir()] == ["thin.img"]


def test_taken_names_already_exist(
    cim: Cim, default_pool: PoolPath, shared_libvirt: PrivateLibvirt
) -> None:
    make_image(cim, default_pool, "taken.img")
    settings = image_setting("taken.img", _MIB)
    code = refusal(cim, "CreateResourceInPool", Settings=settings, Pool=default_pool)
    assert code == "ERR_ALREADY_EXIST"
    settings = setting(HostResource=[str(shared_libvirt.images.parent / "elsewhere")])
    code = refusal(cim, "CreateChildResourcePool", ElementName="default", Settings=[settings])
    assert code == "ERR_ALREADY_EXIST"
    assert not (shared_libvirt.images.parent / "elsewhere").exists()
    assert len(cim.EnumerateInstanceNames("VirtCIM_StoragePool")) == 2


def test_two_pools_do_not_share_a_directory(
    cim: Cim, default_pool: PoolPath, shared_libvirt: PrivateLibvirt
) -> None:
    settings = [setting(HostResource=[str(shared_libvirt.images)])]
    refusal(cim, "CreateChildResourcePool", ElementName="another", Settings=settings)
    assert default_pool in cim.EnumerateInstanceNames("VirtCIM_StoragePool")
    assert len(cim.EnumerateInstanceNames("VirtCIM_StoragePool")) == 2


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_names_that_the_file_system_cannot_hold_are_too_long(
    cim: Cim, default_pool: PoolPath, shared_libvirt: PrivateLibvirt, image_format: str
) -> None:
    settings = image_setting("n" * 300, _MIB, ResourceSubType=image_format)
    code = refusal(cim, "CreateResourceInPool", Settings=settings, Pool=default_pool)
    assert code == "ERR_NAME_TOO_LONG"
    assert list(shared_libvirt.images.iterdir()) == []


def test_a_pool_name_that_libvirt_cannot_keep_is_too_long(
    cim: Cim, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    directory = shared_libvirt.images.parent / "long"
    settings = [setting(HostResource=[str(directory)])]
    code = refusal(cim, "CreateChildResourcePool", ElementName="p" * 300, Settings=settings)
    assert code == "ERR_NAME_TOO_LONG"
    assert not directory.exists()
    assert [each.name() for each in qemu.listAllStoragePools()] == ["default"]


def test_a_directory_that_libvirt_may_not_make_leaves_no_pool(
    cim: Cim, qemu: libvirt.virConnect
) -> None:
    settings = [setting(HostResource=["/proc/virtcim"])]
    code = refusal(cim, "CreateChildResourcePool", Settings=settings)
    assert code.startswith("ERR_")
    assert code != "ERR_UNKNOWN"
    assert [each.name() for each in qemu.listAllStoragePools()] == ["default"]


def test_the_class_itself_may_be_asked_and_unsupported_methods_say_so(cim: Cim) -> None:
    target = pywbem.CIMClassName(_SERVICE, namespace=NAMESPACE)
    status, _ = cim.InvokeMethod("CreateResourcePool", target, ElementName="x")
    assert status == _NOT_SUPPORTED


def test_twenty_clients_make_and_delete_images_at_once(
    cim: Cim, stack: Stack, default_pool: PoolPath, shared_libvirt: PrivateLibvirt
) -> None:
    def work(number: int) -> str:
        with stack.connect() as client:
            image = make_image(client, default_pool, f"image-{number}")
            assert client.GetInstance(image)["NumberOfBlocks"] == _MIB
            code = refusal(
                client, "CreateResourceInPool", Settings=image_setting(f"image-{number}", _MIB),
                Pool=default_pool,
            )  # fmt: skip
            invoke(client, "DeleteResourceInPool", Resource=image)
            return code

    with ThreadPoolExecutor(20) as clients:
        codes = list(clients.map(work, range(20)))
    assert codes == ["ERR_ALREADY_EXIST"] * 20
    assert list(shared_libvirt.images.iterdir()) == []
    assert cim.AssociatorNames(default_pool, ResultClass="VirtCIM_DiskImage") == []


def test_wbemcli_makes_resizes_and_deletes_an_image(
    cim: Cim, stack: Stack, default_pool: PoolPath, shared_libvirt: PrivateLibvirt
) -> None:
    def call(method: str, *arguments: str) -> str:
        answer = stack.wbemcli().run("cm", _SERVICE, f"{method}.{','.join(arguments)}")
        return answer.output if answer.succeeded else answer.error

    pool = f"Pool={untyped(default_pool)}"
    text = image_setting("typed.img", _MIB, ResourceSubType="raw").tocimxmlstr()
    # What wbemcli itself would take apart, or not escape.
    settings = escape(text, {'"': "&quot;", "=": "&#61;", ",": "&#44;"})
    assert "CreateResourceInPool: 0" in call("CreateResourceInPool", f'Settings="{settings}"', pool)
    file = shared_libvirt.images / "typed.img"
    [image] = cim.AssociatorNames(default_pool, ResultClass="VirtCIM_DiskImage")
    # To wbemcli a reference goes on to the end: it must be the last parameter.
    resource = f"Resource={untyped(image)}"
    assert "ResizeResourceInPool: 0" in call("ResizeResourceInPool", f"Size={2 * _MIB}", resource)
    assert file.stat().st_size == 2 * _MIB
    assert "ERR_ALREADY_EXIST: " in call("CreateResourceInPool", f'Settings="{settings}"', pool)
    assert "DeleteResourceInPool: 0" in call("DeleteResourceInPool", resource)
    assert not file.exists()


def untyped(path: PoolPath) -> str:
    """A reference as wbemcli takes it."""
    uri: str = path.to_wbem_uri(format="cimobject").partition(":")[2]
    return uri
