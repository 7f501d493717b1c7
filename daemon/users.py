"""The users file of the daemons: one line per user with a salted scrypt hash (RFC 7914)."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FIRST_USER", "Users", "UsersError", "open_users"]

_log = logging.getLogger(__name__)

FIRST_USER = "virtcim"

# 16 MiB and some 50 ms per check: OWASP's least for scrypt.
_COST, _BLOCK_SIZE, _PARALLEL = 2**14, 8, 1
_MAX_MEMORY_BYTES = 64 * 1024 * 1024
# Inode, time of change, size and mode of a file.
_Stamp = tuple[int, int, int, int]
_LINE = re.compile(r"([^:\s]+):scrypt:(\d+):(\d+):(\d+):([\w+/=]+):([\w+/=]+)")


class UsersError(Exception):
    """A users file cannot be used; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hashed:
    """One user's password: the parameters of scrypt, the salt and the key."""

    cost: int
    block_size: int
    parallel: int
    salt: bytes
    key: bytes

    @classmethod
    def of(cls, password: str) -> _Hashed:
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

    def derive(self, password: str) -> bytes:
        """The key that a password gives. Raises ValueError for parameters beyond all reason."""
        return hashlib.scrypt(
            password.encode(errors="surrogatepass"),
            salt=self.salt,
            n=self.cost,
            r=self.block_size,
            p=self.parallel,
            maxmem=_MAX_MEMORY_BYTES,
            dklen=32,
        )

    def line(self, user: str) -> str:
        """The line of the users file."""
        salt, key = (base64.b64encode(part).decode() for part in (self.salt, self.key))
        return f"{user}:scrypt:{self.cost}:{self.block_size}:{self.parallel}:{salt}:{key}\n"


class Users:
    """The users of one file, read again whenever the file has changed; thread-safe.

    A file that cannot be used, found at the start, raises UsersError; found later it is told to the
    log once, and the users of before stay as they were.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._users: dict[str, _Hashed] = {}
        # Checked for an unknown user, so that his refusal takes as long as that of a known one.
        self._nobody = _Hashed.of(secrets.token_hex())
        self._told = ""
        self._stamp: _Stamp = self._read()

    def verify(self, user: str, password: str) -> bool:
        """Whether the password is the user's; takes the time of one scrypt in any case."""
        self.refresh()
        hashed = self._users.get(user)
        known = hashed or self._nobody
        # What C takes for the end of a text is no part of a password.
        usable = hashed is not None and "\0" not in password
        return hmac.compare_digest(known.derive(password), known.key) and usable

    def stamp(self, user: str) -> object:
        """What is another thing as soon as the user was removed or got another password."""
        self.refresh()
        return self._users.get(user)

    def refresh(self) -> None:
        """Read the file if it has changed."""
        try:
            stamp = _stamp(self._path.stat())
        except OSError:
            stamp = None
        if stamp is not None and stamp == self._stamp:
            self._told = ""  # it was spoilt for a while, and the next time is news again
            return
        with self._lock:
            try:
                self._stamp = self._read()
            except UsersError as error:
                if self._told != str(error):
                    self._told = str(error)
                    _log.error("%s; the users of before stay as they were", error)
            else:
                _log.info("read the users file %s, which has changed", self._path)
                self._told = ""

    def _read(self) -> _Stamp:
        try:
            with self._path.open(encoding="utf-8") as file:
                found = os.fstat(file.fileno())
                if found.st_mode & 0o077:
                    raise UsersError(f"{self._path} can be read by others; run chmod 600 on it")
                self._users = dict(map(self._parsed, enumerate(file, start=1)))
                return _stamp(found)
        except (OSError, UnicodeDecodeError) as exc:
            raise UsersError(f"cannot read the users file {self._path}: {exc}") from exc

    def _parsed(self, numbered: tuple[int, str]) -> tuple[str, _Hashed]:
        number, line = numbered
        found = _LINE.fullmatch(line.rstrip("\n"))
        if found is None:
            raise UsersError(f"line {number} of the users file {self._path} cannot be read")
        hashed = _Hashed(
            cost=int(found[2]),
            block_size=int(found[3]),
            parallel=int(found[4]),
            salt=base64.b64decode(found[5]),
            key=base64.b64decode(found[6]),
        )
        return found[1], hashed


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def open_users(path: Path, say: Callable[[str], None]) -> Users:
    """Open the users file; make it where there is none, with one user and a random password.

    The password goes to a file of mode 0600 beside it, which ``say`` names: it must not end in a
    log. Raises UsersError.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            if not path.exists():
                _make(path, say)
    except OSError as exc:
        raise UsersError(f"cannot make the users file {path}: {exc}") from exc
    return Users(path)


def _make(path: Path, say: Callable[[str], None]) -> None:
    password = secrets.token_urlsafe(18)
    password_path = path.with_name(f"{path.name}.password")
    _write(password_path, f"{password}\n")
    _write(path, _Hashed.of(password).line(FIRST_USER))
    say(
        f"made the users file {path} with the user {FIRST_USER}, "
        f"whose password is in {password_path}"
    )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    # Two daemons that start at once must not make one file each.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    # Whoever reads the file finds a complete one.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # After a power cut the new name must not stand for a file without contents.
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        # A full disk must not be filled with what each start leaves behind.
        temporary.unlink(missing_ok=True)
        raise
