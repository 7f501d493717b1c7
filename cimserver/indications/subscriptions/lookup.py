"""What object paths name: filters, collections, destinations and subscriptions."""

from __future__ import annotations

from virtcim.cim.path_text import path_text
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.indications.subscriptions.elements import KEPT_CLASSES, Element
from virtcim.cimserver.indications.subscriptions.kinds import REFERENCES, SUBSCRIPTIONS
from virtcim.cimserver.indications.subscriptions.refusals import not_there
from virtcim.cimserver.indications.subscriptions.snapshot import Snapshot, Subscribed, Surroundings
from virtcim.cimserver.indications.subscriptions.tables import element_key, subscription_key

__all__ = ["element_named", "found_element", "referred", "subscription_named"]


def found_element(
    snapshot: Snapshot, surroundings: Surroundings, path: ObjectPath
) -> Element | None:
    """The filter, collection or destination that ``path`` names, also by its superclass.

    Raises CimError where the keys are those of no such instance.
    """
    namespace = surroundings.namespaces.get(path.namespace.lower())
    if namespace is None:
        return None
    for name, instance_class in KEPT_CLASSES.items():
        if surroundings.compiler.classes.is_a(name, path.class_name):
            identity = instance_class.shape.identity(path)
            if identity is not None:
                element = snapshot.elements.get(element_key(namespace, name, identity))
                if element is not None:
                    return element
    return None


def element_named(snapshot: Snapshot, surroundings: Surroundings, path: ObjectPath) -> Element:
    """As ``found_element``. Raises CimError where there is none."""
    element = found_element(snapshot, surroundings, path)
    if element is None:
        raise not_there(path)
    return element


def subscription_named(
    snapshot: Snapshot, surroundings: Surroundings, path: ObjectPath
) -> Subscribed | None:
    """The subscription that ``path`` names, None where it names something else.

    Raises CimError where it names a subscription that is not there.
    """
    if not any(surroundings.compiler.classes.is_a(each, path.class_name) for each in SUBSCRIPTIONS):
        return None
    ends = [path.key(name) for name in REFERENCES]
    elements = [
        found_element(snapshot, surroundings, end) for end in ends if isinstance(end, ObjectPath)
    ]
    if len(elements) == len(ends) and None not in elements:
        source, handler = elements
        assert source is not None
        assert handler is not None
        found = snapshot.subscribed.get(subscription_key(source.key, handler.key))
        if found is not None and found.kept.namespace.lower() == path.namespace.lower():
            return found
    raise not_there(path)


def referred(snapshot: Snapshot, surroundings: Surroundings, name: str, given: Record) -> Element:
    """What the reference ``name`` of a new subscription names. Raises CimError that names it."""
    path = given.values.get(name)
    if not isinstance(path, ObjectPath) or not path.keys:
        raise invalid_parameter(f"{name} is needed: the name of an instance")
    element = found_element(snapshot, surroundings, path)
    if element is None:
        raise invalid_parameter(f"{name}: there is no instance {path_text(path)}")
    return element
