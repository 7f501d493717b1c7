"""Editing a domain description: the element that is meant, and nothing around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.documents import Document, parse_element, to_xml
from virtcim.toolstack.documents.boot import boot_kinds, set_boot_order
from virtcim.toolstack.documents.disk import DiskChange, change_disk, local_source, present_change
from virtcim.toolstack.documents.document import items_of, remove
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.reading.common import parse_xml

BY_DEVICE = """<domain><os><type>hvm</type></os><devices>
  <disk device='disk'><target dev='vda'/><boot order='2'/></disk>
  <disk device='disk'><target dev='vdb'/><boot order='4' loadparm='X'/></disk>
  <disk device='cdrom'><target dev='sda'/><boot order='1'/></disk>
  <interface type='user'/><interface type='user'><boot order='3'/></interface>
  <hostdev><boot order='5'/></hostdev></devices></domain>"""
BY_KIND = """<domain><os><type>hvm</type><boot dev='hd'/><boot dev='cdrom'/>
  <bootmenu enable='yes'/></os></domain>"""


_BROKEN_LINES = """<domain type='qemu'>
  <name>a\rb</name>
  <description>x='one
two'</description>
  <metadata>
    <p:a xmlns:p="urn:p"><!-- y='one
two' --><![CDATA[z='one
two']]></p:a>
  </metadata>
  <devices>
    <disk type='file'>
      <source file='/srv/a\tb
c'/>
    </disk>
  </devices>
