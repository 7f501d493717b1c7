"""Everything that descriptions are tried over: two libvirtds, toolstack, CIM server, a pool."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import libvirt
import pywbem
from private_libvirt import PrivateLibvirt

from tests.harness.changes import World
from tests.harness.documents import Oracle
from tests.harness.live import Mirror
from tests.harness.runner import Runner
from tests.system.stack import Stack, running_stack
from tests.system.waiting import wait_for

__all__ = ["running_harness", "running_runner"]

_OTHER = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>
<os><type arch='x86_64'>hvm</type></os></domain>
"""
_NETWORK = "<network><name>{name}</name><bridge name='{name}'/></network>"
_IMAGE_BYTES = 1 << 20


@contextmanager
def running_harness(*, devices: int = 1_000) -> Iterator[Runner]:
    """Run all of it until the end of the block."""
    directory = Path(tempfile.gettempdir()) / f"virtcim-{uuid.uuid4().hex[:12]}"
    directory.mkdir(mode=0o711)
    try:
        with ExitStack() as parts:
            private = parts.enter_context(PrivateLibvirt())
            stack = parts.enter_context(running_stack(private.uri, directory, images=()))
            yield parts.enter_context(running_runner(private, stack, devices=devices))
    finally:
        shutil.rmtree(directory)


@contextmanager
def running_runner(
    private: PrivateLibvirt, stack: Stack, *, devices: int = 1_000
) -> Iterator[Runner]:
    """What descriptions are tried with over a libvirtd and daemons that run already."""
    with ExitStack() as parts:
        second = parts.enter_context(PrivateLibvirt())
        oracle = Oracle(second.uri)
        parts.callback(oracle.close)
        hypervisor = libvirt.open(private.uri)
        parts.callback(hypervisor.close)
        suffix = uuid.uuid4().hex[:8]
        images = []
        for name in (f"harness-{suffix}.img", f"harness-{suffix}.iso", f"own-{suffix}.img"):
            for each in (private, second):
                image = each.images / name
                image.write_bytes(bytes(_IMAGE_BYTES))
                each.give(image)
                parts.callback(image.unlink, missing_ok=True)
            images.append(str(private.images / name))
        twins = libvirt.open(second.uri)
        parts.callback(twins.close)
        hypervisor.storagePoolLookupByName("default").refresh()
        network = hypervisor.networkDefineXML(_NETWORK.format(name=f"h{suffix}"))
        parts.callback(network.undefine)
        other = hypervisor.defineXML(_OTHER.format(name=f"harness-{suffix}"))
        parts.callback(other.undefine)
        cim = parts.enter_context(stack.connect())
        runner = Runner(
            hypervisor=hypervisor,
            oracle=oracle,
            cim=cim,
            world=World(
                image=images[0],
                medium=images[1],
                own_image=images[2],
                network=network.name(),
                network_uuid=network.UUIDString(),
                other_machine=other.name(),
            ),
            mirror=Mirror(connection=twins, here=private.directory, there=second.directory),
            devices=devices,
        )
        runner.wait_until_shown([other.UUIDString()])
        _wait_for_network_and_images(cim, runner.world)
        yield runner


def _wait_for_network_and_images(cim: pywbem.WBEMConnection, world: World) -> None:
    wait_for(
        lambda: {each["PoolID"] for each in cim.EnumerateInstances("VirtCIM_NetworkPool")},
        lambda pools: world.pool_id in pools,
        "the network",
    )
    wait_for(
        lambda: {each["Name"] for each in cim.EnumerateInstances("VirtCIM_DiskImage")},
        lambda images: images >= {world.image, world.medium, world.own_image},
        "the images",
    )
