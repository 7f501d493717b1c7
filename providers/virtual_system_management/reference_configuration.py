"""A virtual system after another one: what ReferenceConfiguration says where the client does not.

Nothing that only one system may have is shared: names, MAC addresses, and images that are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from virtcim.cim.records import Record, Value
from virtcim.hypervisor.model import VirtualSystem
from virtcim.providers.engine.sources import OfSystem
from virtcim.providers.engine.view import View
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.resources.kind import ResourceKind
from virtcim.providers.resources.registry import KINDS, read_kind
from virtcim.providers.resources.settings import REFERENCE
from virtcim.providers.virtual_system.settings import PASSED_BOOT_DEVICES, SYSTEM_SETTINGS

__all__ = ["complemented"]

_TAKEN_OVER = (
    *("Description", "VirtualSystemType", "AutomaticStartupAction", "AutomaticRecoveryAction"),
    "BootDevices",
)
# The words of other implementations for what is taken over.
_SYNONYMS = {"AutomaticStartupAction": "autostart", "Description": "notes"}


def complemented(
    view: View,
    reference: VirtualSystem,
    system: Record,
    resources: Sequence[tuple[Record, str]],
) -> tuple[Record, list[tuple[Record, str]]]:
    """The settings of a definition, with those of ``reference`` that it does not give itself.

    A resource is given where a setting has its kind and its place; what every system has once,
    where there is a setting of its kind. Raises CimError for what cannot be had a second time.
    """
    given = {_place(record, where) for record, where in resources}
    added = [
        (record, REFERENCE) for kind in KINDS for record in _added(view, reference, kind, given)
    ]
    return _system(reference, system), [*resources, *added]


def _added(
    view: View, reference: VirtualSystem, kind: ResourceKind[Any], given: set[tuple[str, str]]
) -> Iterator[Record]:
    """The settings of the resources of one kind that are not given."""
    definition = kind.definition
    if definition is None:
        return
    for sources in kind.allocations(view, reference):
        if not given & {(kind.name, place) for place in definition.places(sources) if place}:
            yield definition.like(view, sources)


def _place(record: Record, where: str) -> tuple[str, str]:
    """The kind of a resource and its place; the place of what every system has once is its kind."""
    reader = SettingReader(record, where)
    kind = read_kind(reader).kind
    if kind.single:
        return kind.name, kind.name
    return kind.name, reader.text("AddressOnParent") or reader.text("VirtualDevice")


def _system(reference: VirtualSystem, system: Record) -> Record:
    given = {name.lower() for name, value in system.values.items() if value is not None}
    values: dict[str, Value] = dict(system.values)
    for name in _TAKEN_OVER:
        value = SYSTEM_SETTINGS.values(OfSystem(reference)).get(name)
        if name == "BootDevices":
            value = _boot_devices(value)
        if value is not None and not {name.lower(), _SYNONYMS.get(name, "")} & given:
            values = {key: each for key, each in values.items() if key.lower() != name.lower()}
            values[name] = value
    return Record(system.class_name, values)


def _boot_devices(value: Value) -> Value:
    """The devices to boot from, without those of the host: they are not taken over."""
    words = value if isinstance(value, list | tuple) else ()
    return [word for word in words if word not in PASSED_BOOT_DEVICES] or None
