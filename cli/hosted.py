"""The providers of a CIM server that loads them through CMPI.

What the table ``[serve]`` of the system's configuration says of hypervisors, state and limits
counts; listeners, users and what else belongs to the CIM server itself does not.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import typer.main

from virtcim.cimserver.declarations import Declarations
from virtcim.cli import serve
from virtcim.cli.hosted_providers import StateSharingProviders
from virtcim.cli.hypervisors import (
    Hypervisor,
    OptionError,
    PasswordFileError,
    open_hypervisor,
    read_hypervisors,
)
from virtcim.cli.startup import SYSTEM_CONFIGURATION, LogLevel, default_state_directory
from virtcim.cmpi.host import HostedProviders
from virtcim.daemon.incidents import incident
from virtcim.daemon.log_lines import LogFormat, log_handler
from virtcim.errormap import ErrorCode
from virtcim.hypervisor import Endpoint
from virtcim.mof import Schema, SchemaError, load_schema
from virtcim.providers import Providers, StateError, StateHeldError, failure

__all__ = ["open_configured", "open_host"]

_log = logging.getLogger(__name__)
_SYSTEM_LOG = Path("/dev/log")
# Long enough for a hypervisor that is there, short enough for one that is not.
_FIRST_CONNECTION_S = 5.0
_USED = frozenset(
    (
        *("config", "hypervisor", "hypervisor_user", "hypervisor_password_file", "hypervisor_ca"),
        *("hypervisor_any_hostname", "state", "job_after", "log_level", "log_format"),
        *("limit_operations", "limit_record_cache_bytes"),
    )
)


def open_host() -> HostedProviders:
    """The providers as the system's configuration says. Raises CimError."""
    return open_configured(SYSTEM_CONFIGURATION)


def open_configured(configuration: Path) -> HostedProviders:
    """The providers as a configuration file says, which ``virtcim serve --config`` can read, too.

    Raises CimError: ERR_CREDENTIALS_NOT_SET where it, or the password of a hypervisor, cannot be
    read, ERR_OPERATION_FAILED where something in it cannot be used.
    """
    options = _read(configuration)
    _begin_logging(options)
    if options.ignored:
        _log.info(
            "%s: the CIM server has its own, so these options do not count: %s",
            *(configuration, ", ".join(options.ignored)),
        )
    try:
        schema = load_schema()
        hypervisors = read_hypervisors(
            options.values["hypervisor"],
            users=options.values["hypervisor_user"],
            password_files=options.values["hypervisor_password_file"],
            ca_files=options.values["hypervisor_ca"],
            check_hostname=not options.values["hypervisor_any_hostname"],
        )
    except PasswordFileError as error:
        raise failure(ErrorCode.ERR_CREDENTIALS_NOT_SET, f"{configuration}: {error}") from error
    except (OptionError, SchemaError) as error:
        raise failure(ErrorCode.ERR_OPERATION_FAILED, f"{configuration}: {error}") from error
    with ExitStack() as stack:
        hosted = _open(hypervisors, schema, options.values, stack)
        closing = stack.pop_all()
    return HostedProviders(
        providers=hosted,
        declarations=Declarations(schema),
        incident=incident,
        close=closing.close,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of ``virtcim serve`` as a file gives them, and those that do not count here."""

    values: dict[str, Any]
    ignored: Sequence[str]


def _read(configuration: Path) -> _Options:
    try:
        configuration.read_bytes()
    except OSError as error:
        raise failure(
            ErrorCode.ERR_CREDENTIALS_NOT_SET,
            f"the configuration {configuration} cannot be read, which names the hypervisors and "
            f"who logs in there: {error.strerror or error}",
        ) from error
    application = typer.Typer()
    serve.register(application)
    command = typer.main.get_command(application)
    # Listeners are the CIM server's own; the command wants one.
    given = ["--config", str(configuration), "--listen", "http://127.0.0.1:0"]
    try:
        context = command.make_context("serve", given)
    except typer.BadParameter as error:
        raise failure(
            ErrorCode.ERR_OPERATION_FAILED,
            f"the configuration {configuration} cannot be used: {error.format_message()}",
        ) from error
    ignored = sorted(set(context.default_map or ()) - _USED)
    return _Options(values=dict(context.params), ignored=[one.replace("_", "-") for one in ignored])


def _begin_logging(options: _Options) -> None:
    """Log where an administrator looks for what a CIM server's agents say."""
    # Versions of typer differ in what they make of a choice before the command runs.
    level, form = LogLevel(options.values["log_level"]), LogFormat(options.values["log_format"])
    handler = log_handler(form)
    if _SYSTEM_LOG.is_socket():
        try:
            system = logging.handlers.SysLogHandler(str(_SYSTEM_LOG))
        except OSError:
            pass  # standard error is left
        else:
            system.ident = "virtcim: "
            system.setFormatter(handler.formatter)
            handler = system
    logging.basicConfig(level=level.value.upper(), handlers=[handler])


def _open(
    hypervisors: Sequence[Hypervisor], schema: Schema, values: dict[str, Any], stack: ExitStack
) -> StateSharingProviders:
    """Raises CimError."""
    endpoints: list[Endpoint] = []
    for one in hypervisors:
        endpoints.append(open_hypervisor(one))
        stack.callback(endpoints[-1].close)

    def providers(held: StateHeldError | None) -> Providers:
        return Providers(
            endpoints,
            schema,
            state=values["state"] or str(default_state_directory()),
            job_after_s=values["job_after"],
            incident=incident,
            most_operations=values["limit_operations"],
            most_record_bytes=values["limit_record_cache_bytes"],
            held=held,
        )

    try:
        hosted = StateSharingProviders(providers)
    except StateError as error:
        raise failure(ErrorCode.ERR_OPERATION_FAILED, str(error)) from error
    stack.callback(hosted.close)
    for endpoint in endpoints:
        endpoint.wait_attempted(_FIRST_CONNECTION_S)
    return hosted
