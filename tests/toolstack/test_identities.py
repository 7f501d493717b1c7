"""Which device is which: by alias, address, name and order, whatever others do meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack.reading import identities
from virtcim.toolstack.reading.device_keys import DeviceKey
from virtcim.toolstack.reading.identities import (
    KnownDevice,
    identify,
    match,
    name_consoles,
    name_disks,
    name_interfaces,
    target_index,
)
from virtcim.toolstack.reading.known_devices import DISK, KnownDevices
from virtcim.toolstack.reading.views import DiskView, DomainXml, InterfaceView
from virtcim.toolstack.state import State


def key(name: str, address: str = "", alias: str = "") -> DeviceKey:
    return DeviceKey(alias=alias, address=address, name=name)


MATCHES = {
    "nothing changed": ([key("a", "1"), key("b", "2")], [key("a", "1"), key("b", "2")], [0, 1]),
    "the first one is gone": ([key("a", "1"), key("b", "2")], [key("b", "2")], [1]),
    "in another order": ([key("a", "1"), key("b", "2")], [key("b", "2"), key("a", "1")], [1, 0]),
    "another name at its address": ([key("a", "1")], [key("b", "1")], [0]),
    "another address for its name": ([key("a", "1")], [key("a", "9")], [0]),
    "the alias goes before all": (
        [key("a", "1", "ua-x"), key("b", "2")],
        [key("b", "2"), key("c", "3", "ua-x")],
        [1, 0],
    ),
    "addresses chosen anew": ([key("a", "1"), key("b", "2")], [key("b", "1")], [1]),
    "one of two of a name is gone": ([key("a", "1"), key("a", "2")], [key("a", "2")], [1]),
    "two of a name without addresses": ([key("a"), key("a")], [key("a"), key("a")], [0, 1]),
    "two of a name get addresses": ([key("a"), key("a")], [key("a", "1"), key("a", "2")], [0, 1]),
    "a third of a name": ([key("a", "1")], [key("a", "1"), key("a", "2")], [0, None]),
    "another device": ([key("a", "1")], [key("b", "2")], [None]),
    "no device has anything": ([key("")], [key("")], [0]),
}


@pytest.mark.parametrize(("known", "present", "expected"), MATCHES.values(), ids=MATCHES)
def test_devices_are_recognised(
    known: list[DeviceKey], present: list[DeviceKey], expected: list[int | None]
) -> None:
    assert match(known, present) == expected


KEYS = st.lists(
    st.builds(
        DeviceKey,
        alias=st.sampled_from(["", "", "ua-1", "ua-2"]),
        address=st.sampled_from(["", "1", "2", "3"]),
        name=st.sampled_from(["", "a", "b", "c"]),
    ),
    max_size=6,
)


@given(KEYS, KEYS)
def test_no_device_is_two_and_none_is_invented(
    known: Sequence[DeviceKey], present: Sequence[DeviceKey]
) -> None:
    found = match(known, present)
    assert len(found) == len(present)
    indexes = [index for index in found if index is not None]
    assert len(set(indexes)) == len(indexes)
    assert all(0 <= index < len(known) for index in indexes)


@given(KEYS, st.none() | KEYS, KEYS, st.none() | KEYS)
def test_names_and_numbers_are_unique_and_stay_while_nothing_changes(
    config: list[DeviceKey],
    live: list[DeviceKey] | None,
    later: list[DeviceKey],
    later_live: list[DeviceKey] | None,
) -> None:
    for naming in (name_disks, name_interfaces):
        known: tuple[KnownDevice, ...] = ()
        for one, other in ((config, live), (later, later_live)):
            found = identify(known, one, other, naming)
            assert len({device.id for device in found.known}) == len(found.known)
            assert len({device.number for device in found.known}) == len(found.known)
            assert [device.config for device in found.config] == one
            assert [device.live for device in found.live] == (other or [])
            assert identify(found.known, one, other, naming) == found
            known = found.known


def test_disks_are_called_by_their_first_target() -> None:
    keys = [key("sda"), key("vda"), key("hdc"), key("vdb"), key("nvme0n1")]
    assert name_disks(keys, ()) == [
        ("sda", 0),
        ("vda", 3),
        ("hdc", 2),
        ("vdb", 1),
        ("nvme0n1", 4),
    ]
    # The first disk on vdb is on another target now.
    known = [KnownDevice("vdb", 1, key("vdc"))]
    assert name_disks([key("vdb")], known) == [("vdb-2", 0)]


@pytest.mark.parametrize(
    ("target", "index"),
    [("vda", 0), ("sdz", 25), ("vdaa", 26), ("xvdb", 1), ("fdb", 1), ("", None), ("nvme0", None)],
)
def test_targets_are_counted_as_libvirt_does(target: str, index: int | None) -> None:
    assert target_index(target) == index


def test_ports_that_were_numbered_in_their_aliases_keep_their_numbers() -> None:
    keys = [
        key("a"),
        key("b", alias="ua-vif0"),
        key("c", alias="ua-mine"),
        key("d", alias="ua-vif7"),
    ]
    assert name_interfaces(keys, ()) == [("1", 1), ("0", 0), ("2", 2), ("7", 7)]


def test_consoles_are_numbered_by_their_kind() -> None:
    keys = [key("vnc"), key("serial"), key("serial")]
    assert name_consoles(keys, ()) == [("vnc0", 0), ("serial0", 0), ("serial1", 1)]
    known = [KnownDevice("serial0", 0, key("serial"))]
    assert name_consoles([key("serial")], known) == [("serial1", 1)]


def domain(*targets: str, macs: Sequence[str] = ()) -> DomainXml:
    return DomainXml(
        name="n",
        disks=tuple(DiskView(target=target, device="disk", bus="virtio") for target in targets),
        interfaces=tuple(InterfaceView(mac=mac, number=0, kind="user") for mac in macs),
    )


def test_what_is_plugged_into_the_running_machine_only_has_a_name_of_its_own() -> None:
    state = State(None)
    devices = KnownDevices(state.database)
    config, live = domain(macs=["a"]), domain(macs=["a", "a"])
    devices.name("u", config, live)
    assert [item.id for item in config.interfaces] == ["0"]
    assert [item.id for item in live.interfaces] == ["0", "1"]
    # It is configured for the next start as well, and then alone.
    config = domain(macs=["a", "a"])
    devices.name("u", config, None)
    assert [item.id for item in config.interfaces] == ["0", "1"]
    state.close()


def test_devices_are_remembered_and_forgotten_with_their_domains(tmp_path: Path) -> None:
    directory = tmp_path
    state = State(directory)
    devices = KnownDevices(state.database)
    for uuid in ("u", "v", "w"):
        devices.name(uuid, domain("vda", "vdb"), None)
    devices.flush()
    devices.forget("v")
    state.close()
    state = State(directory)
    devices = KnownDevices(state.database)
    named = domain("vdb", "vda")
    devices.name("u", named, None)
    assert [(disk.id, disk.number) for disk in named.disks] == [("vdb", 1), ("vda", 0)]
    assert devices.known("v", DISK) == ()
    assert len(devices.known("w", DISK)) == 2
    devices.keep_only({"u"})
    assert devices.known("w", DISK) == ()
    state.close()


def test_what_cannot_be_read_is_not_forgotten() -> None:
    state = State(None)
    devices = KnownDevices(state.database)
    devices.name("u", domain("vda", "vdb"), None)
    devices.name("u", domain("vdb"), None, whole=False)
    named = domain("vda", "vdb")
    devices.name("u", named, None)
    assert [(disk.id, disk.number) for disk in named.disks] == [("vda", 0), ("vdb", 1)]
    state.close()


@given(KEYS, KEYS, st.booleans(), st.sampled_from([name_disks, name_interfaces]))
def test_the_short_way_for_what_is_as_it_was_leads_to_the_same(
    known: list[DeviceKey], present: list[DeviceKey], runs: bool, name: identities.Naming
) -> None:
    before = identities._identify((), known, known if runs else None, name).known
    for devices in ((), before):
        for keys in (known, present):
            live = keys if runs else None
            assert identify(devices, keys, live, name) == identities._identify(
                devices, keys, live, name
            )
