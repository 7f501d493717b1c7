"""Where images may be named, and what an image looks like: rules without a libvirt."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.images.backing import image_chain
from virtcim.toolstack.images.fence import Fence, FenceError, is_local, parse_fence
from virtcim.toolstack.images.formats import DISK_FORMATS, looks_like
from virtcim.toolstack.images.image_file import look_at_image, read_beginning
from virtcim.toolstack.images.paths import canonical_path, resolve_path
from virtcim.toolstack.images.source_url import SourceUrlError, parse_image_url, parse_source_url
from virtcim.toolstack.reading.views import PoolView

# Formats


@pytest.mark.parametrize(
    "image_format", ["qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels"]
)
def test_what_qemu_makes_and_recognises_is_recognised(tmp_path: Path, image_format: str) -> None:
    path = tmp_path / "image"
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, path, "4M"], check=True)
    assert looks_like(path.read_bytes()[:4096]) == image_format
    # Asked without a format QEMU would take it for that, too.
    info = subprocess.run(["qemu-img", "info", path], check=True, capture_output=True, text=True)
    assert f"file format: {image_format}" in info.stdout


@pytest.mark.parametrize("subformat", ["monolithicFlat", "twoGbMaxExtentSparse", "streamOptimized"])
def test_every_kind_of_vmdk_is_recognised(tmp_path: Path, subformat: str) -> None:
    path = tmp_path / "image.vmdk"
    options = ("-o", f"subformat={subformat}")
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", *options, path, "4M"], check=True)
    assert looks_like(path.read_bytes()[:4096]) == "vmdk"


# Each is what QEMU's own probing takes for that format.
HEADERS = {
    b"QFI\xfb\0\0\0\1": "qcow",
    b"QFI\xfb\0\0\0\2": "qcow2",
    b"QFI\xfb\0\0\0\3": "qcow2",
    b"QED\0": "qed",
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"# Disk DescriptorFile\nversion=1\n": "vmdk",
    b"version=2\n": "vmdk",
    b"# a comment\n\n  \r\nversion=3\r\n": "vmdk",
    bytes(0x40) + b"\x7f\x10\xda\xbe": "vdi",
    b"conectix": "vpc",
    b"vhdxfile": "vhdx",
    b"WithoutFreeSpace": "parallels",
    b"WithouFreSpacExt": "parallels",
    b"Bochs Virtual HD Image": "bochs",
    b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount": "cloop",
}


@pytest.mark.parametrize(("header", "image_format"), HEADERS.items())
def test_a_header_that_somebody_wrote_is_recognised(header: bytes, image_format: str) -> None:
    assert looks_like(header.ljust(4096, b"\0")) == image_format
    assert image_format in DISK_FORMATS


def _boot_sector() -> bytes:
    return (b"\xeb\x3c\x90MSDOS5.0".ljust(510, b"\0") + b"\x55\xaa").ljust(4096, b"\0")


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        bytes(4096),
        _boot_sector(),
        bytes(512) + b"EFI PART".ljust(3584, b"\0"),
        bytes(1080) + b"\x53\xef".ljust(3016, b"\0"),  # ext4
        b"XFSB".ljust(4096, b"\0"),
        b"LUKS\xba\xbe\0\2".ljust(4096, b"\0"),
        b"\x01CD001\x01".rjust(2048 + 7, b"\0").ljust(4096, b"\0"),
        b"LABELONE".rjust(520, b"\0").ljust(4096, b"\0"),  # LVM
        b"#!/bin/sh\necho\n".ljust(4096, b"\0"),
    ],
)
def test_what_a_guests_disk_holds_is_no_format(beginning: bytes) -> None:
    assert looks_like(beginning) == ""


@given(st.binary(max_size=200))
def test_any_beginning_has_an_answer(beginning: bytes) -> None:
    assert looks_like(beginning) in {"", "cow", *DISK_FORMATS}


def test_a_directory_as_a_disk_and_a_protocol_are_no_formats() -> None:
    assert not DISK_FORMATS & {"fat", "vvfat", "dir", "nbd", "luks", "iso", "json"}


def test_only_an_image_that_is_opened_as_qcow2_says_its_size(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes((b"QFI\xfb\0\0\0\3" + bytes(16) + struct.pack(">Q", 1 << 40)).ljust(8192))
    sizes = {}
    for image_format in ("raw", "qcow2", ""):
        image = look_at_image(str(path), image_format)
        assert image is not None
        sizes[image_format] = image.virtual_size_bytes
    assert sizes == {"raw": 8192, "qcow2": 1 << 40, "": 1 << 40}


def test_a_pipe_in_the_place_of_an_image_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_beginning(str(pipe)).content is None
    assert look_at_image(str(pipe), "raw") is None
    assert read_beginning(str(tmp_path)).content is None
    assert read_beginning("/nul\0").content is None


# What an image is built on


def test_the_files_below_an_image_are_found_however_they_are_named(tmp_path: Path) -> None:
    base, middle, top, data, by_json = (
        tmp_path / name for name in ("base", "middle", "top", "data", "by-json")
    )

    def make(*arguments: str | Path) -> None:
        subprocess.run(["qemu-img", "create", "-q", *arguments], check=True, cwd=tmp_path)

    base.write_bytes(bytes(1 << 20))
    make("-f", "qcow2", "-F", "raw", "-b", "base", middle)
    make("-f", "qcow2", "-F", "qcow2", "-b", f"{tmp_path}/./middle", top)
    make("-f", "qcow2", "-o", f"data_file={data}", by_json, "1M")
    assert list(image_chain(str(top))) == [str(middle), str(base)]
    assert list(image_chain(str(by_json))) == [str(data)]
    described = json.dumps({"driver": "qcow2", "file.filename": str(middle)})
    make("-f", "qcow2", "-b", f"json:{described}", "-F", "qcow2", by_json)
    assert list(image_chain(str(by_json))) == [str(middle), str(base)]
    make("-f", "qed", "-b", base, "-F", "raw", top)
    assert list(image_chain(str(top))) == [str(base)]
    assert list(image_chain(str(base))) == []


def test_a_chain_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    for name, below in (("a", b"b"), ("b", b"a")):
        header = b"QFI\xfb" + struct.pack(">IQI", 2, 72, len(below)) + bytes(52) + below
        (tmp_path / name).write_bytes(header)
    assert list(image_chain(str(tmp_path / "a"))) == [str(tmp_path / "b")]


# Paths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory of images with ways out of it."""
    root = tmp_path.resolve()
    for name in ("images", "images/sub", "images-of-others", "outside"):
        (root / name).mkdir()
    (root / "images/file").touch()
    (root / "outside/file").touch()
    (root / "images/link").symlink_to(root / "outside/file")
    (root / "images/relative").symlink_to("../outside/file")
    (root / "images/out").symlink_to(root / "outside")
    (root / "images/later").symlink_to(root / "outside/not-yet")
    (root / "images/circle").symlink_to("circle")
    (root / "images/inner").symlink_to("sub")
    (root / "pictures").symlink_to("images")
    return root


