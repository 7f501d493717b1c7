"""What stands for a user with a password in the memory of this process."""

from __future__ import annotations

import hmac
import secrets

__all__ = ["KeyedPasswords"]


class KeyedPasswords:
    """Hashes under a key of their own, by which nothing is found out elsewhere or later."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, user: str, password: str) -> bytes:
        """What stands for this user with this password, and for no other pair."""
        text = f"{len(user)}:{user}:{password}".encode(errors="surrogatepass")
        return hmac.digest(self._key, text, "sha256")
