"""Images elsewhere, links, titles, missing networks: shown so that a client can use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.providers.management import RASD, SERVICE
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import REPOSITORY, identity
from virtcim.hypervisor.model import Console, PowerState, VirtualDiskImage, VirtualSystem
from virtcim.hypervisor.xenapi.words import console_kind
from virtcim.providers import CimError, Providers, Record

URIS = ("rbd://m1:1/p/i%20a", "rbd://[::1]:2/p/i%20a")


def elsewhere(name: str, *uris: str) -> VirtualDiskImage:
    return VirtualDiskImage(
        ref=f"ref-{name}",
        uuid=identity("elsewhere", name),
        name_label=name,
        sr_uuid=REPOSITORY.uuid,
        virtual_size_bytes=0,
        location=uris[0],
        uris=uris if "://" in uris[0] else (),
        format="vhd",
    )


@pytest.fixture
def system(endpoint: SimulatedEndpoint) -> VirtualSystem:
    """A halted system with two disks, whose images are elsewhere."""
    known = endpoint.current.virtual_systems[identity("vm", 5)]
    images = elsewhere("first", *URIS), elsewhere("second", "nvme:///0000:01:00.0/1")
    endpoint.current = replace(
        endpoint.current,
        disk_images={**endpoint.current.disk_images, **{each.uuid: each for each in images}},
    )
    disks = (
        replace(known.disks[0], image=images[0], format="qcow2"),
        replace(known.disks[1], image=images[1]),
        *known.disks[2:],
    )
    changed = replace(known, disks=disks)
    endpoint.replace(changed)
    return changed


def setting(providers: Providers, system: VirtualSystem, part: str) -> Record:
    identity = f"VirtCIM:{system.uuid}/{part}"
    settings = providers.enumerate_instances("root/virt", RASD)
    return next(each for each in settings if each.values["InstanceID"] == identity)


def modify(providers: Providers, record: Record) -> None:
    result = providers.invoke_method(
        SERVICE, "ModifyResourceSettings", {"ResourceSettings": [record]}
    )
    assert result.return_value == 0


def test_an_image_elsewhere_is_named_by_one_uri_for_each_host(
    providers: Providers, system: VirtualSystem
) -> None:
    shown = setting(providers, system, "disk/vda").values
    assert shown["HostResource"] == [*URIS]
    assert shown["Address"] == shown["HostExtentName"] == URIS[0]
    assert (shown["HostExtentNameFormat"], shown["OtherHostExtentNameFormat"]) == (1, "URI")
    # As what the machine reads it, not what it was made as; where nobody says it, as that.
    assert shown["ResourceSubType"] == "qcow2"
    assert setting(providers, system, "disk/vdb").values["ResourceSubType"] == "vhd"
    images = providers.enumerate_instances("root/virt", "VirtCIM_DiskImage")
    [image] = [each.values for each in images if each.values["ElementName"] == "first"]
    assert (image["Name"], image["NameFormat"], image["OtherNameFormat"]) == (URIS[0], 1, "URI")
    assert image["OtherIdentifyingInfo"] == [identity("elsewhere", "first"), *URIS]
    assert image["IdentifyingDescriptions"] == ["UUID", "URI", "URI"]


@pytest.mark.parametrize("named", [[*URIS], [URIS[1]], [*reversed(URIS)]])
def test_every_uri_of_an_image_names_it(
    endpoint: SimulatedEndpoint, providers: Providers, system: VirtualSystem, named: list[str]
) -> None:
    other = setting(providers, system, "disk/vdb")
    values: dict[str, Any] = {"InstanceID": other.values["InstanceID"], "HostResource": named}
    modify(providers, Record(other.class_name, values))
    [(_, change)] = endpoint.modified
    [disk] = change.changed_disks
    assert disk.image is not None
    assert disk.image.image_uuid == identity("elsewhere", "first")


@pytest.mark.parametrize(
    "named",
    [
        [*URIS, "nvme:///0000:01:00.0/1"],
        ["/images/a", "/images/b"],
        ["nbd://nowhere/x", "nbd://elsewhere/x"],
        *([each] for each in ("nbd:nowhere:1", "://", "file:")),
        *([each] for each in ("file://[x/y", "file:///a%ff", "file://elsewhere/images/a")),
    ],
)
def test_what_does_not_name_one_image_is_refused(
    providers: Providers, system: VirtualSystem, named: list[str]
) -> None:
    other = setting(providers, system, "disk/vdb")
    values: dict[str, Any] = {"InstanceID": other.values["InstanceID"], "HostResource": named}
    with pytest.raises(CimError, match="HostResource"):
        modify(providers, Record(other.class_name, values))


ODD_NAMES = [
    "a b.img", "100%.img", "100%25.img", "x#y.img", "q?r.img", "\u00fc\u4e2d.img", "new\nline.img",
    " lead.img", "trail.img ", "semi;colon&amp=1", "[brackets]", "back\\slash",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("kept", [("HostResource",), ("HostResource", "Address", "HostExtentName")])
def test_odd_file_names_are_the_same_file_when_they_come_back(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    system: VirtualSystem,
    name: str,
    kept: tuple[str, ...],
) -> None:
    image = elsewhere("odd", f"/images/{name}")
    endpoint.current = replace(
        endpoint.current, disk_images={**endpoint.current.disk_images, image.uuid: image}
    )
    other = replace(endpoint.current.virtual_systems[identity("vm", 13)])
    odd = replace(other, disks=(replace(other.disks[0], image=image), *other.disks[1:]))
    endpoint.replace(odd)
    shown = setting(providers, odd, f"disk/{odd.disks[0].id}")
    [uri] = shown.values["HostResource"]  # type: ignore[misc]  # one disk, one URI
    assert isinstance(uri, str)
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    modify(providers, shown)
    assert not endpoint.modified or endpoint.modified[-1][1].changed_disks == ()
    # Named for another disk it is the same file.
    target = setting(providers, system, "disk/vdb")
    values: dict[str, Any] = {each: shown.values[each] for each in kept}
    modify(
        providers,
        Record(target.class_name, {"InstanceID": target.values["InstanceID"], **values}),
    )
    [disk] = endpoint.modified[-1][1].changed_disks
    assert disk.image is not None
    assert disk.image.image_uuid == image.uuid


@pytest.mark.parametrize(
    ("state", "attached", "enabled", "operational", "text"),
    [
        (PowerState.RUNNING, True, 6, 10, "The link is down"),
        (PowerState.RUNNING, False, 3, 10, "Not attached; the link is down"),
        (PowerState.PAUSED, True, 9, 15, "The system is paused; the link is down"),
        (PowerState.HALTED, False, 3, 10, "The system is stopped; the link is down"),
    ],
)
def test_a_port_whose_link_is_down_says_so(
    endpoint: SimulatedEndpoint,
    providers: Providers,
    state: PowerState,
    attached: bool,
    enabled: int,
    operational: int,
    text: str,
) -> None:
    known = endpoint.current.virtual_systems[identity("vm", 5)]
    port = replace(known.network_ports[0], link_up=False, attached=attached)
    endpoint.replace(replace(known, power_state=state, network_ports=(port,)))
    ports = providers.enumerate_instances("root/virt", "VirtCIM_NetworkPort")
    [shown] = [each.values for each in ports if each.values["SystemName"] == known.uuid]
    assert (shown["EnabledState"], shown["OperationalStatus"]) == (enabled, [operational])
    assert shown["StatusDescriptions"] == [text]
    assert shown["HealthState"] == 5


def test_a_port_on_a_network_that_does_not_exist_names_it(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    known = endpoint.current.virtual_systems[identity("vm", 5)]
    port = replace(known.network_ports[0], network_uuid="", network_name="missing")
    changed = replace(known, network_ports=(port,))
    endpoint.replace(changed)
    shown = setting(providers, changed, f"network/{port.id}")
    assert (shown.values.get("PoolID"), shown.values["Connection"]) == (None, ["missing"])
    modify(providers, shown)
    assert endpoint.modified == [] or endpoint.modified[-1][1].changed_network_ports == ()


@pytest.mark.parametrize(
    ("title", "caption"),
    [
        ("A title", "A title"),
        ("two\nlines", "two lines"),
        ("x" * 64, "x" * 64),
        ("x" * 65, f"{'x' * 61}..."),
    ],
)
def test_a_title_is_the_caption_as_far_as_it_goes(
    endpoint: SimulatedEndpoint, providers: Providers, title: str, caption: str
) -> None:
    known = endpoint.current.virtual_systems[identity("vm", 5)]
    endpoint.replace(replace(known, title=title))
    for class_name, key in (
        ("VirtCIM_ComputerSystem", "Name"),
        ("VirtCIM_VirtualSystemSettingData", "InstanceID"),
    ):
        shown = providers.enumerate_instances("root/virt", class_name)
        [values] = [each.values for each in shown if known.uuid in str(each.values[key])]
        assert values["Caption"] == caption
        assert values["ElementName"] == known.name_label


def test_a_running_system_and_its_settings_say_of_themselves_what_each_of_them_says(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    known = endpoint.current.virtual_systems[identity("vm", 5)]
    texts = {"title": "next", "name_description": "at the next start"}
    now = {"live_title": "now", "live_description": ""}
    endpoint.replace(replace(known, **texts, **now))  # type: ignore[arg-type]
    for class_name, key, wanted in (
        ("VirtCIM_ComputerSystem", "Name", ("now", None)),
        ("VirtCIM_VirtualSystemSettingData", "InstanceID", ("next", "at the next start")),
    ):
        shown = providers.enumerate_instances("root/virt", class_name)
        [values] = [each.values for each in shown if known.uuid in str(each.values[key])]
        assert (values["Caption"], values.get("Description")) == wanted


def test_only_what_shows_a_display_is_a_display(
    endpoint: SimulatedEndpoint, providers: Providers
) -> None:
    known = endpoint.current.virtual_systems[identity("vm", 4)]
    consoles = tuple(
        Console(
            ref=f"ref-{name}",
            uuid=identity("shown", name),
            id=name,
            kind=console_kind(protocol),
            protocol=protocol,
            location=f"{protocol}://h:1",
        )
        for name, protocol in (("vnc0", "rfb"), ("spice0", "spice"), ("serial0", "vt100"))
    )
    endpoint.replace(replace(known, consoles=consoles))
    kinds = {
        name: setting(providers, known, f"console/{name}").values
        for name in ("vnc0", "spice0", "serial0")
    }
    assert {name: each["ResourceType"] for name, each in kinds.items()} == {
        "vnc0": 24,
        "spice0": 24,
        "serial0": 21,
    }
    assert [each["ResourceSubType"] for each in kinds.values()] == ["rfb", "spice", "vt100"]
    displays = providers.enumerate_instances("root/virt", "VirtCIM_DisplayController")
    shown = [
        each.values["DeviceID"] for each in displays if each.values["SystemName"] == known.uuid
    ]
    assert sorted(map(str, shown)) == [
        f"VirtCIM:{known.uuid}/console/{name}" for name in ("spice0", "vnc0")
    ]