</domain>"""


def test_line_breaks_that_libvirt_does_not_escape_are_read_as_they_are_meant() -> None:
    """Seen with libvirt 9.0: what XML makes of them is the path of another file."""
    document = Document(_BROKEN_LINES)
    for root in (document.root, parse_xml(_BROKEN_LINES)):
        source = root.find("devices/disk/source")
        assert source is not None
        assert source.get("file") == "/srv/a\tb\nc"
        assert root.findtext("name") == "a\rb"
        assert root.findtext("description") == "x='one\ntwo'"
    again = Document(document.text)
    assert again.text == document.text
    assert "/srv/a&#9;b&#10;c" in again.text
    assert "<!-- y='one\ntwo' --><![CDATA[z='one\ntwo']]>" in again.text


def orders(document: Document) -> list[str]:
    """What each device has of the boot order."""
    root = document.root
    devices = root.findall("devices/*")
    boots = [device.find("boot") for device in devices]
    return ["" if boot is None else boot.get("order", "") for boot in boots]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("cdrom", "hd", "network", "hostdev"), ["2", "4", "1", "", "3", "5"]),
        (("hd", "cdrom", "network", "hostdev"), ["1", "2", "3", "", "4", "5"]),
        (("hostdev", "network"), ["", "", "", "", "2", "1"]),
        (("hd", "hostdev"), ["1", "2", "", "", "", "3"]),
        (("fd", "hostdev"), ["", "", "", "", "", "1"]),
    ],
)
def test_an_order_device_by_device_stays_one(kinds: tuple[str, ...], expected: list[str]) -> None:
    document = Document(BY_DEVICE)
    assert boot_kinds(document) == ("cdrom", "hd", "network", "hostdev")
    set_boot_order(document, kinds)
    assert orders(document) == expected
    assert document.root.find("os/boot") is None
    if kinds == boot_kinds(Document(BY_DEVICE)):
        assert document.text == Document(BY_DEVICE).text


def test_an_attribute_beside_the_order_stays() -> None:
    document = Document(BY_DEVICE)
    set_boot_order(document, ("hd", "hostdev"))
    assert '<boot order="2" loadparm="X"/>' in document.text


@pytest.mark.parametrize(
    ("xml", "kinds", "reason"),
    [
        (BY_DEVICE, ("network", "hd"), "leaves out hostdev, a passed-through device"),
        (BY_DEVICE, (), "leaves out hostdev"),
        (BY_DEVICE, ("hostdev", "redirdev"), "names redirdev, and no such device"),
        (BY_KIND, ("hostdev", "hd"), "names hostdev, and no such device"),
    ],
)
def test_devices_of_the_host_are_never_left_out_or_invented(
    xml: str, kinds: tuple[str, ...], reason: str
) -> None:
    document = Document(xml)
    with pytest.raises(XapiFailure) as refused:
        set_boot_order(document, kinds)
    assert refused.value.args[0] == "VALUE_NOT_SUPPORTED"
    assert reason in str(refused.value)
    assert document.text == Document(xml).text


def test_an_order_by_kind_is_replaced_as_a_whole() -> None:
    document = Document(BY_KIND)
    assert boot_kinds(document) == ("hd", "cdrom")
    set_boot_order(document, ("network", "hd"))
    assert boot_kinds(document) == ("network", "hd")
    assert "bootmenu" in document.text
    again = document.text
    set_boot_order(document, ("network", "hd"))
    assert document.text == again


def test_a_kind_of_which_no_device_has_a_place_gets_one_for_its_first() -> None:
    document = Document(
        "<domain><devices><disk device='disk'><boot order='1'/></disk><disk device='cdrom'/>"
        "<disk device='cdrom'/></devices></domain>"
    )
    set_boot_order(document, ("cdrom", "hd"))
    assert orders(document) == ["2", "1", ""]


def test_where_no_device_is_left_the_kinds_are_tried() -> None:
    document = Document("<domain><devices><disk><boot order='1'/></disk></devices></domain>")
    set_boot_order(document, ("network",))
    assert orders(document) == [""]
    assert boot_kinds(document) == ("network",)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).filter(
    lambda text: "\ufffe" not in text and "\uffff" not in text
)


@given(TEXT, TEXT)
def test_what_others_keep_in_a_description_stays_as_they_wrote_it(text: str, value: str) -> None:
    element = parse_element("<a:x xmlns:a='urn:a' a:q=''><!-- c --><y/></a:x>")
    element.set("{urn:a}q", value)
    element[-1].tail = text
    kept = to_xml(element)
    xml = f'<domain><metadata>{kept}<z xmlns="urn:z"><![CDATA[<&>]]></z></metadata></domain>'
    assert Document(xml).text == xml


def test_nothing_is_fetched_and_no_entity_replaced() -> None:
    xml = "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><domain>&e;</domain>"
    assert Document(xml).text == "<domain>&e;</domain>"


def test_what_stands_after_a_removed_element_stays() -> None:
    root = parse_element("<a>1<b/>2<c/>3</a>")
    remove(root[0])
    assert to_xml(root) == "<a>12<c/>3</a>"
    remove(root[0])
    assert to_xml(root) == "<a>123</a>"


def test_everything_that_an_element_says_is_seen() -> None:
    element = parse_element(
        "<disk type='file'><driver name='q'><m/></driver><serial> S </serial></disk>"
    )
    assert items_of(element) == {
        ("@type", "file"),
        ("driver", ""),
        ("driver@name", "q"),
        ("driver/m", ""),
        ("serial", "S"),
    }
    assert items_of(element, without=("driver", "@type")) == {("serial", "S")}


def test_only_what_is_not_so_already_is_changed() -> None:
    disk = parse_element(
        "<disk type='file' device='cdrom'><driver type='raw'/><source file='/a'/>"
        "<target dev='sda' bus='sata'/><readonly/></disk>"
    )
    source = local_source("/a", block=False)
    same = DiskChange(source=source, format="raw", bus="sata", read_only=True)
    assert present_change(disk, same).is_empty
    assert not present_change(disk, DiskChange(eject=True)).is_empty
    block = local_source("/a", block=True)
    assert present_change(disk, DiskChange(source=block)) == DiskChange(source=block)
    change_disk(disk, DiskChange(eject=True))
    assert present_change(disk, DiskChange(eject=True)).is_empty


def test_what_a_drive_cannot_be_is_refused() -> None:
    drive = parse_element("<disk device='cdrom'><target dev='sda'/><readonly/></disk>")
    disk = parse_element("<disk device='disk'><source file='/a'/><target dev='sda'/></disk>")
    for element, change, field in (
        (drive, DiskChange(read_only=False), "mode"),
        (disk, DiskChange(eject=True), "VDI"),
    ):
        before = to_xml(element)
        with pytest.raises(XapiFailure) as caught:
            change_disk(element, change)
        assert caught.value.description[:2] == ("VALUE_NOT_SUPPORTED", field)
        assert to_xml(element) == before
