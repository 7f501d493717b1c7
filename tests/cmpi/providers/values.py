"""Values of the providers as a CIM server has them, and what it was given as values again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.cmpi.words import Instance, Path, Typed
from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES, read_value
from virtcim.cim.declarations import Declared
from virtcim.cim.instance_text import read_instance_text
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cimserver.declarations import Declarations

__all__ = ["Values"]

_NOTHING: Mapping[str, Declared] = {}


class Values:
    """A value is of its declared type, as a server has read it from a client's message.

    One that is not of that type, or is not declared, is what it looks like: it is for the providers
    to refuse.
    """

    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations

    def path(self, path: ObjectPath) -> Path:
        keys = self._declared(path.class_name)
        return Path(
            namespace=path.namespace or None,
            class_name=path.class_name,
            keys=self.typed(dict(path.keys), keys),
        )

    def typed(
        self, values: Mapping[str, Value], declared: Mapping[str, Declared]
    ) -> dict[str, Typed]:
        return {
            name: self._typed(value, declared.get(name.lower())) for name, value in values.items()
        }

    def parameters(
        self, class_name: str, method: str, values: Mapping[str, Value]
    ) -> dict[str, Typed]:
        found = None
        if self.declarations.canonical(class_name) is not None:
            found = self.declarations.method(class_name, method)
        return self.typed(values, _NOTHING if found is None else found.parameters)

    def object_path(self, path: Path) -> ObjectPath:
        keys = {name: self._value(typed, None) for name, typed in path.keys.items()}
        return ObjectPath(path.class_name or "", keys, namespace=path.namespace or "")

    def record(self, instance: Instance) -> Record:
        declared = self._declared(instance.path.class_name or "")
        path = self.object_path(instance.path)
        return Record(path.class_name, self.values(instance.properties, declared), path)

    def outputs(self, class_name: str, method: str, given: Mapping[str, Typed]) -> dict[str, Value]:
        declared = self.declarations.method(class_name, method)
        return self.values(given, _NOTHING if declared is None else declared.parameters)

    def values(
        self, given: Mapping[str, Typed], declared: Mapping[str, Declared]
    ) -> dict[str, Value]:
        """Without those that are NULL, as records have none."""
        return _good(
            {name: self._value(typed, declared.get(name.lower())) for name, typed in given.items()}
        )

    def _declared(self, class_name: str) -> Mapping[str, Declared]:
        known = self.declarations.canonical(class_name) is not None
        return self.declarations.properties(class_name) if known else _NOTHING

    def _typed(self, value: Value, declared: Declared | None) -> Typed:
        if isinstance(value, list | tuple):
            items = [self._typed(one, declared) for one in value]
            if items:
                return f"array {items[0][0]}", items
            return f"array {'string' if declared is None else declared.type_name}", items
        if value is None:
            return f"null {'string' if declared is None else declared.type_name}", None
        if isinstance(value, ObjectPath):
            return "reference", self.path(value)
        if isinstance(value, Record):
            path = value.path or ObjectPath(value.class_name)
            properties = self.typed(value.values, self._declared(value.class_name))
            return "instance", Instance(path=self.path(path), properties=properties)
        if isinstance(value, datetime | timedelta):
            return "datetime", DATA_TYPES["datetime"].write(value)
        if isinstance(value, bool):
            return "boolean", value
        if isinstance(value, int):
            return _integer_type(value, declared), value
        return "real64" if isinstance(value, float) else "string", value

    def _value(self, typed: Typed, declared: Declared | None) -> Any:
        name, value = typed
        if value is None:
            return None
        if name.startswith("array "):
            return [self._value(one, declared) for one in value]
        if name == "reference":
            return self.object_path(value)
        if name == "instance":
            return self.record(value)
        if name == "datetime":
            return read_value("datetime", value)
        if declared is not None and declared.is_embedded and isinstance(value, str):
            record = read_instance_text(value, self.declarations)
            return Record(record.class_name, _good(record.values), record.path)
        return value


def _good(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _integer_type(value: int, declared: Declared | None) -> str:
    names: Iterable[str] = ("sint64", "uint64")
    if declared is not None and declared.type_name in INTEGER_RANGES:
        names = (declared.type_name, *names)
    return next(
        name for name in names if INTEGER_RANGES[name][0] <= value <= INTEGER_RANGES[name][1]
    )
