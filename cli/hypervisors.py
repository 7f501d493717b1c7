"""The options of ``virtcim serve`` that say which hypervisors there are and how to reach them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from virtcim.daemon.memory import return_memory
from virtcim.hypervisor import DIALECTS, Credentials, Endpoint, open_endpoint
from virtcim.wire import EndpointUrl, TlsOptions, parse_endpoint_url

__all__ = [
    "AnyHostnameOption",
    "CaOption",
    "Hypervisor",
    "HypervisorOption",
    "OptionError",
    "PasswordFileError",
    "PasswordFileOption",
    "UserOption",
    "hypervisor_names",
    "read_hypervisors",
]

HypervisorOption = Annotated[
    list[str],
    typer.Option(
        help="[NAME=]URL of a management API: xapi+unix:///PATH, xapi+http://HOST:PORT or "
        "xapi+https://HOST. With a name it is served in root/virt/NAME. May be repeated."
    ),
]
UserOption = Annotated[
    list[str] | None, typer.Option(help="[NAME=]USER to log in as at a hypervisor.")
]
PasswordFileOption = Annotated[
    list[str] | None, typer.Option(help="[NAME=]FILE with the password for a hypervisor.")
]
CaOption = Annotated[
    list[str] | None,
    typer.Option(help="[NAME=]FILE with the certificates that a hypervisor's is verified by."),
]
AnyHostnameOption = Annotated[
    bool,
    typer.Option(
        "--hypervisor-any-hostname",
        help="Accept a trusted certificate that names another host, as self-signed ones of "
        "XenServer do.",
    ),
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class OptionError(Exception):
    """An option cannot be used; the text is one sentence for the administrator."""


class PasswordFileError(OptionError):
    """The file with the password for a hypervisor cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """One ``--hypervisor``: its name, empty for the one without, and how it is reached."""

    name: str
    url: EndpointUrl
    credentials: Credentials
    tls: TlsOptions


def read_hypervisors(
    options: Sequence[str],
    *,
    users: Sequence[str] | None,
    password_files: Sequence[str] | None,
    ca_files: Sequence[str] | None,
    check_hostname: bool,
) -> list[Hypervisor]:
    """The hypervisors with what is said of them by name. Raises OptionError."""
    user_of, password_file_of, ca_file_of = map(_by_name, (users, password_files, ca_files))
    found: dict[str, Hypervisor] = {}
    for name, text in map(_named, options):
        # Namespaces have no case.
        if name.lower() in map(str.lower, found):
            raise OptionError(f"two hypervisors have the name {name!r}; give each its own NAME=")
        if name and not _NAME.fullmatch(name):
            raise OptionError(f"{name!r} is no name for a hypervisor; use letters and digits")
        found[name] = Hypervisor(
            name=name,
            url=_endpoint_url(text),
            credentials=Credentials(
                username=user_of.get(name, ""), password=_password(password_file_of.get(name))
            ),
            tls=_tls(ca_file_of.get(name, ""), check_hostname),
        )
    for name in sorted({*user_of, *password_file_of, *ca_file_of} - set(found)):
        raise OptionError(f"there is no hypervisor with the name {name!r}")
    return list(found.values())


def hypervisor_names(options: Sequence[str]) -> tuple[str, ...]:
    """The names of ``[NAME=]URL`` options, or of names alone; empty for one without a name.

    Raises OptionError.
    """
    names = [
        option if "=" not in option and "/" not in option else _named(option)[0]
        for option in options
    ]
    for name in names:
        if name and not _NAME.fullmatch(name):
            raise OptionError(f"{name!r} is no name for a hypervisor; use letters and digits")
    return tuple(
        {name.lower(): name for name in reversed(names)}[key]
        for key in dict.fromkeys(name.lower() for name in names)
    )


def open_hypervisor(hypervisor: Hypervisor) -> Endpoint:
    """Begin to follow a hypervisor, until the endpoint is closed."""
    return open_endpoint(
        hypervisor.url,
        name=hypervisor.name,
        credentials=hypervisor.credentials,
        tls=hypervisor.tls,
        on_resynchronised=return_memory,
    )


def _endpoint_url(text: str) -> EndpointUrl:
    try:
        url = parse_endpoint_url(text)
    except ValueError as exc:
        raise OptionError(str(exc)) from exc
    if url.dialect not in DIALECTS:
        raise OptionError(f"the dialect of {url} is not supported; {' and '.join(DIALECTS)} is")
    return url


def _tls(ca_file: str, check_hostname: bool) -> TlsOptions:
    tls = TlsOptions(ca_file=ca_file, check_hostname=check_hostname)
    try:
        tls.context()
    except ValueError as exc:
        raise OptionError(str(exc)) from exc
    return tls


def _by_name(options: Sequence[str] | None) -> dict[str, str]:
    return dict(map(_named, options or ()))


def _named(option: str) -> tuple[str, str]:
    """``[NAME=]VALUE`` as name and value; a name has no slash, a URL or path may have a "="."""
    name, equals, value = option.partition("=")
    return (name, value) if equals and "/" not in name else ("", option)


def _password(path: str | None) -> str:
    if path is None:
        return os.environ.get("VIRTCIM_SERVE_HYPERVISOR_PASSWORD", "")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise PasswordFileError(f"cannot read the password file {path}: {exc}") from exc
