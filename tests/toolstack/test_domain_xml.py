"""Domain descriptions: what is built is read again as it was meant, whatever it contains."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.documents import Document, set_text
from virtcim.toolstack.documents.build import DomainPlan, build_domain
from virtcim.toolstack.documents.disk import build_disk, local_source
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.reading.domain_reader import parse_domain

CARRIED = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\ufffe\uffff").filter(
        lambda character: character >= " " or character in "\t\n"
    ),
    min_size=1,
    max_size=40,
)
JSON_TEXT = st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4)


def plan(**fields: Any) -> DomainPlan:
    return DomainPlan(
        **{
            "type": "test",
            "name": "n",
            "memory_max_bytes": 1 << 30,
            "memory_current_bytes": 1 << 29,
            "vcpus_max": 4,
            "vcpus_current": 2,
        }
        | fields
    )


@given(CARRIED, CARRIED, JSON_TEXT)
def test_any_text_arrives_as_it_was(name: str, description: str, config: dict[str, str]) -> None:
    read = parse_domain(
        build_domain(plan(name=name, description=description, extra={"other_config": config})).text
    )
    assert read.name == name
    assert read.description == description
    assert read.extra == {"other_config": config}


@given(CARRIED)
def test_any_path_of_a_disk_arrives_as_it_was(path: str) -> None:
    document = build_domain(plan())
    source = local_source(path, block=False)
    document.add_device(build_disk(target="vda", device="disk", source=source, image_format="raw"))
    [read] = parse_domain(document.text).disks
    # XML itself turns line breaks in attributes into blanks, unless they are escaped.
    assert read.source == path
    assert (read.target, read.bus, read.device, read.format) == ("vda", "virtio", "disk", "raw")


@pytest.mark.parametrize("text", ["a\u0000", "\u001b[0m", "\ud800", "\uffff"])
def test_what_xml_cannot_carry_is_refused_by_the_name_of_its_field(text: str) -> None:
    for fields, named in (
        ({"name": text}, "name_label"),
        ({"description": text}, "name_description"),
    ):
        with pytest.raises(XapiFailure) as caught:
            build_domain(plan(**fields))
        assert caught.value.description[:2] == ("VALUE_NOT_SUPPORTED", named)
    with pytest.raises(XapiFailure):
        build_disk(target="vda", device="disk", source=local_source(text, block=False))


def test_memory_is_rounded_up_to_what_libvirt_counts_in() -> None:
    read = parse_domain(build_domain(plan(memory_max_bytes=1025, memory_current_bytes=1)).text)
    assert (read.memory_max_bytes, read.memory_current_bytes) == (2048, 1024)


def test_everything_of_a_plan_is_read_again() -> None:
    read = parse_domain(
        build_domain(
            plan(
                machine="q35",
                arch="x86_64",
                boot=("cdrom", "hd"),
                kernel="/k",
                initrd="/i",
                cmdline="a=b",
                features=("acpi", "pae"),
                on_poweroff="destroy",
                on_reboot="restart",
                on_crash="preserve",
            )
        ).text
    )
    assert (read.machine, read.arch, read.boot) == ("q35", "x86_64", ("cdrom", "hd"))
    assert (read.kernel, read.initrd, read.cmdline) == ("/k", "/i", "a=b")
    assert (read.acpi, read.apic, read.pae) == (True, False, True)
    assert (read.on_poweroff, read.on_reboot, read.on_crash) == ("destroy", "restart", "preserve")
    assert (read.vcpus_max, read.vcpus_current, read.type) == (4, 2, "test")


@pytest.mark.parametrize(
    ("target", "bus"),
    [("vda", "virtio"), ("sdb", "sata"), ("hdc", "ide"), ("fda", "fdc"), ("xvda", "xen")],
)
def test_the_target_names_the_bus_unless_another_is_asked_for(target: str, bus: str) -> None:
    disk = build_disk(target=target, device="disk")
    assert disk.find("target").get("bus") == bus  # type: ignore[union-attr]
    scsi = build_disk(target=target, device="disk", bus="scsi")
    assert scsi.find("target").get("bus") == "scsi"  # type: ignore[union-attr]


def test_a_text_is_set_changed_and_removed() -> None:
    root = Document("<domain/>").root
    for text in ("a", "b"):
        set_text(root, "description", text, field="x")
        assert [element.text for element in root.iterfind("description")] == [text]
    set_text(root, "description", "", field="x")
    assert root.find("description") is None


@pytest.mark.parametrize("content", ["", "{", "[1]", "7", "null"])
def test_spoilt_metadata_counts_as_none(content: str) -> None:
    xml = (
        "<domain><name>n</name><metadata><v:record xmlns:v='urn:virtcim:toolstack:vm'>"
        f"{content}</v:record></metadata></domain>"
    )
    assert parse_domain(xml).extra == {}


def test_consoles_are_those_that_can_be_opened() -> None:
    read = parse_domain(
        "<domain><name>n</name><devices><graphics type='vnc' port='5901' listen='127.0.0.1'/>"
        "<graphics type='vnc' port='-1'/><graphics type='spice' port='5902'/>"
        "<serial type='pty'><source path='/dev/pts/3'/></serial><serial type='pty'/>"
        "</devices></domain>"
    )
    assert [(console.protocol, console.location_at("")) for console in read.consoles] == [
        ("rfb", "vnc://127.0.0.1:5901"),
        ("spice", "spice://127.0.0.1:5902"),
        ("vt100", "file:///dev/pts/3"),
    ]


def test_disks_of_every_kind_are_read() -> None:
    read = parse_domain(
        "<domain><name>n</name><devices>"
        "<disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vda'/></disk>"
        "<disk type='block' device='lun'><source dev='/dev/sda'/><target dev='sda'/></disk>"
        "<disk type='network'><source protocol='nbd' name='x'/><target dev='vdb'/></disk>"
        "<disk device='cdrom'><target dev='sdb'/><readonly/></disk>"
        "<disk type='file'><source file='/i'/><target dev='vdc'/><boot order='2'/></disk>"
        "</devices></domain>"
    ).disks
    assert [(disk.source, disk.pool, disk.volume) for disk in read] == [
        ("volume:///p/v", "p", "v"),
        ("/dev/sda", "", ""),
        ("nbd:///x", "", ""),
        ("", "", ""),
        ("/i", "", ""),
    ]
    assert (read[3].read_only, read[4].boot_order) == (True, 2)


def test_the_places_of_passed_through_devices_are_read_and_an_odd_one_costs_only_itself() -> None:
    read = parse_domain(
        "<domain><name>n</name><devices><redirdev><boot order='3'/></redirdev>"
        "<hostdev><boot order='1'/></hostdev><hostdev/><hostdev><boot order='x'/></hostdev>"
        "</devices></domain>"
    )
    assert read.passed_boots == ((1, "hostdev"), (3, "redirdev"))
    assert "the place of a hostdev in the boot order is left out" in read.problem
