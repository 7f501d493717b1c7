"""How listeners are verified."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection

__all__ = ["ListenerTls"]

_log = logging.getLogger(__name__)


class ListenerTls:
    """TLS to listeners: verified by the system's authorities, or by those in ``ca_file``.

    ``unverified`` are the listeners, each ``HOST`` or ``HOST:PORT``, that are believed to be who
    they say they are. Raises ValueError naming an unusable ``ca_file``.
    Safe to use from many threads.
    """

    def __init__(self, *, ca_file: str = "", unverified: Collection[str] = ()) -> None:
        self._ca_file = ca_file
        self._verifying = _verifying(ca_file)
        self._believing = ssl.create_default_context()
        self._believing.check_hostname = False
        self._believing.verify_mode = ssl.CERT_NONE
        self._unverified = frozenset(one.lower() for one in unverified)

    def refresh(self) -> None:
        """Read the authorities anew, for connections that are made from now on.

        Where they cannot be used, the log says why, and those of before stay.
        """
        try:
            self._verifying = _verifying(self._ca_file)
        except ValueError as exc:
            _log.error("listeners are verified as before: %s", exc)

    def context(self, host: str, port: int) -> ssl.SSLContext:
        """What a connection to a listener is made with; a host of IPv6 has no brackets."""
        name = f"[{host}]" if ":" in host else host
        is_believed = self._unverified & {name.lower(), f"{name}:{port}".lower()}
        return self._believing if is_believed else self._verifying


def _verifying(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as exc:
        raise ValueError(f"{ca_file!r} holds no certificates to trust: {exc}") from exc
