"""Passwords as the users file keeps them: salted scrypt hashes (RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

__all__ = ["HashedPassword", "PasswordError", "check_password"]

# 16 MiB and some 50 ms per check: OWASP's least for scrypt.
_COST, _BLOCK_SIZE, _PARALLEL = 2**14, 8, 1
_MAX_MEMORY_BYTES = 64 * 1024 * 1024
_MOST_WORK = 60 * 1024 * 1024
_TEXT = re.compile(r"scrypt:(\d{1,9}):(\d{1,9}):(\d{1,9}):([\w+/=]+):([\w+/=]+)")
_MOST_BYTES = 1024


class PasswordError(Exception):
    """A password cannot be used; the text is one sentence for whoever chose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedPassword:
    """The parameters of scrypt, the salt and the key of one password."""

    cost: int
    block_size: int
    parallel: int
    salt: bytes
    key: bytes

    @classmethod
    def of(cls, password: str) -> HashedPassword:
        """Hash a password with a new salt."""
        salt = secrets.token_bytes(16)
        made = cls(cost=_COST, block_size=_BLOCK_SIZE, parallel=_PARALLEL, salt=salt, key=b"")
        return cls(
            cost=_COST,
            block_size=_BLOCK_SIZE,
            parallel=_PARALLEL,
            salt=salt,
            key=made.derive(password),
        )

    @classmethod
    def parse(cls, text: str) -> HashedPassword:
        """Read what ``str`` gives. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("this is no scrypt hash")
        parsed = cls(
            cost=int(found[1]),
            block_size=int(found[2]),
            parallel=int(found[3]),
            salt=base64.b64decode(found[4]),
            key=base64.b64decode(found[5]),
        )
        # Found out now, not at the login of a user.
        if parsed.cost.bit_count() != 1 or not 0 < parsed.work <= _MOST_WORK:
            raise ValueError("these parameters of scrypt cannot be used")
        return parsed

    @property
    def work(self) -> int:
        """Memory times passes, in bytes."""
        return 128 * self.cost * self.block_size * self.parallel

    def __str__(self) -> str:
        salt, key = (base64.b64encode(part).decode() for part in (self.salt, self.key))
        return f"scrypt:{self.cost}:{self.block_size}:{self.parallel}:{salt}:{key}"

    def is_of(self, password: str) -> bool:
        """Whether this is the hash of a password, in the time of one scrypt."""
        right = hmac.compare_digest(self.derive(password), self.key)
        # What C takes for the end of a text is no part of a password.
        return right and "\0" not in password

    def derive(self, password: str) -> bytes:
        """The key that a password gives."""
        return hashlib.scrypt(
            password.encode(errors="surrogatepass"),
            salt=self.salt,
            n=self.cost,
            r=self.block_size,
            p=self.parallel,
            maxmem=_MAX_MEMORY_BYTES,
            dklen=32,
        )


def check_password(password: str) -> str:
    """Give a new password back if it can be one. Raises PasswordError.

    One that clients cannot send, or not all of them alike, is none.
    """
    if not password:
        raise PasswordError("a password cannot be empty")
    if any(not one.isprintable() for one in password):
        raise PasswordError("a password is one line of printable characters")
    if len(password.encode()) > _MOST_BYTES:
        raise PasswordError(f"a password has at most {_MOST_BYTES} bytes")
    return password
