"""All connections of a daemon, and the end of those that keep it waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from virtcim.daemon.admission import Places
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.http_connection import Doing, HttpConnection

__all__ = ["Connections"]

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
# Whoever waits for a place gets one as soon as silent connections may be closed, or none.
_PATIENCE_S = 5.0


@dataclass(slots=True)
class _Seen:
    """What a connection was doing, and since when it has made no progress."""

    doing: Doing
    mark: object
    since_s: float


class Connections:
    """Looks now and then what each connection waits for, and ends those that waited too long.

    The time of a connection counts from the first look that found it waiting. ``closed`` counts,
    by what they waited for, the connections that were ended.
    """

    def __init__(self, limits: ClientLimits, admission: Places) -> None:
        self._limits = limits
        self._admission = admission
        self._seen: dict[HttpConnection, _Seen] = {}
        self._longest_s = {
            Doing.SILENT: limits.silence_s,
            Doing.HEAD: limits.head_timeout_s,
            Doing.UNREAD_BODY: limits.body_timeout_s,
            Doing.REPLY: limits.stalled_reply_s,
        }
        shortest_s = min(*self._longest_s.values(), limits.silence_when_full_s)
        self._every_s = min(_LOOK_EVERY_S, shortest_s / 4)
        self.closed = dict.fromkeys(self._longest_s, 0)

    async def watch(self, servers: Iterable[set[HttpConnection]]) -> None:
        """Look again and again at what is in these sets, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._every_s)
            self.look((one for each in servers for one in tuple(each)), loop.time())

    def look(self, connections: Iterable[HttpConnection], now_s: float) -> None:
        """Look at all connections once."""
        before, self._seen = self._seen, {}
        for one in connections:
            doing, mark = one.doing()
            seen = before.get(one)
            if seen is None or seen.doing is not doing or seen.mark != mark:
                seen = _Seen(doing, mark, now_s)
            self._seen[one] = seen
            if now_s - seen.since_s >= self._patience_s(one, doing):
                self._end(one, doing)
        self._admission.refuse_older(now_s - self._limits.silence_when_full_s - _PATIENCE_S)

    def _patience_s(self, connection: HttpConnection, doing: Doing) -> float:
        if doing is Doing.SILENT and self._admission.wanting(connection.address):
            return min(self._limits.silence_s, self._limits.silence_when_full_s)
        return self._longest_s.get(doing, float("inf"))

    def _end(self, connection: HttpConnection, doing: Doing) -> None:
        _log.debug("a connection from %s is closed: waited for %s", connection.address, doing.value)
        self.closed[doing] += 1
        del self._seen[connection]
        if connection.is_closing:
            connection.hang_up()
        elif doing is Doing.HEAD:
            connection.refuse_late_head()
        elif doing is Doing.SILENT:
            connection.shutdown()
        else:
            connection.hang_up()
