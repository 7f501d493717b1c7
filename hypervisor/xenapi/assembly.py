"""Joining the parts of XenAPI objects to the domain model, one change at a time.

A change touches only the objects it concerns, so that following ten thousand virtual machines
costs what changes, and an object that did not change stays the same object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeVar

from virtcim.errormap import Fault
from virtcim.hypervisor.model import (
    Host,
    Inventory,
    Network,
    PowerState,
    StorageRepository,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.left_out import LeftOut
from virtcim.hypervisor.xenapi.parts import (
    ConsolePart,
    DiskPart,
    HostCpuPart,
    HostMetricsPart,
    HostPart,
    ImagePart,
    MetricsPart,
    PlugPart,
    PoolPart,
    PortPart,
    SystemPart,
)
from virtcim.hypervisor.xenapi.unread_classes import UnreadClasses

__all__ = ["Assembly"]

# So many of the objects that are left out are named on the management service.
_MOST_TOLD = 20
_Part = TypeVar("_Part")
_Shown = TypeVar(
    "_Shown",
    Host,
    Network,
    StorageRepository,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)


class _Table(dict[str, _Part]):
    """The parts of one class by reference, and which of them refer to what."""

    def __init__(self, *links: Callable[[_Part], str]) -> None:
        super().__init__()
        self._links = links
        self._referrers: tuple[dict[str, set[str]], ...] = tuple({} for _ in links)

    def put(self, ref: str, part: _Part | None) -> None:
        """Replace, add, or with None remove a part."""
        previous = self.pop(ref, None)
        for link, referrers in zip(self._links, self._referrers, strict=True):
            if previous is not None:
                referrers[link(previous)].discard(ref)
            if part is not None:
                referrers.setdefault(link(part), set()).add(ref)
        if part is not None:
            self[ref] = part

    def referring(self, target: str, link: int = 0) -> Iterable[str]:
        """References of the parts whose link number ``link`` names ``target``."""
        return self._referrers[link].get(target, ())


class Assembly:
    """The state of one endpoint, changed part by part and read as Inventory.

    Used by one thread only; the inventories it gives are immutable. A new virtual machine is not in
    them while its name is among the ``unfinished``.
    """

    def __init__(self, unfinished: Container[str] = ()) -> None:
        self._unfinished = unfinished
        self._withheld: set[str] = set()
        self._systems = _Table[SystemPart](
            lambda part: part.metrics_ref, lambda part: part.host_ref
        )
        self._metrics = _Table[MetricsPart]()
        self._disks = _Table[DiskPart](lambda part: part.vm_ref, lambda part: part.image_ref)
        self._ports = _Table[PortPart](lambda part: part.vm_ref, lambda part: part.network_ref)
        self._consoles = _Table[ConsolePart](lambda part: part.vm_ref)
        self._images = _Table[ImagePart](lambda part: part.sr_ref)
        self._repositories = _Table[StorageRepository]()
        self._plugs = _Table[PlugPart](lambda part: part.sr_ref)
        self._networks = _Table[Network]()
        self._hosts = _Table[HostPart](lambda part: part.metrics_ref)
        self._host_metrics = _Table[HostMetricsPart]()
        self._host_cpus = _Table[HostCpuPart](lambda part: part.host_ref)
        self._pools = _Table[PoolPart]()
        # class -> its table, and what has to be built anew when one of its objects changes
        self._classes: Mapping[str, tuple[_Table[Any], Callable[[str], None]]] = {
            "pool": (self._pools, _touch_nothing),
            "host": (self._hosts, self._touch_host),
            "host_metrics": (self._host_metrics, self._touch_host_metrics),
            "host_cpu": (self._host_cpus, self._touch_host_cpu),
            "network": (self._networks, self._touch_network),
            "SR": (self._repositories, self._touch_repository),
            "PBD": (self._plugs, self._touch_plug),
            "VDI": (self._images, self._touch_image),
            "VM": (self._systems, self._dirty_systems_add),
            "VM_metrics": (self._metrics, self._touch_metrics),
            "VBD": (self._disks, self._touch_disk),
            "VIF": (self._ports, self._touch_port),
            "console": (self._consoles, self._touch_console),
        }
        # class -> what shows no more of its objects than their UUIDs: anew when one comes or goes
        self._namings: Mapping[str, Callable[[str], None]] = {
            "host": self._touch_systems_on,
            "network": self._touch_ports_on,
            "SR": self._touch_images_in,
        }
        self._left_out = LeftOut()
        self._unread = UnreadClasses()
        self._unknown: Mapping[str, object] = _NOTHING  # by kind of object
        self._problems: Mapping[str, str] = _NOTHING
        self._dirty: dict[str, set[str]] = {kind: set() for kind in _BUILT}
        self._built: dict[str, dict[str, Any]] = {kind: {} for kind in _BUILT}
        self._memory_in_use: Counter[str] = Counter()  # by the UUID of the host
        self._inventory = Inventory(
            generation=0,
            hosts=_NOTHING,
            virtual_systems=_NOTHING,
            storage_repositories=_NOTHING,
            disk_images=_NOTHING,
            networks=_NOTHING,
        )

    @property
    def pool_ref(self) -> str:
        """The reference of the pool, empty if there is none."""
        return next(iter(self._pools), "")

    @property
    def vendor(self) -> str:
        """Who made the server of the API; empty while no host is known."""
        return next((part.vendor for part in self._hosts.values()), "")

    def put(self, class_name: str, ref: str, part: object | None) -> None:
        """Take the new state of one object; None: it is gone."""
        self._touch_owner(self._left_out.remove(class_name, ref))
        self._put(class_name, ref, part)

    def leave_out(self, class_name: str, ref: str, record: object, problem: str) -> None:
        """Show nothing of an object that cannot be read but the problem, where it belongs."""
        self._put(class_name, ref, None)
        self._touch_owner(self._left_out.remove(class_name, ref))
        self._touch_owner(self._left_out.add(class_name, ref, record, problem))

    def _touch_owner(self, owner: tuple[str, str]) -> None:
        class_name, ref = owner
        if class_name:
            self._classes[class_name][1](ref)

    def _put(self, class_name: str, ref: str, part: object | None) -> None:
        table, touch = self._classes[class_name]
        previous = table.get(ref)
        if previous == part:
            return
        if previous is None or part is None:
            self._namings.get(class_name, _touch_nothing)(ref)
        # What referred to it before and what it refers to now may both look different.
        touch(ref)
        table.put(ref, part)
        touch(ref)

    def replace_class(
        self,
        class_name: str,
        parts: Mapping[str, object],
        left_out: Mapping[str, tuple[object, str]] = MappingProxyType({}),
    ) -> None:
        """Take the state of all objects of a class; those not named are gone.

        ``left_out`` has the record and the problem of each that cannot be shown.
        """
        if self._unread.read(class_name):
            self._touch_everything()
        for ref in (self._classes[class_name][0].keys() | self._left_out.refs(class_name)) - (
            parts.keys() | left_out.keys()
        ):
            self.put(class_name, ref, None)
        for ref, part in parts.items():
            self.put(class_name, ref, part)
        for ref, (record, problem) in left_out.items():
            self.leave_out(class_name, ref, record, problem)

    def unreadable(self, class_name: str, fault: Fault) -> None:
        """A class cannot be read: what is known of it is what was known before.

        Everything that is built of it says so; where nothing was known, looking at it is refused.
        """
        if self._unread.failed(class_name, fault):
            self._touch_everything()

    def _touch_everything(self) -> None:
        for kind, table in (
            ("hosts", self._hosts),
            ("networks", self._networks),
            ("storage_repositories", self._repositories),
            ("disk_images", self._images),
            ("virtual_systems", self._systems),
        ):
            self._dirty[kind].update(table)

    def inventory(self) -> Inventory:
        """Everything as it is now; the same Inventory as before if nothing changed."""
        # Images before systems: a system's disks hold their images.
        builders: tuple[tuple[str, Callable[[str], Any]], ...] = (
            ("hosts", self._build_host),
            ("networks", self._build_network),
            ("storage_repositories", self._build_repository),
            ("disk_images", self._build_image),
            ("virtual_systems", self._build_system),
        )
        self._dirty["virtual_systems"] |= self._withheld
        self._withheld.clear()
        changed: dict[str, Any] = {}
        for kind, build in builders:
            if self._rebuild(kind, build):
                objects = self._built[kind].values()
                changed[kind] = MappingProxyType({built.uuid: built for built in objects})
        changed |= self._refusals()
        pool_uuid = next((pool.uuid for pool in self._pools.values()), "")
        problems = MappingProxyType(
            {
                **self._left_out.of_nobody(self._is_shown),
                **self._unread.problems,
            }
        )
        before = self._inventory
        if problems != self._problems:
            self._problems = problems
            self._dirty["hosts"].update(self._hosts)
            if self._rebuild("hosts", self._build_host):
                objects = self._built["hosts"].values()
                changed["hosts"] = MappingProxyType({built.uuid: built for built in objects})
        if changed or pool_uuid != before.pool_uuid or problems != before.problems:
            self._inventory = replace(
                before,
                generation=before.generation + 1,
                pool_uuid=pool_uuid,
                problems=problems,
                memory_in_use=MappingProxyType(dict(self._memory_in_use)),
                **changed,
            )
        return self._inventory

    def _refusals(self) -> dict[str, object]:
        """What the inventory gets for kinds of which nothing is known, or was known until now."""
        before, self._unknown = self._unknown, self._unread.unknown_kinds
        again = {
            kind: MappingProxyType({built.uuid: built for built in self._built[kind].values()})
            for kind in before.keys() - self._unknown.keys()
        }
        return {**again, **self._unknown}

    def _is_shown(self, class_name: str, ref: str) -> bool:
        kinds = {"VM": "virtual_systems", "SR": "storage_repositories", "host": "hosts"}
        return ref in self._built[kinds[class_name]]

    def _rebuild(self, kind: str, build: Callable[[str], Any]) -> bool:
        built = self._built[kind]
        changed = False
        for ref in self._dirty[kind]:
            old, new = built.get(ref), build(ref)
            if new == old:
                continue
            changed = True
            if new is None:
                del built[ref]
            else:
                built[ref] = new
            if kind == "virtual_systems":
                self._count_memory(old, -1)
                self._count_memory(new, 1)
        self._dirty[kind].clear()
        return changed

    def _count_memory(self, system: VirtualSystem | None, sign: int) -> None:
        """Add the memory of a system to what is in use at its host, or take it away."""
        if system is None or system.power_state not in _ON or not system.resident_on:
            return
        memory_bytes = system.memory_actual_bytes or system.memory_dynamic_max_bytes
        self._memory_in_use[system.resident_on] += sign * memory_bytes

    def _touch_host(self, ref: str) -> None:
        self._dirty["hosts"].add(ref)

    def _touch_systems_on(self, ref: str) -> None:
        self._dirty["virtual_systems"].update(self._systems.referring(ref, link=1))

    def _touch_host_metrics(self, ref: str) -> None:
        self._dirty["hosts"].update(self._hosts.referring(ref))

    def _touch_host_cpu(self, ref: str) -> None:
        if part := self._host_cpus.get(ref):
            self._dirty["hosts"].add(part.host_ref)

    def _touch_network(self, ref: str) -> None:
        self._dirty["networks"].add(ref)

    def _touch_ports_on(self, ref: str) -> None:
        for port_ref in self._ports.referring(ref, link=1):
            self._touch_port(port_ref)

    def _touch_repository(self, ref: str) -> None:
        self._dirty["storage_repositories"].add(ref)

    def _touch_images_in(self, ref: str) -> None:
        for image_ref in self._images.referring(ref):
            self._touch_image(image_ref)

    def _touch_plug(self, ref: str) -> None:
        if part := self._plugs.get(ref):
            self._dirty["storage_repositories"].add(part.sr_ref)

    def _touch_image(self, ref: str) -> None:
        self._dirty["disk_images"].add(ref)
        for disk_ref in self._disks.referring(ref, link=1):
            self._touch_disk(disk_ref)

    def _touch_metrics(self, ref: str) -> None:
        self._dirty["virtual_systems"].update(self._systems.referring(ref))

    def _touch_disk(self, ref: str) -> None:
        if part := self._disks.get(ref):
            self._dirty_systems_add(part.vm_ref)

    def _touch_port(self, ref: str) -> None:
        if part := self._ports.get(ref):
            self._dirty_systems_add(part.vm_ref)

    def _touch_console(self, ref: str) -> None:
        if part := self._consoles.get(ref):
            self._dirty_systems_add(part.vm_ref)

    def _dirty_systems_add(self, ref: str) -> None:
        self._dirty["virtual_systems"].add(ref)

    def _build_host(self, ref: str) -> Host | None:
        part = self._hosts.get(ref)
        if part is None:
            return None
        host = part.host
        cpus = [self._host_cpus[cpu_ref] for cpu_ref in sorted(self._host_cpus.referring(ref))]
        metrics = self._host_metrics.get(part.metrics_ref)
        host = _with_problems(
            host,
            (part.problem, metrics.problem if metrics else ""),
            (cpu.problem for cpu in cpus),
            self._left_out.of("host", ref),
            self._unread.concerning("host", "host_metrics", "host_cpu"),
        )
        if cpus:
            host = replace(
                host,
                cpu_count=host.cpu_count or len(cpus),
                cpu_model=host.cpu_model or cpus[0].model,
                cpu_vendor=host.cpu_vendor or cpus[0].vendor,
                cpu_mhz=cpus[0].mhz,
            )
        if self._problems:
            left_out = [*filter(None, [host.left_out]), *self._problems.values()]
            host = replace(host, left_out=_few(left_out))
        if metrics is not None:
            host = replace(
                host,
                live=metrics.live,
                memory_total_bytes=metrics.memory_total_bytes,
                memory_free_bytes=metrics.memory_free_bytes,
            )
        return host

    def _build_network(self, ref: str) -> Network | None:
        network = self._networks.get(ref)
        return network and _with_problems(network, self._unread.concerning("network"))

    def _build_repository(self, ref: str) -> StorageRepository | None:
        repository = self._repositories.get(ref)
        if repository is None:
            return None
        plugs = [self._plugs[plug_ref] for plug_ref in sorted(self._plugs.referring(ref))]
        repository = _with_problems(
            repository,
            (plug.problem for plug in plugs),
            self._left_out.of("SR", ref),
            self._unread.concerning("SR", "PBD"),
        )
        if not plugs:
            return repository
        location = next((plug.location for plug in plugs if plug.location), "")
        attached = any(plug.attached for plug in plugs)
        return replace(repository, location=location, attached=attached)

    def _build_image(self, ref: str) -> VirtualDiskImage | None:
        part = self._images.get(ref)
        if part is None:
            return None
        image = _with_problems(part.image, (part.problem,), self._unread.concerning("VDI"))
        repository = self._repositories.get(part.sr_ref)
        return replace(image, sr_uuid=repository.uuid) if repository else image

    def _build_system(self, ref: str) -> VirtualSystem | None:
        part = self._systems.get(ref)
        if part is None or not part.ordinary:
            return None
        is_new = ref not in self._built["virtual_systems"]
        if is_new and part.system.name_label in self._unfinished:
            self._withheld.add(ref)
            return None
        unread = self._unread.concerning("VM", "VM_metrics", "VBD", "VIF", "console")
        disks = [self._build_disk(disk_ref) for disk_ref in self._disks.referring(ref)]
        ports = [self._build_port(port_ref) for port_ref in self._ports.referring(ref)]
        consoles = [self._consoles[each].console for each in self._consoles.referring(ref)]
        consoles.sort(key=lambda each: (each.protocol, each.id, each.uuid))
        host = self._hosts.get(part.host_ref)
        metrics = self._metrics.get(part.metrics_ref)
        system = replace(
            part.system,
            disks=tuple(sorted(disks, key=_device_order)),
            network_ports=tuple(sorted(ports, key=_device_order)),
            # One that has no name of its own is numbered.
            consoles=tuple(
                console if console.id else replace(console, id=f"{console.protocol}-{number}")
                for number, console in enumerate(consoles)
            ),
            resident_on=host.host.uuid if host else "",
            **_NOTHING if metrics is None else _measured(part.system, metrics),
        )
        system = _with_problems(
            system,
            (part.problem, "" if metrics is None else metrics.problem),
            (self._consoles[each].problem for each in self._consoles.referring(ref)),
            self._left_out.of("VM", ref),
            unread,
        )
        if unread:
            system = replace(system, **self._unread.without_unknown(system))
        return system

    def _build_disk(self, ref: str) -> VirtualDisk:
        part = self._disks[ref]
        image = self._built["disk_images"].get(part.image_ref)
        disk = _with_problems(part.disk, (part.problem,), self._unread.concerning("VBD", "VDI"))
        return replace(disk, image=image)

    def _build_port(self, ref: str) -> VirtualNetworkPort:
        part = self._ports[ref]
        network = self._networks.get(part.network_ref)
        port = _with_problems(part.port, (part.problem,), self._unread.concerning("VIF", "network"))
        return replace(port, network_uuid=network.uuid) if network else port


def _measured(system: VirtualSystem, metrics: MetricsPart) -> Mapping[str, Any]:
    """What the metrics of a system tell of it."""
    running = system.power_state is PowerState.RUNNING
    return {
        "memory_actual_bytes": metrics.memory_actual_bytes,
        "vcpus_actual": metrics.vcpus_actual,
        "start_time": metrics.start_time,
        # A running system that is not told about may have been paused since its start.
        "state_since": metrics.state_since
        if metrics.tells_changes or not running
        else metrics.start_time,
        "stop": None if running else metrics.stop,
        "incident": metrics.incident if running else "",
        "incidents": metrics.incidents if running else (),
        "title": metrics.title,
        "live_title": metrics.live_title,
        "live_description": metrics.live_description,
    }


def _with_problems(built: _Shown, *problems: Iterable[str]) -> _Shown:
    """What is built of an object, with the problems of all that it is built of."""
    told = [built.problem, *chain.from_iterable(problems)]
    if not any(told):
        return built
    return replace(built, problem="; ".join(filter(None, dict.fromkeys(told))))


def _few(problems: Sequence[str]) -> str:
    """The first of many problems, and how many more there are."""
    more = len(problems) - _MOST_TOLD
    told = [*problems[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(told)


_BUILT = ("hosts", "networks", "storage_repositories", "disk_images", "virtual_systems")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
# What is off or suspended has no memory of a host.
_ON = (PowerState.RUNNING, PowerState.PAUSED)


def _touch_nothing(_ref: str) -> None:
    """Nothing is built from this object."""


def _device_order(device: VirtualDisk | VirtualNetworkPort) -> tuple[int, str]:
    # "2" before "10", "vdb" before "vdaa".
    return len(device.id), device.id
