"""Reading the record that a ``create`` call is given, naming the field that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import handle_invalid, value_not_supported
from virtcim.toolstack.parameters import check_value
from virtcim.toolstack.refs import NULL

__all__ = ["GivenRecord"]

_Value = TypeVar("_Value")


class GivenRecord:
    """Fields given by a client for a new object of ``class_name``; those it left out are None."""

    def __init__(self, class_name: str, given: Mapping[str, object]) -> None:
        self._kinds = CLASSES[class_name].fields
        self._given = given

    def get(self, name: str) -> Any:
        """Give a field with its type checked, or None if the client left it out."""
        if name not in self._given:
            return None
        kind = self._kinds.get(name, "string")
        return check_value("string" if kind == "ref" else kind, name, self._given[name])

    def text(self, name: str) -> str:
        """Give a text field, empty if it was left out."""
        return self.get(name) or ""

    def map(self, name: str) -> dict[str, str]:
        """Give a map field, empty if it was left out."""
        return self.get(name) or {}

    def required(self, name: str) -> Any:
        """Give a field that must be there."""
        value = self.get(name)
        if value is None or value == "":
            raise value_not_supported(name, "", "must be given")
        return value

    def choice(self, name: str, choices: Mapping[str, _Value], default: str) -> _Value:
        """Give what an enumerated field stands for."""
        value = self.text(name) or default
        if value not in choices:
            raise value_not_supported(name, value, f"must be one of {', '.join(choices)}")
        return choices[value]

    def reference(self, context: Context, name: str, class_name: str) -> str | None:
        """Give a reference to an existing object, or None for the null reference."""
        ref = self.text(name)
        if ref in {"", NULL}:
            return None
        context.record(class_name, ref)
        return ref

    def required_reference(self, context: Context, name: str, class_name: str) -> str:
        """Give a reference to an existing object, which must be there."""
        ref = self.reference(context, name, class_name)
        if ref is None:
            raise handle_invalid(class_name, self.text(name) or NULL)
        return ref
