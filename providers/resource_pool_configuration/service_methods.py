"""The methods of the pool configuration service: storage pools, and the images in them.

What fails is raised with its standard code; the return values are 0, 4096 with a job, and 1 Not
Supported for the methods of the class that nothing below can do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from virtcim.cim.path_text import path_text
from virtcim.cim.records import MethodResult, ObjectPath
from virtcim.errormap import ErrorCode
from virtcim.providers.engine.instance_class import InstanceClass, Node
from virtcim.providers.engine.sources import Sources
from virtcim.providers.errors import failure, rejected
from virtcim.providers.host.devices import DISK_IMAGE, OfImage
from virtcim.providers.jobs.elements import element_of
from virtcim.providers.jobs.invocation import SUCCESS, Call, Method
from virtcim.providers.jobs.operation import Operation
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resource_pool_configuration.storage_settings import (
    read_image_settings,
    read_pool_settings,
)
from virtcim.providers.resources.disk.pool import (
    PRIMORDIAL_STORAGE_POOL,
    STORAGE_POOL,
    OfRepository,
    image_range,
)

__all__ = ["POOL_METHODS"]

S = TypeVar("S", bound=Sources)
_NOT_SUPPORTED = 1
_MAX_NAMED = 5


def _create_child_pool(call: Call) -> MethodResult:
    """CIM_ResourcePoolConfigurationService.CreateChildResourcePool."""
    parents = call.parameter("ParentPool")
    for path in parents if isinstance(parents, list) else [parents]:
        if path is not None:
            _resolved(call, path, "ParentPool", PRIMORDIAL_STORAGE_POOL)
    spec = read_pool_settings(
        call.classes, call.parameter("ElementName"), call.parameter("Settings")
    )

    def create(monitor: Operation) -> MethodResult:
        uuid = call.endpoint.storage.create_repository(spec, monitor)
        made = call.endpoint.inventory().storage_repositories[uuid]
        pool = STORAGE_POOL.node(OfRepository(made)).path(call.view.namespace)
        return MethodResult(return_value=SUCCESS, output={"Pool": pool})

    return call.run("CreateChildResourcePool", create)


def _delete_pool(call: Call) -> MethodResult:
    """CIM_ResourcePoolConfigurationService.DeleteResourcePool: nothing may be allocated from it."""
    node = _resolved(call, call.parameter("Pool"), "Pool", STORAGE_POOL)
    pool = node.sources.repository
    users = {system.name_label for system, _ in call.view.disks_in(pool.uuid)}
    _refuse_use(f"the storage pool {pool.name_label}", users, call.parameter("Pool"))

    def delete(monitor: Operation) -> MethodResult:
        call.endpoint.storage.remove_repository(pool.uuid, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("DeleteResourcePool", delete, affected=[element_of(node)])


def _create_in_pool(call: Call) -> MethodResult:
    """VirtCIM_ResourcePoolConfigurationService.CreateResourceInPool."""
    node = _resolved(call, call.parameter("Pool"), "Pool", STORAGE_POOL)
    pool = node.sources.repository
    spec = read_image_settings(call.view, call.classes, call.parameter("Settings"), pool)

    def create(monitor: Operation) -> MethodResult:
        uuid = call.endpoint.storage.create_image(spec, monitor)
        inventory = call.endpoint.inventory()
        made = DISK_IMAGE.node(OfImage(inventory.disk_images[uuid], min(inventory.hosts)))
        image = made.path(call.view.namespace)
        return MethodResult(return_value=SUCCESS, output={"Resource": image})

    return call.run("CreateResourceInPool", create, affected=[element_of(node)])


def _delete_in_pool(call: Call) -> MethodResult:
    """VirtCIM_ResourcePoolConfigurationService.DeleteResourceInPool."""
    node = _image(call)
    image = node.sources.image
    users = {system.name_label for system, _ in call.view.disks_with(image.uuid)}
    _refuse_use(f"the disk image {image.name_label}", users, call.parameter("Resource"))

    def delete(monitor: Operation) -> MethodResult:
        call.endpoint.storage.delete_image(image.uuid, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("DeleteResourceInPool", delete, affected=[element_of(node)])


def _resize_in_pool(call: Call) -> MethodResult:
    """VirtCIM_ResourcePoolConfigurationService.ResizeResourceInPool."""
    node = _image(call)
    image = node.sources.image
    size_bytes = call.parameter("Size")
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int) or size_bytes <= 0:
        shown = "NULL" if size_bytes is None else size_bytes
        raise rejected(f"Size: {shown} is no size of a disk image")
    repository = call.view.inventory.storage_repositories.get(image.sr_uuid)
    possible = None if repository is None else image_range(repository)
    objection = possible and possible.objection(size_bytes, (image.virtual_size_bytes,))
    if objection:
        raise rejected(f"Size: {size_bytes} (in bytes) {objection}")

    def resize(monitor: Operation) -> MethodResult:
        call.endpoint.storage.resize_image(image.uuid, size_bytes, monitor)
        return MethodResult(return_value=SUCCESS)

    return call.run("ResizeResourceInPool", resize, affected=[element_of(node)])


def _not_supported(_: Call) -> MethodResult:
    """What no hypervisor below can do: pools without a parent, and devices of the host in pools."""
    return MethodResult(return_value=_NOT_SUPPORTED)


def _image(call: Call) -> Node[OfImage]:
    """The image that Resource names, which must be in Pool where that is given."""
    node = _resolved(call, call.parameter("Resource"), "Resource", DISK_IMAGE)
    image = node.sources.image
    if call.parameter("Pool") is not None:
        given = _resolved(call, call.parameter("Pool"), "Pool", STORAGE_POOL)
        pool = given.sources.repository
        if image.sr_uuid != pool.uuid:
            raise rejected(
                f"Pool: the disk image {image.name_label} is not in the pool {pool.name_label}"
            )
    return node


def _resolved(call: Call, path: object, parameter: str, wanted: InstanceClass[S]) -> Node[S]:
    """The instance that a parameter refers to, which must be of the right class."""
    if not isinstance(path, ObjectPath):
        raise rejected(f"{parameter}: a reference to a {wanted.name} is needed")
    node = call.resolve(path)
    if node is None:
        raise rejected(f"{parameter}: there is no {path_text(path)}", source=path)
    if not wanted.owns(node):
        raise rejected(
            f"{parameter}: {path_text(path)} cannot be used here, it must be a {wanted.name}",
            source=path,
        )
    return node


def _refuse_use(what: str, users: Iterable[str], source: object) -> None:
    names = sorted(users)
    if not names:
        return
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    raise failure(
        ErrorCode.ERR_FILE_IN_USE,
        f"{what} is in use by {', '.join(names[:_MAX_NAMED])}{more}",
        source=source if isinstance(source, ObjectPath) else None,
    )


_SERVED = (
    ("CreateChildResourcePool", ("ElementName", "Settings", "ParentPool"), _create_child_pool),
    ("DeleteResourcePool", ("Pool",), _delete_pool),
    ("CreateResourceInPool", ("Settings", "Pool"), _create_in_pool),
    ("DeleteResourceInPool", ("Resource", "Pool"), _delete_in_pool),
    ("ResizeResourceInPool", ("Resource", "Size", "Pool"), _resize_in_pool),
    ("CreateResourcePool", ("ElementName", "HostResources", "ResourceType"), _not_supported),
    ("AddResourcesToResourcePool", ("HostResources", "Pool"), _not_supported),
    ("RemoveResourcesFromResourcePool", ("HostResources", "Pool"), _not_supported),
    ("ChangeParentResourcePool", ("ChildPool", "ParentPool", "Settings"), _not_supported),
)
POOL_METHODS = tuple(
    Method(
        instance_class=POOL_CONFIGURATION_SERVICE,
        name=name,
        parameters=parameters,
        invoke=invoke,
        static=True,
    )
    for name, parameters, invoke in _SERVED
)
