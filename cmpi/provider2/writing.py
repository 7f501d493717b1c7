"""Objects of pywbem's as blocks of bytes for C: each carries its own types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pywbem

from virtcim.cim.errors import EncodingError
from virtcim.cmpi.blocks import contents_writer, entries_block, text_block, value_block
from virtcim.cmpi.cmpi_types import ARRAY, INSTANCE, TYPES
from virtcim.cmpi.provider2.models import path_of

__all__ = ["PywbemWriter", "type_of"]

# What a number of Python's is taken for that a provider gave no type: enough for any ValueMap.
_PLAIN_NUMBERS: Mapping[type, str] = MappingProxyType({int: "uint32", float: "real64"})
_LARGEST_UINT32 = 2**32 - 1

_simple_contents = lru_cache(maxsize=None)(contents_writer)


class PywbemWriter:
    """Writes what a CIM server is given; safe in many threads.

    ``embeds``: the server takes embedded instances as objects; others get their text in CIM-XML.
    Raises EncodingError for what is no value of CIM's, OutOfRange for an odd one.
    """

    def __init__(self, *, embeds: bool) -> None:
        self._embeds = embeds

    def instance(
        self,
        instance: pywbem.CIMInstance,
        wanted: Collection[str] | None = None,
        namespace: str | None = None,
    ) -> bytes:
        """An instance; ``wanted`` are the names of its properties in lower case, None for all."""
        shown = [
            one
            for one in instance.properties.values()
            if wanted is None or one.name.lower() in wanted
        ]
        path = self.path(path_of(instance, namespace), namespace)
        return path + self._properties(shown, namespace)

    def path(self, path: pywbem.CIMInstanceName, namespace: str | None = None) -> bytes:
        """An object path; one without a namespace is of ``namespace``."""
        keys = [
            (name, self.value(value, type_of(value), namespace=namespace))
            for name, value in path.keybindings.items()
            if value is not None
        ]
        place = path.namespace or namespace or ""
        return text_block(place) + text_block(path.classname) + entries_block(keys)

    def value(
        self,
        value: Any,
        type_name: str,
        *,
        is_array: bool = False,
        is_embedded: bool = False,
        namespace: str | None = None,
    ) -> bytes:
        """A value of a type; an embedded instance is a string."""
        if is_array and value is not None and not isinstance(value, list | tuple):
            raise EncodingError(f"{value!r} is no array")
        given = list(value) if isinstance(value, tuple) else value
        type_, contents = self._form(given, type_name, is_embedded, namespace)
        return value_block(type_ | ARRAY if is_array else type_, given, contents)

    def _form(
        self, value: Any, type_name: str, is_embedded: bool, namespace: str | None
    ) -> tuple[int, Callable[[Any], bytes]]:
        """The CMPI type, and what writes one value of it."""
        items = value if isinstance(value, list) else [value]
        has_instances = any(isinstance(one, pywbem.CIMInstance) for one in items)
        if has_instances and self._embeds:
            return INSTANCE, lambda one: self._embedded(one, namespace)
        if has_instances or is_embedded:
            return TYPES["string"], _embedded_text
        if type_name == "reference":
            return TYPES["reference"], lambda one: self._reference(one, namespace)
        if type_name not in TYPES:
            raise EncodingError(f"{type_name} is no type of CIM's")
        write = _datetime_text if type_name == "datetime" else _simple_contents(type_name)
        return TYPES[type_name], lambda one: write(one, "")

    def _properties(self, shown: list[pywbem.CIMProperty], namespace: str | None) -> bytes:
        entries: list[tuple[str, bytes]] = []
        for one in shown:
            try:
                written = self.value(
                    one.value,
                    one.type,
                    is_array=bool(one.is_array),
                    is_embedded=one.embedded_object is not None,
                    namespace=namespace,
                )
            except EncodingError as error:
                error.add_note(f"in {one.name}")
                raise
            entries.append((one.name, written))
        return entries_block(entries)

    def _embedded(self, value: Any, namespace: str | None) -> bytes:
        if not isinstance(value, pywbem.CIMInstance):
            raise EncodingError(f"{value!r} is no embedded instance")
        path = value.path or pywbem.CIMInstanceName(value.classname)
        properties = self._properties(list(value.properties.values()), namespace)
        return self.path(path, namespace) + properties

    def _reference(self, value: Any, namespace: str | None) -> bytes:
        if not isinstance(value, pywbem.CIMInstanceName):
            raise EncodingError(f"{value!r} is no reference")
        return self.path(value, namespace)


def type_of(value: Any) -> str:
    """The CIM type of a value that stands alone; of an array, that of its elements.

    Raises EncodingError for what has none.
    """
    first = value
    if isinstance(value, list | tuple):
        first = next((one for one in value if one is not None), "")
    plain = _PLAIN_NUMBERS.get(type(first))
    if plain is not None:
        return "sint64" if plain == "uint32" and not 0 <= first <= _LARGEST_UINT32 else plain
    try:
        found: str = pywbem.cimtype(first)
    except (TypeError, ValueError) as error:
        raise EncodingError(f"{value!r} is no value of CIM's") from error
    return found


def _embedded_text(value: Any) -> bytes:
    if isinstance(value, pywbem.CIMInstance):
        return text_block(value.tocimxmlstr(ignore_path=True))
    if isinstance(value, str):
        return text_block(value)
    raise EncodingError(f"{value!r} is no embedded instance")


def _datetime_text(value: Any, _namespace: str) -> bytes:
    # As it is: a datetime of pywbem's keeps how precise it is.
    if isinstance(value, datetime | timedelta):
        value = pywbem.CIMDateTime(value)
    if not isinstance(value, pywbem.CIMDateTime):
        raise EncodingError(f"{value!r} is no datetime")
    return text_block(str(value))
