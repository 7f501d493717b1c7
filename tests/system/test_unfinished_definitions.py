"""A toolstack that dies while it makes a machine: the next one leaves nothing half-made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import XenAPI
from daemons import Daemon
from lxml import etree
from private_libvirt import PrivateLibvirt

from tests.system.relay import Relay
from tests.system.stack import libvirt_through, xenapi_session
from tests.system.waiting import wait_for

# Numbers of libvirt's protocol (remote_protocol.x).
_DOMAIN_DEFINE_XML, _DOMAIN_SET_AUTOSTART, _STORAGE_VOL_CREATE_XML = "11", "29", "93"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A toolstack, and the line between it and libvirt."""

    toolstack: Daemon
    socket: Path
    relay: Relay
    #: The machine's; libvirt remembers volumes of the test before.
    name: str


@pytest.fixture
def place(
    shared_libvirt: PrivateLibvirt,
    qemu: libvirt.virConnect,
    start_toolstack: Callable[..., tuple[Daemon, str]],
    short_path: Path,
) -> Iterator[Place]:
    assert qemu.listAllDomains() == []
    with libvirt_through(shared_libvirt.directory, short_path / "relay.sock") as relay:
        uri = f"qemu+unix:///session?socket={relay.path}"
        toolstack, url = start_toolstack(uri, "--domain-type", "qemu")
        yield Place(
            toolstack=toolstack,
            socket=Path(url.removeprefix("xapi+unix://")),
            relay=relay,
            name=f"unfinished-{uuid4().hex[:8]}",
        )


def record(api: Any, name: str) -> dict[str, Any]:
    [pool] = api.SR.get_by_name_label("default")
    image = {"SR": pool, "virtual_size": str(1 << 20), "type": "Disk", "sm_config": {"type": "raw"}}
    return {
        "name_label": name,
        "memory_static_max": str(32 << 20),
        "other_config": {"auto_poweron": "true"},
        "VBDs": [image | {"name_label": f"{name}-{number}"} for number in range(2)],
        "VIFs": [],
    }


def define_and_die(place: Place, procedure: str) -> None:
    """Let the toolstack die after libvirt has done this, and before it heard of it."""
    with xenapi_session(place.socket) as session:
        wanted = record(session.xenapi, place.name)

        def define() -> None:
            with suppress(XenAPI.Failure, OSError, Exception):
                session.xenapi.virtcim.VM.define(wanted)

        place.relay.withhold_answer(procedure)
        client = Thread(target=define)
        client.start()
        place.relay.wait_for_call()
        place.toolstack.kill()
        client.join()
        session.logout = lambda: None


def volumes(qemu: libvirt.virConnect, place: Place) -> list[str]:
    pool = qemu.storagePoolLookupByName("default")
    return sorted(name for name in pool.listVolumes() if name.startswith(place.name))


def test_images_of_a_machine_that_was_never_defined_are_deleted(
    place: Place, qemu: libvirt.virConnect
) -> None:
    define_and_die(place, _STORAGE_VOL_CREATE_XML)
    wait_for(
        lambda: volumes(qemu, place), lambda names: names == [f"{place.name}-0"], "the first image"
    )
    place.toolstack.start()
    wait_for(lambda: volumes(qemu, place), lambda names: names == [], "no image")
    assert qemu.listAllDomains() == []
    wait_for(
        place.toolstack.log.read_text,
        lambda said: f"volume {place.name}-0 of pool" in said and "is deleted" in said,
        "what the toolstack says of it",
    )
    with xenapi_session(place.socket) as session:
        assert session.xenapi.VDI.get_by_name_label(f"{place.name}-0") == []


@pytest.mark.parametrize("procedure", [_DOMAIN_DEFINE_XML, _DOMAIN_SET_AUTOSTART])
def test_a_machine_that_was_defined_is_whole(
    place: Place, qemu: libvirt.virConnect, procedure: str
) -> None:
    define_and_die(place, procedure)
    domain = wait_for(qemu.listAllDomains, bool, "the machine")[0]
    place.toolstack.start()
    wait_for(
        place.toolstack.log.read_text,
        lambda said: "a machine has it, and it stays" in said,
        "the end of clearing up",
    )
    root = etree.fromstring(domain.XMLDesc())
    paths = [source.get("file") for source in root.iterfind("devices/disk/source")]
    pool = qemu.storagePoolLookupByName("default")
    assert paths == [pool.storageVolLookupByName(name).path() for name in volumes(qemu, place)]
    assert len(paths) == 2
    wait_for(domain.autostart, lambda value: value == 1, "its autostart")
    with xenapi_session(place.socket) as session:
        [vm] = session.xenapi.VM.get_by_name_label(place.name)
        assert len(session.xenapi.VM.get_VBDs(vm)) == 2
        assert len(session.xenapi.VDI.get_by_name_label(f"{place.name}-1")) == 1


def test_an_image_that_somebody_uses_meanwhile_stays(
    place: Place, qemu: libvirt.virConnect
) -> None:
    define_and_die(place, _STORAGE_VOL_CREATE_XML)
    wait_for(lambda: volumes(qemu, place), bool, "the first image")
    path = qemu.storagePoolLookupByName("default").storageVolLookupByName(f"{place.name}-0").path()
    qemu.defineXML(
        "<domain type='qemu'><name>other</name><memory unit='MiB'>32</memory>"
        "<os><type>hvm</type></os><devices><disk type='file'>"
        f"<source file='{path}'/><target dev='vda'/></disk></devices></domain>"
    )
    place.toolstack.start()
    assert volumes(qemu, place) == [f"{place.name}-0"]
    with xenapi_session(place.socket) as session:
        assert len(session.xenapi.VDI.get_by_name_label(f"{place.name}-0")) == 1


def test_a_lost_connection_to_libvirt_is_no_half_made_machine_either(
    place: Place, qemu: libvirt.virConnect
) -> None:
    with xenapi_session(place.socket) as session:
        wanted = record(session.xenapi, place.name)
        told: list[str] = []

        def define() -> None:
            try:
                session.xenapi.virtcim.VM.define(wanted)
            except XenAPI.Failure as failure:
                told.extend(failure.details)

        place.relay.withhold_answer(_DOMAIN_DEFINE_XML)
        client = Thread(target=define)
        client.start()
        place.relay.wait_for_call()
        wait_for(qemu.listAllDomains, bool, "the machine")
        place.relay.cut()
        client.join()
        # Nobody knows at this moment whether it is there.
        assert told[0] == "ROLLBACK_FAILED", told

        def shown() -> list[str]:
            with suppress(XenAPI.Failure):
                return list(session.xenapi.VM.get_by_name_label(place.name))
            return []

        [vm] = wait_for(shown, bool, "the machine in the toolstack")
        assert len(session.xenapi.VM.get_VBDs(vm)) == 2
        assert volumes(qemu, place) == [f"{place.name}-0", f"{place.name}-1"]
