"""Domain descriptions that Hypothesis draws: disks and ports with whatever they may carry."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

__all__ = ["descriptions"]

_SOURCES = (
    ("file", "<source file='/srv/{at}.img' startupPolicy='optional'/>"),
    (
        "file",
        (
            "<source file='/srv/{at}.img'><slices><slice type='storage' offset='0' size='4096'/>"
            "</slices></source>"
        ),
    ),
    ("block", "<source dev='/dev/vg/{at}'/>"),
    ("volume", "<source pool='of-others' volume='{at}.img'/>"),
    (
        "network",
        "<source protocol='nbd' name='e{at}'><host name='nbd.example' port='10809'/></source>",
    ),
    (
        "network",
        (
            "<source protocol='rbd' name='pool/{at}'><host name='mon.example'/>"
            "<auth username='me'><secret type='ceph' usage='u'/></auth></source>"
        ),
    ),
    (
        "network",
        (
            "<source protocol='https' name='{at}.img'><host name='web.example' port='443'/>"
            "<readahead size='4096'/></source>"
        ),
    ),
    (
        "file",
        (
            "<source file='/srv/{at}.luks'><encryption format='luks'><secret type='passphrase' "
            "uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source>"
        ),
    ),
)
_DRIVERS = (
    *("cache='none' io='native'", "discard='unmap'", "error_policy='report'"),
    *("detect_zeroes='on'", "copy_on_read='on'", "rerror_policy='stop'"),
)
_OF_DISKS = (
    "<iotune><total_iops_sec>{at}00</total_iops_sec></iotune>",
    "<serial>serial-{at}</serial>",
    "<alias name='ua-disk-{at}'/>",
    "<shareable/>",
    "<blockio logical_block_size='512' physical_block_size='4096'/>",
)
_BACKING = (
    "",
    (
        "<backingStore type='file'><format type='raw'/><source file='/srv/base'/>"
        "<backingStore/></backingStore>"
    ),
)
_PORTS = (
    ("user", ""),
    ("bridge", "<source bridge='br0'/>"),
    ("network", "<source network='of-others' portgroup='p'/>"),
    ("direct", "<source dev='eth0' mode='bridge'/>"),
    ("ethernet", "<target dev='mytap{at}'/>"),
    ("mcast", "<source address='230.0.0.1' port='55{at:02d}'/>"),
    (
        "udp",
        (
            "<source address='127.0.0.1' port='1{at:03d}'>"
            "<local address='127.0.0.1' port='2{at:03d}'/></source>"
        ),
    ),
)
_OF_PORTS = (
    "<link state='down'/>",
    "<mtu size='1400'/>",
    "<alias name='ua-port-{at}'/>",
    "<bandwidth><inbound average='100'/></bandwidth>",
    "<filterref filter='clean-traffic'/>",
    "<rom bar='off'/>",
    "<driver name='qemu' queues='2'/>",
)
_METADATA = (
    "",
    (
        "<metadata><o:own xmlns:o='urn:o'><!-- kept --><o:script><![CDATA[a < b]]></o:script>"
        "</o:own></metadata>"
    ),
    "<title>A title</title><description>Of others</description>",
)


def _some(items: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(items), unique=True, max_size=len(items))


@st.composite
def _disk(draw: st.DrawFn, at: int) -> str:
    kind, source = draw(st.sampled_from(_SOURCES))
    bus = draw(st.sampled_from(("virtio", "scsi", "sata")))
    image_format = draw(st.sampled_from(("raw", "qcow2")))
    backing = draw(st.sampled_from(_BACKING)) if image_format == "qcow2" else ""
    name = f"{'vd' if bus == 'virtio' else 'sd'}{'abcdefgh'[at]}"
    parts = [
        f"<driver name='qemu' type='{image_format}' {' '.join(draw(_some(_DRIVERS)))}/>",
        source.format(at=at),
        backing,
        f"<target dev='{name}' bus='{bus}'/>",
        *(each.format(at=at) for each in draw(_some(_OF_DISKS))),
        draw(st.sampled_from(("", "<readonly/>"))),
        f"<boot order='{at + 1}'/>" if draw(st.booleans()) else "",
    ]
    return f"<disk type='{kind}' device='disk'>{''.join(parts)}</disk>"


@st.composite
def _port(draw: st.DrawFn, at: int) -> str:
    kind, source = draw(st.sampled_from(_PORTS))
    # Two may have the same address.
    mac = f"52:54:00:00:00:{draw(st.integers(1, 3)):02x}"
    parts = [
        f"<mac address='{mac}'/>",
        source.format(at=at),
        "<model type='virtio'/>",
        *(each.format(at=at) for each in draw(_some(_OF_PORTS))),
        f"<boot order='{at + 9}'/>" if draw(st.booleans()) else "",
    ]
    return f"<interface type='{kind}'>{''.join(parts)}</interface>"


@st.composite
def descriptions(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A description, and numbers that choose the changes to make."""
    drive = draw(
        st.sampled_from(
            (
                "",
                "<disk type='file' device='cdrom'><target dev='sdz' bus='sata'/><readonly/></disk>",
                (
                    "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
                    "<source file='/srv/i.iso'/><target dev='sdz' bus='sata'/><readonly/></disk>"
                ),
            )
        )
    )
    devices = [
        *(draw(_disk(at)) for at in range(draw(st.integers(0, 3)))),
        drive,
        *(draw(_port(at)) for at in range(draw(st.integers(0, 3)))),
    ]
    current = draw(st.integers(1, 4))
    xml = (
        f"<domain type='qemu'><name>d</name>{draw(st.sampled_from(_METADATA))}"
        f"<memory unit='KiB'>{draw(st.sampled_from((65536, 131072)))}</memory>"
        f"<currentMemory unit='KiB'>65536</currentMemory><vcpu current='{current}'>4</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>"
        f"<devices>{''.join(devices)}</devices></domain>"
    )
    return xml, draw(st.lists(st.integers(0, 10_000), min_size=6, max_size=6))
