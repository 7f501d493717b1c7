"""Where a daemon listens, and whom it lets in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from virtcim.daemon.audit import Audit
from virtcim.daemon.listener import Listen, ListenError, parse_listen, require_authentication
from virtcim.daemon.pam_logins import PAM_THREADS, PamPasswords
from virtcim.daemon.roles import EVERYTHING, Rights
from virtcim.daemon.users import Users, UsersError, open_users

__all__ = ["Access", "Authentication", "ClientCertificates", "open_access"]


class Authentication(StrEnum):
    """How clients say who they are."""

    BASIC = "basic"
    PAM = "pam"
    NONE = "none"


class ClientCertificates(StrEnum):
    """Whether clients must show a certificate."""

    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a daemon listens, who is let in, and what is kept of what they do.

    Everybody is let in where ``users`` is None.
    """

    listens: Sequence[Listen]
    users: Users | None
    audit: Audit
    pam: PamPasswords | None = None

    @property
    def authenticate(self) -> Callable[[str, str], bool] | None:
        """What says whether a user's password is right; None: nobody has to log in."""
        if self.users is None:
            return None
        return self.users.verify if self.pam is None else self.pam.verify

    @property
    def login_threads(self) -> int:
        """How many passwords are checked at once."""
        return 1 if self.pam is None else PAM_THREADS

    def user_stamp(self, user: str) -> object:
        """What is another thing as soon as what is known of the user is out of date."""
        return None if self.users is None else self.users.stamp(user)

    def knows(self, user: str) -> bool:
        """Whether there is such a user."""
        return self.users is not None and self.users.find(user) is not None

    def rights(self, user: str) -> Rights:
        """What a user may do."""
        return EVERYTHING if self.users is None else self.users.rights(user)

    def refresh(self) -> None:
        """Read anew what says who is let in, and go on in a new audit file."""
        if self.users is not None:
            self.users.refresh()
        self.audit.reopen()


def open_access(
    listen: Sequence[str],
    *,
    tls_cert: str,
    tls_key: str,
    tls_client_ca: str,
    tls_client_cert: ClientCertificates,
    tls_client_crl: str,
    auth: Authentication,
    pam_service: str,
    users: Path,
    audit: Audit,
    say: Callable[[str], None],
    trusts_unix: bool = False,
) -> Access:
    """Understand where to listen, and open the users file unless nobody has to log in.

    ``say`` is told where a users file was made; ``trusts_unix``: the daemon asks nobody who comes
    by a Unix socket. Raises ListenError, UsersError and PamError.
    """
    listens = [
        parse_listen(
            one,
            cert_file=tls_cert,
            key_file=tls_key,
            client_ca_file=tls_client_ca,
            client_cert_required=tls_client_cert is ClientCertificates.REQUIRED,
            client_crl_file=tls_client_crl,
        )
        for one in listen
    ]
    if tls_client_ca and not any(one.kind == "https" for one in listens):
        raise ListenError("client certificates need an https listener")
    if tls_client_crl and not tls_client_ca:
        raise ListenError("revoked certificates need --tls-client-ca, which says what is trusted")
    if auth is Authentication.NONE:
        require_authentication(listens)
        return Access(listens=listens, users=None, audit=audit)
    if trusts_unix and all(one.kind == "unix" for one in listens):
        return Access(listens=listens, users=None, audit=audit)
    if auth is Authentication.BASIC:
        return Access(listens=listens, users=open_users(users, say), audit=audit)
    if not users.exists():
        # A user with a password of ours would be of no use.
        raise UsersError(
            f"there is no users file {users} that says whom PAM may let in; "
            "make one with virtcim users add NAME --external"
        )
    known = Users(users)
    return Access(listens=listens, users=known, audit=audit, pam=PamPasswords(known, pam_service))
