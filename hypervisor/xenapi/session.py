"""A session of the XenAPI: login, calls, and what its envelopes mean."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtcim.errormap import Fault, HypervisorError, from_transport, from_xapi
from virtcim.hypervisor.credentials import Credentials
from virtcim.hypervisor.own_login import login_refused
from virtcim.wire import EndpointUrl, MalformedMessage, RemoteFault, TlsOptions, Transport

__all__ = [
    "Connect",
    "Credentials",
    "UnusableAnswerError",
    "XenApiSession",
    "brief",
    "connector",
    "is_session_invalid",
]

_API_VERSION = "1.0"  # XAPI ignores it, but the parameter must be there
_ORIGINATOR = "virtcim"
# A pool's members name their master; a second referral would be a pool at odds with itself.
_MAX_REFERRALS = 1

# XAPI lets five seconds pass before it refuses a password.
_LOGIN_TIMEOUT_S = 20.0
_LOGOUT_TIMEOUT_S = 2.0

_BRIEF = 300

Connect = Callable[[EndpointUrl], Transport]


def connector(
    *,
    connect_timeout_s: float = 5.0,
    read_timeout_s: float = 60.0,
    tls: TlsOptions | None = None,
) -> Connect:
    """Give the function that makes a Transport for a URL, also for that of a pool's master."""

    def connect(url: EndpointUrl) -> Transport:
        return Transport(
            url, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s, tls=tls
        )

    return connect


class UnusableAnswerError(HypervisorError):
    """The server has answered, but not with what was asked for: the connection stands."""

    @property
    def brief(self) -> str:
        """What is wrong, in one printable line without what the answer holds."""
        return brief(self.fault)

    @classmethod
    def of(cls, method: str, message: str, body: str = "") -> UnusableAnswerError:
        """The error for an answer that is none, in words."""
        return cls(
            from_transport(
                phase="after_send",
                exception="NotXenApi",
                message=message,
                body=body,
                operation=method,
            )
        )


class XenApiSession:
    """Calls with a session that is opened when needed and renewed once when it has expired.

    Safe to use from many threads. Every failure is a HypervisorError: an ErrorDescription becomes
    a fault of source "xapi", all else one of source "transport". One that is due to the answer
    alone is an UnusableAnswerError.
    """

    def __init__(self, url: EndpointUrl, credentials: Credentials, connect: Connect) -> None:
        self._url = url
        self._credentials = credentials
        self._connect = connect
        self._transport = connect(url)
        self._lock = threading.Lock()
        self._session = ""

    def call(self, method: str, *params: object, read_timeout_s: float | None = None) -> Any:
        """Call ``method`` with the session before ``params`` and return its Value.

        Raises HypervisorError. SESSION_INVALID is answered by one new login and one repetition:
        a call with an invalid session was not performed.
        """
        session = self.open()
        try:
            return self.call_in(session, method, *params, read_timeout_s=read_timeout_s)
        except HypervisorError as exc:
            if not is_session_invalid(exc.fault):
                raise
        return self.call_in(self.open(), method, *params, read_timeout_s=read_timeout_s)

    def open(self) -> str:
        """Log in unless a session is open, and give its reference. Raises HypervisorError."""
        with self._lock:
            if not self._session:
                self._session = self._log_in()
            return self._session

    def call_in(
        self,
        session: str,
        method: str,
        *params: object,
        read_timeout_s: float | None = None,
        on_records: Callable[[int], None] | None = None,
    ) -> Any:
        """Call ``method`` in this very session, which is not renewed. Raises HypervisorError.

        ``on_records`` is told now and then how many records of the answer have arrived.
        """
        try:
            return self._exchange(method, (session, *params), read_timeout_s, on_records)
        except HypervisorError as exc:
            if is_session_invalid(exc.fault):
                self.forget(session)
            raise

    def close(self) -> None:
        """Give the session back, if the server still answers, and close the connections."""
        with self._lock:
            session, self._session = self._session, ""
        if session:
            self._log_out(session)
        self._transport.close()

    def forget(self, session: str) -> None:
        """Log in anew before the next call, unless another thread already has."""
        with self._lock:
            if self._session == session:
                self._session = ""

    def give_back(self, session: str) -> None:
        """Log in anew before the next call, and let the server end the session, if it answers.

        One that is only forgotten stays open for a day, beside one of each further attempt: they
        crowd out those of others with the same user.
        """
        self.forget(session)
        self._log_out(session)

    def _log_out(self, session: str) -> None:
        with contextlib.suppress(HypervisorError):  # the server drops idle sessions itself
            self._exchange("session.logout", (session,), _LOGOUT_TIMEOUT_S)

    def _log_in(self) -> str:
        """Log in where we are; if that cannot be reached, where the administrator said.

        After a pool has chosen another master, the former one may be gone.
        """
        try:
            return self._log_in_here()
        except HypervisorError as exc:
            if exc.fault.source != "transport" or self._transport.url == self._url:
                raise
        self._dial(self._url)
        return self._log_in_here()

    def _log_in_here(self) -> str:
        who = (self._credentials.username, self._credentials.password, _API_VERSION, _ORIGINATOR)
        for referrals in range(_MAX_REFERRALS + 1):
            try:
                return str(self._exchange("session.login_with_password", who, _LOGIN_TIMEOUT_S))
            except HypervisorError as exc:
                if not _is_referral(exc.fault) or referrals == _MAX_REFERRALS:
                    where = str(self._transport.url)
                    raise type(exc)(login_refused(exc.fault, where, self._credentials)) from exc
                self._dial(replace(self._url, host=exc.fault.arguments[0]))
        raise AssertionError("unreachable: the last referral is raised")

    def _dial(self, url: EndpointUrl) -> None:
        previous, self._transport = self._transport, self._connect(url)
        previous.close()

    def _exchange(
        self,
        method: str,
        params: tuple[object, ...],
        read_timeout_s: float | None,
        on_records: Callable[[int], None] | None = None,
    ) -> Any:
        try:
            envelope = self._transport.call(
                method, params, read_timeout_s=read_timeout_s, on_records=on_records
            )
        except RemoteFault as exc:
            fault = from_xapi(["INTERNAL_ERROR", exc.string], operation=method)
            raise UnusableAnswerError(fault) from exc
        except HypervisorError as exc:
            if isinstance(exc.__cause__, MalformedMessage):
                raise UnusableAnswerError(exc.fault) from exc
            raise
        match envelope:
            case {"Status": "Success", "Value": value}:
                return value
            case {"ErrorDescription": [*description]}:  # Status is Failure, in xend also Error
                fault = from_xapi(description, operation=method)
                raise (
                    HypervisorError(fault)
                    if is_session_invalid(fault) or _is_referral(fault)
                    else UnusableAnswerError(fault)
                )
        raise UnusableAnswerError.of(
            method,
            "the answer is no XenAPI envelope: there is no Status with a Value",
            repr(envelope)[:500],
        )


def brief(fault: Fault) -> str:
    """What a fault says, in one printable line."""
    line = next(iter(str(HypervisorError(fault)).splitlines()), "")
    return "".join(filter(str.isprintable, line))[:_BRIEF]


def is_session_invalid(fault: Fault) -> bool:
    """Whether the server does not know the session (any more)."""
    return fault.source == "xapi" and fault.code == "SESSION_INVALID"


def _is_referral(fault: Fault) -> bool:
    return fault.source == "xapi" and fault.code == "HOST_IS_SLAVE" and bool(fault.arguments)