def _fence(*directories: object) -> Fence:
    return parse_fence(map(str, directories), (), local=True)


@pytest.mark.parametrize(
    "name",
    [
        "images",
        "images/",
        "images/file",
        "images//file",
        "images/./file",
        "images/sub/../file",
        "images/sub/new/file",
        "images/inner/new",
        "pictures/file",
        "outside/../images/file",
    ],
)
def test_a_path_that_leads_into_a_directory_is_inside(tree: Path, name: str) -> None:
    assert _fence(tree / "images").holds(f"{tree}/{name}", (), ())
    # Also where the administrator named it otherwise.
    assert _fence(f"{tree}//pictures/").holds(f"{tree}/{name}", (), ())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "outside/file",
        "images-of-others/file",
        "images/../outside/file",
        "images/link",
        "images/relative",
        "images/out/file",
        "images/out/not-there",
        "images/later",
        "images/circle",
        "images/circle/x",
        "images/missing/../../outside/file",
        "images/file\0",
    ],
)
def test_a_path_that_leads_elsewhere_is_outside(tree: Path, name: str) -> None:
    assert not _fence(tree / "images").holds(f"{tree}/{name}", (), ())


def test_what_is_no_absolute_path_is_outside_even_of_everything() -> None:
    everything = _fence("/")
    assert everything.is_open
    assert everything.holds("/etc/shadow", (), ())
    for path in ("", "etc/shadow", "./x", "json:{}", "fat:/etc"):
        assert not everything.holds(path, (), ())


