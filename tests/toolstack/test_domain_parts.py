"""Descriptions that are read part by part are read as they are read whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.toolstack.reading import domain_reader
from virtcim.toolstack.reading.domain_parts import split
from virtcim.toolstack.reading.domain_reader import parse_domain
from virtcim.toolstack.reading.views import DomainXml

DESCRIPTIONS = sorted((Path(__file__).parent.parent / "harness" / "descriptions").glob("*.xml"))
UUID = "d55b96f3-fc5a-47f3-af48-ec1bdc39274d"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=10)


def whole(xml: str) -> DomainXml:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(domain_reader, "split", lambda _: None)
        return parse_domain(xml)


def laid_out(xml: str) -> str:
    """The description as libvirt writes it: each element on a line, two blanks for each level."""
    root = ET.fromstring(xml)
    uuid, name = root.find("uuid"), root.find("name")
    assert name is not None
    if uuid is None:
        uuid = ET.Element("uuid")
        uuid.text = UUID
    else:
        root.remove(uuid)
    root.remove(name)
    root[:0] = [name, uuid]
    ET.indent(root, "  ")
    return ET.tostring(root, encoding="unicode") + "\n"


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda path: path.stem)
def test_every_description_reads_the_same(path: Path) -> None:
    xml = laid_out(path.read_text(encoding="utf-8"))
    assert parse_domain(xml) == whole(xml)


@settings(max_examples=60)
@given(TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=4), TEXT)
def test_any_text_reads_the_same(
    name: str, title: str, disks: list[tuple[str, str]], metadata: str
) -> None:
    root = ET.Element("domain", type="qemu", id="7")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "title").text = title
    ET.SubElement(ET.SubElement(root, "metadata"), "of-others").text = metadata
    devices = ET.SubElement(root, "devices")
    for target, path in disks:
        disk = ET.SubElement(devices, "disk", type="file")
        ET.SubElement(disk, "source", file=path)
        ET.SubElement(disk, "target", dev=target)
        ET.SubElement(devices, "input", type="mouse")
    ET.SubElement(devices, "serial", type="pty").append(ET.Element("source", path=title))
    xml = laid_out(ET.tostring(root, encoding="unicode"))
    assert parse_domain(xml) == whole(xml)
    assert parse_domain(xml).name == name


DECOY = (
    "\n  <devices>\n    <disk type='file'>\n      <target dev='no'/>\n    </disk>\n  </devices>\n"
)


@pytest.mark.parametrize(
    "metadata",
    [
        f"<o:o xmlns:o='urn:o'><![CDATA[{DECOY}]]></o:o>",
        f"<o:o xmlns:o='urn:o'><!--{DECOY}--></o:o>",
        f"<o:o xmlns:o='urn:o'>{DECOY}</o:o>",
    ],
)
def test_metadata_of_others_is_not_taken_for_devices(metadata: str) -> None:
    xml = (
        f"<domain type='qemu'>\n  <name>n</name>\n  <uuid>{UUID}</uuid>"
        f"\n  <metadata>\n    {metadata}\n  </metadata>\n  <devices>\n"
        "    <disk type='file'>\n      <target dev='vda'/>\n    </disk>\n  </devices>\n</domain>\n"
    )
    assert split(xml) is not None
    assert [disk.target for disk in parse_domain(xml).disks] == ["vda"]
    without = xml.replace(
        "    <disk type='file'>\n      <target dev='vda'/>\n    </disk>\n  ", "  "
    )
    assert parse_domain(without) == whole(without)
    none = without.replace("  <devices>\n  </devices>\n</domain>", "</domain>")
    assert none != without
    assert split(none) is None
    assert parse_domain(none).disks == ()


def test_what_libvirt_writes_is_read_part_by_part(host_uri: str) -> None:
    connection = libvirt.open(host_uri)
    try:
        texts = [domain.XMLDesc() for domain in connection.listAllDomains()]
    finally:
        connection.close()
    assert len(texts) == 2
    for text in texts:
        parts = split(text)
        assert parts is not None
        assert "<devices>" not in parts.head
        assert parse_domain(text) == whole(text)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("    <input type='mouse'/>", "    <input type='mouse\n    ' bus='ps2'/>"),
        ("    <input type='mouse'/>", "    <input type='mouse'>"),
        ("    <input type='mouse'/>", "    <input type='&other;'/>"),
        ("  </devices>", "  </device>"),
        ("<name>n</name>", "<name>n</name><title>t</title>"),
        ("<name>n</name>", "<name>a\nb</name>"),
        ("<name>n</name>", "<name>&lt;n&gt;</name>"),
    ],
)
def test_another_layout_reads_the_same_or_fails_the_same(good: str, bad: str) -> None:
    xml = (
        f"<domain type='qemu'>\n  <name>n</name>\n  <uuid>{UUID}</uuid>"
        "\n  <devices>\n    <input type='mouse'/>\n"
        "    <disk type='file'>\n      <target dev='vda'/>\n    </disk>\n  </devices>\n</domain>\n"
    )
    assert split(xml) is not None
    changed = xml.replace(good, bad, 1)
    assert changed != xml
    try:
        expected = whole(changed)
    except ET.ParseError:
        with pytest.raises(ET.ParseError):
            parse_domain(changed)
    else:
        assert parse_domain(changed) == expected
