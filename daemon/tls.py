"""TLS of listeners: forward secrecy only (RFC 9325), and certificates that can be renewed."""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime

from virtcim.daemon.listener import Listen
from virtcim.daemon.revocation import RevocationError, check_revocation_lists

__all__ = ["TlsError", "renewed_context", "tls_context"]

_log = logging.getLogger(__name__)

_LEAST_VERSION = ssl.TLSVersion.TLSv1_2
# For TLS 1.2, in OpenSSL's words (RFC 9325 section 4.2): all of TLS 1.3 has forward secrecy.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class TlsError(Exception):
    """A certificate cannot be used; the text is one sentence for the administrator."""


def tls_context(listen: Listen) -> ssl.SSLContext:
    """What the connections of a listener are made with. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _LEAST_VERSION
    context.set_ciphers(_CIPHERS)
    try:
        context.load_cert_chain(listen.cert_file, listen.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise TlsError(
            f"cannot use the certificate {listen.cert_file} and key {listen.key_file} "
            f"for {listen}: {exc}"
        ) from exc
    if listen.client_ca_file:
        _verify_clients(context, listen)
    return context


def _verify_clients(context: ssl.SSLContext, listen: Listen) -> None:
    try:
        context.load_verify_locations(cafile=listen.client_ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise TlsError(
            f"cannot use the certificates {listen.client_ca_file} "
            f"that clients of {listen} are verified by: {exc}"
        ) from exc
    if listen.client_crl_file:
        _refuse_revoked(context, listen)
    context.verify_mode = ssl.CERT_REQUIRED if listen.client_cert_required else ssl.CERT_OPTIONAL
    # A session that is resumed would not be verified again.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


def _refuse_revoked(context: ssl.SSLContext, listen: Listen) -> None:
    file = listen.client_crl_file
    try:
        check_revocation_lists(file, datetime.now(UTC))
        context.load_verify_locations(cafile=file)
    except (RevocationError, OSError) as exc:
        raise TlsError(
            f"cannot use the revoked certificates {file} for clients of {listen}: {exc}"
        ) from exc
    # From now on each authority needs a list of its own.
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def renewed_context(context: ssl.SSLContext, listen: Listen) -> ssl.SSLContext:
    """What connections that begin from now on are made with, of files that may have changed.

    Where they cannot be used, the log says why, and it is the ``context`` of before.
    """
    try:
        renewed = tls_context(listen)
    except TlsError as exc:
        _log.error("%s; those of before stay", exc)
        return context
    _log.info("%s: read the certificate %s anew", listen, listen.cert_file)
    return renewed
