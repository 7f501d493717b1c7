"""The key properties of classes, and the identities that tell their instances apart.

An identity is the value of the one key that varies; of a device it is the Name of its system, a
space, and its DeviceID.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, KeyPieces, ObjectPath
from virtcim.providers.engine.identities import PREFIX, instance_id, parse_instance_id
from virtcim.providers.errors import rejected

__all__ = [
    "INSTANCE_ID",
    "KeyShape",
    "OpenKeyShape",
    "device_keys",
    "service_keys",
    "system_keys",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """The key properties of a class in order: one tells the instances apart, the rest are fixed.

    Where a second one varies (``scope``), an identity is its value, a space, and the value of the
    first. ``has_parts``: the key that varies is one of our InstanceIDs, with UUID and part, and
    not the UUID alone.
    """

    names: tuple[str, ...]
    variable: str
    scope: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    has_parts: bool = True
    spelled: Mapping[str, str] = field(init=False)  # the names by lower-case name
    blank: Mapping[str, str] = field(init=False)  # the keys in order, empty where they vary

    def __post_init__(self) -> None:
        object.__setattr__(self, "spelled", {name.lower(): name for name in self.names})
        blank = {name: self.fixed.get(name, "") for name in self.names}
        object.__setattr__(self, "blank", blank)

    def keys(self, identity: str) -> dict[str, str]:
        """The keys of the instance ``identity``."""
        keys = {**self.blank}
        if self.scope:
            keys[self.scope], keys[self.variable] = self.split(identity)
        else:
            keys[self.variable] = identity
        return keys

    def split(self, identity: str) -> tuple[str, ...]:
        """The values of the keys that vary, in the order of ``varying``."""
        if not self.scope:
            return (identity,)
        scope, _, variable = identity.partition(" ")
        return scope, variable

    @property
    def varying(self) -> Sequence[str]:
        """The names of the keys that vary."""
        return (self.scope, self.variable) if self.scope else (self.variable,)

    def pieces(self, *part: str | int) -> dict[str, KeyPieces]:
        """What the keys are put together of, where the instances are a part of an object.

        Its UUID has the place 0; ``part`` is what follows it in an InstanceID.
        """
        keys: dict[str, KeyPieces] = {name: (value,) for name, value in self.blank.items()}
        if self.scope:
            keys[self.scope] = (0,)
        keys[self.variable] = (PREFIX, 0, *part) if self.has_parts else (0,)
        return keys

    def identity(self, path: ObjectPath) -> str | None:
        """The identity in ``path``; None where its fixed keys are those of another class.

        Raises CimError (ERR_BAD_PARAMETER) where keys are missing, unknown, or no strings.
        """
        given = dict(path.keys)
        if given.keys() != self.blank.keys():
            spelled = self.spelled
            given = {spelled.get(name.lower(), name): value for name, value in path.keys}
        if given.keys() != self.blank.keys():
            raise rejected(
                f"the keys of {path.class_name} are {', '.join(self.names)}, not those of "
                f"{path_text(path)}"
            )
        for name, expected in self.fixed.items():
            value = given[name]
            if value != expected and not (
                isinstance(value, str) and value.lower() == expected.lower()
            ):
                return None
        variable = given[self.variable]
        if not isinstance(variable, str):
            raise self._no_string(path, self.variable, variable)
        if not self.scope:
            return variable
        scope = given[self.scope]
        if not isinstance(scope, str):
            raise self._no_string(path, self.scope, scope)
        return f"{scope} {variable}"

    @staticmethod
    def _no_string(path: ObjectPath, name: str, value: object) -> CimError:
        return rejected(f"the key {name} of {path.class_name} is a string, not {value!r}")

    def naming(self) -> Callable[[str, str], str]:
        """What makes the identity of a part of the object with that UUID."""
        if not self.has_parts:
            return lambda uuid, _: uuid
        if self.scope:
            # As instance_id gives it, for what there is most of.
            return lambda uuid, part: f"{uuid} {PREFIX}{uuid}/{part}"
        return instance_id

    def parse(self, identity: str) -> tuple[str, str] | None:
        """The UUID (in lower case) and the part in an identity; None where it is none of ours."""
        if not self.has_parts:
            return identity.lower(), ""
        if not self.scope:
            return parse_instance_id(identity)
        scope, _, variable = identity.partition(" ")
        parsed = parse_instance_id(variable)
        return parsed if parsed is not None and parsed[0] == scope.lower() else None


class OpenKeyShape(KeyShape):
    """Keys that clients give: all vary that are not fixed, and an identity is a JSON list of them.

    ``variable`` is one of them.
    """

    def keys(self, identity: str) -> dict[str, str]:
        """The keys of the instance ``identity``."""
        return {**self.blank, **dict(zip(self.varying, self.split(identity), strict=True))}

    def identity(self, path: ObjectPath) -> str | None:
        """The identity in ``path``; None where its fixed keys are those of another class.

        Raises CimError (ERR_BAD_PARAMETER) where keys are missing, unknown, or no strings.
        """
        if super().identity(path) is None:
            return None
        values = [path.key(name) for name in self.varying]
        for name, value in zip(self.varying, values, strict=True):
            if not isinstance(value, str):
                raise self._no_string(path, name, value)
        return json.dumps(values, ensure_ascii=False)

    def split(self, identity: str) -> tuple[str, ...]:
        """The values of the keys that vary, in the order of ``varying``."""
        return tuple(json.loads(identity))

    @property
    def varying(self) -> Sequence[str]:
        """The names of the keys that vary."""
        return [name for name in self.names if name not in self.fixed]


INSTANCE_ID = KeyShape(names=("InstanceID",), variable="InstanceID")


def system_keys(class_name: str) -> KeyShape:
    """The keys of a system (CIM_System): its Name is a UUID."""
    return KeyShape(
        names=("CreationClassName", "Name"),
        variable="Name",
        fixed={"CreationClassName": class_name},
        has_parts=False,
    )


def device_keys(system_class: str, class_name: str) -> KeyShape:
    """The keys of a device (CIM_LogicalDevice) of a system of that class."""
    return KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "DeviceID"),
        variable="DeviceID",
        scope="SystemName",
        fixed={"SystemCreationClassName": system_class, "CreationClassName": class_name},
    )


def service_keys(system_class: str, class_name: str, name: str) -> KeyShape:
    """The keys of a service (CIM_Service) of which each system of that class has one."""
    return KeyShape(
        names=("SystemCreationClassName", "SystemName", "CreationClassName", "Name"),
        variable="SystemName",
        fixed={
            "SystemCreationClassName": system_class,
            "CreationClassName": class_name,
            "Name": name,
        },
        has_parts=False,
    )
