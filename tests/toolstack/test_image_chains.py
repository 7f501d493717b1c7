"""What vmdk images are built on, and what no header makes us do."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.images.backing import ChainError, image_chain
from virtcim.toolstack.images.header_names import HeaderError, names_in
from virtcim.toolstack.images.image_file import opened_image

DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=11111111
parentCID={cid}
createType="{kind}"
{more}
RW 2048 {extent} "{name}" 0
"""


def make(directory: Path, *arguments: str | Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", *arguments], check=True, cwd=directory)


def described(path: Path) -> dict[str, object]:
    """What QEMU says of an image without opening what it is built on."""
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", path], check=True, capture_output=True, text=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def chain(path: Path, image_format: str = "vmdk") -> list[str]:
    return list(image_chain(str(path), image_format))


def text_descriptor(path: Path, more: str = "", **values: str) -> Path:
    usual = {"cid": "ffffffff", "kind": "monolithicFlat", "extent": "FLAT", "name": "x-flat.vmdk"}
    path.write_text(DESCRIPTOR.format(more=more, **(usual | values)))
    return path


def sparse(path: Path, descriptor: bytes, *, capacity: int = 2048, sector: int = 1) -> Path:
    """An image whose descriptor is within it."""
    header = b"KDMV" + struct.pack("<IIQQQ", 1, 3, capacity, 128, sector)
    path.write_bytes(header.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0"))
    return path


def test_the_parents_of_a_delta_image_are_those_that_qemu_opens(tmp_path: Path) -> None:
    make(tmp_path, "-f", "vmdk", "base.vmdk", "4M")
    make(tmp_path, "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "middle.vmdk")
    make(tmp_path, "-f", "vmdk", "-b", tmp_path / "middle.vmdk", "-F", "vmdk", "top.vmdk")
    top = tmp_path / "top.vmdk"
    assert described(top)["backing-filename"] == str(tmp_path / "middle.vmdk")
    assert chain(top) == [str(tmp_path / "middle.vmdk"), str(tmp_path / "base.vmdk")]
    # An image that was copied still says its old name: that one is not opened.
    (tmp_path / "copy.vmdk").write_bytes((tmp_path / "base.vmdk").read_bytes())
    assert chain(tmp_path / "copy.vmdk") == []


@pytest.mark.parametrize(
    ("subformat", "size", "pieces"),
    [
        ("monolithicFlat", "4M", ["disk-flat.vmdk"]),
        ("twoGbMaxExtentFlat", "3G", ["disk-f001.vmdk", "disk-f002.vmdk"]),
        ("twoGbMaxExtentSparse", "3G", ["disk-s001.vmdk", "disk-s002.vmdk"]),
    ],
)
def test_the_pieces_of_an_image_are_found(
    tmp_path: Path, subformat: str, size: str, pieces: list[str]
) -> None:
    make(tmp_path, "-f", "vmdk", "-o", f"subformat={subformat}", "disk.vmdk", size)
    assert chain(tmp_path / "disk.vmdk") == [str(tmp_path / piece) for piece in pieces]


def test_a_parent_is_read_like_qemu_reads_it(tmp_path: Path) -> None:
    base = tmp_path / "base"
    make(tmp_path, "-f", "vmdk", base, "1M")
    data = tmp_path / "x-flat.vmdk"
    data.write_bytes(bytes(1 << 20))
    # Whatever two bytes follow the word, and wherever it stands.
    for more in (
        'parentFileNameHint="base"',
        'parentFileNameHint: base"',
        '#parentFileNameHint="base"',
    ):
        image = text_descriptor(tmp_path / "image", more)
        assert described(image)["backing-filename"] == "base"
        assert chain(image) == [str(base), str(data)]
    # A descriptor need not look like one where the machine states the format.
    image.write_text("anything\n" + image.read_text())
    assert chain(image) == [str(base), str(data)]
    assert chain(image, "qcow2") == []


def test_names_are_relative_to_the_image_and_followed_like_the_kernel_does(tmp_path: Path) -> None:
    for name in ("a", "b", "b/deep"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b" / "deep")
    image = text_descriptor(tmp_path / "a" / "image", 'parentFileNameHint="link/../base"', name="p")
    # As text the two would cancel each other out.
    assert chain(image) == [str(tmp_path / "b" / "base"), str(tmp_path / "a" / "p")]
    (tmp_path / "c").symlink_to(image)
    assert chain(tmp_path / "c")[-1] == str(tmp_path / "p")


def test_an_extent_that_is_an_image_names_files_in_turn(tmp_path: Path) -> None:
    deep = sparse(
        tmp_path / "deep",
        DESCRIPTOR.format(
            cid="ffffffff", kind="monolithicFlat", more="", extent="FLAT", name="data"
        ).encode(),
        capacity=0,
    )
    image = text_descriptor(tmp_path / "image", extent="SPARSE", name="deep")
    assert chain(image) == [str(deep), str(tmp_path / "data")]


def test_images_in_a_circle_end(tmp_path: Path) -> None:
    for name, below in (("a", "b"), ("b", "./c"), ("c", "../" + tmp_path.name + "/a")):
        text_descriptor(tmp_path / name, f'parentFileNameHint="{below}"')
    found = chain(tmp_path / "a")
    assert found == [str(tmp_path / name) for name in ("b", "x-flat.vmdk", "c")]
    (tmp_path / "self").symlink_to("self")
    assert chain(text_descriptor(tmp_path / "d", 'parentFileNameHint="self"'))
    (tmp_path / "into").symlink_to(".")
    text_descriptor(tmp_path / "e", 'parentFileNameHint="into/e"')
    assert chain(tmp_path / "e") == [str(tmp_path / "x-flat.vmdk")]


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        ('parentFileNameHint="base', "the name of its parent does not end"),
        (f'parentFileNameHint="{"x" * 1024}"', "the name of its parent does not end"),
        ("parentCID=0badcafe", "it has a parent that it does not name"),
        ('parentCID=0badcafe\nparentFileNameHint=""', "it has a parent that it does not name"),
        ('parentFileNameHint="json:{"', "cannot be read"),
        (f'parentFileNameHint="json:{"[" * 1000}"', "cannot be read"),
    ],
)
def test_a_parent_that_cannot_be_determined_is_said(
    tmp_path: Path, descriptor: str, reason: str
) -> None:
    text = f"# Disk DescriptorFile\nversion=1\n{descriptor}\n"
    (tmp_path / "text").write_text(text)
    for path in (tmp_path / "text", sparse(tmp_path / "sparse", text.encode())):
        with pytest.raises(ChainError, match=reason) as unknown:
            chain(path)
        assert unknown.value.path == str(path)


@pytest.mark.parametrize(
    "header",
    [
        b"QFI\xfb" + struct.pack(">IQI", 3, 1 << 20, 9),
        b"QFI\xfb" + struct.pack(">IQI", 2, 72, 5000),
        b"QFI\xfb" + struct.pack(">IQI", 2, (1 << 64) - 1, 9),
        b"QED\0" + bytes(12) + struct.pack("<Q", 1) + bytes(32) + struct.pack("<II", 1 << 30, 9),
    ],
)
def test_a_name_that_is_not_in_the_image_is_said(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "image").write_bytes(header.ljust(4096, b"\0"))
    with pytest.raises(ChainError, match="the name of what it is built on"):
        chain(tmp_path / "image")


@pytest.mark.parametrize(
    "content", [b"", b"KDMV", b"QFI\xfb\0\0\0\2", b"QED\0", b"COWD", b"\xff" * 4096]
)
def test_what_is_cut_off_or_garbage_is_built_on_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image").write_bytes(content)
    assert chain(tmp_path / "image") == []


def test_a_file_that_is_not_there_ends_a_chain_and_one_that_cannot_be_read_is_said(
    tmp_path: Path,
) -> None:
    assert chain(tmp_path / "nothing") == []
    assert chain(text_descriptor(tmp_path / "a", 'parentFileNameHint="nothing"'))
    (tmp_path / "unreadable").symlink_to("/proc/self/mem")
    image = text_descriptor(tmp_path / "b", 'parentFileNameHint="unreadable"')
    with pytest.raises(ChainError, match="error") as unknown:
        chain(image)
    assert unknown.value.path == str(tmp_path / "unreadable")


def test_of_files_elsewhere_nothing_is_told(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for directory in (inside, outside):
        directory.mkdir()
    (outside / "unreadable").symlink_to("/proc/self/mem")
    (outside / "file").write_bytes(bytes(4096))
    text_descriptor(outside / "odd", cid="0badcafe")
    text_descriptor(outside / "image", f'parentFileNameHint="{inside / "base"}"', name="p")

    def follow(name: str, start: Path) -> list[str]:
        image = text_descriptor(start / "top", f'parentFileNameHint="../outside/{name}"', name="q")
        within = f"{inside}/"
        return list(image_chain(str(image), "vmdk", inside=lambda path: path.startswith(within)))

    # Whether it is there, can be read, or says what it is built on makes no difference.
    for name in ("nothing", "unreadable", "file", "odd"):
        assert follow(name, inside)[1:] == [f"{inside}/q"]
    # What is built on an image is still found there.
    assert follow("image", inside)[-2:] == [str(inside / "base"), str(outside / "p")]
    # What a machine has is nothing that a client named.
    with pytest.raises(ChainError):
        follow("odd", outside)


def test_only_files_and_block_devices_are_ever_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device", "."):
        with pytest.raises(FileNotFoundError), opened_image(str(tmp_path / name)):
            pass
        assert chain(text_descriptor(tmp_path / "image", f'parentFileNameHint="{name}"'))


def test_no_more_is_read_than_qemu_reads(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def read(offset: int, size: int) -> bytes:
        asked.append((offset, size))
        return (b"# Disk DescriptorFile\nversion=1\n" + b'RW 1 FLAT "x" 0\n' * 100_000)[
            offset : offset + size
        ]

    assert names_in(read, "vmdk")
    assert sum(size for _, size in asked) < 2 << 20


def test_an_endless_chain_is_said(tmp_path: Path) -> None:
    pieces = "".join(f'RW 1 SPARSE "piece{number}"\n' for number in range(2100))
    with pytest.raises(ChainError, match="more than 2000 files"):
        chain(text_descriptor(tmp_path / "image", pieces))


MAGICS = (b"KDMV", b"COWD", b"QFI\xfb", b"QED\0", b"version=1\n")


@given(content=st.binary(max_size=300), magic=st.sampled_from(MAGICS))
def test_any_bytes_give_names_or_say_that_they_cannot(content: bytes, magic: bytes) -> None:
    whole = magic + content + b'parentFileNameHint="' + content
    with suppress(HeaderError):
        names_in(lambda offset, size: whole[offset : offset + size], "vmdk")
