"""Who may read metrics: whoever may read everything that is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from virtcim.daemon.asgi import Scope
from virtcim.daemon.http_login import HttpLogin, LoginRefused
from virtcim.daemon.requester import LOCAL, peer_of
from virtcim.daemon.roles import Role

__all__ = ["PageAccess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAccess:
    """Lets in users with the role read in all ``scopes``.

    Whoever comes by a Unix socket is not asked where the daemon ``trusts_unix``.
    """

    login: HttpLogin
    scopes: Sequence[str]
    trusts_unix: bool = False

    async def require(self, scope: Scope) -> None:
        """Raise LoginRefused unless whoever asks may read everything."""
        if self.trusts_unix and peer_of(scope) == LOCAL:
            return
        given = (value for name, value in scope["headers"] if name == b"authorization")
        requester = await self.login.requester(scope, next(given, b"").decode("latin-1"))
        if not requester.rights.may_everywhere(Role.READ, self.scopes):
            raise LoginRefused(403, "metrics are for users who may read everything")
