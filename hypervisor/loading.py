"""How far the first reading of a hypervisor has come, and how reads fail meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.errormap import HypervisorError, from_transport

__all__ = ["InventoryLoadingError", "Loading"]


@dataclass(frozen=True, slots=True)
class Loading:
    """So many virtual systems have been read, ``of`` is 0 while nobody knows how many there are.

    What belongs to them is read class by class, so ``read`` is their share of everything.
    """

    read: int = 0
    of: int = 0

    def __str__(self) -> str:
        return f"loading, {self.read:,} of {self.of:,}" if self.of else "loading"


class InventoryLoadingError(HypervisorError):
    """There is a connection, and not yet everything has been read; ``loading`` says how much."""

    def __init__(self, loading: Loading) -> None:
        super().__init__(
            from_transport(
                phase="connect",
                exception="InventoryLoading",
                message=str(loading),
                operation="event.from",
            )
        )
        self.loading = loading