def test_a_directory_that_may_not_be_looked_into_keeps_what_is_behind_it_outside(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        if str(path).startswith(f"{tree}/images/sub/"):
            raise PermissionError(path)
        return real(path)

    monkeypatch.setattr("virtcim.toolstack.images.paths.os.lstat", lstat)
    fence = _fence(tree / "images")
    assert not fence.holds(f"{tree}/images/sub/link", (), ())
    assert fence.holds(f"{tree}/images/file", (), ())


def test_a_device_is_compared_as_it_is_named() -> None:
    null = Path("/dev/null")
    assert null.exists()
    volumes = _fence("/dev/vg")
    assert volumes.holds("/dev/vg/volume", (), ())
    for path in (
        "/dev/vg",
        "/dev/vgx/volume",
        "/dev/sda",
        "/dev/vg/../sda",
        "/dev/../etc/passwd",
        "/dev",
    ):
        assert volumes.holds(path, (), ()) == (path == "/dev/vg"), path
    devices = _fence("/dev")
    assert devices.holds("/dev/disk/by-id/x", (), ())
    for path in ("/dev/../etc/passwd", "/etc/passwd", "/devices/x"):
        assert not devices.holds(path, (), ()), path


def test_a_link_out_of_dev_is_no_device(tree: Path) -> None:
    link = Path("/dev/shm") / f"virtcim-{os.getpid()}"
    link.symlink_to(tree / "outside/file")
    try:
        assert not _fence("/dev").holds(str(link), (), ())
    finally:
        link.unlink()


def test_a_link_in_dev_itself_is_followed_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Linux makes /dev/core; only root can make one.
    leads = {"core": "/proc/kcore", "volume": "/dev/dm-3"}
    monkeypatch.setattr(
        "virtcim.toolstack.images.fence.resolve_last",
        lambda _directory, name, **_options: leads[name],
    )
    fence = _fence("/dev")
    assert not fence.holds("/dev/core", (), ())
    assert fence.holds("/dev/volume", (), ())


def test_paths_of_another_host_are_compared_by_name_and_not_with_dots(tree: Path) -> None:
    fence = parse_fence([f"{tree}/images"], (), local=False)
    assert fence.holds(f"{tree}/images/link", (), ())
    assert not fence.holds(f"{tree}/images/../outside/file", (), ())
    assert not fence.holds(f"{tree}/images/sub/../file", (), ())


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("test:///default", True),
        ("qemu+unix:///session?socket=/run/x", True),
        ("qemu+tcp://localhost/system", True),
        ("qemu+ssh://root@other/system", False),
        ("qemu+tls://192.0.2.1/system", False),
        ("qemu://[::1/system", False),
    ],
)
def test_whose_files_they_are_is_told_by_the_uri(uri: str, local: bool) -> None:
    assert is_local(uri) == local


def test_all_spellings_of_a_place_are_one(tree: Path) -> None:
    for name in ("images/file", "images//file", "pictures/file", "images/sub/../file"):
        assert canonical_path(f"{tree}/{name}") == f"{tree}/images/file"
    assert canonical_path("/dev/vg/volume") == "/dev/vg/volume"
    assert canonical_path("nonsense") == "nonsense"
    assert resolve_path("/..") == "/"


