"""TLS of listeners: forward secrecy only (RFC 9325), and certificates that can be renewed."""

from __future__ import annotations

import logging
import ssl

from virtcim.daemon.listener import Listen

__all__ = ["CIPHERS", "LEAST_VERSION", "load_certificate_anew"]

_log = logging.getLogger(__name__)

LEAST_VERSION = ssl.TLSVersion.TLSv1_2
# For TLS 1.2, in OpenSSL's words (RFC 9325 section 4.2): all of TLS 1.3 has forward secrecy.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def load_certificate_anew(context: ssl.SSLContext, listen: Listen) -> None:
    """Read certificate and key again, for connections that begin from now on.

    Where they cannot be used, the log says why, and those of before stay.
    """
    files = listen.cert_file, listen.key_file
    try:
        # One that does not fit its key must not take the place of one that does.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as exc:
        _log.error(
            "%s: cannot use the certificate %s and key %s, those of before stay: %s",
            *(listen, *files, exc),
        )
    else:
        _log.info("%s: read the certificate %s anew", listen, listen.cert_file)
