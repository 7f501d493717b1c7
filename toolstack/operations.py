"""The operations that run, and the end of them all when the toolstack stops."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from virtcim.toolstack.calltable import Call
from virtcim.toolstack.faults import XapiFailure

__all__ = ["Operations"]

_log = logging.getLogger(__name__)

# Whoever waits for an operation still has to hear how it ended.
_LAST_LOOK_S = 1.0


class Operations:
    """Counts the calls that change something; used on the event loop only."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._stopping = False
        self._changed = asyncio.Event()

    @property
    def running(self) -> list[str]:
        """The names of the calls that run."""
        return sorted(self._running.elements())

    def begin(self, call: Call) -> Callable[[], None]:
        """Begin a call; what is given back ends it. Raises ``VIRTCIM_STOPPING``."""
        if not call.is_operation:
            return lambda: None
        if self._stopping:
            raise XapiFailure("VIRTCIM_STOPPING")
        self._running[call.name] += 1

        def end() -> None:
            self._running[call.name] -= 1
            self._changed.set()

        return end

    async def drain(self, timeout_s: float) -> None:
        """Begin none any more, and wait up to ``timeout_s`` until all have ended."""
        self._stopping = True
        if not self.running:
            return
        _log.info("stopping: waiting for %s", ", ".join(self.running))
        try:
            async with asyncio.timeout(timeout_s):
                while self.running:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            _log.warning(
                "stopping while operations run, whose end nobody will see: %s",
                ", ".join(self.running),
            )
        else:
            await asyncio.sleep(_LAST_LOOK_S)
