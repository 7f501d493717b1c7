"""Basic authentication (RFC 7617) with a short memory for passwords that were right."""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable

from virtcim.daemon.keyed_passwords import KeyedPasswords
from virtcim.daemon.logins import PasswordChecks

__all__ = ["BasicAuthenticator"]

_REMEMBERED_S = 60.0
_MAX_REMEMBERED = 1024


class BasicAuthenticator:
    """Checks the Authorization header of each request.

    ``logins`` says whether a password is right; that takes long, as a good password hash does, so
    a right one is remembered for a minute under a keyed hash, as long as ``stamp`` gives the same
    of its user. ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        logins: PasswordChecks,
        *,
        stamp: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logins = logins
        self._stamp = stamp
        self._clock = clock
        self._keyed = KeyedPasswords()
        self._lock = threading.Lock()
        # By a keyed hash of user and password: until when, and what the user's stamp was.
        self._remembered: dict[bytes, tuple[float, object]] = {}

    def remembered(self, header: str) -> str | None:
        """The user of a header that was right a moment ago, None where that is not known."""
        user, password = _credentials(header)
        until, stamp = self._remembered.get(self._keyed.of(user, password), (0.0, None))
        return user if until > self._clock() and stamp == self._stamp(user) else None

    async def principal(self, header: str, peer: str) -> str | None:
        """The user that a header names with the right password, None otherwise.

        Raises TooManyLogins where too many of that ``peer`` wait.
        """
        user, password = _credentials(header)
        if not user:
            return None
        stamp = self._stamp(user)
        if not await self._logins.is_right(user, password, peer):
            return None
        self._remember(self._keyed.of(user, password), stamp)
        return user

    def _remember(self, digest: bytes, stamp: object) -> None:
        now = self._clock()
        with self._lock:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered = {
                    key: known for key, known in self._remembered.items() if known[0] > now
                }
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[digest] = now + _REMEMBERED_S, stamp


def _credentials(header: str) -> tuple[str, str]:
    """User and password of a Basic header; both empty for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password
