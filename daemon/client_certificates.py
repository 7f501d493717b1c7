"""Whom a client's certificate names: TLS has verified it before there is a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtcim.daemon.asgi import Scope
from virtcim.daemon.http_connection import connection_of

__all__ = ["certificate_user", "user_of"]

# In this order: what stands in the subject, else in one of these alternative names.
_SUBJECT = "commonName"
_ALTERNATIVES = ("email", "DNS")


def certificate_user(scope: Scope) -> str | None:
    """The user whom the verified certificate of a connection names, None where none was shown.

    Empty where it names nobody, or more than one.
    """
    connection = connection_of(scope)
    certificate = None if connection is None else connection.peer_certificate
    return user_of(certificate) if certificate else None


def user_of(certificate: Mapping[str, Any]) -> str:
    """The common name of the subject; without one its one e-mail address, or its one DNS name."""
    names = [
        value
        for relative in certificate.get("subject", ())
        for kind, value in relative
        if kind == _SUBJECT
    ]
    for alternative in _ALTERNATIVES:
        if names:
            break
        names = [
            value for kind, value in certificate.get("subjectAltName", ()) if kind == alternative
        ]
    return str(names[0]) if len(names) == 1 else ""
