"""What is checked of a filter, a destination or a subscription beyond its single properties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from virtcim.cim.cimxml.values import shown
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.indications.networks import ForbiddenAddressError
from virtcim.cimserver.indications.subscriptions.destinations import read_destination
from virtcim.cimserver.indications.subscriptions.elements import Element
from virtcim.cimserver.indications.subscriptions.snapshot import Subscribed, Surroundings
from virtcim.cimserver.queries import InvalidQuery, UnknownLanguage
from virtcim.providers import ErrorCode, failure
from virtcim.providers.interop.object_manager import SERVER_NAME, SERVER_SYSTEM_CLASS

__all__ = [
    "KEYS",
    "MayTouch",
    "check_destination",
    "check_filter",
    "check_owner",
    "checked_path",
    "without_keys",
]

KEYS = ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
_INDICATION = "CIM_Indication"
_MOST_CHARACTERS = 1024
MayTouch = Callable[[str, str], bool]
"""Whether the client may use, change and delete what a user has created in a namespace."""


def checked_path(namespace: str, given: Record) -> ObjectPath:
    """The name of a new filter or destination: as the client wants it, the rest as it is usual.

    Raises CimError that names the key.
    """
    usual = {
        "SystemCreationClassName": SERVER_SYSTEM_CLASS,
        "SystemName": SERVER_NAME,
        "CreationClassName": given.class_name,
    }
    keys: dict[str, str] = {}
    for name in KEYS:
        value = given.values.get(name) or usual.get(name) or f"VirtCIM:{uuid4()}"
        assert isinstance(value, str)
        if len(value) > _MOST_CHARACTERS:
            raise invalid_parameter(f"{name} has more than {_MOST_CHARACTERS} characters")
        keys[name] = value
    if keys["CreationClassName"].lower() != given.class_name.lower():
        raise invalid_parameter(
            f"CreationClassName is {given.class_name}, not {shown(keys['CreationClassName'])}"
        )
    keys["CreationClassName"] = given.class_name
    return ObjectPath(given.class_name, keys, namespace=namespace)


def check_filter(values: Mapping[str, Any], surroundings: Surroundings) -> None:
    """Refuse a filter that could never select anything. Raises CimError that names the property."""
    named = [("SourceNamespaces", each) for each in values.get("SourceNamespaces", ())]
    if values.get("SourceNamespace"):
        named.append(("SourceNamespace", values["SourceNamespace"]))
    for name, each in named:
        if each.strip("/").lower() not in surroundings.namespaces:
            raise invalid_parameter(f"{name}: there is no namespace {shown(each)}")
    try:
        query = surroundings.compiler.query(values)
    except UnknownLanguage:
        raise invalid_parameter(
            f"QueryLanguage: {shown(values['QueryLanguage'])} is not supported; "
            "DMTF:CQL and WQL are"
        ) from None
    except InvalidQuery as exc:
        raise invalid_parameter(f"Query: {exc}") from None
    if not surroundings.compiler.classes.is_a(query.class_name, _INDICATION):
        raise invalid_parameter(
            f"Query: {query.class_name} is no class of indications; SourceInstance ISA "
            f"{query.class_name} selects those that tell of one"
        )


def check_destination(values: Mapping[str, Any], surroundings: Surroundings) -> None:
    """Refuse an address that nothing would be sent to. Raises CimError that names the property."""
    try:
        surroundings.networks.check_url(read_destination(values["Destination"]))
    except ForbiddenAddressError as exc:
        raise invalid_parameter(f"Destination: {exc}") from None


def check_owner(one: Element | Subscribed, may_touch: MayTouch) -> None:
    """Refuse what another client has created to one who is no administrator. Raises CimError."""
    assert one.row is not None
    if not may_touch(one.row.principal, one.kept.namespace):
        raise failure(
            ErrorCode.ERR_ACCESS_DENIED,
            f"this instance of {one.kept.class_name} was created by another user; that needs the "
            f"role administer in {one.kept.namespace}",
        )


def without_keys(path: ObjectPath, given: Record, wanted: Iterable[str]) -> list[str]:
    """The properties to change that are no keys. Raises CimError for a key that would change."""
    keys = {name.lower(): value for name, value in path.keys}
    for name in wanted:
        if name.lower() in keys and name in given.values:
            value = given.values[name]
            if value not in (None, keys[name.lower()]):
                raise invalid_parameter(f"{name} is a key and cannot be changed")
    return [name for name in wanted if name.lower() not in keys]
