"""Who asks: what the layers above a connection know of it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from virtcim.daemon.asgi import Scope
from virtcim.daemon.clients import client_of
from virtcim.daemon.roles import NOTHING, Rights

__all__ = ["LOCAL", "REQUESTER", "Requester", "peer_of"]

LOCAL = "unix"
"""The peer of whoever comes by a Unix socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """The user, empty where nobody logs in, what he may do, and where he comes from.

    ``peer`` is what ``peer_of`` gives.
    """

    user: str = ""
    rights: Rights = NOTHING
    peer: str = ""

    @property
    def client(self) -> str:
        """Who has a share of what all clients together may have."""
        return client_of(self.user, self.peer)


REQUESTER: ContextVar[Requester] = ContextVar("requester")
"""Who has asked for what runs now, where that is known; a copied context gives it to a thread."""


def peer_of(scope: Scope) -> str:
    """The address that a request comes from, LOCAL for a Unix socket."""
    client = scope.get("client")
    return client[0] if client else LOCAL
