"""Checking passwords, which costs a processor's time: out of the way of everything else.

Few threads check, one for our own hashes. Nobody has more than one check in them at a time, whoever
fails again and again waits longer each time, and only so many wait from one address: the rest are
sent away at once. A password that was right within the last hour is no guess: it is checked without
waiting for those who guess at the same address.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from virtcim.daemon.clients import address_of
from virtcim.daemon.keyed_passwords import KeyedPasswords

__all__ = ["Logins", "PasswordChecks", "TooManyLogins"]

_log = logging.getLogger(__name__)

_MOST_WAITING = 16
# Tries that cost nothing: people mistype, and programs start with an old password.
_FREE_TRIES = 3
_FREE_TRIES_OF_A_PEER = 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
# After so long a time without a failure nothing is held against anybody.
_FORGET_S = 60.0
_NO_GUESS_S = 3600.0
_MOST_REMEMBERED = 4096
_MOST_SHOWN = 64


class TooManyLogins(Exception):  # noqa: N818 - the client is to come back later
    """So many logins of one address wait already that this one must come back later."""


@dataclass(slots=True)
class _Record:
    """What is held against an address, or a user at one."""

    failures: int = 0
    failed_s: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def pause_s(self, free: int, now_s: float) -> float:
        """How long the next try has to wait."""
        if now_s - self.failed_s > _FORGET_S:
            self.failures = 0
        if self.failures < free:
            return 0.0
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self.failures - free, 16))


@dataclass(slots=True)
class _Right:
    """A password that was right, and is no guess until then; it is checked once at a time.

    ``asked`` counts the checks since, ``found_right`` is the number of the last that it passed.
    """

    until_s: float
    asked: int = 0
    found_right: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class PasswordChecks(Protocol):
    """What says whether passwords are right; ``Logins``, or what asks another process."""

    @property
    def failed(self) -> int:
        """How many were wrong."""

    @property
    def sent_away(self) -> int:
        """How many were not looked at."""

    async def is_right(self, user: str, password: str, peer: str) -> bool:
        """Whether a password is the user's. Raises TooManyLogins."""

    def close(self) -> None:
        """Check nothing any more."""


class Logins:
    """Asks ``verify`` whether passwords are right; to be used from one event loop.

    ``threads`` is how many it is asked at once. ``refused`` is told the user and the peer of each
    wrong password. ``clock`` gives seconds that only grow, ``pause`` lets them pass. ``failed``
    counts wrong passwords, ``sent_away`` the logins that were not looked at.
    """

    def __init__(
        self,
        verify: Callable[[str, str], bool],
        *,
        threads: int = 1,
        refused: Callable[[str, str], None] = lambda _user, _peer: None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._verify = verify
        self._refused = refused
        self._clock = clock
        self._pause = pause
        self._records: dict[tuple[str, str], _Record] = {}
        self._keyed = KeyedPasswords()
        self._rights: dict[bytes, _Right] = {}  # by a keyed hash of user and password
        self._thread = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self.failed = 0
        self.sent_away = 0

    def close(self) -> None:
        """Check nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def is_right(self, user: str, password: str, peer: str) -> bool:
        """Whether a password is the user's. Raises TooManyLogins, and what ``verify`` raises.

        A refusal is logged with the user and the peer, never with the password.
        """
        digest = self._keyed.of(user, password)
        address = address_of(peer)
        of_peer, of_user = self._record(address, ""), self._record(address, user)
        known = self._was_right(digest)
        right = None if known is None else await self._check_again(user, password, digest, known)
        if right is None:
            if of_peer.waiting >= _MOST_WAITING:
                self.sent_away += 1
                raise TooManyLogins
            right = await self._check_in_turn(user, password, digest, of_peer, of_user)
        if right:
            of_user.failures = 0
            self._note_right(digest)
        else:
            self._rights.pop(digest, None)
            self.failed += 1
            for record in (of_peer, of_user):
                record.failures += 1
                record.failed_s = self._clock()
            _log.warning("refused user %r from %s", user[:_MOST_SHOWN], peer)
            self._refused(user, peer)
        return right

    async def _check_again(
        self, user: str, password: str, digest: bytes, known: _Right
    ) -> bool | None:
        """Whether a password that was right still is; None where it is a guess meanwhile.

        Many requests of a client wait at once: what one finds out holds for those that came before
        it was asked, and for no later one, as passwords change.
        """
        before = known.asked
        async with known.turn:
            if self._was_right(digest) is not known:
                return None
            if known.found_right > before:
                return True
            known.asked += 1
            number = known.asked
            right = await self._check(user, password)
            if right:
                known.found_right = number
            return right

    async def _check_in_turn(
        self, user: str, password: str, digest: bytes, of_peer: _Record, of_user: _Record
    ) -> bool:
        of_peer.waiting += 1
        of_user.waiting += 1
        try:
            async with of_user.turn:
                now_s = self._clock()
                pause_s = max(
                    of_user.pause_s(_FREE_TRIES, now_s),
                    of_peer.pause_s(_FREE_TRIES_OF_A_PEER, now_s),
                )
                # Another request with the same password may have been right meanwhile.
                if pause_s and self._was_right(digest) is None:
                    await self._pause(pause_s)
                return await self._check(user, password)
        finally:
            of_peer.waiting -= 1
            of_user.waiting -= 1

    async def _check(self, user: str, password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._verify, user, password
        )

    def _was_right(self, digest: bytes) -> _Right | None:
        known = self._rights.get(digest)
        return known if known is not None and known.until_s > self._clock() else None

    def _note_right(self, digest: bytes) -> None:
        now_s = self._clock()
        known = self._rights.get(digest)
        if known is not None:
            known.until_s = now_s + _NO_GUESS_S
            return
        if len(self._rights) >= _MOST_REMEMBERED:
            self._rights = {key: one for key, one in self._rights.items() if one.until_s > now_s}
        if len(self._rights) < _MOST_REMEMBERED:
            self._rights[digest] = _Right(now_s + _NO_GUESS_S)

    def _record(self, address: str, user: str) -> _Record:
        key = (address, user)
        found = self._records.get(key)
        if found is None:
            if len(self._records) >= _MOST_REMEMBERED:
                self._forget()
            found = self._records[key] = _Record()
        return found

    def _forget(self) -> None:
        """Forget those of whom nobody waits, all that is old first."""
        now_s = self._clock()
        idle = [key for key, one in self._records.items() if not one.waiting]
        old = [key for key in idle if now_s - self._records[key].failed_s > _FORGET_S]
        for key in old or idle[: _MOST_REMEMBERED // 2]:
            del self._records[key]
