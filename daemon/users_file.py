"""The users file: a line for each user, with how he logs in and what he may do.

    NAME:scrypt:COST:BLOCK:PARALLEL:SALT:KEY[:ROLES]
    NAME:external[:ROLES]

``external`` has no password here: somebody else says who he is (PAM, a client certificate). ROLES
is what ``roles.parse_rights`` reads. A line without them is from before there were roles, and its
user may do everything.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import EVERYTHING, Rights, RoleError, parse_rights

__all__ = ["Stamp", "User", "UsersError", "change_users", "read_users", "stamp_of", "write_private"]

Stamp = tuple[int, int, int, int]
"""Inode, time of change, size and mode of a file."""

_NAME = re.compile(r"[^:\s]+")
_EXTERNAL = "external"
_LINE = re.compile(r"([^:\s]+):(external|scrypt(?::[\w+/=]+){5})(:\S*)?")
_MOST_NAME = 128


class UsersError(Exception):
    """A users file cannot be used; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user; ``password`` is None where somebody else says who he is."""

    name: str
    password: HashedPassword | None
    rights: Rights

    @classmethod
    def parse(cls, line: str) -> User:
        """Read a line of the file. Raises ValueError and RoleError."""
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError("this is no line of a user")
        return cls(
            name=found[1],
            password=None if found[2] == _EXTERNAL else HashedPassword.parse(found[2]),
            rights=EVERYTHING if found[3] is None else parse_rights(found[3][1:]),
        )

    def __str__(self) -> str:
        return f"{self.name}:{self.password or _EXTERNAL}:{self.rights}"


def read_users(path: Path) -> tuple[dict[str, User], Stamp]:
    """The users by name, and what the file is now. Raises UsersError."""
    try:
        with path.open(encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & 0o077:
                raise UsersError(f"{path} can be read by others; run chmod 600 on it")
            users = [_parsed(path, number, line) for number, line in enumerate(file, start=1)]
    except (OSError, UnicodeDecodeError) as exc:
        raise UsersError(f"cannot read the users file {path}: {exc}") from exc
    return {user.name: user for user in users}, stamp_of(found)


def _parsed(path: Path, number: int, line: str) -> User:
    try:
        return User.parse(line.rstrip("\n"))
    except RoleError as exc:
        raise UsersError(f"line {number} of the users file {path}: {exc}") from exc
    except ValueError as exc:
        raise UsersError(f"line {number} of the users file {path} cannot be read") from exc


def stamp_of(found: os.stat_result) -> Stamp:
    """What tells one state of a file from another."""
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def change_users(path: Path, change: Callable[[dict[str, User]], None]) -> None:
    """Let ``change`` change the users of a file, which is made where there is none.

    Whoever reads it meanwhile finds it as it was or as it will be. Raises UsersError, and what
    ``change`` raises: then nothing is changed.
    """
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            users = read_users(path)[0] if path.exists() else {}
            change(users)
            for name in users:
                _check_name(name)
            write_private(path, "".join(f"{user}\n" for user in users.values()))
    except OSError as exc:
        raise UsersError(f"cannot make the users file {path}: {exc}") from exc


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name) > _MOST_NAME:
        raise UsersError(
            f"{name[:_MOST_NAME]!r} is no name of a user: up to {_MOST_NAME} printable characters "
            "without spaces and colons are one"
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


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone; whoever reads it finds a complete one.

    It stays its owner's, and a new one is that of its directory: the daemon may be somebody else
    than root, who runs the command.
    """
    owner = (path if path.exists() else path.parent).stat()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            # After a power cut the new name must not stand for a file without contents.
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        # A full disk must not be filled with what each start leaves behind.
        temporary.unlink(missing_ok=True)
        raise
