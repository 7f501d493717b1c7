"""What real providers never do, between them and the CIM server; all else they do themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import Unpack

from tests.cim.everything import EVERYTHING
from virtcim.cim.records import CimError, MethodResult, ObjectPath, Record, StatusCode, Value
from virtcim.cimserver.boundary import AssociatorFilters, ReferenceFilters
from virtcim.mof import Schema
from virtcim.providers import Providers

__all__ = ["Interposed"]

Method = Callable[[ObjectPath, Mapping[str, Value]], MethodResult]


class Interposed:
    """Implements the provider boundary by real providers, and keeps what they are asked.

    ``methods`` holds what the methods of Test_Everything do, a class that only tests have;
    ``surprises`` are calls of it that nothing was ordered for and that are not ``unknown``.
    ``calls`` are all method calls, ``languages`` those that were asked for. ``also`` are records
    that the real providers do not have, ``odd`` what becomes of theirs, ``failure`` what every
    read and method raises when it is set.
    """

    def __init__(self, real: Providers, schema: Schema) -> None:
        self._real = real
        self._schema = schema
        self.namespaces = real.namespaces
        self.reset()

    def reset(self) -> None:
        """Be nothing but the real providers again."""
        self.methods: dict[str, Method] = {}
        self.unknown: set[str] = set()
        self.surprises: list[str] = []
        self.calls: list[tuple[ObjectPath, str, dict[str, Value]]] = []
        self.languages: list[str] = []
        self.also: list[Record] = []
        self.odd: Callable[[Record], Record] = lambda record: record
        self.failure: Exception | None = None

    def in_language(self, language: str) -> Interposed:
        self.languages.append(language)
        reading = copy(self)
        reading._real = self._real.in_language(language)
        return reading

    def reads_at_once(self, path: ObjectPath) -> bool:
        return self._real.reads_at_once(path)

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        self._check()
        real = self._real.enumerate_instances(namespace, class_name)
        return self._enumerated(real, namespace, class_name)

    def _enumerated(
        self, real: Iterable[Record], namespace: str, class_name: str
    ) -> Iterator[Record]:
        yield from map(self.odd, real)
        for one in self.also:
            known = self._schema.find(one.class_name) is not None
            if namespace == "root/virt" and (
                not known or self._schema.is_a(one.class_name, class_name)
            ):
                yield one

    def get_instance(self, path: ObjectPath) -> Record:
        self._check()
        return self.odd(self._real.get_instance(path))

    def delete_instance(self, path: ObjectPath) -> None:
        self._check()
        self._real.delete_instance(path)

    def associators(self, path: ObjectPath, **filters: Unpack[AssociatorFilters]) -> list[Record]:
        self._check()
        return [self.odd(one) for one in self._real.associators(path, **filters)]

    def associator_names(
        self, path: ObjectPath, **filters: Unpack[AssociatorFilters]
    ) -> list[ObjectPath]:
        self._check()
        return self._real.associator_names(path, **filters)

    def references(self, path: ObjectPath, **filters: Unpack[ReferenceFilters]) -> list[Record]:
        self._check()
        return [self.odd(one) for one in self._real.references(path, **filters)]

    def reference_names(
        self, path: ObjectPath, **filters: Unpack[ReferenceFilters]
    ) -> list[ObjectPath]:
        self._check()
        return self._real.reference_names(path, **filters)

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        self._check()
        self.calls.append((path, method_name, dict(parameters)))
        if path.class_name != EVERYTHING:
            return self._real.invoke_method(path, method_name, parameters)
        if method_name not in self.methods:
            if method_name not in self.unknown:
                self.surprises.append(f"{method_name} of {path!r}")
            raise CimError(StatusCode.METHOD_NOT_AVAILABLE, f"{method_name} does nothing here")
        return self.methods[method_name](path, parameters)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
