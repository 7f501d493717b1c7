"""``virtcim serve``: the CIM server over one or more hypervisors."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from virtcim.cimserver import CimServer
from virtcim.cli.settings import (
    Authentication,
    LogLevel,
    default_state_directory,
    read_config,
    start_logging,
)
from virtcim.cli.users import UsersError, open_users
from virtcim.hypervisor import Credentials, XenApiEndpoint
from virtcim.mof import Schema, SchemaError, load_schema
from virtcim.providers import Providers, StateError
from virtcim.wire import EndpointUrl, TlsOptions, parse_endpoint_url
from virtcim.wire.listen import (
    Listen,
    ListenError,
    StartError,
    parse_listen,
    require_authentication,
    run_daemon,
)

__all__ = ["register"]

_log = logging.getLogger(__name__)

# Long enough for a hypervisor that is there, short enough for one that is not.
_FIRST_CONNECTION_S = 5.0
_SWITCH_INTERVAL_S = 0.001

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _OptionError(Exception):
    """An option cannot be used; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hypervisor:
    """One ``--hypervisor``: its name, empty for the one without, and how it is reached."""

    name: str
    url: EndpointUrl
    credentials: Credentials
    tls: TlsOptions


def register(app: typer.Typer) -> None:
    """Add the command ``serve``."""
    app.command("serve")(_serve)


def _env(name: str) -> str:
    return f"VIRTCIM_SERVE_{name}"


