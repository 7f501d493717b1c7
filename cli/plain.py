"""Reading a plain command line without typer, which takes longer to load than a daemon to start.

Only what cannot be misunderstood is read here: ``--option VALUE`` or ``--option=VALUE``, with
values that leave no question. Everything else, and every mistake, is left to typer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from virtcim.cli.startup import LogFormat, LogLevel
from virtcim.cli.toolstack_daemon import Arguments, DomainType
from virtcim.daemon.access import Authentication, ClientCertificates
from virtcim.daemon.limits import Limit, limits_of
from virtcim.toolstack.limits import Limits

__all__ = ["OPTIONS", "plain_arguments"]

_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_WHOLE_NUMBER = re.compile(r"\d{1,12}")

# Options of `virtcim toolstack`: the type of the value, and the least one.
_TYPES: Mapping[str, Any] = {
    "libvirt": str,
    "state": Path,
    "domain_type": DomainType,
    "auth": Authentication,
    "pam_service": str,
    "users": Path,
    "audit": Path,
    "tls_cert": str,
    "tls_key": str,
    "tls_client_ca": str,
    "tls_client_cert": ClientCertificates,
    "tls_client_crl": str,
    "session_idle": float,
    "shutdown_timeout": float,
    "reconcile": float,
    "stop_timeout": float,
    "log_level": LogLevel,
    "log_format": LogFormat,
    "metrics_listen": str,
}
_LEAST = {"session_idle": 1.0, "shutdown_timeout": 1.0, "reconcile": 1.0, "stop_timeout": 0.0}
_REPEATED = frozenset({"listen", "image_directory", "image_source"})

_LIMITS = {one.parameter: one for one in limits_of(Limits)}

OPTIONS = _TYPES.keys() | _LIMITS.keys() | _REPEATED
"""The options that are read here, as they are named in Python."""


def plain_arguments(words: Sequence[str]) -> Arguments | None:
    """Give the arguments of `virtcim toolstack`; None where typer has to look at them."""
    if any(name.startswith(("VIRTCIM_TOOLSTACK_", "_VIRTCIM_")) for name in os.environ):
        return None
    values: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not equals:
            value = next(rest, "")
        name = option.removeprefix("--").replace("-", "_")
        if option != f"--{name.replace('_', '-')}" or not value or value.startswith("-"):
            return None
        if name in _REPEATED:
            values[name] = (*values.get(name, ()), value)
        elif name in _TYPES and (read := _value(name, value)) is not None:
            values[name] = read
        elif (limit := _LIMITS.get(name)) and (bound := _bound(limit, value)) is not None:
            limits[limit.field] = bound
        else:
            return None
    if "libvirt" not in values or "listen" not in values:
        return None
    return Arguments(**values, limits=Limits(**limits))


def _value(name: str, text: str) -> Any:
    kind = _TYPES[name]
    if kind is not float:
        try:
            return kind(text)
        except ValueError:
            return None
    number = float(text) if _NUMBER.fullmatch(text) else -1.0
    return number if number >= _LEAST[name] else None


def _bound(limit: Limit, text: str) -> int | float | None:
    whole = isinstance(limit.default, int)
    if not (_WHOLE_NUMBER if whole else _NUMBER).fullmatch(text):
        return None
    number = int(text) if whole else float(text)
    return number if limit.least <= number <= limit.most else None
