"""Passwords that PAM checks, of users whom the users file knows (Debian's libpam, pam(7)).

PAM is asked of nobody else: no account of this machine can be guessed at from the network, nor
locked, unless somebody has let it in. What PAM does to the credentials of a process (pam_setcred)
is left out: they are the daemon's.
"""

from __future__ import annotations

import logging
from pathlib import Path

from virtcim.daemon.users import Users

__all__ = ["PAM_THREADS", "PamError", "PamPasswords"]

_log = logging.getLogger(__name__)

PAM_THREADS = 8
"""How many passwords are checked at once: PAM waits, for servers and after what is wrong."""

_PLACES = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d")
# What is wrong with what the client sent, and not with PAM.
_OF_THE_CLIENT = ("PAM_AUTH_ERR", "PAM_USER_UNKNOWN", "PAM_MAXTRIES", "PAM_PERM_DENIED")


class PamError(Exception):
    """PAM cannot be used; the text is one sentence for the administrator."""


class PamPasswords:
    """Asks the PAM service ``service``: its ``auth`` and its ``account``; safe for many threads."""

    def __init__(self, users: Users, service: str) -> None:
        """Raise PamError where there is no such service, or nothing to ask it with."""
        try:
            import pam
        except ImportError as exc:
            raise PamError(
                "PAM needs the Python package python-pam: pip install 'virtcim[pam]'"
            ) from exc
        # Another service, `other`, would be asked instead.
        if not service or "/" in service or not any(Path(one, service).exists() for one in _PLACES):
            raise PamError(f"there is no PAM service {service!r}; make /etc/pam.d/{service}")
        self._pam = pam
        self._users = users
        self._service = service
        self._not_worth_saying = {getattr(pam, name) for name in _OF_THE_CLIENT}

    def verify(self, user: str, password: str) -> bool:
        """Whether PAM lets a user in whom the users file knows; may take seconds."""
        # PAM itself would let in whoever has an empty password.
        if self._users.find(user) is None or not password or "\0" in password:
            return False
        asked = self._pam.PamAuthenticator()
        right = bool(asked.authenticate(user, password, service=self._service, resetcreds=False))
        if not right and asked.code not in self._not_worth_saying:
            _log.warning(
                "the PAM service %s could not decide about %r: %s",
                self._service,
                user,
                asked.reason,
            )
        return right
