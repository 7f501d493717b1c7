"""The live inventory: what readers see, and how writers wait until readers see their effect."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from virtcim.errormap import ErrorCode, Fault, HypervisorError, from_transport, translate
from virtcim.hypervisor.loading import InventoryLoadingError, Loading
from virtcim.hypervisor.model import Inventory

__all__ = ["InventoryStore", "Watcher"]

Watcher = Callable[[Inventory | Fault], None]

# What tells the administrator more than that there is no connection.
_TELLING = frozenset(
    {
        ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED,
        ErrorCode.ERR_CREDENTIALS_NOT_SET,
        ErrorCode.ERR_UNACCEPTED_CREDENTIALS,
        ErrorCode.ERR_ACCESS_DENIED,
        ErrorCode.ERR_HOST_NOT_FOUND,
    }
)


class InventoryStore:
    """Holds the newest Inventory, or why there is none.

    Reads take a reference and nothing else: they never wait and never call the hypervisor.
    ``token`` is the position in the stream of changes up to which the inventory is complete.
    ``clock`` gives seconds that only grow. A look is one question of what has changed: what is
    shown after it has everything of before it began, whatever tokens mean.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._inventory: Inventory | None = None
        self._token = ""
        self._synchronisations = 0
        self._fault = from_transport(
            phase="connect", message="the connection is still being made", operation="event.from"
        )
        self._loading: Loading | None = None
        self._complete_s = 0.0
        self._attempted = False
        # Looks by their numbers: the last that began, that is shown, that somebody waits for.
        self._look_begun = 0
        self._look_shown = 0
        self._look_wanted = 0
        self._is_looking = False
        self._watchers: tuple[Watcher, ...] = ()

    def read(self) -> Inventory:
        """Give the state of everything. Raises HypervisorError while disconnected."""
        inventory = self._inventory
        if inventory is None:
            loading = self._loading
            raise (
                HypervisorError(self._fault) if loading is None else InventoryLoadingError(loading)
            )
        return inventory

    @property
    def age_s(self) -> float:
        """How long ago the hypervisor last said that nothing else has changed; 0 without any."""
        return 0.0 if self._inventory is None else max(self._clock() - self._complete_s, 0.0)

    @property
    def connected(self) -> bool:
        """Whether ``read`` gives an answer."""
        return self._inventory is not None

    @property
    def attempted(self) -> bool:
        """Whether the first connection stands or has failed."""
        return self._attempted

    @property
    def token(self) -> str:
        """Up to where readers see everything; empty while they see nothing."""
        return self._token if self._inventory is not None else ""

    def begin_look(self) -> bool:
        """What is published next has all changes of until now; gives whether it is waited for."""
        with self._changed:
            self._look_begun += 1
            self._is_looking = True
            return self._look_wanted >= self._look_begun

    def publish(self, inventory: Inventory, token: str, *, resynchronised: bool = False) -> None:
        """Let readers see ``inventory``, which is complete up to ``token``."""
        with self._changed:
            is_news = inventory is not self._inventory
            self._inventory = inventory
            self._loading = None
            self._complete_s = self._clock()
            self._token = token
            self._synchronisations += resynchronised
            self._attempted = True
            self._look_shown = self._look_begun
            self._is_looking = False
            self._changed.notify_all()
            if is_news:
                self._tell(inventory)

    def disconnect(self, fault: Fault) -> None:
        """Let every read fail with ``fault`` until something is published again."""
        with self._changed:
            is_news = self._inventory is not None or not self._attempted
            self._fault = _as_disconnection(fault)
            self._inventory = None
            self._loading = None
            self._attempted = True
            self._is_looking = False
            self._changed.notify_all()
            if is_news:
                self._tell(self._fault)

    def load(self, loading: Loading) -> None:
        """Let every read fail with how much has been read, until something is published.

        What readers see stays where everything is only read anew.
        """
        self._loading = loading

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` with every new inventory, and with why there is none once there is none.

        It is called in their order, by whoever publishes, first of all with what there is now, and
        must return at once. Gives what ends it.
        """
        with self._changed:
            self._watchers = (*self._watchers, watcher)
            if self._attempted:
                watcher(self._fault if self._inventory is None else self._inventory)
        return lambda: self._unwatch(watcher)

    def end_watching(self) -> None:
        """Tell nobody anything any more."""
        with self._changed:
            self._watchers = ()

    def _unwatch(self, watcher: Watcher) -> None:
        with self._changed:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def _tell(self, news: Inventory | Fault) -> None:
        for watcher in self._watchers:
            watcher(news)

    def wait_attempted(self, timeout_s: float) -> bool:
        """Wait until the first connection stands or has failed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._attempted, timeout_s)

    def wait_for(self, token: str, timeout_s: float) -> bool:
        """Wait until readers see everything up to ``token``; False: not within ``timeout_s``.

        A disconnection ends the wait too: readers then get an error, nothing old. So does a
        complete resynchronisation that began later, as tokens of two lives do not compare.
        """
        with self._changed:
            before = self._synchronisations

            def seen() -> bool:
                anew = self._synchronisations > before
                return self._inventory is None or anew or self._token >= token

            return self._changed.wait_for(seen, timeout_s)

    def want_look(self) -> tuple[int, bool]:
        """The number of the first look that has yet to begin; it is to be a short one.

        Gives also whether nobody has asked for it before.
        """
        with self._changed:
            number = self._look_begun + 1
            is_new, self._look_wanted = number > self._look_wanted, number
            return number, is_new

    @property
    def next_look(self) -> int:
        """The number of the first look that has yet to begin."""
        return self._look_begun + 1

    def wait_look(self, number: int, timeout_s: float, *, reached: Callable[[str], bool]) -> bool:
        """Wait until readers see what a look has found, or everything up to a token; or nothing.

        ``reached`` says whether a token is far enough. False: not within ``timeout_s``.
        """

        def seen() -> bool:
            if self._inventory is None:
                # One that runs may show what was before.
                return not self._is_looking
            return self._look_shown >= number or reached(self._token)

        with self._changed:
            return self._changed.wait_for(seen, timeout_s)


def _as_disconnection(fault: Fault) -> Fault:
    """Say that reads fail for want of a connection, whatever ended it."""
    if translate(fault).code in _TELLING:
        return fault
    disconnected = from_transport(
        phase="connect",
        exception="Disconnected",
        message=f"the inventory is not connected: {HypervisorError(fault)}",
        operation=fault.operation,
    )
    return replace(disconnected, cause=fault)
