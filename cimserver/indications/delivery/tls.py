"""How listeners are verified."""

from __future__ import annotations

import ssl
from collections.abc import Collection

__all__ = ["ListenerTls"]


class ListenerTls:
    """TLS to listeners: verified by the system's authorities, or by those in ``ca_file``.

    ``unverified`` are the listeners, each ``HOST`` or ``HOST:PORT``, that are believed to be who
    they say they are. Raises ValueError naming an unusable ``ca_file``.
    """

    def __init__(self, *, ca_file: str = "", unverified: Collection[str] = ()) -> None:
        try:
            self._verifying = ssl.create_default_context(cafile=ca_file or None)
        except OSError as exc:
            raise ValueError(f"{ca_file!r} holds no certificates to trust: {exc}") from exc
        self._believing = ssl.create_default_context()
        self._believing.check_hostname = False
        self._believing.verify_mode = ssl.CERT_NONE
        self._unverified = frozenset(one.lower() for one in unverified)

    def context(self, host: str, port: int) -> ssl.SSLContext:
        """What a connection to a listener is made with; a host of IPv6 has no brackets."""
        name = f"[{host}]" if ":" in host else host
        is_believed = self._unverified & {name.lower(), f"{name}:{port}".lower()}
        return self._believing if is_believed else self._verifying
