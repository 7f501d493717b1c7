"""Failures of our own login at a hypervisor, which are not those of whoever asks us.

The client of a server that uses an endpoint has logged in there already: told of a wrong password,
it would look for its own.
"""

from __future__ import annotations

from dataclasses import replace

from virtcim.errormap import Fault, from_xapi
from virtcim.hypervisor.credentials import Credentials

__all__ = ["is_of_own_login", "login_refused"]

_LOGIN_REFUSED = "SESSION_AUTHENTICATION_FAILED"
_HTTP_LOGIN = ("HTTP_401", "HTTP_407")
_OF_OWN_LOGIN = {
    "xapi": (_LOGIN_REFUSED, "SESSION_INVALID", "RBAC_PERMISSION_DENIED"),
    "transport": (*_HTTP_LOGIN, "no_credentials"),
}


def is_of_own_login(fault: Fault) -> bool:
    """Whether a fault is about whom we log in as: refused, expired, or without the role."""
    return fault.code in _OF_OWN_LOGIN.get(fault.source, ())


def login_refused(fault: Fault, url: str, credentials: Credentials) -> Fault:
    """The fault with whom we logged in as, and where; any fault but a refused login as it is.

    Where we had nothing to show, it says that.
    """
    if fault.source == "transport" and fault.code in _HTTP_LOGIN:
        return replace(fault, text=f"{url} as {credentials.username!r}: {fault.text}")
    if fault.source != "xapi" or fault.code != _LOGIN_REFUSED:
        return fault
    if not credentials.username and not credentials.password:
        return Fault(
            source="transport",
            operation=fault.operation,
            code="no_credentials",
            arguments=("connect",),
            text=f"{url} demands a login, and no user is configured for it",
        )
    reason = " ".join(fault.arguments[1:])
    return from_xapi(
        [fault.code, credentials.username, f"at {url}: {reason}"], operation=fault.operation
    )
