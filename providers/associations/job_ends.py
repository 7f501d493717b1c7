"""How jobs are reached from what they change or make, and from what they belong to (DSP1103)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from virtcim.cim.records import MethodResult, ObjectPath, Value
from virtcim.cim.value_maps import JobEffect
from virtcim.hypervisor.change import Made
from virtcim.hypervisor.model import Inventory
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, Node
from virtcim.providers.engine.view import View
from virtcim.providers.host.devices import DISK_IMAGE, OfImage
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB, OfJob
from virtcim.providers.jobs.elements import element_of
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resources.disk.pool import STORAGE_POOL, OfRepository
from virtcim.providers.resources.registry import ALLOCATIONS, KINDS, added_settings
from virtcim.providers.state.job import JobElement
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM, system_element
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = [
    "AFFECTED_CLASSES",
    "OWNING_CLASSES",
    "affected_elements",
    "affecting_jobs",
    "effect",
    "made_elements",
    "named_elements",
    "owned_jobs",
    "owning_element",
]

AFFECTED_CLASSES: tuple[AnyClass, ...] = (
    COMPUTER_SYSTEM,
    SYSTEM_SETTINGS,
    *ALLOCATIONS,
    STORAGE_POOL,
    DISK_IMAGE,
)
OWNING_CLASSES: tuple[AnyClass, ...] = (
    COMPUTER_SYSTEM,
    MANAGEMENT_SERVICE,
    POOL_CONFIGURATION_SERVICE,
)
_CLASSES: Mapping[str, AnyClass] = MappingProxyType(
    {each.name: each for each in (*AFFECTED_CLASSES, *OWNING_CLASSES)}
)


def named_elements(result: MethodResult) -> Iterator[JobElement]:
    """The instances that the output parameters of a method name."""
    for value in result.output.values():
        for path in value if isinstance(value, list) else [value]:
            instance_class = _CLASSES.get(path.class_name) if isinstance(path, ObjectPath) else None
            if instance_class is not None and isinstance(path, ObjectPath):
                identity = instance_class.shape.identity(path)
                if identity is not None:
                    yield JobElement(instance_class.name, identity)


def made_elements(made: Made, inventory: Inventory) -> Iterator[JobElement]:
    """The instances that the methods name which make such things."""
    if made.system:
        yield system_element(made.system)
    for kind in KINDS:
        for identity in added_settings(kind, made.changed_system, made.devices):
            yield JobElement(kind.allocation.name, identity)
    if repository := inventory.storage_repositories.get(made.repository):
        yield element_of(STORAGE_POOL.node(OfRepository(repository)))
    if image := inventory.disk_images.get(made.image):
        yield element_of(DISK_IMAGE.node(OfImage(image, min(inventory.hosts))))


def affected_elements(view: View, node: Node[OfJob]) -> Iterator[AnyNode]:
    """What a job changes or made, as far as it is there."""
    job = node.sources.job
    yield from _found(view, dict.fromkeys((*job.affected, *job.created)))


def affecting_jobs(view: View, node: AnyNode) -> Iterator[Node[OfJob]]:
    """The jobs that change or made an instance."""
    element = element_of(node)
    for job in view.jobs_concerning(element):
        if element in job.affected or element in job.created:
            yield CONCRETE_JOB.node(OfJob(job, view.language))


def owning_element(view: View, node: Node[OfJob]) -> Iterable[AnyNode]:
    """What a job was asked of."""
    job = node.sources.job
    return () if job.owner is None else _found(view, (job.owner,))


def owned_jobs(view: View, node: AnyNode) -> Iterator[Node[OfJob]]:
    """The jobs that an instance was asked for."""
    element = element_of(node)
    for job in view.jobs_concerning(element):
        if job.owner == element:
            yield CONCRETE_JOB.node(OfJob(job, view.language))


def effect(job: AnyNode, element: AnyNode) -> Mapping[str, Value]:
    """What a job does to an instance, where it is known to have made it."""
    assert CONCRETE_JOB.owns(job)
    made = element_of(element) in job.sources.job.created
    return {"ElementEffects": [JobEffect.CREATE] if made else None}


def _found(view: View, elements: Iterable[JobElement]) -> Iterator[AnyNode]:
    for element in elements:
        instance_class = _CLASSES.get(element.class_name)
        found = None if instance_class is None else instance_class.find(view, element.identity)
        if found is not None:
            yield found
