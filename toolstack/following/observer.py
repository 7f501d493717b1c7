"""What the inventory tells of its views, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from virtcim.toolstack.reading.views import DomainView, HostView, NetworkView, PoolView

__all__ = ["Observer"]


class Observer(Protocol):
    """Who makes records of views; called with the lock of the inventory held.

    While ``announcing`` is set a record may be made when it is first read. ``on_unmade`` is called
    from any thread, and with locks held, when that failed (class, UUID, why).
    """

    announcing: bool
    on_unmade: Callable[[str, str, Exception], None]

    def host_changed(self, host: HostView) -> None:
        """The host was read."""

    def domain_changed(self, uuid: str, old: DomainView | None, new: DomainView | None) -> None:
        """A domain was read; None: it was not, or is no longer, there."""

    def domains_expected(self, uuids: Iterable[str]) -> None:
        """These domains are there; ``domain_changed`` will be called for each, once it is wanted.

        They were never shown before.
        """

    def all_domains_known(self) -> None:
        """No domain is expected any more."""

    def pool_changed(self, uuid: str, old: PoolView | None, new: PoolView | None) -> None:
        """A storage pool was read."""

    def network_changed(self, uuid: str, old: NetworkView | None, new: NetworkView | None) -> None:
        """A network was read."""

    def domain_rebooted(self) -> None:
        """A guest restarted; nothing else need have changed."""

    def flush(self) -> None:
        """All that belongs together was read."""

    def pause_s(self) -> float | None:
        """In how many seconds ``flush`` has something to tell that waits; None: nothing waits."""
