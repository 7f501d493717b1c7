"""The objects of an endpoint of which nothing can be shown, and where that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

__all__ = ["LeftOut"]

_NOBODY = ("", "")
# class -> the class of the object that it belongs to; the record's field has the same name
_OWNERS: Mapping[str, str] = MappingProxyType(
    {
        "PBD": "SR",
        "VBD": "VM",
        "VDI": "SR",
        "VIF": "VM",
        "console": "VM",
        "host_cpu": "host",
    }
)


class LeftOut:
    """What is left out, by class and reference, with the object that it belongs to."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], tuple[str, str]] = {}
        self._told: dict[tuple[str, str], dict[tuple[str, str], str]] = {}

    def add(self, class_name: str, ref: str, record: object, problem: str) -> tuple[str, str]:
        """Leave an object out; gives class and reference of its owner, empty if it has none."""
        owner_class = _OWNERS.get(class_name, "")
        owner_ref = record.get(owner_class) if isinstance(record, dict) else None
        owner = (owner_class, owner_ref) if isinstance(owner_ref, str) else _NOBODY
        self._owners[class_name, ref] = owner
        said = f"{class_name} {ref} is left out: {problem}"
        self._told.setdefault(owner, {})[class_name, ref] = said
        return owner

    def remove(self, class_name: str, ref: str) -> tuple[str, str]:
        """Leave an object out no more; gives what ``add`` gave."""
        owner = self._owners.pop((class_name, ref), _NOBODY)
        told = self._told.get(owner, {})
        told.pop((class_name, ref), None)
        if not told:
            self._told.pop(owner, None)
        return owner

    def refs(self, class_name: str) -> set[str]:
        """The references of the objects of a class that are left out."""
        return {ref for name, ref in self._owners if name == class_name}

    def of(self, class_name: str, ref: str) -> Iterable[str]:
        """What is to be said on an object about those that belong to it."""
        return tuple(self._told.get((class_name, ref), {}).values())

    def of_nobody(self, is_shown: Callable[[str, str], bool]) -> Mapping[str, str]:
        """What is to be said where no owner is shown, by class and reference."""
        return MappingProxyType(
            {
                " ".join(key): said
                for owner, told in self._told.items()
                if owner == _NOBODY or not is_shown(*owner)
                for key, said in told.items()
            }
        )
