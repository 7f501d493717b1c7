"""Hosts that make associations up, for tests of how those are given that are alike."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from virtcim.cim.records import (
    AssociationKind,
    AssociationRecord,
    NameForm,
    ObjectPath,
    Record,
    Value,
)
from virtcim.cimserver.declarations import Declarations
from virtcim.cmpi import alike
from virtcim.cmpi.host import HostedProviders
from virtcim.daemon.incidents import incident
from virtcim.mof import load_schema

__all__ = ["CLASS", "damaged", "linked", "made_up", "plainly"]

CLASS = "VirtCIM_ElementSettingData"
KIND = AssociationKind(
    class_name=CLASS, roles=("ManagedElement", "SettingData"), namespace="root/virt"
)
_SYSTEMS = NameForm(
    "VirtCIM_ComputerSystem",
    {"CreationClassName": ("VirtCIM_ComputerSystem",), "Name": (0,)},
    namespace="root/virt",
)
_SETTINGS = NameForm(
    "VirtCIM_VirtualSystemSettingData",
    {"InstanceID": ("VirtCIM:", 0, "/", 1, "")},
    namespace="root/virt/ö",
)
_WITHOUT_PARTS = NameForm(
    "VirtCIM_VirtualSystemSettingData", {"InstanceID": ("all",)}, namespace="root/virt"
)
_MANY = NameForm(
    "VirtCIM_VirtualSystemSettingData", {"InstanceID": tuple(range(20))}, namespace="root/virt"
)
_UNKNOWN = NameForm("VirtCIM_Unknown", {"A": (0,)}, namespace="root/virt")
_TEXTS = ("1", "1", "", "grün\U0001f600", "a\0b", "x" * 3000, "\ud800", "0\n", "%s%n")
_FURTHER: tuple[dict[str, Value], ...] = ({}, {"IsDefault": 1}, {"IsDefault": 2, "IsNext": 1})

Name = tuple[NameForm, tuple[str, ...]]


def _association(first: Name, second: Name, further: dict[str, Value]) -> AssociationRecord:
    return AssociationRecord(KIND.form(first[0], second[0]), first[1], second[1], further)


def made_up() -> Iterator[AssociationRecord]:
    """Every kind of ends and texts, each in a row with others and alone."""
    for text in _TEXTS:
        for further in _FURTHER:
            first = (_SYSTEMS, (text,))
            for second in (
                (_SETTINGS, (text, "0")),
                (_WITHOUT_PARTS, ()),
                (_MANY, (text,) * 20),
                (_UNKNOWN, (text,)),
            ):
                yield _association(first, second, further)
    for number in range(9000):
        ends = (_SYSTEMS, (f"{number // 9}",)), (_SETTINGS, (f"{number}", ""))
        yield _association(*ends, {"IsDefault": number % 3})
    yield _association(*ends, {"IsDefault": 70_000})  # is left out
    yield _association(*ends, {"IsDefault": 1})


class _Linked:
    """Providers of nothing but these; of others, the same as instances like any other."""

    namespaces = ("root/virt",)

    def __init__(self, records: Iterable[AssociationRecord], *, plain: bool) -> None:
        self._records = [
            Record(one.class_name, one.values, _plain(one.path)) if plain else one
            for one in records
        ]

    def in_language(self, _language: str) -> _Linked:
        return self

    def enumerate_instances(self, _namespace: str, _class_name: str) -> Iterable[Record]:
        return self._records

    def references(self, _path: ObjectPath, **_filters: str) -> list[Record]:
        return self._records

    def associator_names(self, _path: ObjectPath, **_filters: str) -> list[ObjectPath]:
        ends = [one.values["SettingData"] for one in self._records]
        return [one for one in ends if isinstance(one, ObjectPath)]


def _plain(path: ObjectPath | None) -> ObjectPath | None:
    return None if path is None else ObjectPath(path.class_name, dict(path.keys))


def _hosted(records: Iterable[AssociationRecord], *, plain: bool) -> HostedProviders:
    providers: Any = _Linked(records, plain=plain)
    return HostedProviders(
        providers=providers,
        declarations=Declarations(load_schema()),
        incident=incident,
        close=lambda: None,
    )


def linked() -> HostedProviders:
    """All that is made up."""
    return _hosted(made_up(), plain=False)


def plainly() -> HostedProviders:
    """The same, each written by itself."""
    return _hosted(made_up(), plain=True)


def damaged() -> HostedProviders:
    """A few, whose blocks are cut or changed at another place in each answer."""
    turns, take = count(), alike.AlikeRun.take
    change = os.environ["VIRTCIM_DAMAGE"]

    def damaging(run: alike.AlikeRun) -> bytes:
        block = take(run)
        place = next(turns) % max(len(block), 1)
        if change == "cut":
            return block[:place]
        return block[:place] + b"\xff" + block[place + 1 :]

    alike.AlikeRun.take = damaging  # type: ignore[method-assign,assignment]
    few = [one for one in made_up() if one.first == ("1",)][:12]
    return _hosted(few, plain=False)
