"""Disks, ports and consoles that others gave their domains: each says what it is."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, canonicalize, fromstring, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.documents import parse_element, to_xml
from virtcim.toolstack.documents.disk import DiskChange, build_disk, present_change
from virtcim.toolstack.images.image import Image
from virtcim.toolstack.images.source_url import parse_image_url
from virtcim.toolstack.reading.disk_source import disk_sources
from virtcim.toolstack.reading.domain_reader import parse_domain
from virtcim.toolstack.reading.views import ConsoleView, DiskView, DomainXml, InterfaceView

# RFC 3986 appendix A, as far as URIs of images need it.
_PCT = "%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_PCT})"
_HOST = rf"(?:\[[0-9A-Fa-f:.%A-Za-z~_-]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_PCT})*)"
RFC_3986 = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(?::[0-9]*)?(?:/{_PCHAR}*)*(?:\?(?:{_PCHAR}|[/?])*)?"
)


def domain(devices: str) -> DomainXml:
    return parse_domain(f"<domain><name>n</name><devices>{devices}</devices></domain>")


def disk(kind: str, source: str, *, more: str = "") -> DiskView:
    [read] = domain(
        f"<disk type='{kind}' device='disk'><driver name='qemu' type='qcow2'/>{source}{more}"
        "<target dev='vda' bus='virtio'/></disk>"
    ).disks
    assert (read.kind, read.format, read.target) == (kind, "qcow2", "vda")
    assert read.source == (read.sources[0] if read.sources else "")
    return read


def network_disk(attributes: str, *hosts: str, more: str = "") -> tuple[str, ...]:
    elements = "".join(f"<host {host}/>" for host in hosts)
    return disk("network", f"<source {attributes}>{elements}{more}</source>").sources


LOCAL_SOURCES = [
    ("file", "<source file='/images/a b%.img'/>", "/images/a b%.img"),
    ("block", "<source dev='/dev/vg/lv'/>", "/dev/vg/lv"),
    ("dir", "<source dir='/exports/floppy'/>", "/exports/floppy"),
    ("volume", "<source pool='fast' volume='a b.img'/>", "volume:///fast/a%20b.img"),
    (
        "nvme",
        (
            "<source type='pci' managed='yes' namespace='2'>"
            "<address domain='0x0001' bus='0x0a' slot='0x1f' function='0x7'/></source>"
        ),
        "nvme:///0001:0a:1f.7/2",
    ),
    ("vhostuser", "<source type='unix' path='/run/blk.sock'/>", "vhostuser:///run/blk.sock"),
    ("vhostvdpa", "<source dev='/dev/vhost-vdpa-0'/>", "vhostvdpa:///dev/vhost-vdpa-0"),
]


@pytest.mark.parametrize(("kind", "source", "uri"), LOCAL_SOURCES)
def test_a_disk_of_the_host_says_where_it_is(kind: str, source: str, uri: str) -> None:
    assert disk(kind, source).sources == (uri,)


NETWORK_SOURCES = [
    (
        "protocol='http' name='images/a.img'",
        ["name='alpha.example' port='80'"],
        ["http://alpha.example:80/images/a.img"],
    ),
    (
        "protocol='http' name='/images/a.img'",
        ["name='beta.example' port='80'"],
        ["http://beta.example:80/images/a.img"],
    ),
    (
        "protocol='https' name='folder/disk' query='dcPath=data&amp;dsName=a%20b'",
        ["name='vc.example' port='443'"],
        ["https://vc.example:443/folder/disk?dcPath=data&dsName=a%20b"],
    ),
    ("protocol='ftp' name='a'", ["name='h'"], ["ftp://h/a"]),
    ("protocol='tftp' name='a'", ["name='h' port='69'"], ["tftp://h:69/a"]),
    ("protocol='nbd'", ["name='h' port='10809'"], ["nbd://h:10809"]),
    ("protocol='nbd' name='exp'", ["name='fd00::1' port='1'"], ["nbd://[fd00::1]:1/exp"]),
    ("protocol='nbd' name='e'", ["name='fe80::1%eth0'"], ["nbd://[fe80::1%25eth0]/e"]),
    (
        "protocol='nbd' name='exp'",
        ["transport='unix' socket='/run/a b.sock'"],
        ["nbd+unix:///exp?socket=/run/a%20b.sock"],
    ),
    ("protocol='nbd'", ["transport='unix' socket='/s'"], ["nbd+unix:///?socket=/s"]),
    (
        "protocol='rbd' name='pool/image'",
        ["name='mon1' port='6321'", "name='mon2' port='6322'", "name='::1'"],
        [
            "rbd://mon1:6321/pool/image",
            "rbd://mon2:6322/pool/image",
            "rbd://[::1]/pool/image",
        ],
    ),
    ("protocol='rbd' name='pool/image'", [], ["rbd:///pool/image"]),
    (
        "protocol='iscsi' name='iqn.2013-07.com.example:iscsi-pool/1'",
        ["name='example.com' port='3260'"],
        ["iscsi://example.com:3260/iqn.2013-07.com.example:iscsi-pool/1"],
    ),
    (
        "protocol='gluster' name='vol/image'",
        ["name='g1'", "name='g2' transport='rdma' port='24007'", "transport='unix' socket='/g'"],
        [
            "gluster://g1/vol/image",
            "gluster+rdma://g2:24007/vol/image",
            "gluster+unix:///vol/image?socket=/g",
        ],
    ),
    ("protocol='sheepdog' name='vdi'", ["name='s' port='7000'"], ["sheepdog://s:7000/vdi"]),
    ("protocol='ssh' name='/i.img'", ["name='h' port='22'"], ["ssh://h:22/i.img"]),
    ("protocol='nfs' name='/export/i'", ["name='nfs.example'"], ["nfs://nfs.example/export/i"]),
    ("protocol='vxhs' name='eb90327c'", ["name='v' port='9999'"], ["vxhs://v:9999/eb90327c"]),
]


@pytest.mark.parametrize(("attributes", "hosts", "uris"), NETWORK_SOURCES)
def test_a_disk_elsewhere_says_protocol_host_port_socket_and_path(
    attributes: str, hosts: list[str], uris: list[str]
) -> None:
    assert list(network_disk(attributes, *hosts)) == uris


# Sources with more than a place: an image in RBD as it was, or of another cluster; drives; sockets.
MORE_SOURCES = [
    ("network", "<source protocol='rbd' name='p/i'><snapshot name='s 1'/></source>"),
    (
        "network",
        (
            "<source protocol='rbd' name='p/i'><host name='m' port='3300'/>"
            "<snapshot name='s&amp;=?+'/><config file='/etc/ceph/b &amp;=+.conf'/></source>"
        ),
    ),
    ("network", "<source protocol='rbd' name='p/i'><config file='/etc/ceph/b.conf'/></source>"),
    (
        "nvme",
        (
            "<source type='pci' managed='no' namespace='12'>"
            "<address domain='0x0001' bus='0x0a' slot='0x1f' function='0x7'/></source>"
        ),
    ),
    (
        "vhostuser",
        (
            "<source type='unix' path='/run/a b.sock'><reconnect enabled='yes' timeout='7'/>"
            "</source>"
        ),
    ),
]
# What libvirt 9.0 knows, and clients may not name.
NOT_FOR_CLIENTS = ("vxhs://", "vhostvdpa://")
SHOWN = [
    *(uri for _, _, uris in NETWORK_SOURCES for uri in uris),
    *(uri for kind, _, uri in LOCAL_SOURCES if kind in ("nvme", "vhostuser")),
    *(uri for kind, source in MORE_SOURCES for uri in disk(kind, source).sources),
]


@pytest.mark.parametrize("uri", [uri for uri in SHOWN if not uri.startswith(NOT_FOR_CLIENTS)])
def test_a_disk_that_a_client_puts_on_a_uri_is_shown_with_that_uri(uri: str) -> None:
    [element] = built(uri).iterchildren("source")
    source = fromstring(to_xml(element))
    assert disk_sources(parse_image_url(uri).kind, source) == (uri,)


def built(*uris: str) -> Any:
    """The disk that a client puts on these URIs."""
    image = Image(
        path=uris[0], format="raw", block=False, network=tuple(map(parse_image_url, uris))
    )
    return build_disk(target="vda", device="disk", source=image.source, image_format="raw")


@pytest.mark.parametrize(("kind", "source"), MORE_SOURCES)
def test_what_is_shown_stands_for_the_same_source(kind: str, source: str) -> None:
    [element] = built(*disk(kind, source).sources).iterchildren("source")
    assert canonicalize(to_xml(element)) == canonicalize(source)


@pytest.mark.parametrize(("kind", "source"), MORE_SOURCES)
def test_a_source_that_is_sent_back_is_no_change(kind: str, source: str) -> None:
    present = parse_element(
        f"<disk type='{kind}'><driver type='raw'/>{source}<target dev='vda'/></disk>"
    )
    for other_kind, other in MORE_SOURCES:
        urls = tuple(map(parse_image_url, disk(other_kind, other).sources))
        image = Image(path="", format="raw", block=False, network=urls)
        change = present_change(present, DiskChange(source=image.source))
        assert change.is_empty == (other == source), other


@given(
    snapshot=st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":/@%\\")),
    config=st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="%\\")),
    reconnect=st.integers(0, 999_999_999),
)
def test_any_option_survives_its_uri(snapshot: str, config: str, reconnect: int) -> None:
    for parts in (
        *((f"snapshot={quote(snapshot)}",) if snapshot else ()),
        *((f"config=/{quote(config)}",) if config else ()),
    ):
        url = parse_image_url(f"rbd:///pool/image?{parts}")
        assert url.snapshot == (snapshot if parts.startswith("snapshot") else "")
        assert url.config == (f"/{config}" if parts.startswith("config") else "")
    query = f"?reconnect={reconnect}" if reconnect else ""
    assert parse_image_url(f"vhostuser:///run/s{query}").reconnect_s == reconnect


def test_another_snapshot_or_another_cluster_is_another_image() -> None:
    attributes = "protocol='rbd' name='p/i'"
    sources = {
        network_disk(attributes, more="<snapshot name='s1'/>"),
        network_disk(attributes, more="<snapshot name='s2'/>"),
        network_disk(attributes, more="<config file='/etc/ceph/b.conf'/>"),
        network_disk(attributes),
    }
    assert len(sources) == 4


@pytest.mark.parametrize(
    ("attributes", "host", "more"),
    [
        ("protocol='rbd' name='p/i:id=admin:key=HIDDEN:mon_host=m'", "name='m'", ""),
        ("protocol='http' name='i' query='a=1&amp;access_token=HIDDEN'", "name='h'", ""),
        ("protocol='http' name='i' query='password=HIDDEN&amp;a=1'", "name='h'", ""),
        ("protocol='http' name='i' query='X-Amz-Signature=HIDDEN&amp;a=1'", "name='h'", ""),
        ("protocol='http' name='i'", "name='user:HIDDEN@h'", ""),
        ("protocol='http' name='i'", "name='h'", "<cookies><cookie>HIDDEN</cookie></cookies>"),
        ("protocol='rbd' name='p/i'", "name='h'", "<auth username='HIDDEN'/>"),
    ],
)  # fmt: skip
def test_a_secret_is_never_part_of_it(attributes: str, host: str, more: str) -> None:
    [uri] = network_disk(attributes, host, more=more)
    assert "HIDDEN" not in uri
    assert RFC_3986.fullmatch(uri)


def test_what_looks_like_a_secret_only_at_first_sight_stays() -> None:
    [uri] = network_disk("protocol='http' name='i' query='monkey=1&amp;sort=key'", "name='h'")
    assert uri == "http://h/i?monkey=1&sort=key"


@pytest.mark.parametrize(
    ("kind", "source"),
    [("file", ""), ("file", "<source startupPolicy='optional'/>"), ("block", "<source/>")],
)
def test_an_empty_drive_has_no_source(kind: str, source: str) -> None:
    assert disk(kind, source).sources == ()


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"),
    min_size=1,
    max_size=20,
)


@given(TEXT, TEXT, TEXT, TEXT)
def test_whatever_it_is_called_the_source_is_a_uri_that_tells_the_name(
    protocol_name: str, host: str, socket: str, query: str
) -> None:
    element = Element("domain")
    SubElement(element, "name").text = "n"
    disk = SubElement(SubElement(element, "devices"), "disk", type="network")
    source = SubElement(disk, "source", protocol="nbd", name=protocol_name, query=query)
    SubElement(source, "host", name=host)
    SubElement(source, "host", transport="unix", socket=socket)
    [read] = parse_domain(tostring(element, encoding="unicode")).disks
    assert len(read.sources) == 2
    for uri in read.sources:
        # In a query the percent signs are libvirt's own.
        assert RFC_3986.fullmatch(uri.partition("?")[0])
        assert not re.search(r"[^\x21-\x7e]", uri)
        assert unquote(urlsplit(uri).path).removeprefix("/") == protocol_name.removeprefix("/")
    assert unquote(read.sources[1].rpartition("socket=")[2]) == socket


ADDRESSES = [
    (
        "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>",
        "pci:0000:00:05.0",
    ),
    (
        (
            "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x1' "
            "multifunction='on'/>"
        ),
        "pci:0000:00:05.1",
    ),
    (
        "<address type='drive' controller='0' bus='0' target='0' unit='1'/>",
        "drive:0:0:0:1",
    ),
    ("<address type='usb' bus='0' port='1.2'/>", "usb:bus=0:port=1.2"),
    (
        "<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/>",
        "ccw:cssid=0xfe:devno=0x0001:ssid=0x0",
    ),
    ("<address type='virtio-mmio'/>", "virtio-mmio"),
    ("", ""),
]


@pytest.mark.parametrize(("address", "canonical"), ADDRESSES)
def test_addresses_and_aliases_of_users_are_read(address: str, canonical: str) -> None:
    read = disk("file", "<source file='/i'/>", more=f"{address}<alias name='ua-boot'/>")
    assert (read.address, read.alias) == (canonical, "ua-boot")
    # libvirt makes others anew at each start.
    assert disk("file", "", more="<alias name='virtio-disk0'/>").alias == ""


def interface(kind: str, content: str) -> InterfaceView:
    [read] = domain(
        f"<interface type='{kind}'><mac address='52:54:00:AA:00:01'/>{content}</interface>"
    ).interfaces
    assert (read.kind, read.mac) == (kind, "52:54:00:aa:00:01")
    return read


INTERFACES = [
    ("network", "<source network='default'/>", "default"),
    ("bridge", "<source bridge='br0'/>", "br0"),
    ("direct", "<source dev='eth0' mode='bridge'/>", "eth0"),
    ("user", "", ""),
    ("ethernet", "<target dev='tap0'/>", ""),
    ("vhostuser", "<source type='unix' path='/run/vhost.sock' mode='server'/>", "/run/vhost.sock"),
    (
        "hostdev",
        "<source><address type='pci' domain='0x0' bus='0x3' slot='0x1' function='0x2'/></source>",
        "0000:03:01.2",
    ),
    ("udp", "<source address='10.0.0.1' port='1'><local port='2'/></source>", "10.0.0.1:1"),
    ("mcast", "<source address='230.0.0.1' port='5558'/>", "230.0.0.1:5558"),
    ("server", "<source port='5558'/>", "5558"),
    ("client", "<source address='10.0.0.2' port='5558'/>", "10.0.0.2:5558"),
    ("internal", "<source name='inside'/>", "inside"),
    ("vdpa", "<source dev='/dev/vhost-vdpa-0'/>", "/dev/vhost-vdpa-0"),
    ("null", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "content", "source"), INTERFACES)
def test_a_port_says_what_it_is_connected_to(kind: str, content: str, source: str) -> None:
    assert interface(kind, content).source == source


def test_link_state_boot_order_and_mtu_of_a_port_are_read() -> None:
    read = interface("user", "<link state='down'/><boot order='3'/><mtu size='9000'/>")
    assert (read.link_up, read.boot_order, read.mtu) == (False, 3, 9000)
    assert interface("user", "<link state='up'/>").link_up
    assert interface("user", "").link_up


def consoles(devices: str) -> dict[str, tuple[str, str]]:
    return {
        console.id: (console.protocol, console.location_at("host.example"))
        for console in domain(devices).consoles
    }


CONSOLES = [
    (
        "<graphics type='vnc' port='5901' listen='192.0.2.1'/>",
        {"vnc0": ("rfb", "vnc://192.0.2.1:5901")},
    ),
    (
        (
            "<graphics type='vnc' port='5901' listen='::1'><listen type='address' address='::1'/>"
            "</graphics>"
        ),
        {"vnc0": ("rfb", "vnc://[::1]:5901")},
    ),
    (
        (
            "<graphics type='vnc' port='5901'><listen type='network' network='default' "
            "address='192.168.122.1'/></graphics>"
        ),
        {"vnc0": ("rfb", "vnc://192.168.122.1:5901")},
    ),
    (
        (
            "<graphics type='vnc' socket='/run/v.sock'><listen type='socket' socket='/run/v.sock'/>"
            "</graphics>"
        ),
        {"vnc0": ("rfb", "vnc+unix:///run/v.sock")},
    ),
    ("<graphics type='vnc' port='5901'><listen type='none'/></graphics>", {}),
    ("<graphics type='vnc' port='-1' autoport='yes'/>", {}),
    ("<graphics type='sdl'/><graphics type='egl-headless'/><graphics type='dbus'/>", {}),
    (
        "<graphics type='spice' port='5900' listen='192.0.2.1'/>",
        {"spice0": ("spice", "spice://192.0.2.1:5900")},
    ),
    (
        "<graphics type='spice' port='5900' tlsPort='5901' listen='192.0.2.1'/>",
        {"spice0": ("spice", "spice://192.0.2.1:5900?tls-port=5901")},
    ),
    (
        "<graphics type='spice' port='-1' tlsPort='5901' listen='192.0.2.1'/>",
        {"spice0": ("spice", "spice://192.0.2.1?tls-port=5901")},
    ),
    (
        "<graphics type='spice'><listen type='socket' socket='/run/s.sock'/></graphics>",
        {"spice0": ("spice", "spice+unix:///run/s.sock")},
    ),
    (
        "<serial type='pty'><source path='/dev/pts/3'/><target port='0'/></serial>",
        {"serial0": ("vt100", "file:///dev/pts/3")},
    ),
    ("<serial type='pty'><target port='0'/></serial>", {}),
    (
        (
            "<serial type='tcp'><source mode='bind' host='192.0.2.1' service='2445'/>"
            "<protocol type='raw'/><target port='0'/></serial>"
        ),
        {"serial0": ("vt100", "tcp://192.0.2.1:2445")},
    ),
    (
        (
            "<serial type='tcp'><source mode='connect' host='concentrator' service='2445'/>"
            "<protocol type='telnet'/><target port='1'/></serial>"
        ),
        {"serial1": ("vt100", "telnet://concentrator:2445")},
    ),
    (
        (
            "<serial type='tcp'><source mode='bind' host='::1' service='1' tls='yes'/>"
            "<protocol type='raw'/><target port='0'/></serial>"
        ),
        {"serial0": ("vt100", "tcp+tls://[::1]:1")},
    ),
    (
        (
            "<serial type='udp'><source mode='connect' host='a' service='1'/>"
            "<source mode='bind' host='b' service='2'/><target port='0'/></serial>"
        ),
        {"serial0": ("vt100", "udp://b:2")},
    ),
    (
        "<serial type='unix'><source mode='bind' path='/run/s 1.sock'/><target port='2'/></serial>",
        {"serial2": ("vt100", "unix:///run/s%201.sock")},
    ),
    (
        "<serial type='pipe'><source path='/run/p'/><target port='0'/></serial>",
        {"serial0": ("vt100", "pipe:///run/p")},
    ),
    ("<serial type='file'><source path='/var/log/serial.log'/><target port='0'/></serial>", {}),
    ("<serial type='null'/><serial type='stdio'/><serial type='spicevmc'/>", {}),
    (
        (
            "<console type='pty' tty='/dev/pts/5'><target type='virtio' port='0'/></console>"
            "<console type='pty' tty='/dev/pts/6'><target type='virtio' port='1'/></console>"
        ),
        {"console0": ("vt100", "file:///dev/pts/5"), "console1": ("vt100", "file:///dev/pts/6")},
    ),
    (
        (
            "<console type='pty' tty='/dev/pts/5'><target type='virtio' port='0'/></console>"
            "<console type='pty' tty='/dev/pts/6'><target type='sclp' port='0'/></console>"
        ),
        {
            "console0": ("vt100", "file:///dev/pts/5"),
            "console-sclp0": ("vt100", "file:///dev/pts/6"),
        },
    ),
]


@pytest.mark.parametrize(("devices", "shown"), CONSOLES)
def test_a_console_is_shown_where_it_can_be_opened(
    devices: str, shown: dict[str, tuple[str, str]]
) -> None:
    assert consoles(devices) == shown


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::", "*"])
def test_a_console_on_all_addresses_is_found_by_the_name_of_its_host(wildcard: str) -> None:
    console = ConsoleView(id="v", protocol="rfb", scheme="vnc", host=wildcard, port="5900")
    assert console.location_at("host.example") == "vnc://host.example:5900"
    assert console.location_at("2001:db8::7") == "vnc://[2001:db8::7]:5900"
    assert console.location_at("") == f"vnc://{'[::]' if wildcard == '::' else wildcard}:5900"


def test_the_first_serial_line_is_no_second_console() -> None:
    serial = "<serial type='pty'><source path='/dev/pts/3'/><target port='0'/></serial>"
    copy = "<console type='pty' tty='/dev/pts/3'><target type='serial' port='0'/></console>"
    assert list(consoles(serial + copy)) == ["serial0"]
    # Without a serial line it is all there is.
    assert list(consoles(copy)) == ["console0"]


def test_a_console_keeps_its_name_when_another_goes() -> None:
    first = (
        "<graphics type='vnc' port='5900'/>"
        "<serial type='pty'><source path='/a'/><target port='0'/></serial>"
    )
    others = (
        "<graphics type='spice' port='5901'/>"
        "<serial type='pty'><source path='/b'/><target port='1'/></serial>"
    )
    assert set(consoles(first + others)) - set(consoles(others)) == {"vnc0", "serial0"}
    assert set(consoles(others)) == {"spice0", "serial1"}


def test_the_title_is_read() -> None:
    assert parse_domain("<domain><name>n</name><title>A title</title></domain>").title == "A title"
