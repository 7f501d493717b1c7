"""What is read of machines of every kind in pages of rows is what their records tell."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from tests.hypervisor.test_odd_records import objects
from tests.hypervisor.xenapi_server import endpoint_at
from tests.system.conftest import MakeDisk
from tests.system.relay import Relay
from tests.system.stack import Stack, toolstack_counters, xenapi_session
from tests.system.test_odd_objects import domain_xml
from tests.system.waiting import wait_for
from virtcim.errormap import HypervisorError
from virtcim.hypervisor import Inventory
from virtcim.hypervisor.model import Host
from virtcim.hypervisor.xenapi import first_reading

_ROWS = "virtcim.get_rows"
_DESCRIPTIONS = Path(__file__).parents[1] / "harness" / "descriptions"
_ODD_TEXT = 'a <b> & "c"  \\u0041 \\\\ \\b \t\n é 雪 😀 \x7f \x85'
_RUNNING = """\
<domain type='qemu'><name>running</name><title>&lt;T&gt; &amp; \\b</title>
<description>{text}</description><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type>hvm</type><boot dev='hd'/></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
<interface type='user'><mac address='52:54:00:00:09:01'/><model type='virtio'/>
<link state='down'/></interface>
<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><serial type='pty'/>
</devices></domain>"""


def _defined(qemu: libvirt.virConnect, image: Path) -> set[str]:
    """Define machines of every kind, one of which runs and one of which cannot be read in full."""
    names = set()
    for path in sorted(_DESCRIPTIONS.glob("*.xml")):
        root = etree.fromstring(path.read_text())
        root.set("type", "qemu")
        for tag in ("name", "uuid"):
            for element in root.findall(tag):
                root.remove(element)
        etree.SubElement(root, "name").text = path.stem
        with suppress(libvirt.libvirtError):
            names.add(str(qemu.defineXML(etree.tostring(root, encoding="unicode")).name()))
    assert len(names) > 3
    escaped = _ODD_TEXT.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;")
    running = qemu.defineXML(_RUNNING.format(image=image, text=escaped))
    running.create()
    odd = qemu.defineXML(domain_xml("odd", record="{no JSON"))
    return names | {running.name(), odd.name()}


def _read(url: str) -> Inventory:
    with endpoint_at(url) as endpoint:
        return endpoint.inventory()


def _read_in_records(url: str) -> Inventory:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(first_reading, "READ_FIELDS", {})
        return _read(url)


def _shown(inventory: Inventory) -> dict[tuple[str, str], Any]:
    """All objects, without what changes from moment to moment."""
    return {
        key: replace(found, memory_free_bytes=0) if isinstance(found, Host) else found
        for key, found in objects(inventory).items()
    }


def _requests(stack: Stack) -> dict[str, int]:
    with xenapi_session(stack.toolstack_socket) as session:
        return dict(toolstack_counters(session)["requests"])


def test_machines_of_every_kind_are_the_same_in_rows_and_in_records(
    stack: Stack, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    names = _defined(qemu, make_disk(b"\xeb\xfe"))

    def shown() -> set[str]:
        with xenapi_session(stack.toolstack_socket) as session:
            records = session.xenapi.VM.get_all_records().values()
            return {str(record["name_label"]) for record in records}

    wait_for(shown, lambda found: found >= names, "the machines in the toolstack")
    before = _requests(stack)
    rows = _read(stack.hypervisor_url)
    between = _requests(stack)
    records = _read_in_records(stack.hypervisor_url)
    after = _requests(stack)
    assert between[_ROWS] > before.get(_ROWS, 0)
    assert between.get("VM.get_all_records") == before.get("VM.get_all_records")
    assert after[_ROWS] == between[_ROWS]
    assert _shown(rows) == _shown(records)
    assert rows.problems == records.problems
    assert rows.memory_in_use == records.memory_in_use
    systems = {one.name_label: one for one in rows.virtual_systems.values()}
    assert systems.keys() >= names
    assert systems["odd"].problem
    assert systems["running"].consoles
    assert systems["running"].name_description == _ODD_TEXT


def test_a_line_that_is_lost_between_two_pages_leaves_no_half(
    stack: Stack, qemu: libvirt.virConnect
) -> None:
    qemu.defineXML(domain_xml("there"))
    path = stack.directory / f"{uuid.uuid4().hex[:8]}.sock"
    with Relay(path, stack.toolstack_socket) as relay:
        relay.lose_at(5, lambda method: method == _ROWS, arrives=True)
        with endpoint_at(f"xapi+unix://{path}") as endpoint:
            with pytest.raises(HypervisorError):
                endpoint.inventory()
            assert relay.calls[_ROWS] == 6
            relay.restore()

            def names() -> set[str]:
                try:
                    found = endpoint.inventory().virtual_systems.values()
                except HypervisorError:
                    return set()
                return {one.name_label for one in found}

            wait_for(names, lambda found: found == {"there"}, "everything, read anew")
