"""What others made so that it cannot be read costs only itself, from libvirt to the CIM client."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import libvirt
import pytest
import pywbem
from private_libvirt import PrivateLibvirt

from tests.system.cim import find_system
from tests.system.stack import Stack
from tests.system.waiting import wait_for

_DEGRADED, _OK = 3, 2
_DEGRADED_HEALTH = 10
_ODD_NAME = b"/caf\xe9.img"


def domain_xml(name: str, record: str | None = None, disk: Path | None = None) -> str:
    metadata = ""
    if record is not None:
        text = f"<v:record xmlns:v='urn:virtcim:toolstack:vm'><![CDATA[{record}]]></v:record>"
        metadata = f"<metadata>{text}</metadata>"
    source = f"<source file='{disk}'/>" if disk else "<source file='/nowhere/at.img'/>"
    return (
        f"<domain type='qemu'><name>{name}</name>{metadata}<memory unit='MiB'>64</memory>"
        "<vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file'>"
        f"<driver name='qemu' type='raw'/>{source}<target dev='vda' bus='virtio'/></disk>"
        "</devices></domain>"
    )


@pytest.fixture
def odd_file(
    shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect
) -> Iterator[tuple[libvirt.virStoragePool, Path]]:
    """A pool of its own, and in it the path of a good file beside one with an impossible name."""
    directory = shared_libvirt.directory / f"odd-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    good = directory / "good.img"
    good.write_bytes(bytes(1 << 20))
    bad = os.fsencode(directory) + _ODD_NAME
    Path(os.fsdecode(bad)).write_bytes(bytes(1 << 20))
    for path in (directory, good, os.fsdecode(bad)):
        shared_libvirt.give(Path(path))
    pool = qemu.storagePoolDefineXML(
        f"<pool type='dir'><name>odd</name><target><path>{directory}</path></target></pool>"
    )
    pool.create()
    yield pool, good
    for name in (good, os.fsdecode(bad)):
        Path(name).unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()


def pool_of(cim: pywbem.WBEMConnection, name: str) -> pywbem.CIMInstance | None:
    pools = cim.EnumerateInstances("VirtCIM_StoragePool")
    return next((pool for pool in pools if pool["ElementName"] == name), None)


def image_named(cim: pywbem.WBEMConnection, name: str) -> pywbem.CIMInstance | None:
    images = cim.EnumerateInstances("VirtCIM_DiskImage")
    return next((image for image in images if image["ElementName"] == name), None)


def test_a_file_whose_name_is_no_text_costs_only_itself(
    cim: pywbem.WBEMConnection,
    stack: Stack,
    qemu: libvirt.virConnect,
    odd_file: tuple[libvirt.virStoragePool, Path],
) -> None:
    pool, good = odd_file
    qemu.defineXML(domain_xml("beside", disk=good))
    # A pool is seen from its definition on, and is stopped until it has been started.
    seen = wait_for(
        lambda: pool_of(cim, "odd"),
        lambda pool: pool is not None and pool["OperationalStatus"] == [_DEGRADED],
        "the pool with the odd file",
    )
    assert seen is not None
    assert seen["HealthState"] == _DEGRADED_HEALTH
    assert "not UTF-8" in seen["StatusDescriptions"][0]
    wait_for(lambda: image_named(cim, "good.img"), bool, "the other file")
    wait_for(lambda: find_system(cim, "beside"), bool, "a machine")
    other = pool_of(cim, "default")
    assert other is not None
    assert other["OperationalStatus"] == [_OK]
    pool.refresh()
    pool.refresh()
    qemu.lookupByName("beside").setAutostart(1)
    said = [line for line in stack.toolstack.log.read_text().splitlines() if "not UTF-8" in line]
    assert len([line for line in said if "'odd'" in line]) == 1
    # What is left out is told by its pool, and not by the service as well.
    for service in cim.EnumerateInstances("VirtCIM_VirtualSystemManagementService"):
        assert service["OperationalStatus"] == [_OK]
    Path(os.fsdecode(os.fsencode(good.parent) + _ODD_NAME)).unlink()
    pool.refresh()
    wait_for(
        lambda: pool_of(cim, "odd"),
        lambda pool: pool is not None and pool["OperationalStatus"] == [_OK],
        "the pool without the odd file",
    )


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{", "no JSON object"),
        ("[" * 20_000, "no JSON object"),
        ("[1]", "no JSON object"),
        (json.dumps({"other_config": ["a"], "user_version": 7}), "other_config"),
        (json.dumps({"other_config": {"a": {"b": "c"}, "d": "e"}}), "other_config"),
        (json.dumps({"tags": "red"}), "tags"),
        (json.dumps({"memory_dynamic_min": 10**30}), "memory_dynamic_min"),
        (json.dumps({"is_a_template": "yes"}), "is_a_template"),
        (json.dumps({"platform": None, "HVM_boot_params": 1}), "platform"),
    ],
    ids=["half", "deep", "list", "config", "item", "tags", "number", "template", "null"],
)
def test_metadata_of_any_kind_leaves_no_machine_out(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, record: str, said: str
) -> None:
    qemu.defineXML(domain_xml("odd", record))
    qemu.defineXML(domain_xml("good", "{}"))
    odd = wait_for(lambda: find_system(cim, "odd"), bool, "the machine")
    good = wait_for(lambda: find_system(cim, "good"), bool, "the other machine")
    assert odd is not None
    assert good is not None
    assert odd["OperationalStatus"][0] == _DEGRADED
    assert said in odd["StatusDescriptions"][0]
    assert _DEGRADED not in good["OperationalStatus"]
    [memory] = [
        setting["VirtualQuantity"]
        for setting in cim.EnumerateInstances("VirtCIM_MemoryResourceAllocationSettingData")
        if odd["Name"] in setting["InstanceID"]
    ]
    assert memory


def test_names_with_characters_that_xml_cannot_carry_fail_no_list(
    cim: pywbem.WBEMConnection,
    qemu: libvirt.virConnect,
    shared_libvirt: PrivateLibvirt,
) -> None:
    for name in ("one\x01two.img", "a\nb.img", "rtl\u202egnp.img", "end\ufffe.img"):
        path = shared_libvirt.images / name
        path.write_bytes(bytes(1 << 20))
        shared_libvirt.give(path)
    pool = qemu.storagePoolLookupByName("default")
    pool.refresh()
    qemu.defineXML(domain_xml("beside"))
    wait_for(lambda: find_system(cim, "beside"), bool, "the machine beside them")
    images = wait_for(
        lambda: [one["ElementName"] for one in cim.EnumerateInstances("VirtCIM_DiskImage")],
        lambda names: any("gnp.img" in name for name in names),
        "the other images",
    )
    assert images
