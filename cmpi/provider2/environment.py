"""What a provider is handed with each request: the way back to the CIM server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from virtcim.cmpi.request import Call

__all__ = ["Logger", "ProviderEnvironment"]

_log = logging.getLogger("virtcim.cmpi.provider2.providers")


class Logger:
    """Where providers say what they do: the log of the process."""

    def log_debug(self, message: str) -> None:
        """Say what only developers want to know."""
        _log.debug("%s", message)

    def log_info(self, message: str) -> None:
        """Say what goes well."""
        _log.info("%s", message)

    def log_warn(self, message: str) -> None:
        """Say what is odd."""
        _log.warning("%s", message)

    def log_error(self, message: str) -> None:
        """Say what went wrong."""
        _log.error("%s", message)

    def log_fatal(self, message: str) -> None:
        """Say what nothing can go on after."""
        _log.critical("%s", message)


class ProviderEnvironment:
    """For one request, or for what happens between them; may be kept, and used by any thread.

    ``make_handle`` makes the operations of the server for it; ``principal`` is who asked,
    ``language`` what their texts should be in. Without a ``call``, in other threads and when the
    request is over a class is known to be nothing but itself.
    """

    def __init__(
        self,
        make_handle: Callable[[ProviderEnvironment], Any],
        *,
        call: Call | None = None,
        principal: str = "",
        language: str = "",
    ) -> None:
        self._make_handle = make_handle
        self._call = call
        self._thread = threading.get_ident()
        self._principal = principal
        self._values: dict[str, Any] = {"CMPIPrincipal": principal, "CMPIAcceptLanguage": language}

    def get_logger(self) -> Logger:
        """Where to say what happens."""
        return Logger()

    def get_cimom_handle(self) -> Any:
        """The operations of the server (``CIMOMHandle``)."""
        return self._make_handle(self)

    def get_user_name(self) -> str:
        """Who asked, empty where nobody did."""
        return self._principal

    def get_context_value(self, key: str) -> Any:
        """An entry of the context of the request, None where it has no such entry."""
        return self._values.get(key)

    def set_context_value(self, key: str, value: Any) -> None:
        """Keep something with the request."""
        self._values[key] = value

    def is_a(self, namespace: str | None, class_name: str, ancestor: str) -> bool:
        """Whether a class is ``ancestor``, which may be empty for any, or its subclass."""
        if not ancestor or class_name.lower() == ancestor.lower():
            return True
        call = self._call
        if call is None or threading.get_ident() != self._thread:
            return False
        return bool(call.is_a(namespace or "", class_name, ancestor))

    def end(self) -> None:
        """The request is over: what C had for it is gone."""
        self._call = None
