"""What libvirt cannot tell of one object costs only that object, and never the connection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import libvirt
import pytest
import XenAPI

from tests.toolstack.host import Host, domain_uuid, only, reconcile, running_host, wait_for
from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.common import ReadingError, size_in_bytes
from virtcim.toolstack.reading.domain_reader import parse_domain
from virtcim.toolstack.records import publisher

Odd = Callable[[Any, str], Exception | None]


def libvirt_error(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("")
    error.err = (code, libvirt.VIR_FROM_DOMAIN, "no such luck", 2, "", "", "", -1, -1)
    return error


def not_utf_8() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> list[Odd]:
    """Functions that say which call of libvirt fails, and how."""
    failing: list[Odd] = []
    call = LibvirtConnection.call

    def failing_call(
        self: LibvirtConnection, function: Callable[..., Any], *arguments: object
    ) -> Any:
        native = getattr(function, "__self__", None)
        for decide in failing:
            if error := decide(native, getattr(function, "__name__", "")):
                raise error
        return call(self, function, *arguments)

    # libvirt itself cannot be made to answer so: what is replaced is the way to it.
    monkeypatch.setattr(LibvirtConnection, "call", failing_call)
    return failing


def of(uuid: str, name: str, error: Callable[[], Exception]) -> Odd:
    """One function of one object fails."""

    def decide(native: Any, function: str) -> Exception | None:
        identified = hasattr(native, "UUIDString") and native.UUIDString() == uuid
        return error() if identified and function == name else None

    return decide


def problem_of(api: Any, vm: str) -> str:
    metrics = api.VM_metrics.get_record(api.VM.get_metrics(vm))
    return str(metrics["other_config"].get("virtcim-problem", ""))


@pytest.mark.parametrize(
    "error",
    [not_utf_8, lambda: libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR)],
    ids=["not UTF-8", "an error"],
)
def test_a_domain_that_cannot_be_described_is_shown_with_what_is_known(
    host_uri: str, odd: list[Odd], error: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    odd.append(of(domain_uuid("rests"), "XMLDesc", error))
    with caplog.at_level(logging.WARNING), running_host(host_uri, reconcile_s=0.2) as host:
        session = host.login()
        api = session.xenapi
        vm, other = only(session, "VM", "rests"), only(session, "VM", "runs")
        assert api.VM.get_uuid(vm) == domain_uuid("rests")
        assert "its description" in problem_of(api, vm)
        assert problem_of(api, other) == ""
        reconcile(host)
        reconcile(host)
        said = [record for record in caplog.records if "its description" in record.getMessage()]
        assert len(said) == 1
        odd.clear()
        reconcile(host)
        wait_for(session, ["vm_metrics"], lambda: problem_of(api, vm) == "", "the description")
        assert api.VM.get_VBDs(vm) != []
        session("close")()


def test_what_was_odd_about_a_domain_is_forgotten_with_it(
    host: Host, session: XenAPI.Session, odd: list[Odd], caplog: pytest.LogCaptureFixture
) -> None:
    def lives(*, wanted: bool) -> None:
        reconcile(host)
        there = domain_uuid("rests")
        known = session.xenapi.VM.get_all_records
        wait_for(
            session,
            ["vm"],
            lambda: any(one["uuid"] == there for one in known().values()) == wanted,
            "the machine",
        )

    odd.append(of(domain_uuid("rests"), "XMLDesc", not_utf_8))
    description = host.libvirt.lookupByName("rests").XMLDesc(0)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            # What has not been seen is not odd.
            host.libvirt.lookupByName("rests").undefine()
            lives(wanted=False)
            host.libvirt.defineXML(description)
            lives(wanted=True)
    said = [record for record in caplog.records if "its description" in record.getMessage()]
    assert len(said) == 2


def test_a_domain_that_becomes_odd_keeps_what_was_known(
    host: Host, session: XenAPI.Session, odd: list[Odd]
) -> None:
    api = session.xenapi
    vm = only(session, "VM", "rests")
    disks = api.VM.get_VBDs(vm)
    assert disks != []
    odd.append(of(domain_uuid("rests"), "XMLDesc", not_utf_8))
    host.libvirt.lookupByName("rests").setAutostart(1)
    reconcile(host)
    wait_for(session, ["vm_metrics"], lambda: problem_of(api, vm) != "", "the problem")
    assert api.VM.get_VBDs(vm) == disks
    assert api.VM.get_other_config(vm)["auto_poweron"] == "true"


@pytest.mark.parametrize("function", ["listAllStoragePools", "listAllNetworks"])
def test_a_list_that_cannot_be_had_costs_only_what_is_on_it(
    host_uri: str, odd: list[Odd], function: str
) -> None:
    odd.append(
        lambda _native, name: (
            libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR) if name == function else None
        )
    )
    with running_host(host_uri) as host:
        session = host.login()
        api = session.xenapi
        assert sorted(vm["name_label"] for vm in api.VM.get_all_records().values()) == [
            "rests",
            "runs",
        ]
        [found] = api.host.get_all_records().values()
        assert "cannot be read" in found["other_config"]["virtcim-problem"]
        odd.clear()
        reconcile(host)
        [found] = api.host.get_all_records().values()
        assert "virtcim-problem" not in found["other_config"]
        names = [one["name_label"] for one in api.SR.get_all_records().values()]
        assert "default" in names
        session("close")()


def test_a_list_that_cannot_be_had_any_more_takes_nothing_away(
    host: Host, session: XenAPI.Session, odd: list[Odd]
) -> None:
    api = session.xenapi
    before = sorted(api.SR.get_all())
    odd.append(
        lambda _native, name: (
            libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR) if name == "listAllStoragePools" else None
        )
    )
    reconcile(host)
    assert sorted(api.SR.get_all()) == before


@pytest.mark.parametrize("function", ["XMLDesc", "info", "listAllVolumes"])
def test_a_pool_that_cannot_be_read_is_shown_with_what_is_known(
    host_uri: str, odd: list[Odd], function: str
) -> None:
    odd.append(
        lambda native, name: (
            libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR)
            if isinstance(native, libvirt.virStoragePool) and name == function
            else None
        )
    )
    with running_host(host_uri) as host:
        session = host.login()
        sr = session.xenapi.SR.get_record(only(session, "SR", "default"))
        assert "cannot be read" in sr["other_config"]["virtcim-problem"]
        assert len(session.xenapi.VM.get_all()) == 2
        session("close")()


def test_a_volume_that_cannot_be_read_costs_only_itself(
    host: Host, session: XenAPI.Session, odd: list[Odd]
) -> None:
    pool = host.libvirt.storagePoolLookupByName("default")
    for name in ("odd", "good"):
        pool.createXML(f"<volume><name>{name}</name><capacity>1048576</capacity></volume>")
    odd.append(
        lambda native, name: (
            not_utf_8()
            if isinstance(native, libvirt.virStorageVol)
            and native.name() == "odd"
            and name == "XMLDesc"
            else None
        )
    )
    reconcile(host)
    api = session.xenapi
    wait_for(session, ["vdi"], lambda: api.VDI.get_by_name_label("good") != [], "the volumes")
    shown = api.VDI.get_record(only(session, "VDI", "odd"))
    assert "not UTF-8" in shown["other_config"]["virtcim-problem"]
    assert (shown["virtual_size"], shown["location"]) == ("1048576", "/images/odd")
    assert api.VDI.get_other_config(only(session, "VDI", "good")) == {}


def test_a_domain_of_which_no_record_can_be_made_is_named_by_the_host(
    host_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = publisher.vm_values

    def failing(domain: Any, *more: Any) -> Any:
        if domain.config.name == "rests":
            raise ZeroDivisionError
        return values(domain, *more)

    # No description does this: it stands for a mistake of ours in making records.
    monkeypatch.setattr(publisher, "vm_values", failing)
    with running_host(host_uri) as host:
        session = host.login()
        api = session.xenapi
        assert [vm["name_label"] for vm in api.VM.get_all_records().values()] == ["runs"]

        def is_named() -> bool:
            [found] = api.host.get_all_records().values()
            return domain_uuid("rests") in found["other_config"].get("virtcim-problem", "")

        # The record was to be made when it was read.
        wait_for(session, ["host"], is_named, "the host to name it")
        assert [vm["name_label"] for vm in api.VM.get_all_records().values()] == ["runs"]
        session("close")()


DOMAIN = (
    "<domain type='qemu'><name>odd</name><memory unit='MiB'>64</memory>"
    "<currentMemory unit='KiB'>32768</currentMemory><vcpu current='1'>2</vcpu>"
    "<os><type>hvm</type></os><devices>"
    "<disk type='file'><source file='/a'/><target dev='vda'/><boot order='1'/></disk>"
    "<interface type='user'><mac address='52:54:00:00:00:01'/><mtu size='1500'/></interface>"
    "</devices></domain>"
)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("unit='MiB'", "unit='bushel'", "bushel"),
        (">64<", ">-64<", "-64"),
        (">64<", ">" + "9" * 30 + "<", "64 bits"),
        (">64<", ">many<", "many"),
        ("current='1'", "current='x'", "processors"),
        (">2<", ">99999999<", "out of range"),
        ("order='1'", "order='first'", "a disk is left out"),
        ("size='1500'", "size='big'", "an interface is left out"),
        ("<name>odd</name>", "", ""),
        ("<os><type>hvm</type></os>", "", ""),
        ("<memory unit='MiB'>64</memory>", "<memory/>", ""),
    ],
)
def test_an_odd_value_in_a_description_costs_only_itself(good: str, bad: str, said: str) -> None:
    assert parse_domain(DOMAIN).problem == ""
    odd = parse_domain(DOMAIN.replace(good, bad, 1))
    assert said in odd.problem
    assert bool(said) == bool(odd.problem)
    assert odd.type == "qemu"
    assert odd.memory_current_bytes == 32 << 20
    assert len(odd.disks) + len(odd.interfaces) == (1 if "left out" in said else 2)


@pytest.mark.parametrize(
    ("unit", "size_bytes"),
    [
        ("b", 1),
        ("bytes", 1),
        ("KB", 1000),
        ("k", 1024),
        ("KiB", 1024),
        ("MB", 10**6),
        ("M", 2**20),
        ("MiB", 2**20),
        ("GB", 10**9),
        ("G", 2**30),
        ("TiB", 2**40),
        ("T", 2**40),
    ],
)
def test_every_unit_of_libvirt_is_known(unit: str, size_bytes: int) -> None:
    assert size_in_bytes("1", unit, "it") == size_bytes


@pytest.mark.parametrize(("text", "unit"), [("1", "parsec"), ("99999999999", "EiB"), ("", "b")])
def test_sizes_that_cannot_be_are_refused(text: str, unit: str) -> None:
    with pytest.raises(ReadingError):
        size_in_bytes(text, unit, "it")
