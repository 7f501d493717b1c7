"""Filters, collections and listener destinations: those of clients, and the predefined ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from virtcim.cim.records import ObjectPath, Value
from virtcim.cimserver.indications.subscriptions.predefined import (
    COLLECTION_ID,
    COLLECTION_VALUES,
    PREDEFINED,
    QUERY_LANGUAGE,
)
from virtcim.cimserver.indications.subscriptions.tables import ElementRow, element_key
from virtcim.providers import INTEROP
from virtcim.providers.engine.repository import KeptInstance
from virtcim.providers.interop.indications import COLLECTION, DESTINATIONS, FILTER
from virtcim.providers.interop.object_manager import SERVER_NAME, SERVER_SYSTEM_CLASS

__all__ = [
    "KEPT_CLASSES",
    "Element",
    "key_of",
    "path_of",
    "predefined_elements",
    "report",
    "single_instance",
    "source_namespaces",
    "stored_elements",
]

_log = logging.getLogger(__name__)

KEPT_CLASSES = {each.name: each for each in (FILTER, *DESTINATIONS, COLLECTION)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Element:
    """A filter, a collection or a destination; ``row`` is None where it is predefined."""

    key: str
    kept: KeptInstance
    row: ElementRow | None = None


def path_of(kept: KeptInstance) -> ObjectPath:
    """The name of a kept instance."""
    instance_class = KEPT_CLASSES[kept.class_name]
    return ObjectPath(
        kept.class_name, instance_class.shape.keys(kept.identity), namespace=kept.namespace
    )


def key_of(kept: KeptInstance) -> str:
    """What an element is found by."""
    return element_key(kept.namespace, kept.class_name, kept.identity)


def single_instance(class_name: str, identity: str, values: Mapping[str, Value]) -> KeptInstance:
    """One that the server has of its own, in the interop namespace."""
    return KeptInstance(class_name=class_name, namespace=INTEROP, identity=identity, values=values)


def source_namespaces(values: Mapping[str, Value]) -> frozenset[str]:
    """Where the indications of a filter come from, in lower case."""
    named = values.get("SourceNamespaces") or (values["SourceNamespace"],)
    assert isinstance(named, Sequence)
    return frozenset(str(each).strip("/").lower() for each in named)


def _with_namespaces(
    values: Mapping[str, Value], namespace: str, namespaces: Mapping[str, str]
) -> Mapping[str, Value]:
    """The properties of a filter, with the namespaces that it is about where it names none.

    That is its own (CIM_IndicationFilter.SourceNamespaces); of one in the interop namespace, where
    nothing ever happens, it is all others.
    """
    if values.get("SourceNamespaces") or values.get("SourceNamespace"):
        return values
    others = [name for name in namespaces.values() if name != INTEROP]
    return {**values, "SourceNamespaces": others if namespace == INTEROP else [namespace]}


def predefined_elements(namespaces: Mapping[str, str]) -> Iterator[Element]:
    """The filters that nobody has created, and their collection."""
    for name, description, query in PREDEFINED:
        path = ObjectPath(
            FILTER.name,
            {
                "SystemCreationClassName": SERVER_SYSTEM_CLASS,
                "SystemName": SERVER_NAME,
                "CreationClassName": FILTER.name,
                "Name": name,
            },
        )
        identity = FILTER.shape.identity(path)
        assert identity is not None
        values: dict[str, Value] = {
            "ElementName": name.partition(":")[2],
            "Description": description,
            "Query": query,
            "QueryLanguage": QUERY_LANGUAGE,
            "IndividualSubscriptionSupported": True,
        }
        shown = _with_namespaces(values, INTEROP, namespaces)
        yield _element(single_instance(FILTER.name, identity, shown))
    yield _element(single_instance(COLLECTION.name, COLLECTION_ID, COLLECTION_VALUES))


def _element(kept: KeptInstance, row: ElementRow | None = None) -> Element:
    return Element(key=key_of(kept), kept=kept, row=row)


def stored_elements(rows: Iterable[ElementRow], namespaces: Mapping[str, str]) -> Iterator[Element]:
    """What clients have created in the namespaces that are served."""
    for row in rows:
        namespace = namespaces.get(row.namespace.lower())
        if namespace is None or row.class_name not in KEPT_CLASSES:
            report(f"{row.class_name} {row.identity}", f"{row.namespace} is not served now")
            continue
        values = row.properties
        if row.class_name == FILTER.name:
            values = _with_namespaces(values, namespace, namespaces)
        kept = KeptInstance(
            class_name=row.class_name, namespace=namespace, identity=row.identity, values=values
        )
        yield _element(kept, row)


@lru_cache(maxsize=256)
def report(what: str, why: str) -> None:
    """Say once what is kept, but not used."""
    _log.warning("%s is left out: %s", what, why)
