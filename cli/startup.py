"""What starting a daemon takes once its options are known: listeners, users, logging."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from virtcim.cli.users import open_users
from virtcim.wire.listener import Listen, parse_listen, require_authentication

__all__ = [
    "Access",
    "Authentication",
    "LogLevel",
    "default_state_directory",
    "open_access",
    "say",
    "start_logging",
    "usable",
]


class Authentication(StrEnum):
    """How clients say who they are."""

    BASIC = "basic"
    NONE = "none"


class LogLevel(StrEnum):
    """What is logged to standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a daemon listens, and who is let in: everybody where ``authenticate`` is None."""

    listens: Sequence[Listen]
    authenticate: Callable[[str, str], bool] | None


def default_state_directory() -> Path:
    """Where a daemon keeps what must outlive it: the system's directory, or the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/virtcim")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "virtcim"


def start_logging(level: LogLevel) -> None:
    """Log to standard error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.value.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def say(text: str) -> None:
    """Say something to whoever starts the daemon."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - where the administrator looks


@contextmanager
def usable(*errors: type[Exception]) -> Iterator[None]:
    """End with status 1 and one sentence when ``errors`` say that an option cannot be used."""
    try:
        yield
    except errors as exc:
        say(f"error: {exc}")
        raise SystemExit(1) from exc


def open_access(
    daemon: str,
    listen: Sequence[str],
    *,
    tls_cert: str,
    tls_key: str,
    auth: Authentication,
    users: Path,
    trusts_unix: bool = False,
) -> Access:
    """Understand where to listen, and open the users file unless nobody has to log in.

    ``trusts_unix``: the daemon asks nobody who comes by a Unix socket. Raises ListenError and
    UsersError.
    """
    listens = [parse_listen(one, cert_file=tls_cert, key_file=tls_key) for one in listen]
    if auth is Authentication.NONE:
        require_authentication(listens)
        return Access(listens=listens, authenticate=None)
    if trusts_unix and all(one.kind == "unix" for one in listens):
        return Access(listens=listens, authenticate=None)
    opened = open_users(users, lambda text: say(f"virtcim {daemon}: {text}"))
    return Access(listens=listens, authenticate=opened.verify)
