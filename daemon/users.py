"""The users of a daemon, as they stand in a file that may change while it runs."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import EVERYTHING, NOTHING, Rights
from virtcim.daemon.users_file import (
    Stamp,
    User,
    UsersError,
    change_users,
    read_users,
    stamp_of,
    write_private,
)

__all__ = ["FIRST_USER", "Users", "UsersError", "open_users"]

_log = logging.getLogger(__name__)

FIRST_USER = "virtcim"


class Users:
    """The users of one file, read again whenever the file has changed; thread-safe.

    A file that cannot be used, found at the start, raises UsersError; found later it is told to the
    log once, and the users of before stay as they were.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}
        # Checked for an unknown user, so that his refusal takes as long as that of a known one.
        self._nobody = HashedPassword.of(secrets.token_hex())
        self._told = ""
        self._stamp: Stamp = self._read()

    def verify(self, user: str, password: str) -> bool:
        """Whether the password is the user's; takes the time of one scrypt in any case."""
        found = self.find(user)
        hashed = None if found is None else found.password
        return (hashed or self._nobody).is_of(password) and hashed is not None

    def find(self, user: str) -> User | None:
        """The user of a name."""
        self.refresh()
        return self._users.get(user)

    def rights(self, user: str) -> Rights:
        """What a user may do; nothing where there is none such."""
        found = self.find(user)
        return NOTHING if found is None else found.rights

    def stamp(self, user: str) -> object:
        """What is another thing as soon as the user was removed or logs in otherwise.

        None for whom there is no user.
        """
        found = self.find(user)
        return None if found is None else (user, found.password)

    def refresh(self) -> None:
        """Read the file if it has changed."""
        try:
            stamp = stamp_of(self._path.stat())
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

    def _read(self) -> Stamp:
        self._users, stamp = read_users(self._path)
        return stamp


def open_users(path: Path, say: Callable[[str], None]) -> Users:
    """Open the users file; make it where there is none, with one user and a random password.

    He may do everything. The password goes to a file of mode 0600 beside it, which ``say`` names:
    it must not end in a log. Raises UsersError.
    """

    password_path = path.with_name(f"{path.name}.password")

    def add_first(users: dict[str, User]) -> None:
        if path.exists():
            raise _ExistsError
        password = secrets.token_urlsafe(18)
        write_private(password_path, f"{password}\n")
        hashed = HashedPassword.of(password)
        users[FIRST_USER] = User(name=FIRST_USER, password=hashed, rights=EVERYTHING)

    try:
        change_users(path, add_first)
    except _ExistsError:
        return Users(path)
    say(
        f"made the users file {path} with the user {FIRST_USER}, "
        f"whose password is in {password_path}"
    )
    return Users(path)


class _ExistsError(Exception):
    """There is a users file already."""