# Pools


def _pool(uuid: str, path: object, kind: str = "dir") -> PoolView:
    return PoolView(
        uuid=uuid, name=uuid, type=kind, path=str(path), active=True, autostart=True, volumes=()
    )


def test_without_directories_those_of_pools_that_others_made_count(tree: Path) -> None:
    theirs, ours = _pool("theirs", tree / "images"), _pool("ours", tree / "outside")
    fence = Fence()
    pools = (theirs, ours)
    assert fence.holds(f"{tree}/images/file", pools, {"ours"})
    assert not fence.holds(f"{tree}/outside/file", pools, {"ours"})
    assert fence.holds(f"{tree}/outside/file", pools, ())
    assert not fence.holds(f"{tree}/images/file", (ours,), {"ours"})
    assert not fence.holds(f"{tree}/images/file", (), ())
    assert fence.holds_pool(theirs, pools, {"ours"})
    assert not fence.holds_pool(ours, pools, {"ours"})
    inner = _pool("inner", tree / "images/sub")
    assert fence.holds_pool(inner, (*pools, inner), {"inner"})


def test_the_target_of_a_pool_of_devices_opens_no_directory() -> None:
    for kind in ("disk", "scsi", "iscsi", "mpath", "logical"):
        pool = _pool("devices", "/dev", kind)
        assert not Fence().holds("/dev/sda", (pool,), ())
        assert Fence().holds_pool(pool, (pool,), ())


def test_with_directories_only_pools_in_them_count(tree: Path) -> None:
    fence = _fence(tree / "images")
    pools = (_pool("a", tree / "images/sub"), _pool("b", tree / "outside"))
    assert fence.holds_pool(pools[0], pools, ())
    assert not fence.holds_pool(pools[1], pools, ())
    assert not fence.holds(f"{tree}/outside/file", pools, ())


# Network sources


