"""The questions that can be put to the XenAPI after a failure; each of them only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from virtcim.errormap import Fault, from_xapi
from virtcim.hypervisor.model import (
    Host,
    Inventory,
    StorageRepository,
    TaskStatus,
    VirtualDiskImage,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.fields import Record, RecordError

__all__ = ["QUESTIONS", "Learned", "Question", "Subject"]

# Pools have up to 64 hosts; whoever asks them all within seconds disturbs them.
_MOST_HOSTS = 16
_MOST_DISKS = 8
_MOST_PARTS = 8
_BOOTING = frozenset({"VM.start", "VM.start_on", "VM.resume", "VM.resume_on"})
# A file system with less than this part of it free takes no more data.
_FULL_BELOW = 0.001
# Storage that is given away as a whole from the start, or that nobody writes to.
_NEVER_FULL = ("lvm", "logical", "iso", "udev", "path")

# Calls a method of the XenAPI and gives its value; raises HypervisorError.
Call = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One answer: what it says in words, or the fault that it is.

    ``by_host``: a host told whether it can take the virtual machine; no fault means that it can.
    """

    about: str
    said: str = ""
    fault: Fault | None = None
    by_host: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question: what it is about, and how it is put. A refusal is an answer, too."""

    about: str
    put: Callable[[Call], Iterable[Learned]]
    by_host: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a failed call was about, as the inventory knows it."""

    operation: str
    task_ref: str
    system: VirtualSystem | None
    images: tuple[VirtualDiskImage, ...]
    repositories: tuple[StorageRepository, ...]
    hosts: tuple[Host, ...]

    @classmethod
    def of(
        cls, inventory: Inventory, operation: str, params: Sequence[object], task_ref: str
    ) -> Subject:
        """Find the objects that the parameters of the call, or a record among them, refer to."""
        refs = frozenset(_texts(params))
        systems = inventory.virtual_systems.values()
        system = next((each for each in systems if each.ref in refs), None)
        plugged = [
            disk for each in systems for disk in each.disks if each is system or disk.ref in refs
        ]
        images = {disk.image.ref: disk.image for disk in plugged if disk.image is not None}
        images |= {each.ref: each for each in inventory.disk_images.values() if each.ref in refs}
        used = {image.sr_uuid for image in images.values()}
        repositories = inventory.storage_repositories.values()
        hosts = inventory.hosts.values()
        return cls(
            operation=operation.removeprefix("Async."),
            task_ref=task_ref,
            system=system,
            images=tuple(images.values())[:_MOST_DISKS],
            repositories=tuple(
                each for each in repositories if each.uuid in used or each.ref in refs
            )[:_MOST_DISKS],
            # Those that run come first, where not all of a large pool are asked.
            hosts=tuple(
                sorted(hosts, key=lambda each: (not (each.live and each.enabled), each.name_label))
            ),
        )

    @property
    def asked_hosts(self) -> tuple[Host, ...]:
        """The hosts that may be asked."""
        return self.hosts[:_MOST_HOSTS]


def _texts(params: Sequence[object]) -> Iterator[str]:
    for param in params:
        for value in param.values() if isinstance(param, Mapping) else (param,):
            if isinstance(value, str):
                yield value


def _hosts(subject: Subject) -> Iterator[Question]:
    """Whether each host could run the virtual machine."""
    system = subject.system
    if system is not None and subject.operation in _BOOTING:
        for host in subject.asked_hosts:
            put = partial(_can_boot, system, host)
            yield Question(about=host.name_label, put=put, by_host=True)


def _can_boot(system: VirtualSystem, host: Host, call: Call) -> Iterator[Learned]:
    """XenAPI VM.assert_can_boot_here, which answers with the fault that a start would give."""
    call("VM.assert_can_boot_here", system.ref, host.ref)
    yield Learned(about=host.name_label, said="can run it", by_host=True)


def _memory(subject: Subject) -> Iterator[Question]:
    """How much memory each host has free."""
    for host in subject.asked_hosts:
        yield Question(about=host.name_label, put=partial(_free_memory, host))


def _free_memory(host: Host, call: Call) -> Iterator[Learned]:
    """XenAPI host.compute_free_memory, in bytes."""
    free = int(call("host.compute_free_memory", host.ref))
    yield Learned(about=host.name_label, said=f"{free // 2**20} MiB free")


def _storage(subject: Subject) -> Iterator[Question]:
    """Whether the disks are there, and their repositories attached and not full."""
    for image in subject.images:
        about = f"disk {image.name_label}"
        yield Question(about=about, put=partial(_image, about, image))
    for repository in subject.repositories:
        about = f"storage {repository.name_label}"
        yield Question(about=about, put=partial(_repository, about, repository, subject.hosts))


def _image(about: str, image: VirtualDiskImage, call: Call) -> Iterator[Learned]:
    record = call("VDI.get_record", image.ref)
    if record.get("missing") is True:
        yield _seen(about, "VDI_MISSING", record.get("SR", ""), image.ref)


def _repository(
    about: str, repository: StorageRepository, hosts: Sequence[Host], call: Call
) -> Iterator[Learned]:
    record = call("SR.get_record", repository.ref)
    plugs = [call("PBD.get_record", ref) for ref in _refs(record, "PBDs")[:_MOST_HOSTS]]
    detached = {plug["host"] for plug in plugs if not plug["currently_attached"]}
    if not plugs:
        yield _seen(about, "SR_HAS_NO_PBDS", repository.ref)
    elif len(detached) == len(plugs):
        yield _seen(about, "SR_NOT_ATTACHED", repository.ref)
    elif detached:
        names = sorted(host.name_label for host in hosts if host.ref in detached)
        yield Learned(about=about, said=f"not attached to {', '.join(names)}")
    size, used = int(record["physical_size"]), int(record["physical_utilisation"])
    if size > 0 and size - used < size * _FULL_BELOW and _can_be_full(record["type"]):
        yield _seen(about, "SR_FULL", "", str(size))


def _can_be_full(sr_type: str) -> bool:
    return not sr_type.startswith(_NEVER_FULL)


def _subtasks(subject: Subject) -> Iterator[Question]:
    """How the parts of the failed task ended."""
    if subject.task_ref:
        put = partial(_failed_parts, subject.task_ref, subject.operation)
        yield Question(about="task", put=put)


def _failed_parts(task_ref: str, operation: str, call: Call) -> Iterator[Learned]:
    """XenAPI task.subtasks and their task.error_info."""
    for ref in _refs(call("task.get_record", task_ref), "subtasks")[:_MOST_PARTS]:
        record = call("task.get_record", ref)
        if record["status"] == TaskStatus.FAILURE and record["error_info"]:
            fault = from_xapi(record["error_info"], operation=operation)
            yield Learned(about=record["name_label"], fault=fault)


def _refs(record: Record, name: str) -> list[str]:
    refs = record.get(name, [])
    if not isinstance(refs, list):
        raise RecordError(f"{name} is no list of references")
    return refs


def _seen(about: str, *description: str) -> Learned:
    """What a record shows, in the words of the server for where it looks by itself."""
    return Learned(about=about, fault=from_xapi(description, operation="SR.get_record"))


QUESTIONS: Mapping[str, Callable[[Subject], Iterable[Question]]] = MappingProxyType(
    {"hosts": _hosts, "memory": _memory, "storage": _storage, "subtasks": _subtasks}
)
