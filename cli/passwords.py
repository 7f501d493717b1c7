"""New passwords from a terminal, a file or standard input: never from a command line."""

from __future__ import annotations

import getpass
import sys
import warnings
from pathlib import Path

from virtcim.daemon.passwords import check_password

__all__ = ["PasswordSourceError", "new_password"]


class PasswordSourceError(Exception):
    """No password could be had; the text is one sentence."""


def new_password(user: str, file: str) -> str:
    """The new password of a user: the first line of a file (``-``: standard input), or asked for.

    Raises PasswordSourceError, and PasswordError for one that cannot be used.
    """
    return check_password(_first_line(file) if file else _asked(user))


def _first_line(file: str) -> str:
    try:
        if file == "-":
            text = "" if sys.stdin is None else sys.stdin.readline()
        else:
            with Path(file).open(encoding="utf-8") as lines:
                text = lines.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise PasswordSourceError(f"cannot read the password: {error}") from error
    return text.removesuffix("\n").removesuffix("\r")


def _asked(user: str) -> str:
    with warnings.catch_warnings():
        # It would be shown while it is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            password = getpass.getpass(f"New password of {user}: ")
            again = getpass.getpass("Once more: ")
        except (getpass.GetPassWarning, EOFError, OSError) as error:
            raise PasswordSourceError(
                "there is no terminal to ask for the password; use --password-file"
            ) from error
    if password != again:
        raise PasswordSourceError("that was not the same password")
    return password
