"""A schema without classes: what a text says is all that is known."""

from __future__ import annotations

from collections.abc import Mapping

from virtcim.cim.declarations import DeclaredType

__all__ = ["UNKNOWN"]


class _UnknownClasses:
    def canonical(self, class_name: str) -> str | None:
        return None

    def properties(self, class_name: str) -> Mapping[str, DeclaredType]:
        raise AssertionError(f"{class_name} was said not to be known")


UNKNOWN = _UnknownClasses()