def _serve(
    hypervisor: Annotated[
        list[str],
        typer.Option(
            help="[NAME=]URL of a management API: xapi+unix:///PATH, xapi+http://HOST:PORT or "
            "xapi+https://HOST. With a name it is served in root/virt/NAME. May be repeated.",
            envvar=_env("HYPERVISOR"),
        ),
    ],
    listen: Annotated[
        list[str],
        typer.Option(
            help="http://HOST:PORT or https://HOST:PORT; port 0 takes a free one. May be repeated.",
            envvar=_env("LISTEN"),
        ),
    ],
    state: Annotated[
        str, typer.Option(help="Directory for users and jobs.", envvar=_env("STATE"))
    ] = "",
    auth: Annotated[
        Authentication,
        typer.Option(
            help="none lets everybody in, and is for loopback addresses only.",
            envvar=_env("AUTH"),
        ),
    ] = Authentication.BASIC,
    users: Annotated[
        Path | None,
        typer.Option(
            help="Users file; made with a random password where there is none. "
            "By default `users` in the state directory.",
            envvar=_env("USERS"),
        ),
    ] = None,
    tls_cert: Annotated[
        str, typer.Option(help="Certificate (PEM) for https.", envvar=_env("TLS_CERT"))
    ] = "",
    tls_key: Annotated[
        str, typer.Option(help="Key (PEM) of the certificate.", envvar=_env("TLS_KEY"))
    ] = "",
    hypervisor_user: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]USER to log in as at a hypervisor.", envvar=_env("HYPERVISOR_USER")
        ),
    ] = None,
    hypervisor_password_file: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]FILE with the password for a hypervisor.",
            envvar=_env("HYPERVISOR_PASSWORD_FILE"),
        ),
    ] = None,
    hypervisor_ca: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]FILE with the certificates that a hypervisor's is verified by.",
            envvar=_env("HYPERVISOR_CA"),
        ),
    ] = None,
    hypervisor_any_hostname: Annotated[
        bool,
        typer.Option(
            "--hypervisor-any-hostname",
            help="Accept a trusted certificate that names another host, as self-signed ones of "
            "XenServer do.",
            envvar=_env("HYPERVISOR_ANY_HOSTNAME"),
        ),
    ] = False,
    job_after: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds after which a method answers with a job.",
            envvar=_env("JOB_AFTER"),
        ),
    ] = 2.0,
    debug_errors: Annotated[
        bool,
        typer.Option(
            "--debug-errors",
            help="Send tracebacks of unhandled failures to clients.",
            envvar=_env("DEBUG_ERRORS"),
        ),
    ] = False,
    log_level: Annotated[
        LogLevel, typer.Option(help="What is logged.", envvar=_env("LOG_LEVEL"))
    ] = LogLevel.INFO,
    config: Annotated[  # noqa: ARG001 - its callback has read it
        Path | None,
        typer.Option(
            help="TOML file whose table [serve] holds these options.",
            envvar=_env("CONFIG"),
            callback=read_config,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Serve virtual machines to CIM clients.

    Prints one line `ready URL ...` when it accepts requests, logs to standard error, and stops on
    SIGTERM. A hypervisor that cannot be reached does not keep it from starting: requests fail
    with ERR_COMMUNICATION_NOT_ESTABLISHED until it can.

    Example: virtcim serve --hypervisor xapi+unix:///run/virtcim/toolstack.sock
    --listen http://127.0.0.1:5988
    """
    start_logging(log_level)
    try:
        listens = [parse_listen(one, cert_file=tls_cert, key_file=tls_key) for one in listen]
        hypervisors = _hypervisors(
            hypervisor,
            users=_by_name(hypervisor_user),
            password_files=_by_name(hypervisor_password_file),
            ca_files=_by_name(hypervisor_ca),
            check_hostname=not hypervisor_any_hostname,
        )
        authenticate = _authenticator(auth, users, state, listens)
        schema = load_schema()
    except (_OptionError, ListenError, SchemaError, UsersError) as exc:
        _fail(str(exc))
    raise typer.Exit(
        _run(
            hypervisors,
            listens,
            schema,
            authenticate=authenticate,
            state=state or str(default_state_directory()),
            job_after_s=job_after,
            debug_errors=debug_errors,
        )
    )


def _run(
    hypervisors: Sequence[_Hypervisor],
    listens: Sequence[Listen],
    schema: Schema,
    *,
    authenticate: Callable[[str, str], bool] | None,
    state: str,
    job_after_s: float,
    debug_errors: bool,
) -> int:
    # A thread that writes a large answer gives way this often to those with small ones.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with ExitStack() as stack:

        async def application() -> CimServer:
            endpoints: list[XenApiEndpoint] = []
            for one in hypervisors:
                endpoints.append(
                    XenApiEndpoint(one.url, name=one.name, credentials=one.credentials, tls=one.tls)
                )
                stack.callback(endpoints[-1].close)
            try:
                providers = Providers(endpoints, schema, state=state, job_after_s=job_after_s)
            except StateError as exc:
                raise StartError(str(exc)) from exc
            stack.callback(providers.close)
            await asyncio.gather(*map(_await_first_connection, endpoints))
            return CimServer(
                providers, schema, authenticate=authenticate, debug_errors=debug_errors
            )

        return run_daemon(application, listens)


async def _await_first_connection(endpoint: XenApiEndpoint) -> None:
    """Give a hypervisor that is there the time to be known before the first request."""
    if not await asyncio.to_thread(endpoint.wait_attempted, _FIRST_CONNECTION_S):
        _log.warning("%s has not answered yet; requests fail until it does", endpoint.url)


def _authenticator(
    auth: Authentication, users: Path | None, state: str, listens: Sequence[Listen]
) -> Callable[[str, str], bool] | None:
    if auth is Authentication.NONE:
        require_authentication(listens)
        return None
    directory = Path(state) if state and "://" not in state else default_state_directory()
    path = users or directory / "users"
    return open_users(path, lambda text: typer.echo(f"virtcim serve: {text}", err=True)).verify


def _hypervisors(
    options: Sequence[str],
    *,
    users: Mapping[str, str],
    password_files: Mapping[str, str],
    ca_files: Mapping[str, str],
    check_hostname: bool,
) -> list[_Hypervisor]:
    """The hypervisors with what is said of them by name. Raises _OptionError."""
    found: dict[str, _Hypervisor] = {}
    for name, text in map(_named, options):
        # Namespaces have no case.
        if name.lower() in map(str.lower, found):
            raise _OptionError(f"two hypervisors have the name {name!r}; give each its own NAME=")
        if name and not _NAME.fullmatch(name):
            raise _OptionError(f"{name!r} is no name for a hypervisor; use letters and digits")
        found[name] = _Hypervisor(
            name=name,
            url=_endpoint_url(text),
            credentials=Credentials(
                username=users.get(name, ""), password=_password(password_files.get(name))
            ),
            tls=TlsOptions(ca_file=ca_files.get(name, ""), check_hostname=check_hostname),
        )
    for name in sorted({*users, *password_files, *ca_files} - set(found)):
        raise _OptionError(f"there is no hypervisor with the name {name!r}")
    return list(found.values())


def _endpoint_url(text: str) -> EndpointUrl:
    try:
        url = parse_endpoint_url(text)
    except ValueError as exc:
        raise _OptionError(str(exc)) from exc
    if url.dialect != "xapi":
        raise _OptionError(f"the dialect of {url} is not supported; xapi is")
    return url


def _by_name(options: Sequence[str] | None) -> dict[str, str]:
    return dict(map(_named, options or ()))


def _named(option: str) -> tuple[str, str]:
    """``[NAME=]VALUE`` as name and value; a name has no slash, a URL or path may have a "="."""
    name, equals, value = option.partition("=")
    return (name, value) if equals and "/" not in name else ("", option)


def _password(path: str | None) -> str:
    if path is None:
        return os.environ.get(_env("HYPERVISOR_PASSWORD"), "")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise _OptionError(f"cannot read the password file {path}: {exc}") from exc


def _fail(text: str) -> NoReturn:
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(1)
