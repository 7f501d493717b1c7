"""Logging in and out (XenAPI ``session``)."""

from __future__ import annotations

import asyncio

from virtcim.toolstack.accessors import setter_calls
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.refs import NULL, reference

__all__ = ["SESSION_CALLS"]

SESSION_CALLS = CallTable()

# Whoever guesses passwords is slowed down; XAPI waits five.
_WRONG_PASSWORD_DELAY_S = 1.0


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
    authenticate = None if context.client.is_unix else services.authenticate
    stamp = None
    if authenticate is not None:
        stamp = services.sessions.stamp(uname)
        if not await context.run(authenticate, uname, pwd):
            await asyncio.sleep(_WRONG_PASSWORD_DELAY_S)
            raise XapiFailure(
                "SESSION_AUTHENTICATION_FAILED", uname, "unknown user or wrong password"
            )
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
