"""What an administrator does about a database of ours that cannot be used: one sentence.

Both daemons keep their state in SQLite, in rooms that share nothing else; several CIM servers
share theirs in PostgreSQL.
"""

from __future__ import annotations

import errno

__all__ = ["damaged", "newer", "state_remedy"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def state_remedy(error: object, file: str) -> str:
    """What to do about ``error``, as a driver or the operating system raised it; may be empty.

    ``file`` is where the database is, as messages may name it.
    """
    if hasattr(error, "sqlstate"):
        return _postgresql_remedy(str(error.sqlstate or ""))
    code = str(getattr(error, "sqlite_errorname", ""))
    number = getattr(error, "errno", None)
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process holds it locked ('fuser {file}' names it): end that one, or wait"
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(file)
    if code == "SQLITE_FULL" or number in _FULL:
        return f"make room in the file system of {file}"
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return _writable(file)
    if number in _FORBIDDEN:
        return _writable(file)
    if code.startswith("SQLITE_IOERR"):
        return f"the file system of {file} is full, or does not work: the system's log says more"
    return ""


def _postgresql_remedy(sqlstate: str) -> str:
    """PostgreSQL's code, which is empty where it could not say anything ("Error Codes")."""
    if not sqlstate or sqlstate.startswith(("08", "57P")):
        return "see that PostgreSQL runs and can be reached; it is tried again"
    if sqlstate.startswith("28"):
        return "see that the user may log in, and that PGPASSFILE or the URL has its password"
    if sqlstate in {"53100", "53200"}:
        return "give PostgreSQL more room"
    if sqlstate == "53300":
        return "raise max_connections of PostgreSQL"
    if sqlstate == "42501":
        return "grant the user what it needs, or let it own the database"
    return ""


def damaged(file: str) -> str:
    """What to do about a file that is not what it was."""
    return (
        f"the file is damaged and was left as it is: put a backup of it back, or move {file} "
        "and the files beside it that begin with its name away to begin with nothing"
    )


def newer(file: str) -> str:
    """What to do about a database that a newer version made."""
    return f"use that version, or a backup of {file} of before"


def _writable(file: str) -> str:
    return f"{file} and its directory must belong to the user that runs this, and be writable"
