"""Who asks: what the layers above a connection know of it."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.daemon.asgi import Scope
from virtcim.daemon.clients import client_of
from virtcim.daemon.roles import NOTHING, Rights

__all__ = ["LOCAL", "Requester", "peer_of"]

LOCAL = "unix"
"""How the peer begins of whoever comes by a Unix socket; his account follows where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requester:
    """The user, empty where nobody logs in, what he may do, and where he comes from.

    Compares by identity, so that what is worked out for one is found again quickly.

    ``peer`` is what ``peer_of`` gives.
    """

    user: str = ""
    rights: Rights = NOTHING
    peer: str = ""

    @property
    def client(self) -> str:
        """Who has a share of what all clients together may have."""
        return client_of(self.user, self.peer)


def peer_of(scope: Scope) -> str:
    """The address that a request comes from; at a Unix socket ``unix:`` and an account's number."""
    client = scope.get("client")
    if client:
        return str(client[0])
    from virtcim.daemon.http_connection import connection_of

    connection = connection_of(scope)
    uid = None if connection is None else connection.peer_uid
    return LOCAL if uid is None else f"{LOCAL}:{uid}"
