"""Logging in and out (XenAPI ``session``)."""

from __future__ import annotations

from virtcim.daemon.logins import TooManyLogins
from virtcim.toolstack.accessors import setter_calls
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.refs import NULL, reference

__all__ = ["SESSION_CALLS"]

SESSION_CALLS = CallTable()


@SESSION_CALLS.add(
    "session.login_with_password",
    "string uname, string pwd, string version?, string originator?",
    session=False,
    needs_libvirt=False,
)
async def login_with_password(
    context: Context, uname: str, pwd: str, _version: str = "", originator: str = ""
) -> str:
    """Begin a session.

    Who can open the Unix socket is trusted: it belongs to the user the toolstack runs as.
    Raises ``SESSION_AUTHENTICATION_FAILED`` for a wrong name or password.
    """
    services = context.services
    logins = None if context.client.is_unix else services.logins
    stamp = None
    if logins is not None:
        stamp = services.sessions.stamp(uname)
        try:
            right = await logins.is_right(uname, pwd, context.client.address)
        except TooManyLogins:
            why = "too many logins of this address wait to be checked; try again later"
            raise XapiFailure("SESSION_AUTHENTICATION_FAILED", uname, why) from None
        if not right:
            why = "unknown user or wrong password"
            raise XapiFailure("SESSION_AUTHENTICATION_FAILED", uname, why)
    host = reference("host", uuid) if (uuid := services.lookup.host_uuid) else NULL
    return services.sessions.open(uname, originator, host, stamp)


@SESSION_CALLS.add("session.logout", "", inline=True, needs_libvirt=False)
def logout(context: Context) -> None:
    """End the session."""
    context.services.sessions.close(context.session)


@SESSION_CALLS.add("session.get_this_host", "session self", inline=True)
def get_this_host(context: Context, _session: str) -> str:
    """Give the host that serves the session: known even if libvirt was away at login."""
    return reference("host", context.services.lookup.host_uuid)


for _call in setter_calls(
    CLASSES["session"],
    "other_config",
    lambda context, ref, field, change: context.services.sessions.change(ref, field, change),
):
    SESSION_CALLS.enter(_call)
