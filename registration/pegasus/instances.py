"""The registration itself: instances of OpenPegasus' own classes, in its interop namespace.

PG_ProviderModule, PG_Provider and PG_ProviderCapabilities are declared in OpenPegasus'
PG_ProviderModule20.mof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from virtcim.registration.mof_texts import instance_mof
from virtcim.registration.pegasus.server import REGISTRATION_CLASSES, PegasusState
from virtcim.registration.registry import Kind, Registration

__all__ = ["Values", "instance_differences", "instances", "instances_mof", "registered_again"]

Values = Mapping[str, str | int | list[str] | list[int]]

_PROVIDER_TYPES: Mapping[Kind, int] = MappingProxyType(
    {"instance": 2, "association": 3, "indication": 4, "method": 5}
)
# UserContext: all requests in one agent, which runs as one user.
_DESIGNATED_USER, _CIM_SERVER = 3, 5


def instances(
    rows: Iterable[Registration],
    *,
    module: str,
    location: str,
    version: str,
    user: str,
    group: str = "",
) -> dict[str, list[Values]]:
    """The instances by class: one module with one provider, and what it can do for each class.

    ``user`` is whom the provider runs as, nobody in particular (the server's own user) if empty.
    One context for all requests gives one process; "Requestor" would give one for each user.
    ``group`` is what an administrator has put the module into (``cimprovider -g``).
    """
    context: dict[str, str | int | list[str] | list[int]] = {"UserContext": _CIM_SERVER}
    if user:
        context = {"UserContext": _DESIGNATED_USER, "DesignatedUserContext": user}
    capabilities: list[Values] = []
    for row in rows:
        values: dict[str, str | int | list[str] | list[int]] = {
            "ProviderModuleName": module,
            "ProviderName": module,
            "CapabilityID": row.class_name,
            "ProviderType": sorted(_PROVIDER_TYPES[kind] for kind in row.kinds),
            "ClassName": row.class_name,
            "Namespaces": list(row.namespaces),
        }
        if row.methods:
            values["SupportedMethods"] = list(row.methods)
        capabilities.append(values)
    module_values: Values = {
        "Name": module,
        "Vendor": "virtcim",
        "Version": version,
        "InterfaceType": "CMPI",
        "InterfaceVersion": "2.0.0",
        "Location": location,
        **context,
    }
    if group:
        module_values = {**module_values, "ModuleGroupName": group}
    provider: Values = {"ProviderModuleName": module, "Name": module}
    return dict(zip(REGISTRATION_CLASSES, ([module_values], [provider], capabilities), strict=True))


def instances_mof(found: Mapping[str, Sequence[Values]]) -> str:
    """The instances as MOF, in the order in which they need each other."""
    return "\n".join(
        instance_mof(class_name, values)
        for class_name in REGISTRATION_CLASSES
        for values in found.get(class_name, ())
    )


def instance_differences(
    wanted: Mapping[str, Sequence[Values]], state: PegasusState
) -> tuple[str, ...]:
    """What of the registration is not as it should be, a sentence each."""
    found: list[str] = []
    for class_name, values in wanted.items():
        there = {_key(each): each for each in state.registered.get(class_name, ())}
        for one in values:
            known = there.pop(_key(one), None)
            if known is None:
                found.append(f"{class_name} {_key(one)} is not registered")
                continue
            found += [
                f"{class_name} {_key(one)}: {name} is {_told(known.get(name))}, not {_told(value)}"
                for name, value in one.items()
                if not _same(known.get(name), value)
            ]
        found += [f"{class_name} {key} is registered, and served no more" for key in there]
    return tuple(found)


def registered_again(state: PegasusState) -> dict[str, list[Values]]:
    """The instances that are there, as they have to be made to be there again."""
    names = {
        REGISTRATION_CLASSES[0]: (
            *("Name", "Vendor", "Version", "InterfaceType", "InterfaceVersion", "Location"),
            *("UserContext", "DesignatedUserContext", "ModuleGroupName"),
        ),
        REGISTRATION_CLASSES[1]: ("ProviderModuleName", "Name"),
        REGISTRATION_CLASSES[2]: (
            *("ProviderModuleName", "ProviderName", "CapabilityID", "ProviderType", "ClassName"),
            *("Namespaces", "SupportedProperties", "SupportedMethods"),
        ),
    }
    return {
        class_name: [
            {name: each[name] for name in names[class_name] if each.get(name) is not None}
            for each in found
        ]
        for class_name, found in state.registered.items()
    }


def _key(values: Mapping[str, object]) -> str:
    return str(values.get("CapabilityID") or values.get("Name"))


def _told(value: object) -> str:
    if isinstance(value, list):
        return f"{{{', '.join(map(str, value))}}}"
    return "not set" if value is None else str(value)


def _same(there: object, wanted: object) -> bool:
    if isinstance(wanted, list):
        return isinstance(there, list) and sorted(map(str, there)) == sorted(map(str, wanted))
    return str(there) == str(wanted)
