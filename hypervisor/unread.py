"""What stands for objects that are not known: not nothing, but a refusal to say what there is.

An empty list means that there is nothing. Whoever looks here gets a HypervisorError instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, SupportsIndex

from virtcim.errormap import Fault, HypervisorError

__all__ = ["UnreadObjects", "UnreadParts"]


class UnreadObjects(Mapping[str, Any]):
    """In place of the objects of a kind, by UUID; every look raises HypervisorError."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def _refuse(self) -> NoReturn:
        raise HypervisorError(self._fault)

    def __getitem__(self, key: str) -> NoReturn:
        """Raise HypervisorError."""
        self._refuse()

    def __iter__(self) -> NoReturn:
        """Raise HypervisorError."""
        self._refuse()

    def __len__(self) -> int:
        """Raise HypervisorError."""
        raise HypervisorError(self._fault)

    def __contains__(self, key: object) -> NoReturn:
        """Raise HypervisorError."""
        self._refuse()


class UnreadParts(tuple[Any, ...]):
    """In place of the parts of one object; every look raises HypervisorError."""

    _fault: Fault

    @classmethod
    def because(cls, fault: Fault) -> UnreadParts:
        """Give one; ``fault`` says why."""
        parts = cls()
        parts._fault = fault
        return parts

    def _refuse(self) -> NoReturn:
        raise HypervisorError(self._fault)

    def __iter__(self) -> Iterator[Any]:
        """Raise HypervisorError."""
        self._refuse()

    def __len__(self) -> int:
        """Raise HypervisorError."""
        raise HypervisorError(self._fault)

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        """Raise HypervisorError."""
        self._refuse()

    def __contains__(self, key: object) -> bool:
        """Raise HypervisorError."""
        self._refuse()
