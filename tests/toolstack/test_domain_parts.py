"""Descriptions that are read part by part are read as they are read whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax import saxutils

import libvirt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.toolstack.reading import device_patterns, domain_reader
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


ODD_PATHS = [
    "/images/plain.img",
    "/images/other.img",
    "",
    "/placeholder",
    "/a&b",
    "/<source file='/x'/>",
    "/it's",
    '/"quoted"',
    "/two\nlines",
    "/a\ttab",
    "/\u2028separated",
    "/blank at the end ",
]


def disk(path: str, *, kind: str = "file", more: str = "") -> str:
    """As libvirt 9.0 writes it: line breaks and tabs stand in attributes as they are."""
    escaped = saxutils.escape(path, {"'": "&apos;", '"': "&quot;"})
    return (
        f"    <disk type='{kind}' device='disk'>\n      <driver name='qemu' type='raw'/>\n"
        f"      <source file='{escaped}'/>\n{more}"
        "      <target dev='vda' bus='virtio'/>\n    </disk>\n"
    )


def described(*devices: str) -> str:
    return (
        f"<domain type='qemu'>\n  <name>n</name>\n  <uuid>{UUID}</uuid>"
        f"\n  <devices>\n    <input type='mouse'/>\n{''.join(devices)}  </devices>\n</domain>\n"
    )


@pytest.mark.parametrize("kind", ["file", "block", "network"])
@pytest.mark.parametrize(
    "more",
    [
        "",
        "      <alias name='virtio-disk0'/>\n",
        "      <mirror>\n        <source file='/images/base.img'/>\n      </mirror>\n",
    ],
)
def test_disks_of_one_pattern_have_their_own_paths(kind: str, more: str) -> None:
    for path in ODD_PATHS:
        for xml in (
            described(disk(path, kind=kind, more=more)),
            described(disk("/images/a.img", kind=kind), disk(path, kind=kind, more=more)),
        ):
            read = parse_domain(xml)
            assert read == whole(xml)
            if kind == "file":
                assert read.disks[-1].source == path


@pytest.mark.parametrize("odd", ["\x01", "\ufffe"])
def test_what_is_no_xml_is_none_also_where_a_pattern_has_its_place(odd: str) -> None:
    plain = described(disk("/images/a.img"))
    assert parse_domain(plain) == whole(plain)
    for broken in (plain.replace("a.img", odd), plain.replace("<name>n", f"<name>n{odd}")):
        with pytest.raises(ET.ParseError):
            parse_domain(broken)


@pytest.mark.parametrize(
    "macs",
    [
        ["52:54:00:00:00:0A", "52:54:00:00:00:0b"],
        ["", "52:54:00:00:00:01"],
        ["/placeholder", "&amp;"],
    ],
)
@pytest.mark.parametrize(
    "more", ["", "      <alias name='ua-vif7'/>\n", "      <alias name='net0'/>\n"]
)
def test_interfaces_of_one_pattern_have_their_own_addresses(macs: list[str], more: str) -> None:
    xml = described(
        *(
            f"    <interface type='user'>\n      <mac address='{mac}'/>\n{more}    </interface>\n"
            for mac in macs
        )
    )
    assert parse_domain(xml) == whole(xml)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("bus='virtio'/>", "bus='virtio'/>\n      <boot order='first'/>", "a disk is left out"),
        ("<input type='mouse'/>", "<disk type='file'/>", ""),
        ("<input type='mouse'/>", "<hostdev>\n      <boot order='x'/>\n    </hostdev>", "hostdev"),
        ("\n  <devices>", "\n  <memory>many</memory>\n  <devices>", "its memory"),
    ],
)
def test_what_is_odd_in_a_pattern_is_told_as_it_is_without(good: str, bad: str, said: str) -> None:
    plain = described(disk("/images/a.img"))
    assert parse_domain(plain) == whole(plain)
    odd = plain.replace(good, bad, 1)
    assert odd != plain
    for _ in range(2):
        assert parse_domain(odd) == whole(odd)
        assert said in parse_domain(odd).problem
        assert bool(said) == bool(parse_domain(odd).problem)


def test_many_machines_of_one_pattern_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def mac(number: int) -> str:
        return (
            "    <interface type='user'>\n"
            f"      <mac address='52:54:00:00:00:{number:02x}'/>\n    </interface>\n"
        )

    texts = [described(disk(f"/images/{number}.img"), mac(number)) for number in range(20)]
    parse_domain(texts[0])
    for module in (domain_reader, device_patterns):
        monkeypatch.setattr(module, "parse_xml", lambda _: pytest.fail("it is parsed again"))
    read = [parse_domain(text) for text in texts]
    assert [one.disks[0].source for one in read] == [f"/images/{n}.img" for n in range(20)]
    assert [one.interfaces[0].mac[-2:] for one in read] == [f"{n:02x}" for n in range(20)]
    assert read[0].disks[0] is not read[1].disks[0]


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
