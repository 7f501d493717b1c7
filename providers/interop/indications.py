"""The indication service of the server, and what clients create to be told (DSP1054).

What there is of them is the host's: it keeps it in its repository (``InstanceRepository``). Filters
and listener destinations are in the namespace that clients create them in, the rest in the interop
namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, InstanceClass, Node
from virtcim.providers.engine.key_shapes import INSTANCE_ID, KeyShape, OpenKeyShape
from virtcim.providers.engine.repository import InstanceRepository, KeptInstance
from virtcim.providers.engine.view import View
from virtcim.providers.interop.object_manager import SERVER_NAME, SERVER_SYSTEM_CLASS

__all__ = [
    "COLLECTION",
    "DESTINATION",
    "DESTINATIONS",
    "FILTER",
    "INDICATION_CAPABILITIES",
    "INDICATION_SERVICE",
    "INDICATION_SERVICE_NAME",
    "affected_by_service",
    "collections_of_filter",
    "filters_of_collection",
    "handlers",
    "sources",
    "subscribed",
    "subscription_values",
]

INDICATION_SERVICE_NAME = "IndicationService"


class OfKept(NamedTuple):
    """An instance in the repository of the host."""

    instance: KeptInstance
    repository: InstanceRepository


def _kept(name: str, shape: KeyShape) -> InstanceClass[OfKept]:
    """A class whose instances the host keeps."""

    def find(view: View, identity: str) -> OfKept | None:
        repository = view.repository
        found = repository and repository.instance(view.namespace, name, identity)
        return OfKept(found, repository) if found and repository else None

    def every(view: View) -> Iterable[OfKept]:
        repository = view.repository
        if repository is None:
            return ()
        return (OfKept(each, repository) for each in repository.instances(view.namespace, name))

    return InstanceClass(
        name=name,
        shape=shape,
        identity=lambda of: of.instance.identity,
        found=find,
        every=every,
        values=lambda of: of.instance.values,
        volatile=True,
    )


def _created(name: str) -> InstanceClass[OfKept]:
    """A class of which clients create instances, with keys that they choose."""
    shape = OpenKeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="Name",
        fixed={"CreationClassName": name},
    )
    return _kept(name, shape)


FILTER = _created("CIM_IndicationFilter")
DESTINATION = _created("CIM_ListenerDestinationCIMXML")
# The second one is what clients of before CIM 2.8 create.
DESTINATIONS = (DESTINATION, _created("CIM_IndicationHandlerCIMXML"))
COLLECTION = _kept("CIM_FilterCollection", INSTANCE_ID)
_SERVICE_CLASS = "VirtCIM_IndicationService"
INDICATION_SERVICE = _kept(
    _SERVICE_CLASS,
    KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="Name",
        fixed={
            "SystemCreationClassName": SERVER_SYSTEM_CLASS,
            "SystemName": SERVER_NAME,
            "CreationClassName": _SERVICE_CLASS,
        },
    ),
)
INDICATION_CAPABILITIES = _kept("VirtCIM_IndicationServiceCapabilities", INSTANCE_ID)
_BY_NAME: Mapping[str, InstanceClass[OfKept]] = MappingProxyType(
    {each.name: each for each in (FILTER, *DESTINATIONS, COLLECTION)}
)
_Reached = Callable[[View, Node[OfKept]], Iterator[Node[OfKept]]]


def _node(view: View, instance: KeptInstance, repository: InstanceRepository) -> Node[OfKept]:
    node = _BY_NAME[instance.class_name].node(OfKept(instance, repository))
    return node if instance.namespace == view.namespace else node.at(instance.namespace)


def handlers(class_name: str) -> _Reached:
    """The destinations that subscribed to a filter or collection."""

    def reached(view: View, node: Node[OfKept]) -> Iterator[Node[OfKept]]:
        instance, repository = node.sources
        for one in repository.subscriptions_of(instance):
            if (one.class_name, one.namespace) == (class_name, view.namespace):
                yield _node(view, one.handler, repository)

    return reached


def sources(class_name: str) -> _Reached:
    """The filters or collections that a destination subscribed to."""

    def reached(view: View, node: Node[OfKept]) -> Iterator[Node[OfKept]]:
        instance, repository = node.sources
        for one in repository.subscriptions_of(instance):
            if (one.class_name, one.namespace) == (class_name, view.namespace):
                yield _node(view, one.source, repository)

    return reached


def subscribed(class_name: str) -> Callable[[View], Iterator[tuple[AnyNode, AnyNode]]]:
    """What all subscriptions of one class in a namespace are between."""

    def pairs(view: View) -> Iterator[tuple[AnyNode, AnyNode]]:
        repository = view.repository
        if repository is None:
            return
        for one in repository.subscriptions(view.namespace):
            if one.class_name == class_name:
                yield _node(view, one.source, repository), _node(view, one.handler, repository)

    return pairs


def subscription_values(source: AnyNode, handler: AnyNode) -> Mapping[str, Value]:
    """The properties of a subscription besides its references."""
    kept, other = source.sources, handler.sources
    assert isinstance(kept, OfKept)
    assert isinstance(other, OfKept)
    return kept.repository.subscription_values(kept.instance, other.instance)


def filters_of_collection(view: View, node: Node[OfKept]) -> Iterator[Node[OfKept]]:
    """The filters in a collection."""
    instance, repository = node.sources
    return (_node(view, each, repository) for each in repository.members(instance))


def collections_of_filter(view: View, node: Node[OfKept]) -> Iterator[Node[OfKept]]:
    """The collections that a filter is in."""
    instance, repository = node.sources
    return (_node(view, each, repository) for each in repository.collections(instance))


def affected_by_service(view: View, _: Node[OfKept]) -> Iterator[AnyNode]:
    """What the service works with: what is kept beside it."""
    affected: tuple[AnyClass, ...] = (FILTER, *DESTINATIONS, COLLECTION)
    return (node for each in affected for node in each.all(view))
