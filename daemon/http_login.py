"""Who makes an HTTP request: whom the client certificate names, else whose password it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from virtcim.daemon.arrivals import Arrivals, Tell
from virtcim.daemon.asgi import Scope
from virtcim.daemon.basic_authentication import BasicAuthenticator
from virtcim.daemon.client_certificates import certificate_user
from virtcim.daemon.current_request import note_user
from virtcim.daemon.logins import PasswordChecks, TooManyLogins
from virtcim.daemon.requester import Requester, peer_of
from virtcim.daemon.roles import EVERYTHING, Rights

__all__ = ["HttpLogin", "LoginRefused"]

_MOST_KNOWN = 1024
_REALM = 'Basic realm="virtcim"'
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class LoginRefused(Exception):  # noqa: N818 - an answer rather than an error of ours
    """A request is refused for who makes it; the text is one line, ``status`` that of HTTP."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class HttpLogin:
    """Asks for a client certificate or Basic authentication, nobody where ``logins`` is None.

    ``stamp`` gives what is another thing as soon as a user has to be asked again, ``knows`` says
    whether there is a user, ``rights`` what he may do. ``came`` is told of a user as ``Arrivals``
    tells, ``refused`` the name in a certificate and the peer where there is no such user.
    """

    def __init__(
        self,
        logins: PasswordChecks | None,
        *,
        stamp: Callable[[str], object] = lambda _: None,
        knows: Callable[[str], bool] = lambda _: False,
        rights: Callable[[str], Rights] = lambda _: EVERYTHING,
        came: Tell = lambda _user, _peer, _by: None,
        refused: Callable[[str, str], None] = lambda _user, _peer: None,
    ) -> None:
        self.logins = logins
        self._authenticator = None if logins is None else BasicAuthenticator(logins, stamp=stamp)
        self._knows = knows
        self._rights = rights
        self._arrivals = Arrivals(came)
        self._known: dict[tuple[str, str], Requester] = {}
        self._refused = refused

    async def requester(self, scope: Scope, authorization: str) -> Requester:
        """Who makes a request with this header. Raises LoginRefused."""
        peer = peer_of(scope)
        if self._authenticator is None:
            return self._requester_of("", EVERYTHING, peer)
        named = certificate_user(scope)
        if named is None:
            by, user = "password", await self._by_password(self._authenticator, authorization, peer)
        elif self._knows(named):
            by, user = "certificate", named
        else:
            self._refused(named, peer)
            raise LoginRefused(403, "the client certificate names no user that is known here")
        note_user(user)
        self._arrivals.note(user, peer, by)
        return self._requester_of(user, self._rights(user), peer)

    def _requester_of(self, user: str, rights: Rights, peer: str) -> Requester:
        """Who asks: the same object as before where nothing else may be done by him."""
        found = self._known.get((user, peer))
        if found is None or found.rights is not rights:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[user, peer] = Requester(user=user, rights=rights, peer=peer)
        return found

    async def _by_password(self, authenticator: BasicAuthenticator, header: str, peer: str) -> str:
        user = authenticator.remembered(header)
        if user is None and header:
            try:
                user = await authenticator.principal(header, peer)
            except TooManyLogins:
                raise LoginRefused(
                    429, "too many logins of this address wait to be checked", {"Retry-After": "5"}
                ) from None
        if user is None:
            raise LoginRefused(
                401, "a user and a password are needed", {"WWW-Authenticate": _REALM}
            )
        return user