@pytest.mark.parametrize(
    ("prefix", "url", "inside"),
    [
        ("http://a.example/pub", "http://a.example/pub/x.iso", True),
        ("http://a.example/pub/", "http://A.Example:80/pub/x.iso?token=1", True),
        ("http://a.example/pub", "http://a.example/pub", True),
        ("http://a.example", "http://a.example/any/thing", True),
        ("http://a.example", "http://a.example.evil/any", False),
        ("http://a.example/pub", "http://a.example/public/x", False),
        ("http://a.example/pub", "https://a.example/pub/x", False),
        ("http://a.example/pub", "http://a.example:8080/pub/x", False),
        ("http://a.example:8080/pub", "http://a.example/pub/x", False),
        ("nbd://store", "nbd://store:10809/export", True),
        ("nbd://store/one", "nbd://store/one", True),
        ("nbd://store/one", "nbd://store/one-more", False),
        ("nbd://store", "nbd+unix:///export?socket=/run/nbd", False),
        ("nbd+unix://", "nbd+unix:///export?socket=/run/nbd", True),
        ("iscsi://[2001:db8:0::1]/iqn.a", "iscsi://[2001:db8::1]:3260/iqn.a/1", True),
        ("rbd://mon/pool", "rbd://mon/pool/image", True),
        ("rbd://mon/pool", "rbd://mon/pool2/image", False),
        ("rbd://mon/pool", "rbd://mon/pool/image?snapshot=s&config=/etc/ceph/b.conf", True),
        ("rbd://mon/pool", "rbd:///pool/image", False),
        ("rbd:///pool", "rbd:///pool/image", True),
        ("nvme://", "nvme:///0000:01:00.0/1", True),
        ("nvme:///0000:01:00.0", "nvme:///0000:01:00.0/1?managed=no", True),
        ("nvme:///0000:01:00.0/1", "nvme:///0000:01:00.0/2", False),
        ("nvme:///0000:0A:00.0", "nvme:///0000:0a:00.0/1", True),
        ("vhostuser:///run/vhost", "vhostuser:///run/vhost/a.sock", True),
        ("vhostuser:///run/vhost", "vhostuser:///run/vhost-of-others/a.sock", False),
    ],
)
def test_a_source_is_compared_part_by_part(prefix: str, url: str, inside: bool) -> None:
    fence = parse_fence((), [prefix], local=True)
    assert fence.allows(parse_source_url(url)) == inside


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/pub/../secret",
        "http://a.example/pub/%2e%2e/secret",
        "http://a.example/pub%2f..%2fsecret",
        "http://a.example/pub/%252e%252e/secret",
        "http://a.example/pub/.",
        "http://a.example/pub\\..\\secret",
        "http://a.example/pub/%0d%0aX",
        "http://user:password@a.example/pub",
        "http://a.example@evil.example/pub",
        "http://a.example\\@evil.example/pub",
        "http://a.example/pub#x",
        "http:a.example/pub",
        "http:///pub",
        "http://a.example:port/pub",
        "http://a.example /pub",
        "http://a.example/pub\n",
        "http://a\u3002example/pub",
        "http://a.example/x?token=...",
        "rbd://mon/pool/image:conf=/etc/shadow",
        "rbd://mon/pool/image?config=relative",
        "rbd://mon/pool/image?config=/a%2520b",
        "rbd://mon/pool/image?config=/a&config=/b",
        "rbd://mon/pool/image?conf=/a",
        "rbd://mon/pool/image?snapshot=",
        "rbd://mon/pool/image?snapshot=s@t",
        "rbd://mon/pool/image?snapshot=s:conf=/etc/shadow",
        "rbd://mon/pool/image?snapshot=s%0a",
        "nbd://h/e?snapshot=s",
        "nvme:///etc/passwd",
        "nvme:///0000:01:00.0/1/2",
        "nvme:///0000:01:00.0/0",
        "nvme:///0000:01:40.0/1",
        "nvme://host/0000:01:00.0/1",
        "nvme:///0000:01:00.0/1?managed=maybe",
        "nvme+unix:///0000:01:00.0/1",
        "vhostuser://host/run/x",
        "vhostuser:///run/../x",
        "vhostuser:///run/x?reconnect=0",
        "vhostuser:///run/x?reconnect=1e9",
        "nbd+unix:///export?socket=/run/nbd&socket=/x",
        "nbd+unix:///export?socket=relative",
        "nbd+exec:///x",
        "file:///etc/shadow",
        "json://{}",
        "fat:///etc",
        "vhost-user:///x",
    ],
)
def test_what_can_be_read_in_two_ways_is_no_source(url: str) -> None:
    with pytest.raises(SourceUrlError):
        parse_source_url(url)


@pytest.mark.parametrize(
    "url", ["nvme:///0000:01:00.0", "nvme://", "vhostuser://", "vhostuser:///"]
)
def test_the_beginning_of_a_source_is_no_image(url: str) -> None:
    assert parse_fence((), [url], local=True).sources
    with pytest.raises(SourceUrlError):
        parse_image_url(url)


@pytest.mark.parametrize(
    ("directories", "sources", "named"),
    [
        (["images"], [], "--image-directory images"),
        ([""], [], "--image-directory"),
        ([], ["a.example"], "--image-source a.example"),
        ([], ["http://u@a.example"], "--image-source"),
        ([], ["rbd://mon/pool/image?snapshot=s"], "--image-source"),
        ([], ["rbd://mon/pool?config=/etc/ceph/b.conf"], "--image-source"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    directories: list[str], sources: list[str], named: str
) -> None:
    with pytest.raises(FenceError) as caught:
        parse_fence(directories, sources, local=True)
    assert str(caught.value).startswith(named)
