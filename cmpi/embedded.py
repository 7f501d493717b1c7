"""Python's end of the library: what C calls, and what is called in C (library/*.c, bridge.h).

``prepare`` runs when the server opens the first interface, and what it raises the server is told;
``connect`` is called by what cffi has put into the library.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _cffi_backend  # noqa: F401 - a clear failure where it is missing: cffi needs it before all else

from virtcim.cmpi.bridge import AnyHost, Bridge
from virtcim.cmpi.host import Settings, factory, read_settings
from virtcim.cmpi.statuses import ServerRefusal

__all__ = ["connect", "prepare"]

# Requests come in threads of the server's: one that computes lets the others in this often.
_SWITCH_INTERVAL_S = 0.0005
_REASON_BYTES = 256

_settings = Settings()


def prepare(settings: str) -> None:
    """Read what stands beside the library. Raises OSError."""
    global _settings  # noqa: PLW0603 - there is one library in a process
    _settings = read_settings(Path(settings))
    if _settings.path and _settings.path not in sys.path:
        sys.path.append(_settings.path)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if not logging.root.handlers:
        # Standard error, which a CIM server writes into its log, if anywhere.
        logging.basicConfig(level=logging.WARNING, format="virtcim: %(levelname)s: %(message)s")


class _Call:
    """``request.Call`` over the functions of the library."""

    __slots__ = ("_ffi", "_handle", "_lib")

    def __init__(self, ffi: Any, lib: Any, handle: Any) -> None:
        self._ffi = ffi
        self._lib = lib
        self._handle = handle

    def give(self, block: bytes) -> None:
        """Hand over items of an answer. Raises ServerRefusal."""
        code = self._lib.virtcim_give(self._handle, block, len(block))
        if self._handle.left_out:
            self._handle.left_out = 0
            _report(_text(self._ffi, self._handle.reason))
        if code:
            raise ServerRefusal(_text(self._ffi, self._handle.reason))

    def delivery(self) -> _Delivery | None:
        """A way for other threads, None where the server has none."""
        context = self._lib.virtcim_prepare(self._handle)
        if context == self._ffi.NULL:
            return None
        return _Delivery(self._ffi, self._lib, self._handle.broker, context)

    def is_a(self, namespace: str, class_name: str, ancestor: str) -> bool | None:
        """Whether a class is another one or its subclass; None where the server cannot tell."""
        texts = [one.encode("utf-8", "replace") for one in (namespace, class_name, ancestor)]
        found: int = self._lib.virtcim_is_a(self._handle, *texts)
        return None if found < 0 else bool(found)


class _Delivery:
    """``request.Delivery`` over the functions of the library; for one thread at a time."""

    def __init__(self, ffi: Any, lib: Any, broker: Any, context: Any) -> None:
        self._ffi = ffi
        self._lib = lib
        self._broker = broker
        self._attached = ffi.new("CMPIContext **", context)
        self._reason = ffi.new("char[]", _REASON_BYTES)

    def deliver(self, block: bytes) -> str:
        """Deliver one indication; why that failed, empty where it did not."""
        code = self._lib.virtcim_deliver(
            self._broker, self._attached, block, len(block), self._reason, _REASON_BYTES
        )
        return _text(self._ffi, self._reason) or f"status {code}" if code else ""

    def close(self) -> None:
        """Give back the context that the next delivery would have taken."""
        self._lib.virtcim_forget(self._attached[0])
        self._attached[0] = self._ffi.NULL


_log = logging.getLogger(__name__)
_reported: set[str] = set()
_MOST_REPORTED = 256


def _report(what: str) -> None:
    """Say once what a server would not take of an instance."""
    if what not in _reported and len(_reported) < _MOST_REPORTED:
        _reported.add(what)
        _log.warning("%s; it is left out of instances", what)


def _text(ffi: Any, chars: Any) -> str:
    text: bytes = ffi.string(chars)
    return text.decode("utf-8", "replace")


def _opener(settings: Settings) -> Callable[[], AnyHost]:
    if not settings.providers:
        return factory(settings.host)
    # Only here: providers of other people need pywbem, and time to load it.
    from virtcim.cmpi.provider2 import open_providers

    return partial(open_providers, settings.providers)


def connect(ffi: Any, lib: Any) -> None:
    """Have C call the bridge."""
    bridge = Bridge(_opener(_settings), _settings.interop)

    def serve(handle: Any, provider: int, operation: int, block: Any, length: int) -> int:
        call = _Call(ffi, lib, handle)
        return bridge.serve(call, provider, operation, ffi.unpack(block, length))

    # A failure in cffi itself: not CMPI_RC_OK, which a zero would be.
    ffi.def_extern(name="virtcim_serve", error=1)(serve)
