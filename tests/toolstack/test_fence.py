"""The fence, by every call that a client can name a path in, through the official XenAPI module."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.toolstack.host import (
    NULL,
    Host,
    failure,
    only,
    running_host,
    vm_record,
    wait_for,
)
from tests.toolstack.test_repositories import arguments
from virtcim.toolstack.images.fence import FenceError

# Answers must be the same for what is there and for what is not.
SECRETS = ("/etc/shadow", "/etc/passwd", "/etc/there-is-no-such-file", "/dev/sda", "/")
OUTSIDE = "VIRTCIM_OUTSIDE_FENCE"

RunningHost = Callable[..., Any]


@pytest.fixture
def run(host_uri: str) -> Iterator[RunningHost]:
    """`run(**options)` gives the API of a toolstack with that fence."""
    with ExitStack() as stack:

        def start(**options: Any) -> Any:
            options.setdefault("image_directories", ())
            host: Host = stack.enter_context(running_host(host_uri, **options))
            session = host.login()
            stack.callback(session("close"))
            return host, session, session.xenapi

        yield start


def path_sr(api: Any) -> str:
    [ref] = [ref for ref, sr in api.SR.get_all_records().items() if sr["type"] == "path"]
    return str(ref)


def introduce(api: Any, path: str, **sm_config: str) -> str:
    sr = path_sr(api)
    vdi: str = api.VDI.introduce("", "", "", sr, "user", False, False, {}, path, {}, sm_config)
    return vdi


def ways(api: Any) -> dict[str, Callable[[str], object]]:
    """Every call in which a client names a path, by what it is for."""
    vm = api.VM.create(vm_record("mine"))

    def disk(path: str) -> dict[str, Any]:
        return {"type": "Disk", "location": path, "sm_config": {"type": "raw"}}

    def define(**fields: Any) -> object:
        return api.virtcim.VM.define({**vm_record("whole"), "VBDs": [], "VIFs": [], **fields})

    return {
        "VDI.introduce": lambda path: introduce(api, path),
        "VM.create PV_kernel": lambda path: api.VM.create(vm_record("k", PV_kernel=path)),
        "VM.create PV_ramdisk": lambda path: api.VM.create(vm_record("k", PV_ramdisk=path)),
        "VM.set_PV_kernel": lambda path: api.VM.set_PV_kernel(vm, path),
        "VM.set_PV_ramdisk": lambda path: api.VM.set_PV_ramdisk(vm, path),
        "SR.create": lambda path: api.SR.create(*arguments(api, "new", path)),
        "define a disk": lambda path: define(VBDs=[disk(path)]),
        "define a drive": lambda path: define(VBDs=[{**disk(path), "type": "CD"}]),
        "define PV_kernel": lambda path: define(PV_kernel=path),
        "define PV_ramdisk": lambda path: define(PV_ramdisk=path),
        "add a disk": lambda path: api.virtcim.VM.modify(vm, {"added_VBDs": [disk(path)]}),
    }


def everything(api: Any) -> list[dict[str, Any]]:
    return [getattr(api, name).get_all_records() for name in ("VM", "VBD", "VDI", "SR", "PBD")]


def test_no_call_takes_a_path_outside_nor_tells_whether_it_is_there(run: RunningHost) -> None:
    _, _, api = run()
    calls = ways(api)
    before = everything(api)
    for name, give in calls.items():
        for path in (*SECRETS, "/images/../etc/shadow", "/images-of-others/x", "//etc/shadow"):
            code, what, value, option = failure(give, path)
            assert (code, value, option) == (OUTSIDE, path, "--image-directory"), name
            assert path not in what
    assert everything(api) == before


def test_the_same_calls_take_a_path_inside(run: RunningHost, tmp_path: Path) -> None:
    for number, options in enumerate(({}, {"image_directories": ("/images", str(tmp_path))})):
        _, _, api = run(**options)
        for name, give in ways(api).items():
            give(f"/images/{number}/{name.replace(' ', '-')}")
            for vm in [*api.VM.get_by_name_label("whole"), *api.VM.get_by_name_label("k")]:
                api.VM.destroy(vm)
        for vm in api.VM.get_by_name_label("mine"):
            api.VM.destroy(vm)


def test_no_call_takes_a_path_that_is_no_readable_line(run: RunningHost) -> None:
    """libvirt 9.0 would read another path than it was given, and people another one than it is."""
    _, _, api = run()
    calls = ways(api)
    before = everything(api)
    for name, give in calls.items():
        for path, shown in (
            ("/images/a\nb", "/images/a\\nb"),
            ("/images/a\u202eb", "/images/a\\u202eb"),
        ):
            code, _field, value, reason = failure(give, path)
            assert (code, value) == ("VALUE_NOT_SUPPORTED", shown), name
            assert reason.startswith("contains ")
    assert everything(api) == before


@pytest.mark.parametrize("location", ["etc/shadow", "", "nbd:localhost:1", "fat:/etc", "./x"])
def test_what_is_neither_a_path_nor_a_url_is_refused_by_field(
    run: RunningHost, location: str
) -> None:
    _, _, api = run(image_directories=("/",))
    refused = failure(introduce, api, location)
    assert refused[:3] == ["VALUE_NOT_SUPPORTED", "location", location]


def test_a_pool_made_by_a_client_never_counts_also_after_a_restart(
    host_uri: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    options: dict[str, Any] = {"state_directory": state}
    with running_host(host_uri, image_directories=("/more",), **options) as host:
        session = host.login()
        sr = session.xenapi.SR.create(*arguments(session.xenapi, "more", "/more"))
        uuid = session.xenapi.SR.get_uuid(sr)
        session("close")()
    # libvirt's test driver forgets it: here it is again, as libvirtd would have kept it.
    xml = (
        f"<pool type='dir'><name>more</name><uuid>{uuid}</uuid>"
        "<target><path>/more</path></target></pool>"
    )
    path = Path(host_uri.removeprefix("test://"))
    path.write_text(path.read_text().replace("</node>", f"{xml}</node>"))
    with running_host(host_uri, image_directories=(), **options) as host:
        session = host.login()
        api = session.xenapi
        assert failure(introduce, api, "/more/x")[0] == OUTSIDE
        [again] = api.SR.get_by_name_label("more")
        record = {"SR": again, "name_label": "x", "virtual_size": "1", "type": "user"}
        assert failure(api.VDI.create, record)[0] == OUTSIDE
        session("close")()


def test_pools_that_others_make_count_from_when_they_are_seen(run: RunningHost) -> None:
    host, session, api = run()
    assert failure(introduce, api, "/theirs/x")[0] == OUTSIDE
    pool = host.libvirt.storagePoolDefineXML(
        "<pool type='dir'><name>theirs</name><target><path>/theirs</path></target></pool>"
    )
    wait_for(session, ["sr"], lambda: bool(api.SR.get_by_name_label("theirs")), "their pool")
    introduce(api, "/theirs/x")
    pool.undefine()
    wait_for(session, ["sr"], lambda: not api.SR.get_by_name_label("theirs"), "its end")
    assert failure(introduce, api, "/theirs/y")[0] == OUTSIDE


def test_pools_outside_named_directories_are_shown_and_not_used(run: RunningHost) -> None:
    host, session, api = run(image_directories=("/elsewhere",))
    pool = only(session, "SR", "default")
    libvirts = host.libvirt.storagePoolLookupByName("default")
    volume = libvirts.createXML("<volume><name>v</name><capacity>1048576</capacity></volume>")
    api.SR.scan(pool)
    vdi = only(session, "VDI", "v")
    vm = api.VM.create(vm_record("mine"))
    new = {"SR": pool, "name_label": "x", "virtual_size": "1024", "type": "user"}
    outside = [OUTSIDE, "/images", "--image-directory"]
    for call in (
        lambda: api.VDI.create(new),
        lambda: api.VDI.destroy(vdi),
        lambda: api.VDI.resize(vdi, "4096"),
    ):
        code, _, value, option = failure(call)
        assert [code, value, option] == outside
    used = failure(api.VBD.create, {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
    assert [used[0], used[2]] == [OUTSIDE, "/images/v"]
    assert volume.info()[1] == 1 << 20


def test_what_a_machine_of_others_has_is_shown_but_not_given_to_another(
    run: RunningHost, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.img"
    secret.write_bytes(bytes(12345))
    host, session, api = run()
    host.libvirt.defineXML(
        "<domain type='test'><name>theirs</name><memory>1024</memory><os><type>hvm</type></os>"
        f"<devices><disk type='file'><driver name='qemu' type='raw'/><source file='{secret}'/>"
        "<target dev='vdb' bus='virtio'/></disk></devices></domain>"
    )
    wait_for(session, ["vm"], lambda: bool(api.VM.get_by_name_label("theirs")), "the machine")
    theirs = only(session, "VM", "theirs")
    [vbd] = api.VM.get_VBDs(theirs)
    vdi = api.VBD.get_VDI(vbd)
    shown = api.VDI.get_record(vdi)
    assert (shown["location"], shown["sm_config"]) == (str(secret), {"type": "raw"})
    # Neither its size nor whether it is there is looked for: libvirt tells what it pleases.
    told = str(host.libvirt.lookupByName("theirs").blockInfo("vdb")[0])
    sizes = {"0", told}
    assert str(secret.stat().st_size) not in sizes
    assert shown["missing"] is False
    wait_for(session, ["vdi"], lambda: api.VDI.get_virtual_size(vdi) == told, "its size")
    secret.unlink()
    api.VDI.update(vdi)
    api.SR.scan(path_sr(api))
    assert api.VDI.get_missing(vdi) is False
    assert api.VDI.get_virtual_size(vdi) in sizes
    vm = api.VM.create(vm_record("mine"))
    assert failure(api.VBD.create, {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})[0] == (
        OUTSIDE
    )
    drive = api.VBD.create({"VM": vm, "VDI": NULL, "type": "CD", "mode": "RO", "empty": True})
    assert failure(api.VBD.insert, drive, vdi)[0] == OUTSIDE
    changed = {"changed_VBDs": [{"VBD": vbd, "mode": "RO"}]}
    api.virtcim.VM.modify(theirs, changed)
    assert api.VBD.get_mode(vbd) == "RO"
    # The machine may name again what it has already.
    api.virtcim.VM.modify(theirs, {"changed_VBDs": [{"VBD": vbd, "VDI": vdi, "mode": "RW"}]})
    assert (api.VBD.get_mode(vbd), api.VBD.get_VDI(vbd)) == ("RW", vdi)
    api.VBD.destroy(vbd)
    assert vdi not in api.VDI.get_all()


def test_one_directory_is_one_pool_however_it_is_spelled(run: RunningHost, tmp_path: Path) -> None:
    place = tmp_path / "images"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    _, session, api = run(image_directories=(str(tmp_path),))
    first = api.SR.create(*arguments(api, "first", str(place)))
    [plug] = api.SR.get_PBDs(first)
    [host_ref] = api.host.get_all()
    before = api.SR.get_all_records()
    for spelling in (
        f"{place}",
        f"{place}/",
        f"{tmp_path}//images",
        f"{tmp_path}/./images/../images",
        f"{tmp_path}/link",
        f"{tmp_path}/link/.",
    ):
        refused = failure(api.SR.create, *arguments(api, "second", spelling))
        assert refused == ["PBD_EXISTS", first, host_ref, plug], spelling
    assert api.SR.get_all_records() == before
    api.SR.create(*arguments(api, "second", f"{place}/below"))
    assert only(session, "SR", "second")


def test_a_network_source_is_taken_below_its_prefix_only(run: RunningHost) -> None:
    _, _, api = run(
        image_directories=("/sockets",),
        image_sources=("http://a.example/pub", "nbd+unix://", "rbd://mon"),
    )
    vm = api.VM.create(vm_record("mine"))
    for url in (
        "http://a.example.evil/pub/x",
        "http://a.example/public/x",
        "https://a.example/pub/x",
        "nbd://a.example/x",
        "iscsi://a.example/iqn.x/1",
    ):
        assert failure(introduce, api, url) == [OUTSIDE, "a disk image", url, "--image-source"]
    for url in ("http://a.example/pub/../x", "http://u:p@a.example/pub/x", "file:///etc/shadow"):
        refused = failure(introduce, api, url)
        assert refused[:2] == ["VALUE_NOT_SUPPORTED", "location"]
        assert "u:p" not in refused[2]
    socket = "nbd+unix:///x?socket=/run/other"
    assert failure(introduce, api, socket)[:3] == [OUTSIDE, "a disk image", "/run/other"]
    for url, source in {
        "http://a.example/pub/x.iso?v=1": {
            "protocol": "http",
            "name": "/pub/x.iso",
            "query": "v=1",
        },
        "nbd+unix:///x?socket=/sockets/s": {"protocol": "nbd", "name": "x"},
        "rbd://mon:6789/pool/image": {"protocol": "rbd", "name": "pool/image"},
    }.items():
        vdi = introduce(api, url)
        vbd = api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
        shown = api.VDI.get_location(api.VBD.get_VDI(vbd))
        assert shown.split("?")[0].startswith(url.split(":")[0])
        assert source["name"].rpartition("/")[2] in shown


def test_the_host_files_that_a_source_names_lie_inside_too(
    run: RunningHost, tmp_path: Path
) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out" / "file")
    inside, outside = tmp_path / "in", tmp_path / "out"
    _, _, api = run(
        image_directories=(str(inside),),
        image_sources=("rbd:///pool", "vhostuser://", "nvme:///0000:01:00.0"),
    )
    vm = api.VM.create(vm_record("mine"))
    config = "rbd:///pool/image?config="
    for begin in (config, "rbd:///pool/image?snapshot=s&config=", "vhostuser://"):
        for path in (outside / "file", outside / "none", inside / "link", Path("/etc/shadow")):
            refused = failure(introduce, api, f"{begin}{path}")
            assert refused == [OUTSIDE, "a disk image", str(path), "--image-directory"]
        introduce(api, f"{begin}{inside}/file")
        introduce(api, f"{begin}{inside}/none")
    for url in ("nvme:///0000:01:00.1/1", "rbd:///other/image", "rbd://mon/pool/image"):
        assert failure(introduce, api, url) == [OUTSIDE, "a disk image", url, "--image-source"]
    for url in ("nvme:///0000:01:00.0/1", "nvme:///0000:01:00.0/2?managed=no"):
        vbd = api.VBD.create({"VM": vm, "VDI": introduce(api, url), "type": "Disk", "mode": "RW"})
        assert api.VDI.get_location(api.VBD.get_VDI(vbd)) == url


def test_no_guest_writes_the_configuration_of_a_source(run: RunningHost, tmp_path: Path) -> None:
    _, session, api = run(image_directories=("/images", str(tmp_path)), image_sources=("rbd://",))
    pool = only(session, "SR", "default")
    vdi = api.VDI.create({"SR": pool, "name_label": "v", "virtual_size": "1024", "type": "user"})
    volume = api.VDI.get_location(vdi)
    (tmp_path / "link").symlink_to(volume)
    [vbd] = api.VM.get_VBDs(only(session, "VM", "rests"))
    theirs = api.VDI.get_location(api.VBD.get_VDI(vbd))
    for path, reason in (
        (volume, "is a volume of the pool default"),
        (str(tmp_path / "link"), "is a volume of the pool default"),
        (theirs, "is a disk that a machine has"),
    ):
        refused = failure(introduce, api, f"rbd:///pool/image?config={path}")
        assert refused[:3] == ["VALUE_NOT_SUPPORTED", "location", path]
        assert reason in refused[3]


def test_the_hosts_of_one_image_are_given_together(run: RunningHost) -> None:
    _, _, api = run(image_sources=("rbd://a/pool", "rbd://b/pool"))
    vm = api.VM.create(vm_record("mine"))

    def add(*uris: str, location: str = "") -> Any:
        image = {"location": location or uris[0], "sm_config": {"uris": " ".join(uris)}}
        return api.virtcim.VM.modify(vm, {"added_VBDs": [{"type": "Disk", **image}]})

    for uris in (
        ("rbd://a/pool/one", "rbd://b/pool/two"),
        ("rbd://a/pool/one", "rbd://b/pool/one?snapshot=s"),
    ):
        assert failure(add, *uris)[:3] == ["VALUE_NOT_SUPPORTED", "location", uris[1]]
    refused = failure(lambda: add("rbd://a/pool/one", location="rbd://b/pool/one"))
    assert refused[:2] == ["VALUE_NOT_SUPPORTED", "sm_config:uris"]
    refused = failure(add, "rbd://a/pool/one", "rbd://c/pool/one")
    assert refused == [OUTSIDE, "a disk image", "rbd://c/pool/one", "--image-source"]
    add("rbd://a/pool/one", "rbd://b/pool/one")
    [vbd] = api.VM.get_VBDs(vm)
    record = api.VDI.get_record(api.VBD.get_VDI(vbd))
    assert record["sm_config"]["uris"] == "rbd://a/pool/one rbd://b/pool/one"


@pytest.mark.parametrize("image_format", ["fat", "luks", "vhd", "host_device", "raw ", "\n"])
def test_a_format_that_qemu_does_not_have_for_disks_is_refused_by_name(
    run: RunningHost, image_format: str
) -> None:
    _, session, api = run()
    pool = only(session, "SR", "default")
    vm = api.VM.create(vm_record("mine"))
    vdi = introduce(api, "/images/x")
    [theirs] = api.VM.get_VBDs(only(session, "VM", "rests"))
    new = {"SR": pool, "name_label": "x", "virtual_size": "1024", "type": "user"}
    disk = {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"}
    change = {"changed_VBDs": [{"VBD": theirs, "type": image_format}]}
    for call in (
        lambda: introduce(api, "/images/y", type=image_format),
        lambda: api.VDI.create({**new, "sm_config": {"type": image_format}}),
        lambda: api.VBD.create({**disk, "other_config": {"type": image_format}}),
        lambda: api.virtcim.VM.modify(only(session, "VM", "rests"), change),
    ):
        assert failure(call)[:2] == ["VALUE_NOT_SUPPORTED", "sm_config:type"]


def test_machines_that_differ_about_an_image_are_named_as_the_reason(run: RunningHost) -> None:
    host, session, api = run()
    for name, image_format in (("one", "raw"), ("two", "qcow2")):
        host.libvirt.defineXML(
            f"<domain type='test'><name>{name}</name><memory>1024</memory>"
            "<os><type>hvm</type></os><devices><disk type='file'>"
            f"<driver name='qemu' type='{image_format}'/><source file='/images/shared'/>"
            "<target dev='vdb' bus='virtio'/></disk></devices></domain>"
        )
    wait_for(session, ["vm"], lambda: bool(api.VM.get_by_name_label("two")), "the machines")
    vdi = introduce(api, "/images/shared")
    vm = api.VM.create(vm_record("mine"))
    disk = {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"}
    refused = failure(api.VBD.create, disk)
    assert refused[:2] == ["VALUE_NOT_SUPPORTED", "sm_config:type"]
    assert "qcow2, raw" in refused[3]
    stated = api.VBD.create({**disk, "other_config": {"type": "raw"}})
    assert api.VBD.get_runtime_properties(stated)["type"] == "raw"


def test_the_machine_that_has_an_image_decides_however_it_spells_its_place(
    run: RunningHost, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"QFI\xfb".ljust(4096, b"\0"))
    (tmp_path / "link").symlink_to(image)
    host, session, api = run(image_directories=(str(tmp_path),))
    vm = api.VM.create(vm_record("mine"))
    path = f"{tmp_path}/link"
    disk = {"VM": vm, "VDI": introduce(api, path), "type": "Disk", "mode": "RW"}
    assert failure(api.VBD.create, disk) == ["VIRTCIM_UNSTATED_FORMAT", path, "qcow2"]
    host.libvirt.defineXML(
        "<domain type='test'><name>theirs</name><memory>1024</memory><os><type>hvm</type></os>"
        f"<devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
        "<target dev='vdb' bus='virtio'/></disk></devices></domain>"
    )
    wait_for(session, ["vm"], lambda: bool(api.VM.get_by_name_label("theirs")), "the machine")
    vbd = api.VBD.create(disk)
    assert api.VBD.get_runtime_properties(vbd)["type"] == "qcow2"


def test_a_record_goes_with_its_image(run: RunningHost, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(4096))
    _, _, api = run(image_directories=(str(tmp_path),))
    vm = api.VM.create(vm_record("mine"))
    vdi = introduce(api, str(image))
    disk = {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"}
    api.VBD.destroy(api.VBD.create(disk))
    # The guest writes into it: it stays raw.
    image.write_bytes(b"QFI\xfb".ljust(4096, b"\0"))
    api.VBD.destroy(api.VBD.create(disk))
    # Another file in its place: nobody knows that one.
    other = tmp_path / "other"
    other.write_bytes(b"QFI\xfb".ljust(4096, b"\0"))
    other.rename(image)
    assert failure(api.VBD.create, disk)[0] == "VIRTCIM_UNSTATED_FORMAT"
    # What a client states is remembered, until the file says clearly that it is another one.
    vbd = api.VBD.create({**disk, "other_config": {"type": "qcow2"}})
    api.VBD.destroy(vbd)
    vbd = api.VBD.create(disk)
    assert api.VBD.get_runtime_properties(vbd)["type"] == "qcow2"
    api.VBD.destroy(vbd)
    image.write_bytes(bytes(4096))
    vbd = api.VBD.create(disk)
    assert api.VBD.get_runtime_properties(vbd)["type"] == "raw"


def test_a_volume_that_is_made_anew_is_remembered_anew(run: RunningHost) -> None:
    _, session, api = run()
    pool = only(session, "SR", "default")
    vm = api.VM.create(vm_record("mine"))
    for image_format in ("qcow2", "raw", "qcow2"):
        record = {"SR": pool, "name_label": "v", "virtual_size": "1048576", "type": "user"}
        vdi = api.VDI.create({**record, "sm_config": {"type": image_format}})
        assert api.VDI.get_sm_config(vdi) == {"type": image_format}
        vbd = api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"})
        assert api.VBD.get_runtime_properties(vbd)["type"] == image_format
        assert failure(api.VDI.destroy, vdi)[0] == "VDI_IN_USE"
        api.VBD.destroy(vbd)
        api.VDI.destroy(vdi)


def test_what_cannot_be_read_is_raw_and_the_log_says_so(
    run: RunningHost, caplog: pytest.LogCaptureFixture
) -> None:
    host, session, api = run()
    vm = api.VM.create(vm_record("mine"))
    # What others named so may be used; a client of ours cannot name it.
    host.libvirt.storagePoolLookupByName("default").createXML(
        "<volume><name>no\u202efile</name><capacity>1048576</capacity></volume>"
    )
    api.SR.scan(only(session, "SR", "default"))
    [vdi] = [ref for ref, vdi in api.VDI.get_all_records().items() if "file" in vdi["location"]]
    with caplog.at_level(logging.INFO):
        vbd = api.VBD.create({"VM": vm, "VDI": vdi, "type": "Disk"})
    assert api.VBD.get_runtime_properties(vbd)["type"] == "raw"
    assert "the beginning of /images/no\\u202efile cannot be read" in caplog.text


def test_an_open_fence_is_said_loudly(host_uri: str, caplog: pytest.LogCaptureFixture) -> None:
    for directories, said in ((("/images",), False), (("/usr/../",), True)):
        caplog.clear()
        with running_host(host_uri, image_directories=directories):
            warned = [record for record in caplog.records if "any file" in record.getMessage()]
        assert bool(warned) == said
        assert all(record.levelno == logging.WARNING for record in warned)


def test_an_option_that_cannot_be_used_keeps_it_from_starting(host_uri: str) -> None:
    with pytest.raises(FenceError), running_host(host_uri, image_directories=("images",)):
        pass
