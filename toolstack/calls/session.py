"""Logging in and out (XenAPI ``session``)."""

from __future__ import annotations

from virtcim.daemon.clients import address_of
from virtcim.daemon.logins import Logins, TooManyLogins
from virtcim.toolstack.accessors import setter_calls
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.guard import requested_by
from virtcim.toolstack.refs import NULL, reference
from virtcim.toolstack.services import Services

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

    Who can open the Unix socket is trusted: it belongs to the user the toolstack runs as. Whom a
    client certificate names needs no password, and may leave the user name empty.
    Raises ``SESSION_AUTHENTICATION_FAILED`` for a wrong name or password, and ``TOO_BUSY``.
    """
    services = context.services
    stamp, by = None, "trust"
    if not context.client.is_unix and services.logins is not None:
        named = context.client.certificate_user
        if named is None:
            stamp, by = services.sessions.stamp(uname), "password"
            await _check_password(services.logins, uname, pwd, context.client.address)
        else:
            stamp, by = services.sessions.stamp(named), "certificate"
            _check_certificate(services, named, uname, context.client.address)
            uname = named
    host = reference("host", uuid) if (uuid := services.lookup.host_uuid) else NULL
    address = address_of(context.client.address)
    session = services.sessions.open(uname, originator, host, stamp, address=address)
    services.audit.login_done(uname, requested_by(context.client), by)
    return session


async def _check_password(logins: Logins, user: str, password: str, peer: str) -> None:
    try:
        right = await logins.is_right(user, password, peer)
    except TooManyLogins:
        why = "too many logins of this address wait to be checked; try again later"
        raise XapiFailure("SESSION_AUTHENTICATION_FAILED", user, why) from None
    if not right:
        why = "unknown user or wrong password"
        raise XapiFailure("SESSION_AUTHENTICATION_FAILED", user, why)


def _check_certificate(services: Services, named: str, user: str, peer: str) -> None:
    if user not in ("", named) or not services.knows(named):
        services.audit.login_refused(named, peer)
        why = "the client certificate names another user, or none that is known here"
        raise XapiFailure("SESSION_AUTHENTICATION_FAILED", user, why)


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
