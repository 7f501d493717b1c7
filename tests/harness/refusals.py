"""What must be refused, whatever the machine: one of each kind of change and more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.harness.changes import (
    Change,
    Kind,
    World,
    modify,
    modify_port,
    modify_system,
    port_part,
    ports,
    remove_part,
    targets,
    uint16,
    uint64,
)
from tests.harness.client import DISK, PORT, SystemClient
from tests.harness.documents import Element

__all__ = ["FAILING"]

_MULTICAST = "01:00:5e:00:00:01"


def _refused_system(what: str, **values: Any) -> Kind:
    def changes(_root: Element, _world: World) -> Iterator[Change]:
        yield Change(what=what, ask=modify_system(**values), edit=None)

    return Kind(name=what, changes=changes)


def _refused_resource(what: str, part: str, **values: Any) -> Kind:
    def changes(_root: Element, _world: World) -> Iterator[Change]:
        yield Change(what=what, ask=modify(part, **values), edit=None)

    return Kind(name=what, changes=changes)


def _refused_disk(what: str, **values: Any) -> Kind:
    def changes(root: Element, _world: World) -> Iterator[Change]:
        for _, target in targets(root, "disk"):
            yield Change(
                what=f"{what}, {target}", ask=modify(f"disk/{target}", **values), edit=None
            )

    return Kind(name=what, changes=changes)


def _refused_port(what: str, **values: Any) -> Kind:
    def changes(root: Element, _world: World) -> Iterator[Change]:
        for at, _ in ports(root):
            yield Change(what=f"{what}, {at}", ask=modify_port(root, at, **values), edit=None)

    return Kind(name=what, changes=changes)


def _taken_name(_root: Element, world: World) -> Iterator[Change]:
    yield Change(
        what=world.other_machine, ask=modify_system(ElementName=world.other_machine), edit=None
    )


def _second_of_two(root: Element, _world: World) -> Iterator[Change]:
    """The first part of a call can be had, the second cannot."""
    disks = list(targets(root, "disk"))
    if not disks or not list(ports(root)):
        return
    disk, target = disks[0]
    access = uint16(1 if disk.find("readonly") is None else 3)

    def ask(client: SystemClient) -> None:
        client.modify(
            (f"disk/{target}", {"Access": access}),
            (port_part(client, root, 0), {"Address": _MULTICAST}),
        )

    yield Change(what=f"{target} and port 0", ask=ask, edit=None)


def _missing_medium(root: Element, _world: World) -> Iterator[Change]:
    names = ("Address", "HostExtentName", "PoolID", "VirtualQuantity", "ResourceSubType")
    for _, target in targets(root, "cdrom", "floppy"):
        values = {"HostResource": ["/nonexistent/of-a-client.iso"], **dict.fromkeys(names)}
        yield Change(what=target, ask=modify(f"disk/{target}", **values), edit=None)


def _disk_at_taken_place(root: Element, world: World) -> Iterator[Change]:
    for _, target in list(targets(root, "disk"))[:1]:

        def ask(client: SystemClient, target: str = target) -> None:
            client.add(
                DISK,
                ResourceType=uint16(31),
                HostResource=[world.image],
                ResourceSubType="raw",
                AddressOnParent=target,
            )

        yield Change(what=target, ask=ask, edit=None)


def _multicast_port(_root: Element, world: World) -> Iterator[Change]:
    def ask(client: SystemClient) -> None:
        client.add(PORT, ResourceType=uint16(10), PoolID=world.pool_id, Address=_MULTICAST)

    yield Change(what=_MULTICAST, ask=ask, edit=None)


def _boots_from_less(root: Element, _world: World) -> Iterator[Change]:
    """An order that says nothing of what is passed through, and boots."""
    if root.find("devices/hostdev/boot") is None and root.find("devices/redirdev/boot") is None:
        return
    yield Change(what="network hd", ask=modify_system(BootDevices=["network", "hd"]), edit=None)


def _no_such_disk(_root: Element, _world: World) -> Iterator[Change]:
    yield Change(what="vdzz", ask=partial(remove_part, DISK, "disk/vdzz"), edit=None)


def _no_such_port(_root: Element, _world: World) -> Iterator[Change]:
    yield Change(what="99", ask=partial(remove_part, PORT, "network/99"), edit=None)


_NO_IMAGE = {
    "HostResource": ["/nonexistent/of-a-client.img"],
    "Address": None,
    "HostExtentName": None,
    "PoolID": None,
    "VirtualQuantity": None,
}
_NO_NETWORK = {
    "PoolID": "VirtCIM:00000000-0000-0000-0000-000000000000/NetworkPool",
    "Connection": None,
    "HostResource": None,
}
FAILING = (
    Kind(name="a name that is taken", changes=_taken_name),
    _refused_system("no recovery action", AutomaticRecoveryAction=uint16(77)),
    _refused_system("no startup action", AutomaticStartupAction=uint16(77)),
    _refused_system("no boot device", BootDevices=["hd", "wheel"]),
    _refused_system("no name", ElementName="../other"),
    _refused_resource("too much memory", "memory", VirtualQuantity=uint64(1 << 60)),
    _refused_resource("no processors", "processor", VirtualQuantity=uint64(0)),
    _refused_resource("too many processors", "processor", Limit=uint64(100_000)),
    _refused_disk("no access mode", Access=uint16(7)),
    _refused_disk("no bus", BusType="warp"),
    _refused_disk("no format", ResourceSubType="no such format"),
    _refused_disk("no image", **_NO_IMAGE),
    _refused_port("a multicast MAC", Address=_MULTICAST),
    _refused_port("no model", ResourceSubType="no such model!"),
    _refused_port("no network", **_NO_NETWORK),
    Kind(name="the second of two changes", changes=_second_of_two),
    Kind(name="no medium", changes=_missing_medium),
    Kind(name="a disk at a taken place", changes=_disk_at_taken_place),
    Kind(name="a port with a multicast MAC", changes=_multicast_port),
    Kind(name="an order without passed-through devices", changes=_boots_from_less),
    Kind(name="removing no disk", changes=_no_such_disk),
    Kind(name="removing no port", changes=_no_such_port),
)
