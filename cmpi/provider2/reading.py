"""Blocks of bytes from C as objects of pywbem's, with the types that the server says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pywbem

from virtcim.cim.declared_values import MisfitError
from virtcim.cmpi.cmpi_types import ARRAY, INSTANCE, REFERENCE, TYPES
from virtcim.cmpi.reading import BlockReader
from virtcim.cmpi.request import REQUEST_TEXTS

__all__ = ["Given", "PywbemReader"]

_NAMES: Mapping[int, str] = MappingProxyType({number: name for name, number in TYPES.items()})


class Given(NamedTuple):
    """A value that the server gave, also one that is NULL; an embedded instance is a string."""

    name: str
    type_name: str
    is_array: bool
    is_embedded: bool
    value: Any

    def as_property(self) -> pywbem.CIMProperty:
        """The same as a property."""
        return pywbem.CIMProperty(
            self.name,
            self.value,
            self.type_name,
            is_array=self.is_array,
            embedded_object="instance" if self.is_embedded else None,
        )


class PywbemReader(BlockReader):
    """Reads the parts of a block one after the other, as objects of pywbem's."""

    __slots__ = ()

    def pass_arguments(self) -> None:
        """Go to what stands behind the arguments of a request (``request.Request.read``)."""
        self.texts()
        for _ in range(REQUEST_TEXTS):
            self.text()
        self.number()

    def instance_name(self) -> pywbem.CIMInstanceName:
        """An object path; that of a class has no keys."""
        namespace, class_name = self.text(), self.text()
        keys = {one.name: one.value for one in self.given() if one.value is not None}
        place = (namespace or "").strip("/") or None
        return pywbem.CIMInstanceName(class_name or "", keys, namespace=place)

    def cim_instance(self) -> pywbem.CIMInstance:
        """An instance, with the properties that the server has of it."""
        path = self.instance_name()
        properties = {one.name: one.as_property() for one in self.given()}
        return pywbem.CIMInstance(path.classname, properties, path=path)

    def given(self) -> list[Given]:
        """Names with their values."""
        found: list[Given] = []
        for _ in range(self._short()):
            name, at = self.text() or "", self._at
            type_ = self._short()
            self._at = at
            value: Any = self._value()
            is_embedded = type_ & ~ARRAY == INSTANCE
            type_name = "string" if is_embedded else _type_name(type_ & ~ARRAY)
            found.append(Given(name, type_name, bool(type_ & ARRAY), is_embedded, value))
        return found

    def _null(self) -> Any:
        return None

    def _contents(self, type_: int) -> Any:
        if type_ == REFERENCE:
            return self.instance_name()
        if type_ == INSTANCE:
            return self.cim_instance()
        value, type_name = super()._contents(type_), _type_name(type_)
        try:
            return pywbem.cimvalue(value, type_name)
        except ValueError as error:
            raise MisfitError(str(error), place=f"a {type_name}") from error


def _type_name(type_: int) -> str:
    return _NAMES.get(type_, "string")
